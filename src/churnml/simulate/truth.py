"""What the simulator knows and the tables do not say: hazards, causes, and the best possible prediction."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from churnml.simulate.drivers import DRIVERS
from churnml.simulate.frames import days_to_datetime
from churnml.simulate.life import Life

__all__ = ["true_probability", "truth_frames"]

RANDOM_CAUSE = "random"
"""Cause of a churner whom no trouble pushed."""

_CAUSE_THRESHOLD = 0.7


def truth_frames(life: Life) -> dict[str, pd.DataFrame]:
    """Return the truth about a company.

    Returns
    -------
    dict of str to DataFrame
        ``accounts``
            One row per account: ``account_id, signed_on, churn_on, decided_on, notice_at, cause, family,
            hazard_at_decision``. `churn_on` may lie beyond the data: the decision had been made before its end.
            `cause` is the driver with the largest contribution to the log-hazard at the decision, ``"random"``
            if none reached 0.7 (a doubled hazard); `family` is its feature family, null for ``"random"``.
        ``hazard``
            One row per account and week of its life: ``account_id, week_on``, ``hazard`` (expected decisions to leave
            per month if it could leave every day; it holds on each day of that week) and one ``pressure_<driver>``
            each, in units of log-hazard; the hazard follows a pressure `lag_weeks` later.
        ``terms``
            One row per account and contract month's end at which it may leave: ``account_id, ends_on, decided_on,
            exposure_months, context`` (log-hazard of plan and tenure, intercept included), ``notice_share`` (chance
            that who leaves says so at the decision), ``probability`` (realised).
        ``drivers``
            One row per driver: ``driver, family, weight, lag_weeks, keep`` (expected share of a pressure left after
            one week).
    """
    return {
        "accounts": _accounts(life),
        "hazard": _hazard(life),
        "terms": _terms(life),
        "drivers": pd.DataFrame(
            {
                "driver": [driver.name for driver in DRIVERS],
                "family": [driver.family for driver in DRIVERS],
                "weight": [driver.weight for driver in DRIVERS],
                "lag_weeks": [driver.lag_weeks for driver in DRIVERS],
                "keep": [driver.keep * (1 - driver.recover) for driver in DRIVERS],
            }
        ),
    }


def _accounts(life: Life) -> pd.DataFrame:
    decisions, people = life.decisions, life.people
    rows = np.arange(people.size)
    gone = decisions.leaves_after >= 0
    shares = decisions.contributions[:, rows, decisions.leaves_after]
    main = shares.argmax(axis=0)
    pushed = shares.max(axis=0) >= _CAUSE_THRESHOLD
    names = np.array([driver.name for driver in DRIVERS], dtype=object)
    families = np.array([driver.family for driver in DRIVERS], dtype=object)
    log_hazard = decisions.context[rows, decisions.leaves_after] + shares.sum(axis=0)
    decided = decisions.decided[rows, decisions.leaves_after].astype("float64")
    cause = pd.Series(np.where(pushed, names[main], RANDOM_CAUSE)).where(gone)
    family = pd.Series(families[main]).where(gone & pushed)
    return pd.DataFrame(
        {
            "account_id": pd.array(people.ids, dtype="str"),
            "signed_on": days_to_datetime(people.signed),
            "churn_on": days_to_datetime(decisions.churn_on),
            "decided_on": days_to_datetime(np.where(gone, decided, np.nan)),
            "notice_at": days_to_datetime(decisions.notice_at),
            "cause": cause.astype("str"),
            "family": family.astype("str"),
            "hazard_at_decision": np.where(gone, np.exp(log_hazard), np.nan),
        }
    )


def _hazard(life: Life) -> pd.DataFrame:
    world, people = life.world, life.people
    first = world.first_week + 7 * np.arange(world.weeks)
    lived = (first[None, :] + 7 > people.signed[:, None]) & (first[None, :] < life.live_until[:, None])
    account, week = np.nonzero(lived)
    total = np.zeros(len(account), dtype="float32")
    columns: dict[str, NDArray[np.float32]] = {}
    for index, driver in enumerate(DRIVERS):
        pressure = np.float32(driver.weight) * life.latents.severity[index]
        columns[f"pressure_{driver.name}"] = pressure[account, week]
        total += pressure[account, np.maximum(week - driver.lag_weeks, 0)]
    context = life.decisions.context[account, life.month_on(account, np.maximum(first[week], people.signed[account]))]
    return pd.DataFrame(
        {
            "account_id": pd.array(people.ids[account], dtype="str"),
            "week_on": days_to_datetime(first[week]),
            "hazard": np.exp(total + context).astype("float32"),
            **columns,
        }
    )


def _terms(life: Life) -> pd.DataFrame:
    decisions, people = life.decisions, life.people
    gone = decisions.leaves_after
    months = np.arange(life.contracts.months)
    reached = (gone < 0)[:, None] | (months[None, :] <= gone[:, None])
    account, month = np.nonzero((decisions.exposure > 0) & reached)
    return pd.DataFrame(
        {
            "account_id": pd.array(people.ids[account], dtype="str"),
            "ends_on": days_to_datetime(life.contracts.begins[account, month + 1]),
            "decided_on": days_to_datetime(decisions.decided[account, month]),
            "exposure_months": decisions.exposure[account, month],
            "context": decisions.context[account, month],
            "notice_share": people.gives_notice[account],
            "probability": decisions.probability[account, month],
        }
    )


def true_probability(truth: Mapping[str, pd.DataFrame], as_of: date | pd.Timestamp, horizon_days: int) -> pd.DataFrame:
    """Return each account's churn probability as somebody would state it who sees the hidden state.

    The oracle knows on `as_of`: every pressure on every account up to that day (also those whose trace the tables do
    not show yet), every contract with its coming decision days, all weights, lags and rates. It does *not* know the
    draw of a decision (unless notice was given), nor trouble that has not begun: a pressure is carried forward by its
    expected share left, `keep`, and the trouble yet to come enters as the average over all accounts for the same
    number of weeks ahead. Within that knowledge the probability is exact up to this plug-in of expected pressures.

    Parameters
    ----------
    truth : mapping of str to DataFrame
        `Company.truth`, or the frames read back from ``truth/``.
    as_of : date
        Midnight at the start of the day.
    horizon_days : int
        Churn takes effect in ``[as_of, as_of + horizon_days)``.

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
    accounts = truth["accounts"]
    there = (accounts["signed_on"] < day) & ~(accounts["churn_on"] < day) & ~(accounts["notice_at"] < day)
    accounts = accounts[there]
    limit = day + pd.Timedelta(days=horizon_days)
    terms = truth["terms"]
    terms = terms[(terms["ends_on"] >= day) & (terms["ends_on"] < limit)]
    terms = terms[terms["account_id"].isin(accounts["account_id"])]
    known = (terms["decided_on"] < day).to_numpy()
    expected = _expected_probability(truth, terms, day)
    realised = terms["probability"].to_numpy()
    notice = terms["notice_share"].to_numpy()
    # Decided already and no notice came: Bayes' rule.
    silent = realised * (1 - notice) / (1 - realised * notice)
    stays = np.log1p(-np.minimum(np.where(known, silent, expected), 1 - 1e-9))
    left = 1 - pd.Series(stays).groupby(terms["account_id"].to_numpy()).sum().map(np.exp)
    churned = (accounts["churn_on"] >= day) & (accounts["churn_on"] < limit)
    return pd.DataFrame(
        {
            "account_id": accounts["account_id"],
            "probability": accounts["account_id"].map(left).fillna(0.0).astype("float64"),
            "churned": churned.astype("int64"),
        }
    ).reset_index(drop=True)


def _expected_probability(
    truth: Mapping[str, pd.DataFrame], terms: pd.DataFrame, day: pd.Timestamp
) -> NDArray[np.float64]:
    """Return P(leave) of each term as expected on a day: pressures carried forward by their lag and decay."""
    hazard = truth["hazard"]
    weeks = np.sort(hazard["week_on"].unique())
    now = int(np.searchsorted(weeks, np.datetime64(day), side="right")) - 1
    ahead = np.maximum(np.floor((terms["decided_on"] - weeks[now]).dt.days.to_numpy() / 7), 0).astype("int64")
    order = pd.Index(terms["account_id"].unique())
    row = order.get_indexer(terms["account_id"])
    recent = hazard[(hazard["week_on"] > weeks[max(now - 12, 0)] - np.timedelta64(7, "D"))]
    recent = recent[(recent["week_on"] <= weeks[now]) & recent["account_id"].isin(order)]
    total = np.zeros(len(terms))
    drivers = truth["drivers"]
    for name, lag, keep in zip(drivers["driver"], drivers["lag_weeks"], drivers["keep"], strict=True):
        wide = recent.pivot_table(index="account_id", columns="week_on", values=f"pressure_{name}")
        past = (
            wide.reindex(index=order, columns=pd.DatetimeIndex(weeks[max(now - 12, 0) : now + 1]))
            .fillna(0.0)
            .to_numpy()
        )
        lead = ahead - int(lag)
        column = np.clip(past.shape[1] - 1 + np.minimum(lead, 0), 0, past.shape[1] - 1)
        total += past[row, column] * float(keep) ** np.maximum(lead, 0)
    rate = np.exp(total + terms["context"].to_numpy())
    return np.asarray(1 - np.exp(-terms["exposure_months"].to_numpy() * rate))
