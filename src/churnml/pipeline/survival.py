"""When each account will be lost, and what it is worth: fitted to the data at hand, told for one date."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import pandas as pd

from churnml import features as features_room
from churnml import snapshots
from churnml.config import Config
from churnml.explain.lifetime import Lifetime
from churnml.explain.renewal import renewal_drivers
from churnml.pipeline.preparation import prepare
from churnml.progress import Stages
from churnml.retention.lifetimes import RankBy, lifetimes
from churnml.retention.residual import stayers_growth
from churnml.training.hazard import HazardModel
from churnml.training.stacking import known_by

__all__ = ["SurvivalReport", "survival"]


@dataclass(frozen=True)
class SurvivalReport:
    """The curves of one date, and what they were learnt from.

    Parameters
    ----------
    as_of : date
    currency : str
    rank_by : str
        What the accounts are ordered by.
    lost : dict
        Accounts lost ``at_decision`` and ``between`` that were learnt from.
    rows : dict
        Decisions and months that were learnt from.
    gross_margin, yearly_discount, monthly_growth : float
        What the residual values were made with; the growth is that of accounts that stay.
    accounts : tuple of Lifetime
    """

    as_of: date
    currency: str
    rank_by: RankBy
    lost: dict[str, int]
    rows: dict[str, int]
    gross_margin: float
    yearly_discount: float
    monthly_growth: float
    accounts: tuple[Lifetime, ...]


def survival(
    config: Config,
    stages: Stages | None = None,
    *,
    as_of: date | None = None,
    rank_by: RankBy = "expected_loss",
    gross_margin: float = 0.8,
    yearly_discount: float = 0.1,
    refits: int = 8,
) -> SurvivalReport:
    """Fit the hazard model to what was known by a date, and return the curves of that date's accounts.

    Parameters
    ----------
    config : Config
        `label.target` is churn.
    stages : Stages, optional
        Told of progress.
    as_of : date, optional
        Default: the end of the observed period.
    rank_by : {"expected_loss", "residual_value", "avoidable_loss"}
    gross_margin, yearly_discount : float
    refits : int
        Models refitted for the intervals; 2 or more.

    Raises
    ------
    UsageError
        Another target than churn is predicted.
    """
    config.require_churn("A survival curve")
    stages, label = stages or Stages(), config.label
    prepared = prepare(config, stages)
    tables, features = prepared.loaded.tables, prepared.feature_set
    today = pd.Timestamp(as_of or tables.observed_until).as_unit("us")
    with stages("curves"):
        frame = prepared.frame
        frame = frame.join(snapshots.coming_decisions(frame, tables, label))
        frame = frame.join(snapshots.seen_ends(frame, tables, label))
        model = HazardModel(
            features,
            kind=config.model.kind,
            params=config.model.params,
            seeds=config.model.seeds,
            calibration=config.model.calibration,
            random_state=config.seed,
            late_days=label.grace_days if label.churn == "contractual" else 0,
            first_day=label.silence - 1 if label.churn == "silence" else 0,
            refits=refits,
            min_lost=config.model.min_churners,
        ).fit(known_by(frame, today, label.final_after_days))
        cohort = snapshots.cohort_at(tables, config, today)
        whole = snapshots.whole_cohorts(tables, config, cohort)
        rows = features_room.compute(tables, cohort, features, config.features, cohort=whole)
        rows = rows.join(snapshots.coming_decisions(rows, tables, label))
        growth = stayers_growth(frame[["account_id", "as_of", "arr"]], today)
        found = lifetimes(
            rows,
            model.predict_survival(rows),
            horizon_days=label.horizon_days,
            gap_days=label.gap_days,
            gross_margin=gross_margin,
            yearly_discount=yearly_discount,
            monthly_growth=growth,
            rank_by=rank_by,
            drivers=renewal_drivers(model.renewal_contributions(rows), features),
        )
    return SurvivalReport(
        today.date(), config.currency, rank_by, model.lost_, model.rows_, gross_margin, yearly_discount, growth, found
    )
