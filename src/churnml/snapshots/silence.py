"""Churn by silence: no activity for N days, for companies without contracts.

Activity is reduced once, by the engine, to three small frames; every snapshot is answered from those.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from churnml.tables import Tables, knowledge

if TYPE_CHECKING:
    import ibis.expr.types as ir

__all__ = ["Activity", "activity_known", "silent_stretches"]


@dataclass(frozen=True)
class Activity:
    """What was known of each account's activity at each as-of date, on a (date × account) grid.

    Parameters
    ----------
    accounts : ndarray of str, shape (a,)
        Accounts, ascending.
    dates : DatetimeIndex, shape (d,)
        As-of dates, ascending.
    last_on, first_on : ndarray of datetime64[D], shape (d, a)
        Day of the last and the first event known before the date; NaT where none is.
    events, users : ndarray of float, shape (d, a)
        Events and distinct users known before the date.
    """

    accounts: np.ndarray
    dates: pd.DatetimeIndex
    last_on: np.ndarray
    first_on: np.ndarray
    events: np.ndarray
    users: np.ndarray

    def at(self, as_of: pd.Timestamp) -> pd.DataFrame:
        """Return one row per account with anything known at `as_of`."""
        row = self.dates.get_loc(as_of)
        frame = pd.DataFrame(
            {
                "account_id": pd.Series(self.accounts, dtype="str"),
                "last_on": self.last_on[row].astype("datetime64[us]"),
                "first_on": self.first_on[row].astype("datetime64[us]"),
                "events": self.events[row],
                "users": self.users[row],
            }
        )
        return frame[frame["last_on"].notna()].reset_index(drop=True)


def activity_known(tables: Tables, dates: pd.DatetimeIndex, activity: tuple[str, ...] = ()) -> Activity:
    """Sum up what each as-of date could know of each account's events, in one pass over them.

    Parameters
    ----------
    tables : Tables
        With `events`.
    dates : DatetimeIndex, shape (d,)
        As-of dates, ascending and unique.
    activity : tuple of str
        Event types that count; empty = all.
    """
    events = _counted(tables, activity)
    events = events.mutate(seen_on=knowledge.rows_known_since(events, "events").date())
    daily = (
        events.group_by("account_id", "seen_on")
        .agg(
            last_on=events.occurred_at.max().truncate("D"),
            first_on=events.occurred_at.min().truncate("D"),
            events=events.event_count.sum(),
        )
        .to_pandas()
    )
    new_users = events.group_by("account_id", "user_id").agg(seen_on=events.seen_on.min())
    new_users = new_users.filter(new_users.user_id.notnull())
    users = new_users.group_by("account_id", "seen_on").agg(users=new_users.count()).to_pandas()
    accounts = np.sort(daily["account_id"].astype("object").unique())
    shape = (len(dates), len(accounts))
    last_on = np.full(shape, np.datetime64("NaT", "D"))
    first_on = np.full(shape, np.datetime64("NaT", "D"))
    counts, people = np.zeros(shape), np.zeros(shape)
    row, column, inside = _cells(daily, dates, accounts)
    np.fmax.at(last_on, (row, column), daily["last_on"].to_numpy().astype("datetime64[D]")[inside])
    np.fmin.at(first_on, (row, column), daily["first_on"].to_numpy().astype("datetime64[D]")[inside])
    np.add.at(counts, (row, column), daily["events"].to_numpy(dtype="float64")[inside])
    row, column, inside = _cells(users, dates, accounts)
    np.add.at(people, (row, column), users["users"].to_numpy(dtype="float64")[inside])
    return Activity(
        accounts=accounts,
        dates=dates,
        last_on=np.fmax.accumulate(last_on, axis=0),
        first_on=np.fmin.accumulate(first_on, axis=0),
        events=counts.cumsum(axis=0),
        users=people.cumsum(axis=0),
    )


def silent_stretches(tables: Tables, *, silence_days: int, activity: tuple[str, ...] = ()) -> pd.DataFrame:
    """Return each account's stretches of at least `silence_days` days without activity, seen with hindsight.

    Returns
    -------
    DataFrame
        One row per account and stretch: ``account_id, silent_from, silent_until`` (exclusive). The stretch after an
        account's last event has no end (NaT).
    """
    import ibis

    events = _counted(tables, activity)
    days = events.select("account_id", day=events.occurred_at.date()).distinct()
    following = days.day.lead().over(ibis.window(group_by="account_id", order_by="day"))
    pairs = days.mutate(following=following)
    # d and the next active day d2 enclose d2 − d − 1 silent days.
    quiet = pairs.filter(
        pairs.following.isnull() | ((pairs.following.delta(pairs.day, unit="day") - 1) >= silence_days)
    ).to_pandas()
    return pd.DataFrame(
        {
            "account_id": quiet["account_id"].astype("str"),
            "silent_from": pd.to_datetime(quiet["day"]).astype("datetime64[us]") + pd.Timedelta(days=1),
            "silent_until": pd.to_datetime(quiet["following"]).astype("datetime64[us]"),
        }
    ).sort_values(["account_id", "silent_from"], ignore_index=True)


def _counted(tables: Tables, activity: tuple[str, ...]) -> ir.Table:
    events = tables["events"]
    return events.filter(events.event_type.isin(list(activity))) if activity else events


def _cells(
    frame: pd.DataFrame, dates: pd.DatetimeIndex, accounts: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the grid row (first date after `seen_on`), the grid column and which rows fall on the grid."""
    seen = pd.to_datetime(frame["seen_on"]).to_numpy().astype("datetime64[D]")
    row = np.searchsorted(dates.to_numpy().astype("datetime64[D]"), seen, side="right")
    inside = row < len(dates)
    column = np.searchsorted(accounts, frame["account_id"].to_numpy(dtype="object"))
    return row[inside], column[inside], inside
