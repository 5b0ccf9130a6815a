"""Whether ranking accounts by what a contact avoids beats ranking them by risk, on accounts held out by chance."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel, ConfigDict

from churnml.config.experiments import ExperimentsConfig
from churnml.language import Argument, Text
from churnml.metrics.intervals import Interval

if TYPE_CHECKING:
    from churnml.training.uplift import UpliftTrees
    from churnml.training.uplift_model import UpliftModel

__all__ = ["COLUMNS", "UpliftReport", "compare_rankings", "fit_ranking", "looked_at_often"]

Array = npt.NDArray[np.float64]

COLUMNS = ("churn_probability", "arr")
"""What a ranking reads of every lot, beside `experiments.covariates`."""

_LEAST_IN_ARM = 50
_LEAST_CHURNERS = 25
_REPEATS = 400
_LEVEL = 0.95
_TIGHTEST = 500
"""Lots that a look is counted against: the bound that holds at every look is lowest at some five times as many."""


class UpliftReport(BaseModel):
    """A ranking by uplift beside the ranking by risk, judged on accounts that neither was fitted to.

    Parameters
    ----------
    accounts : int
        Lots followed to the end of their days, with a churn probability.
    contacted_churned, held_out_churned : int
        Churners among them, by arm.
    least_in_arm, least_churned : int
        Fewer accounts in an arm, or churners, and nothing is fitted.
    enough : bool
    why : Text or None
        What is missing.
    by_risk, by_uplift : Interval or None
        Qini coefficient: churn avoided beyond as many accounts drawn at random, a share of accounts, meant over every
        number of accounts that could be contacted. 95 % interval, by drawing accounts.
    gain : Interval or None
        `by_uplift` less `by_risk`, on the same draws.
    arr_gain : Interval or None
        The same in ARR an account, each ranking times ARR, as the alert budget ranks.
    shown_from : float or None
        The least `gain` that counts as shown, however often one looks; see `looked_at_often`.
    beats : bool
        `gain` lies above 0 with its whole interval and reaches `shown_from`, `arr_gain` lies above 0 with its value,
        and the ranking of all lots has trees.
    trees : int or None
        By how many trees the ranking departs from risk; 0: no way to depart from it was found.
    detectable : float or None
        The gain that so many accounts would show with the power that is asked for.
    needed_accounts, needed_held_out_churners : int or None
        What it takes to show a gain as large as the one seen; None where none is seen.
    """

    model_config = ConfigDict(frozen=True)

    accounts: int
    contacted_churned: int
    held_out_churned: int
    least_in_arm: int = _LEAST_IN_ARM
    least_churned: int = _LEAST_CHURNERS
    enough: bool
    why: Argument | None = None
    by_risk: Interval | None = None
    by_uplift: Interval | None = None
    gain: Interval | None = None
    arr_gain: Interval | None = None
    shown_from: float | None = None
    beats: bool = False
    trees: int | None = None
    detectable: float | None = None
    needed_accounts: int | None = None
    needed_held_out_churners: int | None = None


def compare_rankings(rows: pd.DataFrame, section: ExperimentsConfig, *, seed: int) -> UpliftReport:
    """Judge both rankings on lots whose accounts and whose times they have not seen.

    Parameters
    ----------
    rows : DataFrame
        One row per lot: ``account_id, arm, assigned_on, churn_probability, arr, churned`` (1, 0; missing where its days
        are not over), ``share`` (with which it was held out; missing: as many as were) and `experiments.covariates`.
    section : ExperimentsConfig
    seed : int

    Notes
    -----
    Five blocks by time; each is ranked by a model of other accounts in the other blocks. A model's level differs from
    block to block, against what its own block shows, so ranks count within a block only. Readings of the effect are
    adjusted by regressions from the other blocks, for both rankings the same.
    """
    from churnml.metrics.intervals import clustered_bootstrap
    from churnml.metrics.uplift import qini_gain, qini_interval
    from churnml.training.uplift import time_blocks

    lots = _followed(rows)
    counts = _counts(lots)
    why = _missing(lots)
    if why is not None:
        return UpliftReport(**counts, enough=False, why=why)
    accounts = lots["account_id"].to_numpy(dtype=str)
    blocks = time_blocks(pd.to_datetime(lots["assigned_on"]).to_numpy(), accounts)
    uplift = np.zeros(len(lots))
    for block in np.unique(blocks):
        judged = blocks == block
        learnt = ~judged & ~np.isin(accounts, accounts[judged])
        if _missing(lots[learnt], least_in_arm=2, least_churned=1) is not None:
            return UpliftReport(**counts, enough=False, why=Text.of("experiment-uplift_repeated"))
        uplift[judged] = _fitted(lots[learnt], section, seed, blocks[learnt]).predict(lots[judged])
    whole = _fitted(lots, section, seed, blocks)
    effects = whole.effects_
    risk, arr = lots["churn_probability"].to_numpy(dtype=float), lots["arr"].fillna(0.0).to_numpy(dtype=float)
    draws = clustered_bootstrap(accounts, _REPEATS, seed)
    ranks = {
        name: _within(score, blocks)
        for name, score in (("uplift", uplift), ("risk", risk), ("money", uplift * arr), ("loss", risk * arr))
    }
    gain = qini_gain(ranks["uplift"], ranks["risk"], effects, draws, _LEVEL)
    arr_gain = qini_gain(ranks["money"], ranks["loss"], effects * arr, draws, _LEVEL)
    return UpliftReport(
        **counts,
        enough=True,
        by_risk=_rounded(qini_interval(ranks["risk"], effects, draws, _LEVEL), 6),
        by_uplift=_rounded(qini_interval(ranks["uplift"], effects, draws, _LEVEL), 6),
        gain=_rounded(gain, 6),
        arr_gain=_rounded(arr_gain, 2),
        shown_from=None if (least := _least_shown(gain, len(lots))) is None else round(least, 6),
        beats=whole.trees_ > 0 and _is_shown(gain, len(lots)) and (arr_gain.value or 0.0) > 0,
        trees=whole.trees_,
        **_power(gain, len(lots), counts["held_out_churned"], section.power),
    )


def fit_ranking(rows: pd.DataFrame, section: ExperimentsConfig, *, seed: int) -> UpliftModel:
    """Fit the ranking to all lots, to rank accounts that are still there.

    Parameters
    ----------
    rows, section, seed
        As for `compare_rankings`, which has found enough of them.
    """
    from churnml.training.uplift import time_blocks

    lots = _followed(rows)
    blocks = time_blocks(pd.to_datetime(lots["assigned_on"]).to_numpy(), lots["account_id"].to_numpy(dtype=str))
    return _fitted(lots, section, seed, blocks).model_


def _fitted(lots: pd.DataFrame, section: ExperimentsConfig, seed: int, blocks: npt.NDArray[np.intp]) -> UpliftTrees:
    from churnml.training.uplift import UpliftTrees

    return UpliftTrees((*COLUMNS, *section.covariates), random_state=seed).fit(
        lots,
        lots["churned"].to_numpy(dtype=float),
        lots["arm"].to_numpy(dtype=object) == "contacted",
        lots["share"].to_numpy(dtype=float),
        blocks=blocks,
        accounts=lots["account_id"].to_numpy(dtype=str),
    )


def _followed(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the lots that tell something, each with the share with which it was held out."""
    held = float((rows["arm"].to_numpy(dtype=object) == "held_out").mean()) if len(rows) else np.nan
    share = rows["share"].astype("float64") if "share" in rows else pd.Series(np.nan, index=rows.index)
    known = rows["churned"].notna() & rows["churn_probability"].notna()
    return rows.assign(share=share.fillna(held))[known].reset_index(drop=True)


def _counts(lots: pd.DataFrame) -> dict[str, int]:
    left = lots["churned"].to_numpy(dtype=float) == 1
    held = lots["arm"].to_numpy(dtype=object) == "held_out"
    return {
        "accounts": len(lots),
        "contacted_churned": int((left & ~held).sum()),
        "held_out_churned": int((left & held).sum()),
    }


def _missing(
    lots: pd.DataFrame, *, least_in_arm: int = _LEAST_IN_ARM, least_churned: int = _LEAST_CHURNERS
) -> Text | None:
    held = int((lots["arm"].to_numpy(dtype=object) == "held_out").sum())
    smaller = min(held, len(lots) - held)
    if smaller < least_in_arm:
        return Text.of("experiment-uplift_few_followed", n=smaller, least=least_in_arm)
    counts = _counts(lots)
    if min(counts["contacted_churned"], counts["held_out_churned"]) < least_churned:
        return Text.of(
            "experiment-uplift_few_churned",
            contacted=counts["contacted_churned"],
            held_out=counts["held_out_churned"],
            least=least_churned,
        )
    return None


def _within(score: Array, blocks: npt.NDArray[np.intp]) -> Array:
    """Return each row's place within its block, 0–1, the largest score last; equal scores share one."""
    return np.asarray(pd.Series(score).groupby(blocks).rank(pct=True), dtype=np.float64)


def looked_at_often(lots: int) -> float:
    """Return by how many standard errors a gain must lie above 0 to be shown at any look, however often one looks.

    Parameters
    ----------
    lots : int
        Followed so far.

    Notes
    -----
    The normal mixture boundary for sums (Robbins 1970; one-sided form of Howard and others 2021): for lots that come in
    one after the other, a gain that is not there crosses it ever with a chance of 5 % at most. A bound for one look
    lies at 1.64, and is crossed some day by chance alone.

    Examples
    --------
    >>> round(looked_at_often(250), 1), round(looked_at_often(2500), 1), round(looked_at_often(250_000), 1)
    (3.9, 2.8, 3.3)
    """
    times = lots / _TIGHTEST
    alpha = 1 - _LEVEL
    return math.sqrt((1 + 1 / times) * math.log(1 + (1 + times) / (4 * alpha**2)))


def _least_shown(gain: Interval, lots: int) -> float | None:
    error = _error(gain)
    return None if error is None else looked_at_often(lots) * error


def _is_shown(gain: Interval, lots: int) -> bool:
    least = _least_shown(gain, lots)
    return gain.above_zero and gain.value is not None and least is not None and gain.value >= least


def _error(gain: Interval) -> float | None:
    """Return the standard error that an interval stands for."""
    from scipy.special import ndtri

    if gain.value is None or gain.low is None or gain.high is None or gain.high <= gain.low:
        return None
    return (gain.high - gain.low) / (2 * float(ndtri((1 + _LEVEL) / 2)))


def _power(gain: Interval, accounts: int, held_out_churned: int, power: float) -> dict[str, Any]:
    """Return the gain that would show, and what it takes to show the one that was seen."""
    from scipy.special import ndtri

    error = _error(gain)
    if error is None or gain.value is None:
        return {}
    detectable = (looked_at_often(accounts) + float(ndtri(power))) * error
    figures: dict[str, Any] = {"detectable": round(detectable, 6)}
    if gain.value > 0:
        times = (detectable / gain.value) ** 2
        figures["needed_accounts"] = math.ceil(accounts * times)
        figures["needed_held_out_churners"] = math.ceil(held_out_churned * times)
    return figures


def _rounded(interval: Interval, digits: int) -> Interval:
    bounds = (interval.value, interval.low, interval.high)
    return Interval(*(None if bound is None else round(bound, digits) for bound in bounds))
