"""The one pass: the events stream past and each lands in its cell."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from churnml.engine import stream
from churnml.features.events.directory import Directory, Members
from churnml.features.events.planes import Layout, Planes, Presence
from churnml.features.events.rollup import counted_events, midnight
from churnml.features.keys import Ints, Keys
from churnml.tables import Tables, knowledge

if TYPE_CHECKING:
    import ibis.expr.types as ir

__all__ = ["EventStream"]

_BYTES_OF_ACTIVE_DAY = 32
"""Where an account is active on half of the days, and what is made of the list of them is held beside it."""

_THURSDAY = 3
"""Weekday of 1970-01-01, Monday being 0."""


class EventStream:
    """The events that planes hold: those that occurred and were known before the last cut.

    Who and what there is in them is read once, however many parts of the accounts are laid out.

    Parameters
    ----------
    tables : Tables
        With `events`, on DuckDB.
    layout : Layout
        What is wanted.
    cuts : ndarray of int, shape (c,)
        Day numbers, ascending.
    late_since : int, optional
        Day number; events are left out that became known on a later day than they occurred, from then on.
    """

    def __init__(self, tables: Tables, layout: Layout, cuts: Ints, *, late_since: int | None = None) -> None:
        import ibis

        self._connection, self._layout, self._cuts = tables.connection, layout, cuts
        events, end = counted_events(tables), midnight(cuts[-1])
        if tables.has("events", "known_at"):
            known = knowledge.rows_are_known(events, "events", end)
            if late_since is not None and late_since < cuts[-1]:
                known &= ~knowledge.rows_known_late(events, "events", midnight(late_since))
            events = events.filter(known)
        else:
            events = events.filter(events.occurred_at < ibis.timestamp(end.isoformat()))
        self._events, self._counted = events, tables.has("events", "event_count")
        self._directory = Directory(events, layout, int(cuts[0]))

    @classmethod
    def before(cls, tables: Tables, keys: Keys, layout: Layout) -> EventStream:
        """Return what every `as_of` of some keys knows of as soon as an event's own day has passed.

        These are the events known on that day, and those known before the first `as_of`.
        """
        since, until = int(keys.day.min()), int(keys.day.max())
        earliest = tables["events"].occurred_at.min().execute()
        begin = until if pd.isna(earliest) else int(earliest.to_datetime64().astype("datetime64[D]").astype(np.int64))
        first = min(max(since - layout.reach, begin), until)
        return cls(tables, layout, layout.cuts(keys.day, first), late_since=since)

    @cached_property
    def _number(self) -> np.dtype[Any]:
        """The type of a sum: no sum is larger than that of all events."""
        total = self._events.event_count.sum().execute() if self._counted else 0
        return np.dtype(np.int64 if total > np.iinfo(np.int32).max else np.int32)  # NaN, of no event, is not

    def lay_out(self, accounts: npt.NDArray[np.object_] | None, limit: int, beside: int = 0) -> Planes | int:
        """Let the events of some accounts pass, or say in how many parts their planes would fit.

        Parameters
        ----------
        accounts : ndarray of str, optional
            Ascending; by default all that have events.
        limit : int
            Bytes that the planes may take, and what is held beside them.
        beside : int
            Bytes of what is held beside the planes.
        """
        if accounts is None:
            accounts = self._directory.accounts
        members = self._directory.members(accounts)
        cells = _Cells(self._layout, self._cuts, accounts, members, self._directory.types, self._directory.classes)
        size = cells.size(self._number.itemsize) + beside
        if size > limit and len(accounts) > 1:
            return min(-(-size // limit), len(accounts))
        counts = _CellCounts(cells, self._number)
        amount = self._number.name if self._counted else None
        for batch in stream(self._connection, cells.coded(self._events, amount=amount)):
            counts.add(batch)
        return counts.done(self._directory.long_ago(accounts))


@dataclass(frozen=True)
class _Cells:
    """Where each event lands: accounts, users and kinds as numbers, so that the engine sends no words.

    Event types are put into classes: a kind counted one by one or any other, a login or not.
    """

    layout: Layout
    cuts: Ints
    accounts: npt.NDArray[np.object_]
    members: Members
    types: pd.DataFrame
    classes: pd.DataFrame

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

        A sum takes `number` bytes. By day there are as many rows of all but the active days as there are days. Later,
        when the sums have been added up, each active day is listed, too: at most every day of every account.
        """
        layout, cuts, accounts = self.layout, len(self.cuts), len(self.accounts)
        sums = (len(self.classes) + 1 + bool(layout.logins) + layout.weekday) * number + 4 * layout.user_days
        presence = len(self.members.users) + 1 + (accounts * len(self.slugs) if layout.kind_use else 0)
        day = 1 + (2 if self.days < 1 << 15 else 4) + _BYTES_OF_ACTIVE_DAY
        return int(cuts * accounts * sums + self.days * accounts * day + cuts * presence * 9 // 8)

    def coded(self, events: ir.Table, *, amount: str | None) -> ir.Table:
        """Return for every event the number of its cell among the sums, the users and the kinds, as wanted.

        How often it happened comes as a number of type `amount`; without one it is once.
        """
        import ibis

        members = ibis.memtable(self.members.table)
        types = ibis.memtable(
            pa.table({name: pa.array(self.types[name]) for name in ("word", "class", "slug_number")}),
            schema=ibis.schema({"word": "string", "class": "int64", "slug_number": "int64"}),
        )
        if not self.layout.users:
            same = [events.account_id == members.account_id]
        elif self.members.one_account_each:
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
            out["user"] = row * (len(self.members.users) + 1) + joined.member_user
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


class _CellCounts:
    """The cells while the events pass."""

    def __init__(self, cells: _Cells, number: np.dtype[Any]) -> None:
        self._cells = cells
        self._sums = np.zeros(cells.shape, dtype=number)
        self._one = np.ones(1, dtype=self._sums.dtype)[0]
        self._active = np.zeros((cells.days + 1, len(cells.accounts)), dtype=np.bool_)
        self._seen = np.zeros((len(cells.cuts), len(cells.members.users) + 1), dtype=np.bool_)
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
        """Return the planes; `long_ago` comes from the directory."""
        cells, layout = self._cells, self._cells.layout
        running = self._running_sums()
        users = kinds = None
        if layout.users:
            users = Presence(cells.members.users, cells.members.user_ids, np.packbits(self._seen, axis=1))
        if layout.user_days:
            code = cells.members.users
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
