"""Studies of a company: is there leakage, does the health score predict, and what if."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from churnml import features as features_room
from churnml import registry, snapshots
from churnml.config import Config
from churnml.errors import BundleError, DataError, UsageError
from churnml.evaluation import backtest
from churnml.evaluation.audit import Finding
from churnml.evaluation.audit import audit as audit_frame
from churnml.explain import ExplainReference, what_if
from churnml.files import write_text
from churnml.health import HealthScale, Predicted, propose_threshold, weeks_current
from churnml.pipeline.models import tested_path
from churnml.pipeline.outcomes import Prepared
from churnml.pipeline.told import newest, of_account
from churnml.pipeline.train import prepare
from churnml.progress import Stages

__all__ = ["audit", "health_backtest", "health_thresholds", "suppose"]

Language = Literal["en", "ja"]


def audit(config: Config, stages: Stages | None = None) -> list[Finding]:
    """Look for leaks: coded checks on the training frame, one of them by cutting the future off."""
    stages = stages or Stages()
    prepared = prepare(config, stages)
    tables = prepared.loaded.tables

    def recompute(as_of: pd.Timestamp) -> pd.DataFrame:
        past = tables.known_before(as_of.date())
        spine = snapshots.cohort_at(past, config, as_of)
        return features_room.compute(past, spine, prepared.feature_set, config)

    with stages("audit"):
        folds = snapshots.splits(prepared.frame, config)
        return audit_frame(prepared.frame, prepared.feature_set, folds, config, recompute)


def health_backtest(
    config: Config, stages: Stages | None = None, *, language: Language = "en"
) -> tuple[list[dict[str, Any]], Path]:
    """Replay the health score over past dates and judge it by what happened.

    The champion's own backtest is read where it is of the same data and settings; otherwise the model is backtested.

    Parameters
    ----------
    config : Config
    stages : Stages, optional
        Told of progress.
    language : {"en", "ja"}
        Of the HTML report.

    Returns
    -------
    results, page : list of dict, Path
        One entry per variant, the configured score first; the HTML report.
    """
    from churnml.health.replay import replay
    from churnml.health.report import backtest_report

    config.require_churn("The health score")
    stages = stages or Stages()
    prepared = prepare(config, stages)
    with stages("backtest"):
        tested = _kept(config, prepared) or _backtested(config, prepared, stages)
    with stages("replay"):
        results = replay(prepared.frame, prepared.feature_set, config, tested)
        page = backtest_report(
            results,
            title=config.name,
            horizon_days=config.label.horizon_days,
            capacity_share=config.capacity.share,
            called=_called(config),
            language=language,
        )
        path = write_text(config.workspace_dir / "reports" / f"health_backtest.{language}.html", page)
    return [result.as_dict() for result in results], path


def _backtested(config: Config, prepared: Prepared, stages: Stages) -> Predicted:
    folds = snapshots.splits(prepared.frame, config)
    tested = backtest(prepared.frame, prepared.feature_set, folds, config, progress=stages.say)
    return Predicted(tested.predictions, folds, tested.verdict.verdict)


def _kept(config: Config, prepared: Prepared) -> Predicted | None:
    """Return the champion's own backtest where it is of the same data and settings, so that it need not run again."""
    try:
        bundle = registry.load_bundle(registry.champion_bundle(config.bundles_dir, config.registered_model))
    except BundleError:
        return None  # nothing has been trained yet
    about, path = bundle.manifest, tested_path(config, bundle.version)
    settings = config.as_dict()
    same = all(about["config"].get(name) == settings[name] for name in _DECIDING)
    if not same or about["fingerprint"] != prepared.loaded.fingerprint or not path.is_file():
        return None
    return Predicted(pd.read_parquet(path), snapshots.splits(prepared.frame, config), about["verdict"])


_DECIDING = ("label", "cohort", "snapshots", "splits", "features", "model", "seed")
"""Sections of the config that decide what a backtest predicts."""


def _called(config: Config) -> bool:
    """Return whether the team's capacity is told in CSMs and calls a week, and not as a share of accounts."""
    return config.capacity.csms is not None and config.capacity.calls_per_week is not None


def health_thresholds(config: Config, *, weeks: int | None = None) -> dict[str, Any]:
    """Propose the red threshold that fits the team, from the newest scored snapshot.

    Parameters
    ----------
    config : Config
        Section ``capacity``.
    weeks : int, optional
        How long a score is current; by default until the next snapshot.

    Returns
    -------
    dict
        ``as_of, green_from, csms, calls_per_week, capacity_share``, the last one null where calls are given, and
        the fields of `churnml.health.Proposal`.
    """
    store, snapshot = newest(config)
    with store:
        accounts = store.accounts(snapshot.id, limit=snapshot.accounts).accounts
    readings = [(account.health_score, account.band) for account in accounts]
    frame = pd.DataFrame(readings, columns=["health_score", "band"]).astype({"health_score": "float64"})
    proposal = propose_threshold(
        frame,
        config.capacity,
        red_below=config.health.red_below,
        weeks=weeks or weeks_current(config.snapshots.every),
    )
    capacity = config.capacity
    return {
        "as_of": snapshot.as_of.isoformat(),
        "green_from": config.health.green_from,
        "csms": capacity.csms,
        "calls_per_week": capacity.calls_per_week,
        "capacity_share": None if _called(config) else capacity.share,
        **proposal.as_dict(),
    }


def suppose(config: Config, account_id: str, settings: Sequence[str]) -> dict[str, Any]:
    """Score one account of the newest snapshot with some facts changed.

    Parameters
    ----------
    config : Config
    account_id : str
    settings : sequence of str
        ``feature=value`` each.

    Raises
    ------
    UsageError
        A setting is not of that form, or a feature is one nobody can act on.
    DataError
        The account is not in the snapshot.
    """
    changes = _changes(settings)
    store, snapshot = newest(config)
    with store:
        of_account(store, snapshot, account_id)
        kept: Mapping[str, Any] | None = store.features(snapshot.id, account_id)
    if kept is None:
        raise DataError(
            "The snapshot's features are no longer kept", where=account_id, remedy="Run `churnml score CONFIG` again."
        )
    bundle = registry.load_bundle(registry.champion_bundle(config.bundles_dir, config.registered_model))
    row = pd.DataFrame([{"account_id": account_id, "as_of": pd.Timestamp(snapshot.as_of), **kept}])
    row = row.reindex(columns=["account_id", "as_of", *bundle.model.features.names])
    numbers = [spec.name for spec in bundle.model.features if not spec.categorical]
    row[numbers] = row[numbers].astype("float64")
    scale = HealthScale.from_dict(bundle.health)
    found = what_if(bundle.model, row, changes, scale=scale, reference=ExplainReference.from_dict(bundle.explain))
    return found.as_dict()


def _changes(settings: Sequence[str]) -> dict[str, float]:
    changes = {}
    for setting in settings:
        name, _, value = setting.partition("=")
        try:
            changes[name.strip()] = float(value)
        except ValueError:
            raise UsageError(
                "A setting is not of the form feature=number",
                where="--set",
                got=setting,
                expected="active_users_28d=12",
            ) from None
    return changes
