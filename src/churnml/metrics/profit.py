"""What a ranking is worth: profit curves and expected maximum profit of a retention campaign."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import betainc

__all__ = [
    "CampaignProfit",
    "area_under_profit_curve",
    "expected_maximum_profit",
    "in_campaigns",
    "maximum_profit",
    "profit_curve",
]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class CampaignProfit:
    """The best campaign: profit per account, currency, and the share of accounts to contact, 0–1."""

    profit_per_account: float
    contact_share: float


def in_campaigns(as_of: npt.ArrayLike, days: int) -> npt.NDArray[np.bool_]:
    """Return which rows belong to campaigns that lie `days` apart, the newest date first.

    A customer is saved once: summed over snapshots whose label windows overlap, the same churner would be saved at each
    of them, and the same contact paid. Campaigns a label window apart count each account once.

    Parameters
    ----------
    as_of : array of shape (n,) of dates
    days : int
        Length of the label window, gap included. 0 takes every date as a campaign.

    Examples
    --------
    >>> days = ["2025-01-01", "2025-02-01", "2025-03-01", "2025-04-01", "2025-05-01"]
    >>> in_campaigns(np.array(days, dtype="datetime64[D]"), 90).tolist()
    [True, False, False, False, True]
    """
    dates = np.asarray(as_of).astype("datetime64[D]")
    taken: list[np.datetime64] = []
    for date in np.unique(dates)[::-1]:
        if not taken or (taken[-1] - date) / np.timedelta64(1, "D") >= days:
            taken.append(date)
    return np.isin(dates, np.array(taken, dtype="datetime64[D]"))


def profit_curve(
    y: npt.ArrayLike,
    p: npt.ArrayLike,
    value: npt.ArrayLike,
    *,
    contact_cost: float,
    offer_cost: npt.ArrayLike = 0.0,
    save_rate: float = 0.15,
) -> pd.DataFrame:
    """Return the expected profit of contacting the riskiest accounts, for every number of contacts.

    A contacted churner stays with chance `save_rate` and is then worth its value less the offer; a contacted stayer
    takes the offer; every contact costs. The save rate is an assumption unless outreach was randomised.

    Parameters
    ----------
    y : array of shape (n,)
        Outcomes, 0 or 1.
    p : array of shape (n,)
        Scores; higher is contacted first. Tied accounts are contacted together.
    value : array of shape (n,) or float
        What an account is worth if it stays, currency; unknown counts as 0.
    contact_cost, offer_cost : float (offer_cost also per row)
        Currency.
    save_rate : float
        0–1.

    Returns
    -------
    DataFrame
        contacted (accounts), share (0–1) and profit (currency), starting at nobody, one row per distinct score.

    Examples
    --------
    >>> profit_curve([1, 0], [0.9, 0.1], 100.0, contact_cost=10.0, save_rate=0.5)
       contacted  share  profit
    0        0.0    0.0     0.0
    1        1.0    0.5    40.0
    2        2.0    1.0    30.0
    """
    contacted, saved, spent = _cumulated(y, p, value, contact_cost, offer_cost)
    total = contacted[-1] if len(contacted) and contacted[-1] else 1.0
    return pd.DataFrame({"contacted": contacted, "share": contacted / total, "profit": save_rate * saved - spent})


def expected_maximum_profit(
    y: npt.ArrayLike,
    p: npt.ArrayLike,
    value: npt.ArrayLike,
    *,
    contact_cost: float,
    offer_cost: npt.ArrayLike = 0.0,
    save_rate: float = 0.15,
    certainty: float = 20.0,
) -> CampaignProfit:
    """Return the profit per account of the best campaign, in expectation over an uncertain save rate.

    For each save rate the best number of contacts is chosen; profits are averaged over a beta distribution of save
    rates. With one value for all accounts this is EMPC (Verbraken et al. 2013): ``value=clv``, ``offer_cost=d``,
    ``contact_cost=f``, ``save_rate=α/(α+β)``, ``certainty=α+β``. With a value per account it is the same expectation
    for the accounts of Janssens et al. 2024; their EMPB, which fixes the save rate at its mean, is `maximum_profit`.

    Parameters
    ----------
    y, p, value, contact_cost, offer_cost
        As for `profit_curve`.
    save_rate : float
        Mean of the save rate.
    certainty : float
        Sum of the two parameters of its beta distribution; 20 in both papers (6 and 14, mean 0.3).

    Returns
    -------
    CampaignProfit
        With the expected best share to contact.

    References
    ----------
    Verbraken, Verbeke and Baesens 2013, IEEE TKDE 25(5) 961–973. Equal to ``empulse`` 0.11.1 (MIT) to rounding; see
    ``benchmarks/empulse_check.py``.

    Examples
    --------
    >>> best = expected_maximum_profit([1, 0], [0.9, 0.1], 100.0, contact_cost=10.0, save_rate=0.5)
    >>> round(best.profit_per_account, 2), round(best.contact_share, 2)
    (20.0, 0.5)
    """
    contacted, saved, spent = _cumulated(y, p, value, contact_cost, offer_cost)
    n = float(contacted[-1])
    if n == 0:
        return CampaignProfit(0.0, 0.0)
    best, start = _upper_envelope(saved, spent)
    a, b = certainty * save_rate, certainty * (1.0 - save_rate)
    edges = np.clip(np.append(start, 1.0), 0.0, 1.0)
    mass = np.diff(betainc(a, b, edges))
    first_moment = save_rate * np.diff(betainc(a + 1.0, b, edges))
    profit = float((saved[best] * first_moment - spent[best] * mass).sum()) / n
    return CampaignProfit(profit, float((contacted[best] * mass).sum()) / n)


def maximum_profit(
    y: npt.ArrayLike,
    p: npt.ArrayLike,
    value: npt.ArrayLike,
    *,
    contact_cost: float,
    offer_cost: npt.ArrayLike = 0.0,
    save_rate: float = 0.15,
) -> CampaignProfit:
    """Return the top of the profit curve: the profit per account of the best campaign at a given save rate.

    EMPB (Janssens et al. 2024) is this with a value per account. As ``empulse`` 0.11.1 computes it, a churner who does
    not accept costs nothing, not even the contact; so its ``incentive_fraction=δ`` and ``contact_cost=f`` are here
    ``offer_cost=δ·value + f`` and ``contact_cost=0``, its ``α`` and ``β`` are ``save_rate=α/(α+β)``, and its result is
    a sum over accounts where this is a mean.

    Parameters
    ----------
    y, p, value, contact_cost, offer_cost, save_rate
        As for `profit_curve`.

    Returns
    -------
    CampaignProfit

    References
    ----------
    Janssens, Bogaert, Bagué and Van den Poel 2024, 10.1007/s10479-022-04631-5.

    Examples
    --------
    >>> maximum_profit([1, 0], [0.9, 0.1], 100.0, contact_cost=10.0, save_rate=0.5)
    CampaignProfit(profit_per_account=20.0, contact_share=0.5)
    """
    curve = profit_curve(y, p, value, contact_cost=contact_cost, offer_cost=offer_cost, save_rate=save_rate)
    profit, share = curve["profit"].to_numpy(), curve["share"].to_numpy()
    best = int(profit.argmax())
    accounts = max(float(curve["contacted"].iloc[-1]), 1.0)
    return CampaignProfit(float(profit[best]) / accounts, float(share[best]))


def area_under_profit_curve(
    y: npt.ArrayLike,
    p: npt.ArrayLike,
    value: npt.ArrayLike,
    *,
    contact_cost: float,
    offer_cost: npt.ArrayLike = 0.0,
    save_rate: float = 0.15,
) -> float | None:
    """Return the profit of this ranking as a share of the perfect ranking's, over all sizes of campaign that can pay.

    From one contact to as many as the perfect ranking can make without loss, the ratio of the two profits is averaged
    (trapezoids). 1 is perfect; below 0, contacting by this ranking mostly loses money. Accounts tied in score bring
    their mean profit each. The perfect ranking contacts accounts by the profit that each brings.

    Parameters
    ----------
    y, p, value, contact_cost, offer_cost, save_rate
        As for `profit_curve`.

    Returns
    -------
    float or None
        None where not even the first two contacts of the perfect ranking pay.

    References
    ----------
    Rahman, Janssens and Bogaert 2025, 10.1016/j.jbusres.2024.115159 (AUEPC, there with EMPB's profit: see
    `maximum_profit` for how the costs map). Equal to ``empulse`` 0.11.1 (MIT) to rounding, where no scores tie.

    Examples
    --------
    >>> area_under_profit_curve([1, 1, 0, 0], [0.9, 0.8, 0.2, 0.1], 100.0, contact_cost=1.0)
    1.0
    >>> round(area_under_profit_curve([1, 1, 0, 0], [0.5] * 4, 100.0, contact_cost=1.0), 3)
    0.64
    """
    outcome, score = np.asarray(y, dtype=np.float64), np.asarray(p, dtype=np.float64)
    worth = np.nan_to_num(np.broadcast_to(np.asarray(value, dtype=np.float64), outcome.shape))
    offer = np.broadcast_to(np.asarray(offer_cost, dtype=np.float64), outcome.shape)
    own = outcome * save_rate * (worth - offer) - (1.0 - outcome) * offer - contact_cost
    perfect = np.cumsum(-np.sort(-own))
    stop = int(np.argmax(perfect <= 0)) if (perfect <= 0).any() else len(perfect)
    if stop < 2:
        return None
    _, inverse, size = np.unique(-score, return_inverse=True, return_counts=True)
    mean = np.bincount(inverse, weights=own) / size
    ratio = np.cumsum(np.repeat(mean, size))[:stop] / perfect[:stop]
    return float(np.trapezoid(ratio) / (stop - 1))


def _cumulated(
    y: npt.ArrayLike, p: npt.ArrayLike, value: npt.ArrayLike, contact_cost: float, offer_cost: npt.ArrayLike
) -> tuple[Array, Array, Array]:
    """Return accounts contacted, value at stake times a save rate of one, and costs that do not depend on it."""
    outcome, score = np.asarray(y, dtype=np.float64), np.asarray(p, dtype=np.float64)
    worth = np.nan_to_num(np.broadcast_to(np.asarray(value, dtype=np.float64), outcome.shape))
    offer = np.broadcast_to(np.asarray(offer_cost, dtype=np.float64), outcome.shape)
    values, inverse = np.unique(-score, return_inverse=True)

    def running(column: Array) -> Array:
        return np.concatenate([[0.0], np.cumsum(np.bincount(inverse, weights=column, minlength=len(values)))])

    # A saved churner takes the offer too; a churner who leaves does not.
    saved = running(outcome * (worth - offer))
    spent = running(contact_cost + (1.0 - outcome) * offer)
    return running(np.ones(len(outcome))), saved, spent


def _upper_envelope(slope: Array, cost: Array) -> tuple[npt.NDArray[np.intp], Array]:
    """Return which lines ``slope·g − cost`` are highest for g in 0–1, in order of g, and where each begins to be."""
    order = np.lexsort((cost, slope))
    lines: list[int] = []
    begins: list[float] = []
    for line in order:
        while lines:
            last = lines[-1]
            if slope[line] == slope[last]:
                at = -np.inf if cost[line] < cost[last] else np.inf
            else:
                at = (cost[line] - cost[last]) / (slope[line] - slope[last])
            if at > begins[-1]:
                break
            lines.pop()
            begins.pop()
        begin = at if lines else -np.inf
        if begin < np.inf:
            lines.append(int(line))
            begins.append(float(begin))
    start = np.clip(np.asarray(begins), 0.0, 1.0)
    return np.asarray(lines, dtype=np.intp), start
