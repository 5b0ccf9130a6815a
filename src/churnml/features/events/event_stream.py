"""The one pass: the events stream past and each lands in its cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from churnml.engine import stream
from churnml.features.events.planes import Layout, Planes, Presence
from churnml.features.events.rollup import counted_events, slug
from churnml.features.keys import Ints, Keys
from churnml.tables import Tables, knowledge

if TYPE_CHECKING:
    import ibis.expr.types as ir

__all__ = ["lay_out", "planes_for"]

_THURSDAY = 3
"""Weekday of 1970-01-01, Monday being 0."""


def planes_for(tables: Tables, keys: Keys, layout: Layout, limit: int, beside: int = 0) -> Planes | int | None:
    """Return planes that answer for the rows asked about, or None where only the ledger can.

    They hold what every `as_of` knows of as soon as its own day has passed: facts known on that day, and those known
    before the first `as_of`. Where they and what is held `beside` them would take more than `limit` bytes, return in
    how many parts the accounts fit.
    """
    if tables.connection.name != "duckdb":
        return None
    since, until = int(keys.day.min()), int(keys.day.max())
    first = min(max(since - layout.reach, _first_day(tables, until)), until)
    return lay_out(tables, keys.accounts, layout, layout.cuts(keys.day, first), limit, late_since=since, beside=beside)


def _first_day(tables: Tables, until: int) -> int:
    moment = tables["events"].occurred_at.min().execute()
    return until if pd.isna(moment) else _day(moment)


def _day(moment: pd.Timestamp) -> int:
    return int(moment.to_datetime64().astype("datetime64[D]").astype(np.int64))


def lay_out(
    tables: Tables,
    accounts: npt.NDArray[np.object_] | None,
    layout: Layout,
    cuts: Ints,
    limit: int,
    *,
    late_since: int | None = None,
    beside: int = 0,
) -> Planes | int:
    """Lay out the events that occurred and were known before the last cut, or say in how many parts they would fit.

    Parameters
    ----------
    tables : Tables
        With `events`, on DuckDB.
    accounts : ndarray of str, optional
        Ascending; by default all that have events.
    layout : Layout
        What is wanted.
    cuts : ndarray of int, shape (c,)
        Day numbers, ascending.
    limit : int
        Bytes that the planes may take, and what is held beside them.
    late_since : int, optional
        Day number; events are left out that became known on a later day than they occurred, from then on.
    beside : int
        Bytes of what is held beside the planes.
    """
    import ibis

    events, counted = counted_events(tables), tables.has("events", "event_count")
    end = pd.Timestamp(_midnight(cuts[-1]))
    if tables.has("events", "known_at"):
        known = knowledge.rows_are_known(events, "events", end)
        if late_since is not None and late_since < cuts[-1]:
            known &= ~knowledge.rows_known_late(events, "events", pd.Timestamp(_midnight(late_since)))
        events = events.filter(known)
    else:
        events = events.filter(events.occurred_at < ibis.timestamp(end.isoformat()))
    if accounts is None:
        names = events.select("account_id").distinct().to_pyarrow().column("account_id")
        accounts = np.sort(np.asarray(names.cast(pa.string()).to_pylist(), dtype=object))
    cells = _Cells.of(events, accounts, layout, cuts)
    number = "int64" if counted and _total(events) > np.iinfo(np.int32).max else "int32"
    size = cells.size(np.dtype(number).itemsize) + beside
    if size > limit and len(accounts) > 1:
        return min(-(-size // limit), len(accounts))
    counts = _CellCounts(cells, np.dtype(number))
    for batch in stream(tables.connection, cells.coded(events, amount=number if counted else None)):
        counts.add(batch)
    return counts.done(_long_ago(events, accounts, layout, cuts[0]))


def _total(events: ir.Table) -> int:
    """Return how often something happened: no sum is larger."""
    total = events.event_count.sum().execute()
    return 0 if pd.isna(total) else int(total)


def _midnight(day: int) -> str:
    return pd.Timestamp(np.datetime64(int(day), "D")).isoformat()


@dataclass(frozen=True)
class _Cells:
    """Where each event lands: accounts, users and kinds as numbers, so that the engine sends no words.

    A member is an account or, where users are wanted, an account and a user (null included). Event types are put
    into classes: a kind counted one by one or any other, a login or not.
    """

    layout: Layout
    cuts: Ints
    accounts: npt.NDArray[np.object_]
    members: pa.Table
    users: Ints
    user_ids: pa.Array
    one_account_each: bool
    types: pd.DataFrame
    classes: pd.DataFrame

    @classmethod
    def of(cls, events: ir.Table, accounts: npt.NDArray[np.object_], layout: Layout, cuts: Ints) -> _Cells:
        """Find who and what there is: a scan for the users, one for the kinds, both of few groups."""
        members, users, user_ids, one_account_each = _members(events, accounts, with_users=layout.users)
        words = sorted(str(word) for word in events.select("event_type").distinct().to_pandas()["event_type"])
        types = pd.DataFrame({"word": words, "slug": [slug(word) for word in words]}, dtype=object)
        types["kind"] = types["slug"].where(types["slug"].isin(layout.kinds), "")
        types["login"] = types["word"].isin(layout.logins)
        classes = types[["kind", "login"]].drop_duplicates(ignore_index=True)
        types["class"] = types.merge(classes.reset_index(), on=["kind", "login"], how="left")["index"].to_numpy()
        types["slug_number"] = types["slug"].rank(method="dense").astype(np.int64) - 1 if len(types) else []
        return cls(layout, cuts, accounts, members, users, user_ids, one_account_each, types, classes)

    @property
    def slugs(self) -> npt.NDArray[np.object_]:
        """All kinds of event, ascending."""
        return np.sort(self.types["slug"].unique().astype(object))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Classes, rows of time and accounts. The last row is what lies before the last cut."""
        return len(self.classes), len(self.cuts), len(self.accounts)

    @property
    def days(self) -> int:
        """Days from the first cut until the last."""
        return int(self.cuts[-1] - self.cuts[0])

    def size(self, number: int) -> int:
        """Return the bytes of the planes while the events pass: sums, active days, who was there and what was used.

        A sum takes `number` bytes. By day there are as many rows of all but the active days as there are days.
        """
        layout, cuts, accounts = self.layout, len(self.cuts), len(self.accounts)
        sums = (len(self.classes) + 1 + bool(layout.logins) + layout.weekday) * number + 4 * layout.user_days
        presence = len(self.users) + 1 + (accounts * len(self.slugs) if layout.kind_use else 0)
        day = 1 + (2 if self.days < 1 << 15 else 4)
        return int(cuts * accounts * sums + self.days * accounts * day + cuts * presence * 9 // 8)

    def coded(self, events: ir.Table, *, amount: str | None) -> ir.Table:
        """Return for every event the number of its cell among the sums, the users and the kinds, as wanted.

        How often it happened comes as a number of type `amount`; without one it is once.
        """
        import ibis

        members = ibis.memtable(self.members)
        types = ibis.memtable(
            pa.table({name: pa.array(self.types[name]) for name in ("word", "class", "slug_number")}),
            schema=ibis.schema({"word": "string", "class": "int64", "slug_number": "int64"}),
        )
        if not self.layout.users:
            same = [events.account_id == members.account_id]
        elif self.one_account_each:
            same = [events.user_id == members.user_id]
        else:
            same = [events.account_id == members.account_id, events.user_id.identical_to(members.user_id)]
        joined = events.join(members, same, rname="{name}_of_member").join(types, events.event_type == types.word)
        day = joined.occurred_at.date().epoch_days().cast("int64")
        joined = joined.mutate(place=ibis.greatest(day - (self.cuts[0] - 1), 0))
        row = joined.place
        if len(self.cuts) <= self.days:
            joined = joined.join(self._rows_of_days(), "place")
            row = joined.row
        _, rows, columns = self.shape
        out = {
            "cell": (joined["class"] * rows + row) * columns + joined.member_account,
            "day": joined.place * columns + joined.member_account,
        }
        if self.layout.users:
            out["user"] = row * (len(self.users) + 1) + joined.member_user
        if self.layout.kind_use:
            width = columns * len(self.slugs)
            out["use"] = row * width + joined.member_account * len(self.slugs) + joined.slug_number
        if amount is not None:
            out["amount"] = joined.event_count.cast(amount)
        return joined.select(**out)

    def _rows_of_days(self) -> ir.Table:
        """Return the row of each day: row ``r`` is the time from cut ``r − 1`` until cut ``r``."""
        import ibis

        place = np.arange(self.days + 1)
        row = np.searchsorted(self.cuts, place + self.cuts[0] - 1, side="right")
        return ibis.memtable(pa.table({"place": place, "row": row}))


def _members(
    events: ir.Table, accounts: npt.NDArray[np.object_], *, with_users: bool
) -> tuple[pa.Table, Ints, pa.Array, bool]:
    """Return the members with their numbers, the account and name of each user, and whether a user has but one account.

    A member without a user (events by nobody known) has the number after the last user's.
    """
    by = ["account_id", "user_id"] if with_users else ["account_id"]
    members = events.select(by).distinct().to_pyarrow().cast(pa.schema([(name, pa.string()) for name in by]))
    names = members.column("account_id").combine_chunks().dictionary_encode()
    known = pd.Index(accounts).get_indexer(pd.Index(names.dictionary.to_pylist(), dtype=object)).astype(np.int64)
    code = known[names.indices.to_numpy(zero_copy_only=False)] if len(known) else np.zeros(0, dtype=np.int64)
    alone = with_users and members.column("user_id").null_count == 0
    alone = alone and pc.count_distinct(members.column("user_id")).as_py() == len(members)
    if (code < 0).any():
        members, code = members.filter(pa.array(code >= 0)), code[code >= 0]
    members = members.append_column("member_account", pa.array(code))
    if not with_users:
        return members, np.zeros(0, dtype=np.int64), pa.array([], pa.string()), False
    label = members.column("user_id").combine_chunks()
    named = np.asarray(label.is_valid())
    number = np.where(named, np.cumsum(named) - 1, np.count_nonzero(named)).astype(np.int64)
    return members.append_column("member_user", pa.array(number)), code[named], label.drop_null(), alone


class _CellCounts:
    """The cells while the events pass."""

    def __init__(self, cells: _Cells, number: np.dtype[Any]) -> None:
        self._cells = cells
        self._sums = np.zeros(cells.shape, dtype=number)
        self._one = np.ones(1, dtype=self._sums.dtype)[0]
        self._active = np.zeros((cells.days + 1, len(cells.accounts)), dtype=np.bool_)
        self._seen = np.zeros((len(cells.cuts), len(cells.users) + 1), dtype=np.bool_)
        uses = len(cells.accounts) * len(cells.slugs) if cells.layout.kind_use else 0
        self._used = np.zeros((len(cells.cuts), uses), dtype=np.bool_)

    def add(self, batch: pa.RecordBatch) -> None:
        """Put a batch of coded events into their cells."""
        names = batch.schema.names
        amount = batch.column("amount").to_numpy() if "amount" in names else self._one
        np.add.at(self._sums.reshape(-1), batch.column("cell").to_numpy(), amount)
        self._active.reshape(-1)[batch.column("day").to_numpy()] = True
        if "user" in names:
            self._seen.reshape(-1)[batch.column("user").to_numpy()] = True
        if "use" in names:
            self._used.reshape(-1)[batch.column("use").to_numpy()] = True

    def done(self, long_ago: pd.DataFrame) -> Planes:
        """Return the planes; `long_ago` comes from `_long_ago`."""
        cells, layout = self._cells, self._cells.layout
        running = self._running_sums()
        users = kinds = None
        if layout.users:
            users = Presence(cells.users, cells.user_ids, np.packbits(self._seen, axis=1))
        if layout.user_days:
            code = cells.users
            days = [np.bincount(code[seen], minlength=len(cells.accounts)) for seen in self._seen[:, :-1]]
            running["user_days"] = np.cumsum(np.stack(days), axis=0, dtype=np.int32)
        if layout.kind_use:
            code = np.repeat(np.arange(len(cells.accounts)), len(cells.slugs))
            slugs = pa.array(np.tile(cells.slugs, len(cells.accounts)), pa.string())
            kinds = Presence(code, slugs, np.packbits(self._used, axis=1))
        self._active[0] = False
        within = np.where(self._active.any(axis=0), np.argmax(self._active, axis=0) - 1 + cells.cuts[0], -1)
        active_days = np.zeros(self._active.shape, dtype=np.int16 if cells.days < 1 << 15 else np.int32)
        np.cumsum(self._active[1:], axis=0, out=active_days[1:])
        earlier = long_ago["first_day"].to_numpy()
        return Planes(
            layout=layout,
            cuts=cells.cuts,
            accounts=cells.accounts,
            running=running,
            days=active_days,
            first_day=np.where(earlier >= 0, earlier, within),
            last_before=long_ago["last_before"].to_numpy(),
            last_login_before=long_ago["last_login_before"].to_numpy(),
            days_before=long_ago["days"].to_numpy(),
            squares_before=long_ago["squares"].to_numpy(),
            users=users,
            kinds=kinds,
        )

    def _running_sums(self) -> dict[str, npt.NDArray[Any]]:
        """Add the classes up to what they are classes of, and the days to running sums."""
        cells, layout = self._cells, self._cells.layout
        np.cumsum(self._sums, axis=1, out=self._sums)
        is_login = cells.classes["login"].to_numpy(dtype=bool)

        def total(chosen: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
            wanted = np.flatnonzero(chosen)
            if len(wanted) == 1:
                only: npt.NDArray[Any] = self._sums[wanted[0]]
                return only
            plane = np.zeros(cells.shape[1:], dtype=self._sums.dtype)
            for position in wanted:
                plane += self._sums[position]
            return plane

        running = {"events": total(np.ones(len(is_login), dtype=bool))}
        if layout.logins:
            running["logins"] = total(is_login)
        if layout.weekday:
            # Every day is a cut then: row r is the day before cut r.
            weekday = (cells.cuts[:-1] + _THURSDAY) % 7 < 5
            running["weekday"] = np.zeros_like(running["events"])
            np.cumsum(np.diff(running["events"], axis=0) * weekday[:, None], axis=0, out=running["weekday"][1:])
        for kind in layout.kinds:
            running[f"of_{kind}"] = total(cells.classes["kind"].to_numpy() == kind)
        return running


def _long_ago(events: ir.Table, accounts: npt.NDArray[np.object_], layout: Layout, first: int) -> pd.DataFrame:
    """Return what is known of each account from before the first day that has a row of its own.

    ``first_day, last_before, last_login_before`` are day numbers, −1 for nothing; ``days`` counts the active days,
    ``squares`` sums the squared days from each to the next.
    """
    import ibis

    index = pd.Index(accounts, dtype=object)
    earlier = events.filter(events.occurred_at < ibis.timestamp(_midnight(first)))
    sums = earlier.group_by("account_id").agg(
        first_day=earlier.occurred_at.min(),
        last_before=earlier.occurred_at.max(),
        last_login_before=earlier.occurred_at.max(where=earlier.event_type.isin(layout.logins)),
    )
    frame = sums.to_pandas().set_index("account_id").reindex(index)
    days = {name: pd.to_datetime(frame[name]).to_numpy().astype("datetime64[D]") for name in frame}
    out = pd.DataFrame({name: np.where(np.isnat(day), -1, day.astype(np.int64)) for name, day in days.items()})
    if not layout.past:
        return out.assign(days=0, squares=0)
    active = earlier.select("account_id", day=earlier.occurred_at.date().epoch_days().cast("int64")).distinct()
    gap = active.day - active.day.lag().over(ibis.window(group_by="account_id", order_by=active.day))
    gaps = active.mutate(gap=gap)
    past = gaps.group_by("account_id").agg(days=gaps.count(), squares=(gaps.gap * gaps.gap).sum())
    known = past.to_pandas().set_index("account_id").reindex(index)[["days", "squares"]].fillna(0).astype(np.int64)
    return out.assign(days=known["days"].to_numpy(), squares=known["squares"].to_numpy())
