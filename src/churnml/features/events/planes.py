"""Events laid out in one pass: planes of running sums (time × account), planes of bits (time × user or kind).

Time is cut at every edge of every window asked for (or at every midnight). The engine maps accounts, users and kinds to
numbers and streams the events past; each lands in its cell. A window is then the difference of two rows of running
sums, and a distinct count is the union of the window's rows of bits. That costs about what one scan of the events
costs, whatever the number of windows and snapshots.

Planes know only *when* a fact occurred, not since when it was known. They hold those facts for which that makes no
difference: known on the day they occur, or before the first `as_of`. The others go to a ledger that is added
(`CombinedMeasures`); all facts do where many are known late (`LedgerMeasures`), and so do sums of fractions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from churnml.features.keys import Ints

__all__ = ["Layout", "Planes", "Presence"]

_BEFORE = ("last_login_before", "days_before", "squares_before")


@dataclass(frozen=True)
class Layout:
    """What is laid out; `LayoutRecorder` finds out what features need.

    Parameters
    ----------
    kinds : tuple of str
        Slugs counted one by one.
    logins : tuple of str
        Event types that are logins; empty where logins are not counted.
    users : bool
        Who was active on which day.
    user_days : bool
        How many users were active each day.
    kind_use : bool
        Which kinds, of all, were used on which day.
    weekday : bool
        Events from Monday to Friday.
    by_day : bool
        Every day is a row of its own.
    values : bool
        Values are summed; these are read beside the planes, which hold no fractions.
    past : bool
        How many days were active before the first cut, and the gaps between them.
    offsets : tuple of int
        Days before an `as_of` at which windows of sums begin and end.
    reach : int
        Days before an `as_of` that a window can begin.
    """

    kinds: tuple[str, ...]
    logins: tuple[str, ...]
    users: bool
    user_days: bool
    kind_use: bool
    weekday: bool
    by_day: bool
    values: bool
    past: bool
    offsets: tuple[int, ...]
    reach: int

    def cuts(self, dates: Ints, first: int) -> Ints:
        """Return the days, from `first` on, at which time must be cut for windows before `dates`."""
        every_day = np.arange(first, int(dates.max()) + 1)
        if self.by_day:
            return every_day
        edges = np.unique(dates)[:, None] - np.array(self.offsets)[None, :]
        return np.intersect1d(every_day, np.append(edges.ravel(), first))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Layout:
        """Read a layout from what `dataclasses.asdict` made of it, as JSON or not."""
        values: dict[str, Any] = {k: tuple(value) if isinstance(value, list) else value for k, value in data.items()}
        return cls(**values)

    def covers(self, other: Layout) -> bool:
        """Tell whether everything that another layout holds is in this one."""
        return (
            set(self.kinds) >= set(other.kinds)
            and (self.logins == other.logins or not other.logins)
            and self.users >= other.users
            and self.user_days >= other.user_days
            and self.kind_use >= other.kind_use
            and self.weekday >= other.weekday
            and self.by_day >= other.by_day
            and self.past >= other.past
            and self.reach >= other.reach
        )


@dataclass(frozen=True)
class Presence:
    """On which days each entity (a user, an event kind) of an account was active.

    Parameters
    ----------
    code : ndarray of int, shape (m,)
        Account of each entity.
    label : arrow array of str, shape (m,)
        The user's or the kind's name, unique within the account.
    bits : ndarray of uint8, shape (cuts + 1, ceil(m / 8))
        Row 0 is all time before the first cut; row ``r`` is the time from cut ``r − 1`` until cut ``r``.
    """

    code: Ints
    label: pa.Array
    bits: npt.NDArray[np.uint8]

    def active(self, low: int, high: int) -> npt.NDArray[np.bool_]:
        """Return which entities were active in rows ``[low, high)``, shape (m,)."""
        union = np.bitwise_or.reduce(self.bits[low:high], axis=0)
        return np.unpackbits(union, count=len(self.code)).view(np.bool_)

    def places(self) -> tuple[Ints, Ints]:
        """Return every active row as (entity, row), entities ascending, without row 0."""
        seen = np.unpackbits(self.bits[1:], axis=1, count=len(self.code)).view(np.bool_)
        entity, row = np.nonzero(seen.T)
        return entity.astype(np.int64), row.astype(np.int64) + 1


@dataclass(frozen=True)
class Planes:
    """The events before day `until`, laid out.

    Parameters
    ----------
    layout : Layout
    cuts : ndarray of int, shape (c,)
        Day numbers, ascending; the last is `until`.
    accounts : ndarray of str, shape (a,)
        Ascending; the columns.
    running : dict of str to ndarray, each shape (c, a)
        Row ``r``: the sum before cut ``r``: ``events``, ``weekday``, ``logins``, ``user_days`` and ``of_{slug}``.
    days : ndarray of int, shape (until − first + 1, a)
        Row ``r``: days with an event from `first` until before ``first + r``, where `first` is the first cut.
    first_day, last_before : ndarray of int, shape (a,)
        Day of the first event, and of the last before the first cut; −1 where none is.
    last_login_before : ndarray of int, shape (a,)
        Day of the last login before the first cut; −1 where none is.
    days_before, squares_before : ndarray of int, shape (a,)
        Active days before the first cut, and the sum of the squared days from each of them to the next; 0 where the
        layout holds no past.
    users, kinds : Presence or None
    """

    layout: Layout
    cuts: Ints
    accounts: npt.NDArray[np.object_]
    running: dict[str, npt.NDArray[Any]]
    days: npt.NDArray[Any]
    first_day: Ints
    last_before: Ints
    last_login_before: Ints
    days_before: Ints
    squares_before: Ints
    users: Presence | None
    kinds: Presence | None

    def parts(self) -> tuple[dict[str, npt.NDArray[Any]], dict[str, pa.Array]]:
        """Return everything but the layout as numbers and as words, by name; `of_parts` puts them together again."""
        numbers = {"cuts": self.cuts, "days": self.days, "first_day": self.first_day, "last_before": self.last_before}
        numbers |= {name: getattr(self, name) for name in _BEFORE}
        numbers |= {f"running.{name}": plane for name, plane in self.running.items()}
        words = {"accounts": pa.array(self.accounts, pa.string())}
        for name, presence in (("users", self.users), ("kinds", self.kinds)):
            if presence is not None:
                numbers |= {f"{name}.code": presence.code, f"{name}.bits": presence.bits}
                words[f"{name}.label"] = presence.label
        return numbers, words

    @classmethod
    def of_parts(cls, layout: Layout, numbers: Mapping[str, npt.NDArray[Any]], words: Mapping[str, pa.Array]) -> Planes:
        """Put together what `parts` took apart."""

        def presence(name: str) -> Presence | None:
            if f"{name}.bits" not in numbers:
                return None
            return Presence(numbers[f"{name}.code"], words[f"{name}.label"], numbers[f"{name}.bits"])

        names = [name for name in numbers if name.startswith("running.")]
        return cls(
            layout=layout,
            cuts=numbers["cuts"],
            accounts=np.asarray(words["accounts"].to_pylist(), dtype=object),
            running={name.removeprefix("running."): numbers[name] for name in names},
            days=numbers["days"],
            first_day=numbers["first_day"],
            last_before=numbers["last_before"],
            **{name: numbers[name] for name in _BEFORE},
            users=presence("users"),
            kinds=presence("kinds"),
        )

    @property
    def first(self) -> int:
        """The first cut."""
        return int(self.cuts[0])

    @property
    def until(self) -> int:
        """The last cut."""
        return int(self.cuts[-1])

    def row(self, day: int) -> int:
        """Return the row of running sums that holds what lies before a day."""
        day = min(max(day, self.first), self.until)
        row = int(np.searchsorted(self.cuts, day))
        assert self.cuts[row] == day, f"time is not cut at day {day}"
        return row

    def day_row(self, day: int) -> int:
        """Return the row of `days` that holds what lies before a day."""
        return min(max(day, self.first), self.until) - self.first
