"""What the simulator knows and the tables do not say: hazards, decisions and causes."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from churnml.simulate.drivers import DRIVERS, INCIDENT_SHARE
from churnml.simulate.frames import days_to_datetime
from churnml.simulate.life import Life

__all__ = ["truth_frames"]

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
            hazard_at_decision, pays_upfront``. `churn_on` may lie beyond the data: the decision had been made before
            its end. `cause` is the driver with the largest contribution to the log-hazard at the decision,
            ``"random"`` if none reached 0.7 (a doubled hazard); `family` is its feature family, null for ``"random"``.
            Who pays three or twelve months upfront has no `payment_trouble`.
        ``hazard``
            One row per account and week of its life: ``account_id, week_on``, ``hazard`` (expected decisions to leave
            per month if it could leave every day; it holds on each day of that week) and one ``pressure_<driver>``
            each, in units of log-hazard; the hazard follows a pressure `lag_weeks` later.
        ``terms``
            One row per account and contract month's end at which it may leave, to beyond the end of the data and as if
            no account ever left (the end of the list would tell who does): ``account_id, ends_on, decided_on,
            exposure_months, context`` (log-hazard of plan and tenure, intercept included), ``notice_share`` (chance
            that who leaves says so at the decision), ``anniversary`` (prices may rise that day), ``probability`` (of
            leaving, at the decision).
        ``drivers``
            One row per driver: ``driver, family, weight`` (log-hazard per unit of severity), ``lag_weeks, keep``
            (share of the severity left after a week), ``recover`` (chance per week that it ends), ``strikes`` (chance
            per week that it begins, outages at their average).
    """
    outages = INCIDENT_SHARE * len(life.world.incident_weeks) / life.world.weeks
    drivers = pd.DataFrame(
        {
            "driver": [driver.name for driver in DRIVERS],
            "family": [driver.family for driver in DRIVERS],
            "weight": [driver.weight for driver in DRIVERS],
            "lag_weeks": [driver.lag_weeks for driver in DRIVERS],
            "keep": [driver.keep for driver in DRIVERS],
            "recover": [driver.recover for driver in DRIVERS],
            "strikes": [driver.strikes + (outages if driver.name == "bug_wave" else 0.0) for driver in DRIVERS],
        }
    )
    return {"accounts": _accounts(life), "hazard": _hazard(life), "terms": _terms(life), "drivers": drivers}


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
    return pd.DataFrame(
        {
            "account_id": pd.array(people.ids, dtype="str"),
            "signed_on": days_to_datetime(people.signed),
            "churn_on": days_to_datetime(decisions.churn_on),
            "decided_on": days_to_datetime(np.where(gone, decided, np.nan)),
            "notice_at": days_to_datetime(decisions.notice_at),
            "cause": pd.Series(np.where(pushed, names[main], RANDOM_CAUSE)).where(gone).astype("str"),
            "family": pd.Series(families[main]).where(gone & pushed).astype("str"),
            "hazard_at_decision": np.where(gone, np.exp(log_hazard), np.nan),
            "pays_upfront": people.billing_months > 1,
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
    account, month = np.nonzero(decisions.exposure > 0)
    return pd.DataFrame(
        {
            "account_id": pd.array(people.ids[account], dtype="str"),
            "ends_on": days_to_datetime(life.contracts.begins[account, month + 1]),
            "decided_on": days_to_datetime(decisions.decided[account, month]),
            "exposure_months": decisions.exposure[account, month],
            "context": decisions.context[account, month],
            "notice_share": people.gives_notice[account],
            "anniversary": (month + 1) % 12 == 0,
            "probability": decisions.probability[account, month],
        }
    )
