"""Does the score predict? Bands, warning time, missed churn and false alarms over past dates, as tables."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from churnml import metrics
from churnml.errors import DataError
from churnml.health.acceptance import acceptance, why_unseen
from churnml.health.backtest_report import HealthBacktest, LeadTime, LongTerms, Ranking
from churnml.language import Text
from churnml.metrics.intervals import clustered_bootstrap, interval

__all__ = ["health_backtest"]

_BANDS = ("red", "yellow", "green", "unknown")
_LEADS = (30, 60, 90)
_LEAD_SPAN = 31
_LONG_TERM_DAYS, _LONG_AHEAD = 180.0, 180
_REPEATS = 200
_LEDGER = 50

Array = npt.NDArray[np.float64]


def health_backtest(
    history: pd.DataFrame,
    *,
    name: str,
    capacity_share: float,
    seed: int,
    causes: pd.DataFrame | None = None,
    green_from: float = 70.0,
) -> HealthBacktest:
    """Judge a score by what happened.

    Parameters
    ----------
    history : DataFrame
        Readings made without hindsight: ``account_id, as_of, health_score, band, coverage, model_score,
        rules_score, churn_probability``, where terms are known ``contract_days``, and the outcome:
        ``churned`` (1, 0 or NaN) and ``churn_on`` (NaT while the
        account stays or nobody knows).
    name : str
        What the score is called.
    capacity_share : float
        Share of accounts the team can contact per date.
    seed : int
        Of the intervals.
    causes : DataFrame, optional
        ``account_id, as_of, cause``: the measure that cost most, told in the false-alarm ledger.
    green_from : float
        The edge of green that made the bands.

    Raises
    ------
    DataError
        No labelled reading, or none that churned.
    """
    labelled = history[history["churned"].notna() & history["health_score"].notna()].reset_index(drop=True)
    y = labelled["churned"].to_numpy(dtype=np.float64)
    if len(labelled) == 0 or y.sum() == 0:
        raise DataError(
            Text.of("fault-health_churned"),
            got=Text.of("fault-health_churned.got", rows=len(labelled), churned=str(int(y.sum()))),
        )
    bands = _bands(labelled, y, seed)
    churners = _churners(history)
    near = {days: _near(churners, days) for days in _LEADS}
    lead, missed = _last_runs(churners, green_from)
    alarms = _false_alarms(labelled, causes)
    return HealthBacktest(
        name=name,
        rows=len(labelled),
        churned=int(y.sum()),
        base_rate=float(y.mean()),
        dates=tuple(f"{day:%Y-%m-%d}" for day in sorted(labelled["as_of"].unique())),
        bands=bands,
        warning=_warning(near),
        lead_time=lead,
        ranking=_ranking(labelled, y, capacity_share),
        false_alarms=alarms.head(_LEDGER).reset_index(drop=True),
        missed=missed.head(_LEDGER).reset_index(drop=True),
        false_alarm_count=len(alarms),
        missed_count=len(missed),
        acceptance=acceptance(bands, near[60], labelled, green_from),
        long_terms=_long_terms(history, churners),
    )


def _bands(labelled: pd.DataFrame, y: Array, seed: int) -> pd.DataFrame:
    draws = clustered_bootstrap(labelled["account_id"], _REPEATS, seed)
    band, accounts = labelled["band"].to_numpy(), labelled["account_id"].to_numpy()
    chance = labelled["churn_probability"].to_numpy(dtype=np.float64)
    rows = []
    for word in _BANDS:
        inside = (band == word).astype(np.float64)
        count = int(inside.sum())

        def lift(outcome: Array, member: Array, weights: Array | None = None) -> float | None:
            weight = np.ones(len(outcome)) if weights is None else weights
            here, everywhere = (weight * member).sum(), weight.sum()
            rate = (weight * outcome).sum() / everywhere
            return float((weight * member * outcome).sum() / here / rate) if here > 0 and rate > 0 else None

        spread = interval(lift, y, inside, draws)
        here = band == word
        ratio = metrics.expected_over_observed(y[here], chance[here], accounts[here])
        rows.append(
            {
                "band": word,
                "rows": count,
                "share": count / len(y),
                "churned": int((inside * y).sum()),
                "churn_rate": float((inside * y).sum() / count) if count else np.nan,
                "lift": spread.value,
                "lift_low": spread.low,
                "lift_high": spread.high,
                "mean_probability": float(chance[here].mean()) if count else np.nan,
                "told_over_happened": ratio.value,
                "told_over_happened_low": ratio.low,
                "told_over_happened_high": ratio.high,
            }
        )
    return pd.DataFrame(rows)


def _churners(history: pd.DataFrame) -> pd.DataFrame:
    """Return the readings of accounts that left, each with its churn day and the days before it.

    An account that came back and left again is followed to the churn that comes next after each reading.
    """
    left = history.loc[history["churn_on"].notna(), ["account_id", "churn_on"]].drop_duplicates()
    readings = history.drop(columns="churn_on").merge(left, on="account_id")
    readings = readings[readings["as_of"] < readings["churn_on"]]
    readings = readings.sort_values("churn_on").drop_duplicates(["account_id", "as_of"], keep="first")
    readings["days_before"] = (readings["churn_on"] - readings["as_of"]).dt.days
    return readings.sort_values(["account_id", "churn_on", "as_of"]).reset_index(drop=True)


def _near(churners: pd.DataFrame, days: int) -> pd.DataFrame:
    """Return the reading of each churner so many days before, or up to 30 more."""
    near = churners[churners["days_before"].between(days, days + _LEAD_SPAN - 1)]
    return near.sort_values("days_before").drop_duplicates(["account_id", "churn_on"])


def _warning(by_days: Mapping[int, pd.DataFrame]) -> pd.DataFrame:
    rows = []
    for days, near in by_days.items():
        known = near["band"] != "unknown"
        below = near["band"].isin(["red", "yellow"])
        rows.append(
            {
                "days_before": days,
                "churners": len(near),
                "below_green": float(below[known].mean()) if known.any() else np.nan,
                "unknown": float((~known).mean()) if len(near) else np.nan,
            }
        )
    return pd.DataFrame(rows)


def _long_terms(history: pd.DataFrame, churners: pd.DataFrame) -> LongTerms | None:
    if "contract_days" not in history:
        return None
    long = history[(history["contract_days"] > _LONG_TERM_DAYS) & (history["band"] != "unknown")]
    near = _near(churners[churners["contract_days"] > _LONG_TERM_DAYS], _LONG_AHEAD)
    known = near["band"] != "unknown"
    below = near["band"].isin(["red", "yellow"])
    return LongTerms(
        days_before=_LONG_AHEAD,
        churners=len(near),
        below_green=float(below[known].mean()) if known.any() else None,
        unknown=float((~known).mean()) if len(near) else None,
        green_share=float((long["band"] == "green").mean()) if len(long) else None,
    )


def _last_runs(churners: pd.DataFrame, green_from: float) -> tuple[LeadTime, pd.DataFrame]:
    """Return the lead time, and the churners that were green at their last reading."""
    lead, missed = [], []
    for _, readings in churners.groupby(["account_id", "churn_on"], sort=True):
        below = readings["band"].isin(["red", "yellow"]).to_numpy()
        if not below[-1]:
            lead.append(0)
            missed.append(readings.iloc[-1])
            continue
        run = len(below) - int(np.argmin(below[::-1])) if not below.all() else 0
        lead.append(int(readings["days_before"].iloc[run]))
    runs = pd.DataFrame(missed) if missed else churners.iloc[:0]
    columns = ["account_id", "as_of", "churn_on", "days_before", "health_score", "band", "churn_probability"]
    codes = [why_unseen(row, green_from) for _, row in runs.iterrows()]
    ledger = runs[columns].assign(cause=codes)
    quartiles = np.quantile(lead, [0.25, 0.5, 0.75]).tolist() if lead else [None] * 3
    lead_time = LeadTime(len(lead), quartiles[1], quartiles[0], quartiles[2])
    return lead_time, ledger.sort_values("health_score", ascending=False)


def _false_alarms(labelled: pd.DataFrame, causes: pd.DataFrame | None) -> pd.DataFrame:
    alarms = labelled[(labelled["band"] == "red") & (labelled["churned"] == 0)]
    columns = ["account_id", "as_of", "health_score", "churn_probability", "rules_score", "model_score"]
    ledger = alarms[columns].sort_values("health_score")
    if causes is None:
        return ledger.assign(cause="")
    return ledger.merge(causes, on=["account_id", "as_of"], how="left", validate="one_to_one")


def _ranking(labelled: pd.DataFrame, y: Array, share: float) -> Ranking:
    risk = 100.0 - labelled["health_score"].to_numpy(dtype=np.float64)
    return Ranking(
        roc_auc=metrics.roc_auc(y, risk),
        average_precision=metrics.average_precision(y, risk),
        precision_at_capacity=metrics.precision_at(y, risk, share=share),
        recall_at_capacity=metrics.recall_at(y, risk, share=share),
        lift_at_capacity=metrics.lift_at(y, risk, share=share),
    )
