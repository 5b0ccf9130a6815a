"""Champion and challengers: the gate, promotion by hand, rollback."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from churnml import features as features_room
from churnml import registry
from churnml.config import Config
from churnml.errors import BundleError, ChurnmlError, UsageError
from churnml.pipeline.results import Prepared
from churnml.registry import Bundle
from churnml.registry.promotion import (
    Decision,
    Promotion,
    asks_the_same,
    compare,
    promote,
    promotions,
    rollback_target,
    versions,
)

__all__ = [
    "challenge",
    "compare_models",
    "keep_or_promote",
    "list_models",
    "promote_model",
    "roll_back",
    "tested_path",
]


def challenge(config: Config, challenger: Bundle, tested: pd.DataFrame, prepared: Prepared) -> Decision:
    """Decide whether a freshly trained bundle may become the champion.

    Both are judged on the challenger's newest backtest window: the challenger by the fold that had not seen it, the
    champion by its own backtest where that covers the rows, else by its model where the rows came after all it had
    learnt from.

    Parameters
    ----------
    config : Config
    challenger : Bundle
    tested : DataFrame
        Predictions of the challenger's backtest.
    prepared : Prepared
        The data, to score the champion on where needed.
    """
    name = config.registered_model
    try:
        champion = registry.load_bundle(registry.champion_bundle(config.bundles_dir, name))
    except BundleError as error:
        first = error.code == "bundle.none"
        return Decision(True, "The first model." if first else "The champion's bundle cannot be used any more.")
    if champion.version == challenger.version:
        return Decision(False, "The same model as the champion: nothing changed.")
    if not asks_the_same(champion, config.as_dict()["label"]):
        return Decision(True, "The label changed: the champion answers another question.")
    if challenger.manifest["verdict"] != champion.manifest["verdict"]:
        better = challenger.manifest["verdict"] == "publishable"
        held = "beats the baselines and the champion's did not" if better else "does not beat the baselines"
        return Decision(better, f"The challenger {held}.")
    newest = tested[tested["fold"] == tested["fold"].iloc[-1]]
    rows = newest[["account_id", "as_of", "churned", "p_model"]].rename(columns={"p_model": "p_challenger"})
    judged = _champion_on(config, champion, rows, prepared)
    if judged is None:
        return Decision(
            False, "No labelled snapshot is newer than what the champion learnt from: nothing fair to compare on."
        )
    return compare(judged, min_gain=config.model.promotion_gain, seed=config.seed)


def list_models(config: Config) -> dict[str, Any]:
    """Return every version with its verdict and backtest, the champion, and the record of promotions."""
    name = config.registered_model
    record = promotions(config.bundles_dir, name)
    champion = record[-1].version if record else None
    found = [
        {
            "version": manifest["version"],
            "champion": manifest["version"] == champion,
            "created_at": manifest.get("created_at"),
            "verdict": manifest.get("verdict"),
            "config_hash": manifest.get("config_hash"),
            "backtest": manifest.get("backtest", {}).get("pooled", {}).get("model", {}),
        }
        for manifest in versions(config.bundles_dir, name)
    ]
    return {"name": name, "champion": champion, "versions": found, "promotions": [asdict(entry) for entry in record]}


def promote_model(config: Config, version: str, *, reason: str, force: bool) -> Promotion:
    """Make a version the champion by hand.

    Raises
    ------
    UsageError
        Without `force`: the gate has refused or not judged it; a person must say why it is better all the same.
    """
    if not force or not reason.strip():
        raise UsageError(
            "The gate promotes by itself what is better by more than noise; anything else needs a person's reason",
            where="models promote",
            expected="--force --reason '…'",
            remedy="`churnml models compare CONFIG A B` shows the two side by side.",
        )
    return _promote(config, version, reason=reason, forced=True)


def roll_back(config: Config, reason: str) -> Promotion:
    """Put the champion before the present one back in place."""
    version = rollback_target(config.bundles_dir, config.registered_model)
    return _promote(config, version, reason=reason or "rollback", forced=True)


def _promote(
    config: Config, version: str, *, reason: str, forced: bool = False, decision: Decision | None = None
) -> Promotion:
    """Promote on disk, where serving looks, then move MLflow's alias."""
    from churnml.registry.tracking import name_alias

    entry = promote(
        config.bundles_dir,
        config.registered_model,
        version,
        reason=reason,
        at=datetime.now(UTC),
        forced=forced,
        evidence=decision.evidence if decision else None,
    )
    name_alias(config, "champion", version)
    return entry


def compare_models(config: Config, first: str, second: str) -> dict[str, Any]:
    """Return two versions' backtests side by side, and their paired difference on the rows both were tested on."""
    name = config.registered_model
    sides = {}
    for version in (first, second):
        bundle = registry.load_bundle(config.bundles_dir / name / version)
        sides[version] = bundle.manifest["backtest"]["pooled"]["model"]
    report: dict[str, Any] = {"versions": sides, "paired": None}
    left, right = (_tested(config, version) for version in (first, second))
    if left is not None and right is not None:
        rows = left.rename(columns={"p_model": "p_champion"}).merge(
            right[["account_id", "as_of", "p_model"]].rename(columns={"p_model": "p_challenger"}),
            on=["account_id", "as_of"],
        )
        if len(rows):
            report["paired"] = compare(rows, min_gain=config.model.promotion_gain, seed=config.seed).as_dict()
    return report


def tested_path(config: Config, version: str) -> Path:
    """Return where the out-of-time predictions of a version's backtest are kept."""
    return config.workspace_dir / "backtests" / f"{version}.parquet"


def _tested(config: Config, version: str) -> pd.DataFrame | None:
    path = tested_path(config, version)
    if not path.is_file():
        return None
    frame = pd.read_parquet(path)
    return frame.drop_duplicates(["account_id", "as_of"], keep="last")


def _champion_on(config: Config, champion: Bundle, rows: pd.DataFrame, prepared: Prepared) -> pd.DataFrame | None:
    """Add the champion's fair predictions to the rows; None where it has none."""
    kept = _tested(config, champion.version)
    if kept is not None:
        known = rows.merge(
            kept[["account_id", "as_of", "p_model"]].rename(columns={"p_model": "p_champion"}),
            on=["account_id", "as_of"],
        )
        if len(known) == len(rows):
            return known
    label = config.label
    learnt = pd.Timestamp(champion.model.info.as_of_until) + pd.Timedelta(days=label.gap_days + label.horizon_days)
    unseen = rows[rows["as_of"] >= learnt]
    if unseen.empty:
        return None
    keys = unseen[["account_id", "as_of"]].assign(arr=float("nan"))
    try:
        frame = features_room.compute(prepared.loaded.tables, keys, champion.model.features, config)
        # The learned part, as in its backtest, also where a rule scores in its place.
        probabilities = champion.model.calibrated(champion.model.log_odds(champion.model.matrix(frame)))
    except ChurnmlError:
        # The champion needs a table or column that this data no longer has: it cannot answer at all.
        return None
    return unseen.assign(p_champion=probabilities)


def keep_or_promote(
    config: Config, challenger: Bundle, tested: pd.DataFrame, prepared: Prepared, because: str | None
) -> Decision:
    """Run the gate, or obey a person's reason; promote where it says so, else name the model challenger."""
    from churnml.registry.tracking import name_alias

    decision = Decision(True, because) if because is not None else challenge(config, challenger, tested, prepared)
    if decision.promote:
        _promote(config, challenger.version, reason=decision.reason, forced=because is not None, decision=decision)
    else:
        champion = registry.champion_bundle(config.bundles_dir, config.registered_model).name
        name_alias(config, "champion" if champion == challenger.version else "challenger", challenger.version)
    return decision
