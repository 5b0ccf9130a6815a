"""Does the health score predict, and which red threshold fits the team."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pandas as pd

from churnml import registry, snapshots
from churnml.config import Config
from churnml.errors import BundleError
from churnml.evaluation import backtest
from churnml.files import write_text
from churnml.health import HealthBacktest, Predicted, Proposal, propose_threshold, weeks_current
from churnml.language import Language
from churnml.pipeline.bands import bands_in_force
from churnml.pipeline.lookup import newest
from churnml.pipeline.models import tested_path
from churnml.pipeline.preparation import prepare
from churnml.pipeline.results import Prepared
from churnml.progress import Stages

__all__ = ["Thresholds", "health_backtest", "health_thresholds"]


@dataclass(frozen=True)
class Thresholds(Proposal):
    """A red threshold sized to the team, and what it was sized by.

    Parameters
    ----------
    as_of : date
        Of the snapshot it was fitted on.
    green_from : float
        Health score from which an account is green.
    csms, calls_per_week : float or None
        The team's capacity, where it is given in calls.
    capacity_share : float or None
        Share of the accounts the team can contact, where it is given so.
    """

    as_of: date
    green_from: float
    csms: float | None
    calls_per_week: float | None
    capacity_share: float | None


def health_backtest(
    config: Config, stages: Stages | None = None, *, language: Language = "en"
) -> tuple[list[HealthBacktest], Path]:
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
    results, page : list of HealthBacktest, Path
        One entry per variant, the configured score first; the HTML report.
    """
    from churnml.health.replay import replay
    from churnml.reports import backtest_report

    config.require_churn("health")
    stages = stages or Stages()
    prepared = prepare(config, stages)
    with stages("backtest"):
        tested = tested_on(config, prepared, stages)
    with stages("replay"):
        results = replay(_with_terms(config, prepared), prepared.feature_set, config, tested)
        page = backtest_report(
            results,
            title=config.name,
            horizon_days=config.label.horizon_days,
            capacity_share=config.capacity.share,
            called=_called(config),
            language=language,
        )
        path = write_text(config.workspace_dir / "reports" / f"health_backtest.{language}.html", page)
    return results, path


def _with_terms(config: Config, prepared: Prepared) -> pd.DataFrame:
    """Return the training frame, with how long terms last where churn is that of contracts."""
    if config.label.churn != "contractual":
        return prepared.frame
    coming = snapshots.coming_decisions(prepared.frame, prepared.loaded.tables, config.label)
    return prepared.frame.join(coming[["contract_days"]])


def tested_on(config: Config, prepared: Prepared, stages: Stages) -> Predicted:
    """Return predictions on dates the model had not seen: the champion's own backtest where it fits, else a new one."""
    return _of_champion(config, prepared) or _backtested(config, prepared, stages)


def _backtested(config: Config, prepared: Prepared, stages: Stages) -> Predicted:
    folds = snapshots.splits(prepared.frame, config)
    tested = backtest(prepared.frame, prepared.feature_set, folds, config, progress=stages.say)
    return Predicted(tested.predictions, folds, tested.verdict.verdict)


def _of_champion(config: Config, prepared: Prepared) -> Predicted | None:
    """Return the champion's own backtest where it is of the same data and settings, so that it need not run again."""
    try:
        bundle = registry.load_champion(config.bundles_dir, config.registered_model)
    except BundleError:
        return None  # nothing has been trained yet
    manifest, path = bundle.manifest, tested_path(config, bundle.version)
    settings = config.as_dict()
    same = all(manifest.config.get(name) == settings[name] for name in _DECIDING)
    if not same or manifest.fingerprint != prepared.loaded.fingerprint or not path.is_file():
        return None
    try:
        predictions = pd.read_parquet(path)
    except (OSError, ValueError):
        return None  # damaged: the backtest runs again
    return Predicted(predictions, snapshots.splits(prepared.frame, config), manifest.verdict)


_DECIDING = ("label", "cohort", "snapshots", "splits", "features", "model", "seed")
"""Sections of the config that decide what a backtest predicts."""


def _called(config: Config) -> bool:
    """Return whether the team's capacity is told in CSMs and calls a week, and not as a share of accounts."""
    return config.capacity.csms is not None and config.capacity.calls_per_week is not None


def health_thresholds(config: Config, *, weeks: int | None = None) -> Thresholds:
    """Propose the red threshold that fits the team, from the newest scored snapshot.

    Parameters
    ----------
    config : Config
        Section ``capacity``.
    weeks : int, optional
        How long a score is current; by default until the next snapshot.
    """
    store, snapshot = newest(config)
    with store:
        accounts = store.accounts(snapshot.id, limit=snapshot.accounts).accounts
    readings = [(account.health_score, account.band) for account in accounts]
    frame = pd.DataFrame(readings, columns=["health_score", "band"]).astype({"health_score": "float64"})
    edges = bands_in_force(config)
    proposal = propose_threshold(
        frame,
        config.capacity,
        red_below=edges.red_below,
        weeks=weeks or weeks_current(config.snapshots.every),
    )
    capacity = config.capacity
    return Thresholds(
        as_of=snapshot.as_of,
        green_from=edges.green_from,
        csms=capacity.csms,
        calls_per_week=capacity.calls_per_week,
        capacity_share=None if _called(config) else capacity.share,
        **vars(proposal),
    )
