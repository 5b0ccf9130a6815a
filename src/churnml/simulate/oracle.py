"""The best possible prediction: what somebody would say who sees the hidden state of every account today."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from churnml.simulate.contracts import HARD_RISE, HARD_RISE_SHARE
from churnml.simulate.drivers import DRIVER_INDEX, DRIVERS, step

__all__ = ["true_probability"]


def true_probability(
    truth: Mapping[str, pd.DataFrame],
    as_of: date | pd.Timestamp,
    horizon_days: int,
    *,
    knows: Literal["hazard", "state"] = "hazard",
    futures: int = 64,
    seed: int = 0,
) -> pd.DataFrame:
    """Return each account's true churn probability as an oracle states it that knows its true hazard.

    Two oracles, both of which know every contract with its coming decision days, whether notice was given, and the
    true probability of decisions made already of which nothing was said (by Bayes' rule); neither knows how a decision
    falls.

    - ``"hazard"`` knows the account's true hazard on `as_of` and holds it constant: at each decision in the horizon it
      leaves with ``1 − exp(−exposure × hazard)``. It does not know what is about to raise the hazard.
    - ``"state"`` also knows every hidden pressure, including the youngest that the hazard follows only weeks later and
      the tables may not show yet. It averages the exact probability over `futures` continuations of the hidden
      processes, drawn with `seed` by the very step that made the company. It does not know which troubles will begin
      or end. No model that is fed by the tables can beat it but by luck: it is the ceiling, and it is calibrated.

    A good model comes close to the first, which sees no early signs, and stays below the second.

    Parameters
    ----------
    truth : mapping of str to DataFrame
        `Company.truth`, or the frames read back from ``truth/``.
    as_of : date
        Midnight at the start of the day; inside the data.
    horizon_days : int
        Churn takes effect in ``[as_of, as_of + horizon_days)``.
    knows : {"hazard", "state"}
        What the oracle knows.
    futures : int
        Continuations to average over; of no effect on ``"hazard"``.
    seed : int
        Seed of the continuations; of no effect on ``"hazard"``.

    Returns
    -------
    DataFrame
        ``account_id, probability, churned`` (0/1, what happened), one row per account under contract at `as_of` of
        which no notice is known. `churned` is only final while ``as_of + horizon_days`` lies inside the data.

    Examples
    --------
    >>> from churnml.simulate import simulate
    >>> company = simulate(accounts=40, months=6, seed=1)
    >>> oracle = true_probability(company.truth, date(2024, 3, 1), 90)
    >>> bool(oracle["probability"].between(0, 1).all())
    True
    """
    day = pd.Timestamp(as_of)
    limit = day + pd.Timedelta(days=horizon_days)
    accounts = truth["accounts"]
    there = (accounts["signed_on"] < day) & ~(accounts["churn_on"] < day) & ~(accounts["notice_at"] < day)
    accounts = accounts[there].reset_index(drop=True)
    view = _view(truth, accounts, day, limit)
    if knows == "hazard":
        stays = _stay_at_hazard(view)
    else:
        stays = _stay_over_futures(np.random.default_rng(seed), view, futures)
    churned = (accounts["churn_on"] >= day) & (accounts["churn_on"] < limit)
    return pd.DataFrame(
        {"account_id": accounts["account_id"], "probability": 1 - stays, "churned": churned.astype("int64")}
    )


@dataclass(frozen=True)
class _View:
    """What the oracle sees on one day; `row` points from a term to its account.

    Parameters
    ----------
    past : ndarray (drivers, accounts, weeks)
        Severities up to the week of `as_of`, which is the last.
    chance : ndarray (drivers, accounts)
        Chance per week that trouble strikes.
    rises : ndarray (weeks ahead, accounts) of bool
        Anniversaries.
    row, ahead : ndarray (terms,) of int
        Account, and weeks from the week of `as_of` to the decision.
    known : ndarray (terms,) of bool
        Decided before `as_of`.
    silent : ndarray (terms,)
        Chance that the account leaves, decided and not said.
    scale : ndarray (terms,)
        Exposure times context hazard.
    """

    past: NDArray[np.float32]
    chance: NDArray[np.float64]
    rises: NDArray[np.bool_]
    row: NDArray[np.int64]
    ahead: NDArray[np.int64]
    known: NDArray[np.bool_]
    silent: NDArray[np.float64]
    scale: NDArray[np.float64]


def _view(truth: Mapping[str, pd.DataFrame], accounts: pd.DataFrame, day: pd.Timestamp, limit: pd.Timestamp) -> _View:
    order = pd.Index(accounts["account_id"])
    terms = truth["terms"]
    terms = terms[(terms["ends_on"] >= day) & (terms["ends_on"] < limit) & terms["account_id"].isin(order)]
    hazard, drivers = truth["hazard"], truth["drivers"]
    deepest = int(drivers["lag_weeks"].max())
    this_week = hazard.loc[hazard["week_on"] <= day, "week_on"].max()
    grid = pd.date_range(end=this_week, periods=deepest + 1, freq="7D", unit="us")
    recent = hazard[hazard["week_on"].between(grid[0], grid[-1]) & hazard["account_id"].isin(order)]
    past = np.zeros((len(drivers), len(order), len(grid)), dtype="float32")
    row, column = order.get_indexer(pd.Index(recent["account_id"])), grid.get_indexer(pd.Index(recent["week_on"]))
    for index, (name, weight) in enumerate(zip(drivers["driver"], drivers["weight"], strict=True)):
        past[index, row, column] = recent[f"pressure_{name}"].to_numpy() / weight
    chance = np.repeat(drivers["strikes"].to_numpy()[:, None], len(order), axis=1)
    chance[DRIVER_INDEX["payment_trouble"], accounts["pays_upfront"].to_numpy()] = 0.0
    known = (terms["decided_on"] < day).to_numpy()
    ahead = (terms["decided_on"] - this_week).dt.days.to_numpy() // 7
    rises = np.zeros((int(max(ahead.max(initial=0), 0)) + 1, len(order)), dtype=bool)
    coming = terms[terms["anniversary"]]
    week = (coming["ends_on"] - this_week).dt.days.to_numpy() // 7
    inside = (week > 0) & (week < len(rises))
    rises[week[inside], order.get_indexer(pd.Index(coming["account_id"]))[inside]] = True
    leaves, says = terms["probability"].to_numpy(), terms["notice_share"].to_numpy()
    return _View(
        past=past,
        chance=chance,
        rises=rises,
        row=order.get_indexer(pd.Index(terms["account_id"])),
        ahead=ahead.astype("int64"),
        known=known,
        # Bayes' rule: it has been decided, and no notice came.
        silent=leaves * (1 - says) / (1 - leaves * says),
        scale=terms["exposure_months"].to_numpy() * np.exp(terms["context"].to_numpy()),
    )


def _stay_at_hazard(view: _View) -> NDArray[np.float64]:
    """Return the probability of every account to stay if its hazard stays as it is."""
    pressure = np.zeros(view.past.shape[1])
    for index, driver in enumerate(DRIVERS):
        pressure += driver.weight * view.past[index, :, -1 - driver.lag_weeks]
    hazard = view.scale * np.exp(pressure[view.row])
    log_stays = np.zeros(view.past.shape[1])
    decided = np.log1p(-np.minimum(view.silent, 1 - 1e-12))
    np.add.at(log_stays, view.row, np.where(view.known, decided, -hazard))
    return np.asarray(np.exp(log_stays))


def _stay_over_futures(rng: np.random.Generator, view: _View, futures: int) -> NDArray[np.float64]:
    """Return the probability of every account to stay, averaged over the continuations."""
    accounts = view.past.shape[1]
    weeks = len(view.rises)
    state = np.repeat(view.past[None, :, :, -1], futures, axis=0)
    path = [state]
    price = DRIVER_INDEX["price_rise"]
    planned = np.zeros_like(state)
    for week in range(1, weeks):
        hard = view.rises[week] & (rng.random((futures, accounts)) < HARD_RISE_SHARE)
        planned[:, price] = np.where(hard, rng.uniform(*HARD_RISE, (futures, accounts)) / 0.25, 0.0)
        state, _, _ = step(rng, state, view.chance, planned)
        path.append(state)
    log_stays = np.zeros((accounts, futures))
    known = view.known
    decided = np.log1p(-np.minimum(view.silent[known], 1 - 1e-12))
    np.add.at(log_stays, view.row[known], decided[:, None])
    for week in range(weeks):
        now = ~known & (view.ahead == week)
        pressure = np.zeros((futures, int(now.sum())))
        for index, driver in enumerate(DRIVERS):
            lagged = week - driver.lag_weeks
            severity = path[lagged][:, index] if lagged >= 0 else view.past[None, index, :, lagged - 1]
            pressure += driver.weight * severity[:, view.row[now]]
        np.add.at(log_stays, view.row[now], -(view.scale[now] * np.exp(pressure)).T)
    return np.asarray(np.exp(log_stays).mean(axis=1))
