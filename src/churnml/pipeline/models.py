"""Champion and challengers: the gate, promotion by hand, rollback."""

from __future__ import annotations

import getpass
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from churnml import registry
from churnml.config import Config
from churnml.errors import BundleError, UsageError, WorkspaceError
from churnml.files import sweep
from churnml.language import Argument, Text
from churnml.registry import Bundle
from churnml.registry.promotion import Decision, Promotion, promote, promotions, rollback_target, versions

if TYPE_CHECKING:
    import pandas as pd

    from churnml.tables import Tables

__all__ = [
    "Comparison",
    "ModelList",
    "ModelVersion",
    "champion_version",
    "compare_models",
    "keep_or_promote",
    "list_models",
    "promote_model",
    "roll_back",
    "tested_path",
]

_KEY = ["account_id", "as_of"]


@dataclass(frozen=True)
class ModelVersion:
    """One version of a registered model.

    Parameters
    ----------
    version : str
    champion : bool
        Whether it is in use.
    created_at : datetime
    verdict, config_hash : str
    backtest : mapping of str to float
        The model's pooled metrics.
    """

    version: str
    champion: bool
    created_at: datetime
    verdict: str
    config_hash: str
    backtest: Mapping[str, Any]


@dataclass(frozen=True)
class ModelList:
    """Every version of a registered model, newest first, and the record of promotions, oldest first."""

    name: str
    champion: str | None
    versions: Sequence[ModelVersion]
    promotions: Sequence[Promotion]


@dataclass(frozen=True)
class Comparison:
    """Two versions side by side.

    Parameters
    ----------
    versions : mapping
        Version → the model's pooled metrics on its own backtest.
    paired : Decision or None
        Their difference on the rows both were tested on; None where there are none.
    """

    versions: Mapping[str, Mapping[str, Any]]
    paired: Decision | None


def list_models(config: Config) -> ModelList:
    """Return every version with its verdict and backtest, the champion, and the record of promotions."""
    name = config.registered_model
    record = promotions(config.bundles_dir, name)
    champion = record[-1].version if record else None
    listed = [
        ModelVersion(
            version=manifest.version,
            champion=manifest.version == champion,
            created_at=manifest.created_at,
            verdict=manifest.verdict,
            config_hash=manifest.config_hash,
            backtest=manifest.backtest.get("pooled", {}).get("model", {}),
        )
        for manifest in versions(config.bundles_dir, name)
    ]
    return ModelList(name, champion, listed, record)


def promote_model(config: Config, version: str, *, reason: str, force: bool) -> Promotion:
    """Make a version the champion by hand.

    Raises
    ------
    UsageError
        Without `force`: the gate has refused or not judged it; a person must say why it is better all the same.
    """
    if not force or not reason.strip():
        raise UsageError(Text.of("fault-promote_reason"), where="models promote", expected="--force --reason '…'")
    return _promote(config, version, reason=reason, forced=True)


def roll_back(config: Config, reason: str) -> Promotion:
    """Put the champion before the present one back in place."""
    version = rollback_target(config.bundles_dir, config.registered_model)
    return _promote(config, version, reason=reason or "rollback", forced=True)


def compare_models(config: Config, first: str, second: str) -> Comparison:
    """Return two versions' backtests side by side, and their paired difference on the rows both were tested on."""
    from churnml.registry.comparison import compare  # a list of models does not wait for the library of frames

    folder = config.bundles_dir / config.registered_model
    sides = {
        version: registry.read_manifest(folder / version).backtest["pooled"]["model"] for version in (first, second)
    }
    left, right = (_tested(config, version) for version in (first, second))
    if left is None or right is None:
        return Comparison(sides, None)
    rows = left.rename(columns={"p_model": "p_champion"}).merge(
        right[[*_KEY, "p_model"]].rename(columns={"p_model": "p_challenger"}), on=_KEY
    )
    if rows.empty:
        return Comparison(sides, None)
    return Comparison(sides, compare(rows, min_gain=config.model.promotion_gain, seed=config.seed))


def keep_or_promote(
    config: Config,
    challenger: Bundle,
    tested: pd.DataFrame,
    tables: Tables,
    *,
    because: str | None = None,
    leak: Text | None = None,
) -> Decision:
    """Run the gate, or obey a person's reason; promote where it says so, else name the model challenger.

    Parameters
    ----------
    config : Config
    challenger : Bundle
    tested : DataFrame
        Predictions of its backtest.
    tables : Tables
        The company's tables, to score the champion on where needed.
    because : str, optional
        A person's reason to promote whatever the gate would say.
    leak : Text, optional
        What the audit found: the gate stays shut.
    """
    from churnml.registry.tracking import name_alias

    if because is not None:
        decision = Decision(True, because)
    elif leak is not None:
        decision = Decision(False, leak)
    else:
        decision = _gate(config, challenger, tested, tables)
    if decision.promote:
        _promote(config, challenger.version, reason=decision.reason, forced=because is not None, decision=decision)
    else:
        unchanged = champion_version(config) == challenger.version
        name_alias(config, "champion" if unchanged else "challenger", challenger.version)
    return decision


def champion_version(config: Config) -> str | None:
    """Return the version in use; None where none has been promoted yet."""
    try:
        return registry.champion_bundle(config.bundles_dir, config.registered_model).name
    except BundleError as error:
        if error.code != "bundle.none":
            raise
        return None


def tested_path(config: Config, version: str) -> Path:
    """Return where the out-of-time predictions of a version's backtest are kept."""
    return config.workspace_dir / "backtests" / f"{version}.parquet"


def _gate(config: Config, challenger: Bundle, tested: pd.DataFrame, tables: Tables) -> Decision:
    from churnml.assessment import challenge  # the lists of models must not wait for its libraries

    try:
        champion = registry.load_champion(config.bundles_dir, config.registered_model)
    except BundleError as error:
        first = error.code == "bundle.none"
        return Decision(True, Text.of("gate-first" if first else "gate-broken"))
    try:
        predictions = _tested(config, champion.version)
    except WorkspaceError:
        predictions = None  # damaged: the champion is judged by its model, or not at all
    return challenge(config, champion, challenger, tested=tested, champion_tested=predictions, tables=tables)


def _promote(
    config: Config, version: str, *, reason: Argument, forced: bool = False, decision: Decision | None = None
) -> Promotion:
    """Promote on disk, where serving looks, then move MLflow's alias."""
    from churnml.registry.tracking import name_alias

    sweep(config.bundles_dir)  # what a promotion that was killed has left
    entry = promote(
        config.bundles_dir,
        config.registered_model,
        version,
        reason=reason,
        at=datetime.now(UTC),
        forced=forced,
        evidence=decision.evidence if decision else None,
        by=_user() if forced else f"the gate, in a training by {_user()}",
    )
    name_alias(config, "champion", version, entry)
    return entry


def _user() -> str:
    """Return who runs the command, as far as the system knows."""
    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError):  # a container without the user's name
        return "an unnamed user"


def _tested(config: Config, version: str) -> pd.DataFrame | None:
    """Return the predictions of a version's backtest; None where they are not kept.

    Raises
    ------
    WorkspaceError
        The file is damaged.
    """
    path = tested_path(config, version)
    if not path.is_file():
        return None
    import pandas as pd

    try:
        return pd.read_parquet(path).drop_duplicates(_KEY, keep="last")
    except (OSError, ValueError, KeyError) as error:  # pyarrow's errors are ValueErrors
        raise WorkspaceError(
            Text.of("fault-predictions_unread"),
            where=str(path),
            got=(str(error).splitlines() or [type(error).__name__])[0],
            code="workspace.damaged_parquet",
        ) from error
