"""Whether a company's survival curves may be shown: judged on the past by what came after it.

Two tests. *Near*: the curve's own chance within the label's horizon beside the model of that horizon, on the newest
dates of its backtest. *Far*: the curves of a date 12 months ago beside Kaplan–Meier by plan, the
shifted-beta-geometric (with churn by silence Kaplan–Meier by days since the last activity), and Cox where ``lifelines``
is installed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from churnml.config import LearningConfig
from churnml.evaluation.simple_curves import beta_geometric, cox, kaplan_meier, kaplan_meier_by_recency
from churnml.features.spec import FeatureSet
from churnml.language import Quantity, Text
from churnml.memory import release
from churnml.metrics.intervals import Interval, clustered_bootstrap, paired_gain
from churnml.metrics.predictions import log_loss, roc_auc
from churnml.metrics.within_date import log_loss_gain
from churnml.training.hazard import HazardModel
from churnml.training.stacking import known_by
from churnml.training.survival import Curves
from churnml.training.survival_verdict import FarTest, Gain, NearTest, SurvivalRole, SurvivalVerdict

__all__ = ["AHEAD", "Foreseen", "Judged", "compared", "far_test", "judge_survival", "near_test", "unfit"]

Array = npt.NDArray[np.float64]

AHEAD: Array = np.arange(1, 13, dtype=np.float64) * 30.0
"""Ends of the 12 months that curves are judged over, days."""
_LEAST_LOST = 10
"""Accounts lost in the 12 months, and known to be lost before them, below which nothing is judged."""
_LEAST_LONG = 20
"""Accounts whose term outlasts the horizon, below which the horizon's model sees nearly every decision anyway."""
_LOSS_MARGIN, _AUC_MARGIN = 0.05, 0.01
"""By so much a curve may seem worse within the horizon: a share of the log loss; AUC."""
_DRAWS = 300


@dataclass(frozen=True)
class Foreseen:
    """What the curves of the far test say of the next decisions, to be held against what came of them.

    Parameters
    ----------
    as_of : Timestamp
    accounts : DataFrame
        ``account_id, arr, next_decision_days``.
    point : Curves
    """

    as_of: pd.Timestamp
    accounts: pd.DataFrame
    point: Curves


@dataclass(frozen=True)
class Judged:
    """A verdict, and the curves of the past that it rests on."""

    verdict: SurvivalVerdict
    foreseen: Foreseen


@dataclass(frozen=True)
class _Cut:
    """What was known by a date, and who is asked about."""

    day: pd.Timestamp
    known: pd.DataFrame
    asked: pd.DataFrame


def unfit(frame: pd.DataFrame, learning: LearningConfig) -> Text | None:
    """Return why curves cannot be learnt or judged on such data; None where they can be tried.

    Parameters
    ----------
    frame : DataFrame
        Spine with `churnml.snapshots.coming_decisions` and `churnml.snapshots.seen_ends`.
    learning : LearningConfig
    """
    label = learning.label
    if label.churn == "contractual":
        long = frame["contract_days"] > label.horizon_days + label.gap_days
        accounts = int(frame.loc[long, "account_id"].nunique())
        if frame["next_decision_days"].notna().mean() < 0.5:
            return Text.of("survival-left_out.no_ends", share=_share(float(frame["next_decision_days"].isna().mean())))
        if accounts < _LEAST_LONG:
            return Text.of("survival-left_out.short_terms", accounts=accounts, days=label.horizon_days)
    elif label.silence > AHEAD[-1] / 2:
        return Text.of("survival-left_out.long_silence", days=label.silence, months=len(AHEAD))
    cut = _cut(frame, learning)
    if cut is None:
        return Text.of("survival-left_out.history", months=len(AHEAD))
    before, after = (_lost(rows) for rows in (cut.known, cut.asked))
    if min(before, after) < _LEAST_LOST:
        return Text.of("survival-left_out.few_lost", before=before, after=after, least=_LEAST_LOST, months=len(AHEAD))
    return None


def judge_survival(frame: pd.DataFrame, features: FeatureSet, learning: LearningConfig, tested: pd.DataFrame) -> Judged:
    """Return whether curves may be shown of a company on which they can be tried (`unfit`).

    They are shown where their integrated Brier score over 12 months is below that of every curve without features. The
    chance within the label's horizon stays that of its own model either way: its explanation adds up to it, and a curve
    is moved to agree with it. Whether the curve by itself would have been as good there is told.

    Parameters
    ----------
    frame : DataFrame
        Spine and features, with `churnml.snapshots.coming_decisions` and `churnml.snapshots.seen_ends`.
    features : FeatureSet
    learning : LearningConfig
    tested : DataFrame
        Predictions of the horizon model's backtest: ``account_id, as_of, fold, churned, p_model``.
    """
    far, foreseen = far_test(frame, features, learning)
    release()
    near = near_test(frame, features, learning, tested)
    role = SurvivalRole.SERVES if far.below_all else SurvivalRole.REFUSED
    best = min((name for name in far.brier if name != "hazard"), key=lambda name: far.brier[name])
    silent = learning.label.churn == "silence"
    reason = Text.of(
        f"survival-gate.{role}_silence" if silent and role.serves else f"survival-gate.{role}",
        own=_number(far.brier["hazard"]),
        best=_number(far.brier[best]),
        rival=Text.of(f"survival-curve.{best}"),
        accounts=far.accounts,
        lost=far.lost,
        near=_near_words(near, learning.label.horizon_days),
    )
    return Judged(SurvivalVerdict(role, reason, near, far), foreseen)


def far_test(frame: pd.DataFrame, features: FeatureSet, learning: LearningConfig) -> tuple[FarTest, Foreseen]:
    """Return how near the curves of a date 12 months ago came to what happened, beside curves without features.

    With them what they said of the decisions to come.

    Raises
    ------
    ValueError
        No date is long enough ago (see `unfit`).
    """
    cut = _cut(frame, learning)
    if cut is None:
        raise ValueError(f"no snapshot is {int(AHEAD[-1])} days old and seen to the end")
    model = HazardModel.of(features, learning, refits=0).fit(cut.known)
    point = model.predict_survival(cut.asked).point
    curves = {
        "hazard": point.survival(AHEAD),
        "kaplan_meier": kaplan_meier(cut.known, cut.asked, AHEAD),
        **_like_a_rule(cut, learning.label.churn == "silence"),
        "cox": cox(cut.known, cut.asked, AHEAD, features, learning.label.horizon_days),
    }
    lost = (cut.asked["ended_days"].to_numpy()[:, None] < AHEAD).astype(np.float64)
    errors = {name: ((1.0 - curve - lost) ** 2).mean(axis=1) for name, curve in curves.items() if curve is not None}
    brier = {name: float(error.mean()) for name, error in errors.items()}
    rivals = [name for name in errors if name != "hazard"]
    test = FarTest(
        as_of=cut.day.date(),
        accounts=len(cut.asked),
        lost=_lost(cut.asked),
        brier=brier,
        gains={name: _mean_gain(errors[name] - errors["hazard"]) for name in rivals},
        below_all=all(brier["hazard"] < brier[name] for name in rivals),
    )
    known = cut.asked.reindex(columns=["account_id", "arr", "next_decision_days"])
    return test, Foreseen(cut.day, known, point)


def _like_a_rule(cut: _Cut, silence: bool) -> dict[str, Array | None]:
    """Return what an old hand expects without a model: renewal by renewal, or by how long ago an account was active."""
    if silence:
        return {"recency": kaplan_meier_by_recency(cut.known, cut.asked, AHEAD)}
    return {"beta_geometric": beta_geometric(cut.known, cut.asked, AHEAD)}


def near_test(
    frame: pd.DataFrame, features: FeatureSet, learning: LearningConfig, tested: pd.DataFrame
) -> NearTest | None:
    """Return how the curve's own chance within the horizon compares on the newest fold; None where it has one outcome.

    The curve learns from what was known by the fold's first date.
    """
    label = learning.label
    folds = tested.groupby("fold")["as_of"].max()
    newest = tested[tested["fold"] == folds.idxmax()]
    rows = frame.merge(newest[["account_id", "as_of", "p_model"]], on=["account_id", "as_of"])
    rows = rows[rows["churned"].notna()].reset_index(drop=True)
    y = rows["churned"].to_numpy(dtype=np.float64)
    if len(np.unique(y)) < 2:
        return None
    model = HazardModel.of(features, learning, refits=0)
    model.fit(known_by(frame, rows["as_of"].min(), label.final_after_days))
    own = model.predict_survival(rows).point.lost_within(label.horizon_days, label.gap_days)
    return compared(y, own, rows["p_model"].to_numpy(dtype=np.float64), rows["account_id"], learning.seed)


def compared(y: Array, own: Array, other: Array, account: npt.ArrayLike, seed: int) -> NearTest:
    """Return how one chance compares with another on the same rows, of which both outcomes occur.

    Parameters
    ----------
    y : array of shape (n,)
        1 where the account was lost.
    own, other : array of shape (n,)
        The curve's chance; that of the model of the horizon.
    account : array of shape (n,)
    seed : int
        Of the interval of the AUC.
    """
    own, other = (np.clip(each, 1e-9, 1.0 - 1e-9) for each in (own, other))
    ranking = paired_gain(roc_auc, y, own, other, clustered_bootstrap(account, _DRAWS, seed))
    loss = log_loss_gain(y, own, other, account)
    margin = _LOSS_MARGIN * (log_loss(y, other) or 0.0)
    return NearTest(
        rows=len(y),
        lost=int(y.sum()),
        roc_auc={"hazard": roc_auc(y, own), "horizon": roc_auc(y, other)},
        log_loss={"hazard": log_loss(y, own), "horizon": log_loss(y, other)},
        roc_auc_gain=_gain(ranking),
        log_loss_gain=_gain(loss),
        not_worse=_not_worse(ranking, _AUC_MARGIN) and _not_worse(loss, margin),
    )


def _cut(frame: pd.DataFrame, learning: LearningConfig) -> _Cut | None:
    """Return the newest date of which 12 months are seen."""
    asked = frame[frame["seen_days"] >= AHEAD[-1]]
    if asked.empty:
        return None
    day = pd.Timestamp(asked["as_of"].max())
    asked = asked[asked["as_of"] == day].reset_index(drop=True)
    asked = asked.assign(ended_days=asked["ended_days"].where(asked["ended_days"] < AHEAD[-1]))
    known = known_by(frame, day, learning.label.final_after_days)
    return _Cut(day, known[known["seen_days"] > 0].reset_index(drop=True), asked)


def _lost(rows: pd.DataFrame) -> int:
    return int(rows.loc[rows["ended_days"].notna(), "account_id"].nunique())


def _not_worse(gain: Interval, margin: float) -> bool:
    """Tell whether a gain is no loss beyond noise, and no more than the margin."""
    return gain.value is not None and gain.value >= -margin and not gain.below_zero


def _gain(gain: Interval) -> Gain:
    return Gain(gain.value, gain.low, gain.high)


def _mean_gain(gained: Array) -> Gain:
    reach = 1.959964 * float(gained.std(ddof=1)) / np.sqrt(len(gained)) if len(gained) > 1 else float("inf")
    value = float(gained.mean())
    return Gain(value, value - reach, value + reach)


def _near_words(near: NearTest | None, days: int) -> Text:
    if near is None:
        return Text.of("survival-near.untold", days=days)
    code = "survival-near.not_worse" if near.not_worse else "survival-near.worse"
    own, other = ((near.roc_auc[name], near.log_loss[name]) for name in ("hazard", "horizon"))
    figures = {"auc": own[0], "loss": own[1], "other_auc": other[0], "other_loss": other[1]}
    quantities = {
        name: Quantity(value=value or 0.0, digits=3 if "auc" in name else 4) for name, value in figures.items()
    }
    return Text.of(code, days=days, rows=near.rows, lost=near.lost, **quantities)


def _number(value: float) -> Quantity:
    return Quantity(value=value, digits=4)


def _share(value: float) -> Quantity:
    return Quantity(value=value, unit="share", digits=0)
