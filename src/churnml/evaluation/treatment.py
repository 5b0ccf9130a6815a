"""Whether contacts have bent the labels: how the model does where nobody stepped in, and where somebody did.

A model learns from what became of accounts. Where somebody called the accounts at risk and kept them, their labels say
"stayed", and a good model looks wrong: it told a risk that a call took away. A contact counts where it began in the
first third of the label window (at most 30 days), and only accounts that were still there at the end of that third are
compared: an account that leaves early could not be contacted later, and would make contacts look good.

References
----------
Anderson, Cain and Gelber 1983, 10.1200/JCO.1983.1.11.710 (landmark comparison).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from churnml.evaluation.capacity import contacted as riskiest
from churnml.language import Argument, Quantity, Text
from churnml.metrics.calibration import expected_over_observed
from churnml.metrics.intervals import Interval, clustered_bootstrap, interval
from churnml.metrics.predictions import Array, log_loss, roc_auc
from churnml.metrics.within_date import Estimate

__all__ = ["TreatmentArm", "TreatmentReport", "treated", "treatment_report"]

_REPEATS = 400
_LONGEST_DAYS = 30
_SURE = 0.99
"""The labels are called bent beyond a chance of one in a hundred: it is asked at every training."""
_FEWEST_CHURNERS = 10
_SMOOTHED = 0.5
"""Added to both sides of a ratio, so that an arm which lost nobody has one."""


@dataclass(frozen=True)
class TreatmentArm:
    """Predictions of accounts that were contacted, or of those that were not.

    Parameters
    ----------
    n, accounts, churned : int
        Rows, distinct accounts, and rows that churned after the landmark.
    mean_probability : float or None
        What was told, 0–1.
    roc_auc, log_loss : Interval
        Of these rows alone, by drawing accounts.
    expected_over_observed : Estimate
        Churners told ÷ churners.
    """

    n: int
    accounts: int
    churned: int
    mean_probability: float | None
    roc_auc: Interval
    log_loss: Interval
    expected_over_observed: Estimate


@dataclass(frozen=True)
class TreatmentReport:
    """The model where somebody stepped in beside where nobody did.

    Parameters
    ----------
    landmark_days : int
        A contact counts in so many days after `as_of`; who left within them is compared in neither arm.
    left_before : int
        Rows that churned before the landmark.
    treated, untreated : TreatmentArm
    treated_share_riskiest, treated_share_others : float or None
        Share of rows that were contacted, among the riskiest that the team can contact and among the rest.
    ratio : Interval
        Expected ÷ observed of the treated over that of the untreated, 99 % interval: above 1 fewer of the contacted
        left than was told, measured against the others.
    outcome : {"too_few", "none", "bent", "worse"}
        `worse` where more of the contacted left than told: contacts went where more was wrong than the model saw.
    reason : Text
        The outcome in words.
    """

    landmark_days: int
    left_before: int
    treated: TreatmentArm
    untreated: TreatmentArm
    treated_share_riskiest: float | None
    treated_share_others: float | None
    ratio: Interval
    outcome: Literal["too_few", "none", "bent", "worse"]
    reason: Argument


def treated(rows: pd.DataFrame, contacts: pd.DataFrame, days: int) -> npt.NDArray[np.bool_]:
    """Tell which rows were contacted in the first `days` after their `as_of`.

    Parameters
    ----------
    rows : DataFrame
        account_id and as_of.
    contacts : DataFrame
        account_id and ``at``, the time of each contact that the vendor began.
    days : int

    Returns
    -------
    array of bool, shape (n,)

    Examples
    --------
    >>> dates = pd.to_datetime(["2026-01-01", "2026-02-01", "2026-01-01"])
    >>> rows = pd.DataFrame({"account_id": ["a", "a", "b"], "as_of": dates})
    >>> contacts = pd.DataFrame({"account_id": ["a"], "at": pd.to_datetime(["2026-02-03"])})
    >>> treated(rows, contacts, 30).tolist()
    [False, True, False]
    """
    if contacts.empty:
        return np.zeros(len(rows), dtype=np.bool_)
    asked = rows[["account_id", "as_of"]].assign(place=np.arange(len(rows)))
    asked["as_of"] = asked["as_of"].astype("datetime64[us]")
    made = contacts[["account_id", "at"]].dropna()
    made = made.assign(at=made["at"].astype("datetime64[us]"))
    # The first contact at or after as_of decides.
    nearest = pd.merge_asof(
        asked.sort_values("as_of"),
        made.sort_values("at"),
        left_on="as_of",
        right_on="at",
        by="account_id",
        direction="forward",
    ).sort_values("place")
    return np.asarray((nearest["at"] - nearest["as_of"]) < pd.Timedelta(days=days), dtype=np.bool_)


def treatment_report(
    predictions: pd.DataFrame, contacts: pd.DataFrame, *, window_days: int, share: float, seed: int
) -> TreatmentReport:
    """Compare what was told with what happened, where somebody stepped in and where nobody did.

    Parameters
    ----------
    predictions : DataFrame
        account_id, as_of, churned, churn_on and p_model, as `churnml.evaluation.Backtest.predictions`.
    contacts : DataFrame
        account_id and ``at``.
    window_days : int
        Length of the label window, gap included.
    share : float
        Share of accounts that the team can contact per snapshot, 0–1.
    seed : int
        Seed of the bootstrap.
    """
    days = max(1, min(_LONGEST_DAYS, window_days // 3))
    early = predictions["churn_on"] < predictions["as_of"] + pd.Timedelta(days=days)
    left = np.asarray(early & (predictions["churned"] > 0), dtype=np.bool_)
    rows = predictions[~left]
    contacted = treated(rows, contacts, days)
    top = np.asarray(riskiest(rows, share)) >= 0.5
    arms = {name: _arm(rows[mask], seed) for name, mask in (("treated", contacted), ("untreated", ~contacted))}
    ratio = _ratio(rows, contacted, seed)
    outcome = _outcome(arms["treated"], arms["untreated"], ratio)
    figures: dict[str, Argument] = {
        "days": Quantity(value=days),
        "share": Quantity(value=float(contacted.mean()) if len(rows) else 0.0, unit="share", digits=0),
    }
    if outcome != "too_few":
        ratios = (Quantity(value=_predicted_over_left(arm), digits=2) for arm in arms.values())
        figures.update(zip(("told", "others"), ratios, strict=True))
    return TreatmentReport(
        landmark_days=days,
        left_before=int(left.sum()),
        **arms,
        treated_share_riskiest=_mean(contacted[top]),
        treated_share_others=_mean(contacted[~top]),
        ratio=ratio,
        outcome=outcome,
        reason=Text.of(f"treatment-{outcome}", **figures),
    )


def _mean(mask: npt.NDArray[np.bool_]) -> float | None:
    return float(mask.mean()) if len(mask) else None


def _arm(rows: pd.DataFrame, seed: int) -> TreatmentArm:
    y, p = (rows[name].to_numpy(dtype=np.float64) for name in ("churned", "p_model"))
    draws = clustered_bootstrap(rows["account_id"], _REPEATS // 2, seed) if len(rows) else []
    nothing = Interval(None, None, None)
    return TreatmentArm(
        n=len(rows),
        accounts=int(rows["account_id"].nunique()),
        churned=int(y.sum()),
        mean_probability=float(p.mean()) if len(rows) else None,
        roc_auc=interval(roc_auc, y, p, draws) if len(rows) else nothing,
        log_loss=interval(log_loss, y, p, draws) if len(rows) else nothing,
        expected_over_observed=expected_over_observed(y, p, rows["account_id"].to_numpy()),
    )


def _predicted_over_left(arm: TreatmentArm) -> float:
    return ((arm.mean_probability or 0.0) * arm.n + _SMOOTHED) / (arm.churned + _SMOOTHED)


def _ratio(rows: pd.DataFrame, contacted: npt.NDArray[np.bool_], seed: int) -> Interval:
    """Return E/O of the contacted over E/O of the others; None where an arm is empty."""
    y, p = (rows[name].to_numpy(dtype=np.float64) for name in ("churned", "p_model"))
    if contacted.all() or not contacted.any():
        return Interval(None, None, None)

    def of(weights: Array) -> float:
        arms = [(weights * mask) for mask in (contacted, ~contacted)]
        treated, others = (((p @ arm) + _SMOOTHED) / ((y @ arm) + _SMOOTHED) for arm in arms)
        return float(treated / others)

    drawn = [of(draw) for draw in clustered_bootstrap(rows["account_id"], _REPEATS, seed)]
    low, high = np.quantile(drawn, [(1 - _SURE) / 2, (1 + _SURE) / 2])
    return Interval(of(np.ones(len(rows))), float(low), float(high))


def _outcome(
    contacted: TreatmentArm, others: TreatmentArm, ratio: Interval
) -> Literal["too_few", "none", "bent", "worse"]:
    expected = min((arm.mean_probability or 0.0) * arm.n for arm in (contacted, others))
    if min(expected, others.churned) < _FEWEST_CHURNERS or ratio.low is None or ratio.high is None:
        return "too_few"
    if ratio.low > 1:
        return "bent"
    return "worse" if ratio.high < 1 else "none"
