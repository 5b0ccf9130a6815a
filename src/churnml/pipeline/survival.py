"""When each account will be lost, and what it is worth: fitted to the data at hand, told for one date."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

import pandas as pd

from churnml import features as features_room
from churnml import snapshots
from churnml.config import Config
from churnml.errors import ChurnmlError
from churnml.evaluation.survival import AHEAD, Judged, judge_survival, unfit
from churnml.explain.lifetime import Lifetime
from churnml.explain.renewal import renewal_drivers
from churnml.language import Text
from churnml.pipeline.preparation import prepare
from churnml.pipeline.renewals import came_of, panel_of
from churnml.pipeline.results import Prepared
from churnml.progress import Stages
from churnml.retention.lifetimes import RankBy, lifetimes, lost_by_decision
from churnml.retention.residual import stayers_growth
from churnml.training.hazard import HazardModel
from churnml.training.stacking import MONTH_DAYS, known_by
from churnml.training.survival_verdict import PastRenewals, SurvivalRole, SurvivalVerdict

__all__ = ["Curves", "SurvivalReport", "learn_survival", "stacked", "survival"]


@dataclass(frozen=True)
class Curves:
    """Whether survival curves are shown, and their model where they are."""

    verdict: SurvivalVerdict
    model: HazardModel | None = None


def stacked(config: Config, prepared: Prepared) -> pd.DataFrame:
    """Return the training frame with the decisions to come, and when accounts were lost."""
    frame, tables = prepared.frame, prepared.loaded.tables
    frame = frame.join(snapshots.coming_decisions(frame, tables, config.label))
    return frame.join(snapshots.seen_ends(frame, tables, config.label))


def learn_survival(config: Config, prepared: Prepared, tested: pd.DataFrame) -> Curves:
    """Judge survival curves on the past, and learn those that may be shown; whatever fails is a reason, no error.

    Parameters
    ----------
    config : Config
    prepared : Prepared
    tested : DataFrame
        Predictions of the backtest of the label's horizon.
    """
    if config.label.target != "churn":
        return _left_out(Text.of("survival-left_out.target", target=Text.of(f"target-{config.label.target}")))
    if not config.survival.enabled:
        return _left_out(Text.of("survival-left_out.off"))
    learning, features = config.learning, prepared.feature_set
    try:
        frame = stacked(config, prepared)
        why = unfit(frame, learning)
        if why is not None:
            return _left_out(why)
        judged = judge_survival(frame, features, learning, tested)
        verdict = held_against_renewals(config, prepared, judged)
        if not verdict.role.serves:
            return Curves(verdict)
        model = HazardModel.of(features, learning, config.survival.refits).fit(frame)
    # Scores are due whatever becomes of the curves beside them.
    except Exception as error:
        return _left_out(Text.of("survival-left_out.failed", why=_why(error)))
    growth = stayers_growth(frame[["account_id", "as_of", "arr"]], pd.Timestamp(frame["as_of"].max()))
    return Curves(replace(verdict, monthly_growth=growth, learnt_from=model.lost_), model)


def held_against_renewals(config: Config, prepared: Prepared, judged: Judged) -> SurvivalVerdict:
    """Return the verdict with what past curves expected of the renewals of 12 months, and what came of these.

    Their bounds are those of accounts that stay or leave by themselves: the curves of the far test have no refits.
    """
    if config.label.churn == "silence":
        return judged.verdict
    panel = panel_of(config, prepared.loaded.tables)
    if panel is None:
        return judged.verdict
    foreseen, start = judged.foreseen, judged.foreseen.as_of
    days = foreseen.accounts["next_decision_days"]
    due = foreseen.accounts[["account_id", "arr"]].assign(
        renewal_on=start + pd.to_timedelta(days.round(), unit="D"),
        churn_probability=0.0,
        lost_by_decision=lost_by_decision(foreseen.point),
    )
    due = due[due["lost_by_decision"].notna()]
    until = start + pd.Timedelta(days=float(AHEAD[-1]))
    held = {
        period: tuple(
            PastRenewals(
                **{name: value for name, value in vars(one).items() if name in PastRenewals.__dataclass_fields__}
            )
            for one in came_of(due, panel, start, until, seed=config.seed, period=period)
        )
        for period in ("M", "Q")
    }
    return replace(judged.verdict, past_months=held["M"], past_quarters=held["Q"])


def _left_out(why: Text) -> Curves:
    return Curves(SurvivalVerdict(SurvivalRole.LEFT_OUT, why))


def _why(error: Exception) -> str:
    return str(error).splitlines()[0] if isinstance(error, ChurnmlError) else f"{type(error).__name__}: {error}"


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
        Accounts lost ``at_decision`` and ``between`` that were learnt from; with churn by silence those that did
        nothing any more ``at_once`` and those that fell silent ``later``.
    rows : dict
        Decisions and months that were learnt from, or the same of silences.
    gross_margin, yearly_discount, monthly_growth : float
        What the residual values were made with; the growth is that of accounts that stay.
    accounts : tuple of Lifetime
    reach_months : int
        So many months of 30 days each curve has: as far as the past can tell.
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
    reach_months: int


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
    config.require_churn("survival")
    stages, label = stages or Stages(), config.label
    prepared = prepare(config, stages)
    tables, features = prepared.loaded.tables, prepared.feature_set
    today = pd.Timestamp(as_of or tables.observed_until).as_unit("us")
    with stages("curves"):
        frame = stacked(config, prepared)
        model = HazardModel.of(features, config.learning, refits)
        model.fit(known_by(frame, today, label.final_after_days))
        cohort = snapshots.cohort_at(tables, config, today)
        whole = snapshots.whole_cohorts(tables, config, cohort)
        rows = features_room.compute(tables, cohort, features, config.features, cohort=whole)
        rows = rows.join(snapshots.coming_decisions(rows, tables, label))
        growth = stayers_growth(frame[["account_id", "as_of", "arr"]], today)
        by_account = lifetimes(
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
        today.date(),
        config.currency,
        rank_by,
        model.lost_,
        model.rows_,
        gross_margin,
        yearly_discount,
        growth,
        by_account,
        model.reach_days_ // MONTH_DAYS,
    )
