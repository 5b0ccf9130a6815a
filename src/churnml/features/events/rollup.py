"""The one pass over the events: what each account and user did on each day, as the engine sums it up.

Two grouped scans reduce the events, wherever they live, to one row per (account, kind, day) and one per
(account, user, day). Everything windowed is answered from these by `ledger`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from churnml.features.keys import Ints, Keys
from churnml.tables import Tables, knowledge

if TYPE_CHECKING:
    import ibis.expr.types as ir

__all__ = ["Rollup", "account_codes", "counted_events", "midnight", "roll_up", "slug"]


_DERIVED = ("_trend", "_from_peak", "_slope_12w", "_percentile")
"""Endings of features that are made of others."""


def slug(event_type: str) -> str:
    """Return an event kind's name as part of a column name; kinds with the same slug are counted together.

    Examples
    --------
    >>> slug("Create Lead (v2)")
    'create_lead_v2'

    A kind that is called like what is made of another one keeps out of its way:

    >>> slug("report trend")
    'report_trend_kind'
    """
    words = "".join(letter if letter.isalnum() else " " for letter in event_type.lower()).split()
    name = "_".join(words) or "unnamed"
    return f"{name}_kind" if name.endswith(_DERIVED) else name


@dataclass(frozen=True)
class Rollup:
    """Events summed by day.

    Parameters
    ----------
    kinds : DataFrame
        One row per account, event kind, day and visible day:
        ``code, kind (category of slugs), occurred, visible, events, value, login``.
    users : DataFrame or None
        One row per account, user and day: ``code, user, occurred, visible`` (visible: the earliest);
        None where no user is known.
    user_ids : ndarray of str
        The users' names, by their number in `users`.
    """

    kinds: pd.DataFrame
    users: pd.DataFrame | None
    user_ids: npt.NDArray[np.object_] = field(default_factory=lambda: np.zeros(0, dtype=object))


def roll_up(
    tables: Tables,
    keys: Keys,
    login_events: tuple[str, ...],
    *,
    since: int | None = None,
    late_since: int | None = None,
    valued_only: bool = False,
) -> Rollup:
    """Sum the events of the accounts asked about, up to the last `as_of`.

    Parameters
    ----------
    tables : Tables
        With `events`.
    keys : Keys
        The rows asked about.
    login_events : tuple of str
        Kinds that are logins.
    since : int, optional
        Day number; events known before it are left out, and so are those not known before the last `as_of`.
    late_since : int, optional
        Day number; only the events that became known on a later day than they occurred, from then until before the
        last `as_of`.
    valued_only : bool
        Only events that carry a value, and no users.
    """
    import ibis

    events, late = _visible_events(tables, keys)
    if keys.part:
        events = events.semi_join(ibis.memtable(pa.table({"account_id": keys.names})), "account_id")
    if since is not None or late_since is not None:
        events = _few(events, late, keys, since, late_since)
    if valued_only:
        events = events.filter(events["value"].notnull())
    by_kind = _by_kind(events, late, with_value=tables.has("events", "value"))
    kinds = by_kind.to_pyarrow()
    raw_kinds = kinds.column("kind").combine_chunks().dictionary_encode()
    words = [str(word) for word in raw_kinds.dictionary.to_pylist()]
    slugs = pd.Index([slug(word) for word in words])
    codes = raw_kinds.indices.to_numpy(zero_copy_only=False)
    frame = pd.DataFrame(
        {
            "code": account_codes(kinds, keys),
            "occurred": _days(kinds, "occurred"),
            "visible": _days(kinds, "visible") if late else _days(kinds, "occurred"),
            "events": kinds.column("events").to_numpy().astype(np.int64),
        }
    )
    frame["value"] = kinds.column("value").to_numpy() if "value" in kinds.column_names else np.nan
    frame["login"] = np.isin(codes, [index for index, word in enumerate(words) if word in login_events])
    unique = slugs.unique()
    frame["kind"] = pd.Categorical.from_codes(unique.get_indexer(slugs)[codes] if len(words) else codes, unique)
    asked = frame[frame["code"] >= 0].reset_index(drop=True)
    with_users = tables.has("events", "user_id") and not valued_only
    return Rollup(asked, *_by_user(events, late, keys)) if with_users else Rollup(asked, None)


def counted_events(tables: Tables) -> ir.Table:
    """Return the events without rows that stand for none."""
    events = tables["events"]
    return events.filter(events.event_count > 0) if tables.has("events", "event_count") else events


def _visible_events(tables: Tables, keys: Keys) -> tuple[ir.Table, bool]:
    """Return the events with the days on which they occurred and became visible, and whether these can differ."""
    import ibis

    events = counted_events(tables)
    events = events.filter(events.occurred_at < ibis.timestamp(pd.Timestamp(keys.as_of.max()).isoformat()))
    late = tables.has("events", "known_at")
    events = events.mutate(occurred=events.occurred_at.date())
    if late:
        events = events.mutate(visible=knowledge.rows_known_since(events, "events").date())
    return events, late


def _few(events: ir.Table, late: bool, keys: Keys, since: int | None, late_since: int | None) -> ir.Table:
    """Return the events known since a day, or those known late since a day: few, read once for kinds and users."""
    import ibis

    last = pd.Timestamp(keys.as_of.max())
    if late_since is not None:
        tardy = knowledge.rows_known_late(events, "events", midnight(late_since))
        events = events.filter(tardy & knowledge.rows_are_known(events, "events", last))
    elif since is not None and late:
        events = events.filter(knowledge.rows_newly_known(events, "events", midnight(since), last))
    elif since is not None:
        events = events.filter(events.occurred_at >= ibis.timestamp(midnight(since).isoformat()))
    columns = ("account_id", "user_id", "event_type", "occurred", "visible", "event_count", "value")
    return ibis.memtable(events.select([name for name in columns if name in events.columns]).to_pyarrow())


def midnight(day: int) -> pd.Timestamp:
    """Return the beginning of a day given by its number."""
    return pd.Timestamp(np.datetime64(int(day), "D"))


def _by_kind(events: ir.Table, late: bool, *, with_value: bool) -> ir.Table:
    groups = ["account_id", "kind", "occurred"] + (["visible"] if late else [])
    sums = {"events": events.event_count.sum()}
    if with_value:
        sums["value"] = events["value"].sum()
    return events.rename(kind="event_type").group_by(groups).agg(**sums)


def _by_user(events: ir.Table, late: bool, keys: Keys) -> tuple[pd.DataFrame, npt.NDArray[np.object_]]:
    known = events.filter(events.user_id.notnull())
    extra = {"visible": known.visible.min()} if late else {}
    rows = known.group_by(["account_id", "user_id", "occurred"]).agg(rows=known.count(), **extra).to_pyarrow()
    users = rows.column("user_id").combine_chunks().dictionary_encode()
    frame = pd.DataFrame(
        {
            "code": account_codes(rows, keys),
            "user": users.indices.to_numpy(zero_copy_only=False).astype(np.int64),
            "occurred": _days(rows, "occurred"),
            "visible": _days(rows, "visible" if late else "occurred"),
        }
    )
    return frame[frame["code"] >= 0].reset_index(drop=True), np.asarray(users.dictionary.to_pylist(), dtype=object)


def account_codes(rows: pa.Table, keys: Keys) -> Ints:
    """Return the position among the keys' accounts of each row's ``account_id``, −1 for one not asked about."""
    accounts = pc.cast(rows.column("account_id"), pa.string()).combine_chunks()
    position = pc.index_in(accounts, value_set=keys.names)
    return np.asarray(pc.fill_null(position, -1).to_numpy(zero_copy_only=False), dtype=np.int64)


def _days(rows: pa.Table, column: str) -> Ints:
    days = pc.cast(pc.cast(rows.column(column), pa.date32()), pa.int32()).to_numpy().astype(np.int64)
    clipped: Ints = np.maximum(days, 0)
    return clipped
