"""Windowed sums, distinct counts and recency over facts with two times, for any set of (account, as_of) rows.

A fact has a day on which it occurred and a day from which it was visible (the later of occurred and known).
It counts in the window ``[as_of − a, as_of − b)`` exactly for the as-of days in ``(max(visible, occurred + b),
occurred + a]``. So a window at every row is a difference of running sums probed by binary search: no fact is read
once per snapshot or once per window. Distinct counts are the same thing over the union of such intervals per entity.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from churnml.features.keys import DAY_SPAN, EVER, Floats, Ints, Keys

__all__ = ["Entities", "Ledger", "running_distinct"]


def _edges(keys: Keys, back: int) -> Ints:
    return keys.code * DAY_SPAN + np.maximum(keys.day - back, 0)


@dataclass(frozen=True)
class Ledger:
    """Amounts per account and day, ready to be summed over windows.

    Parameters
    ----------
    place : ndarray of int, shape (m,)
        ``account * DAY_SPAN + occurred`` of the facts visible on their own day, ascending.
    amounts : dict of str to ndarray, each shape (m,)
        What is summed. Integers are summed exactly; floats are summed window by window, never by difference.
    late_code, late_occurred, late_visible : ndarray of int, shape (l,)
        The facts that became visible on a later day.
    late_amounts : dict of str to ndarray, each shape (l,)
        Their amounts.
    """

    place: Ints
    amounts: dict[str, npt.NDArray[np.generic]]
    late_code: Ints
    late_occurred: Ints
    late_visible: Ints
    late_amounts: dict[str, npt.NDArray[np.generic]]

    @classmethod
    def of(cls, code: Ints, occurred: Ints, visible: Ints, amounts: dict[str, npt.NDArray[np.generic]]) -> Ledger:
        """Sort facts into a ledger.

        Examples
        --------
        >>> ledger = Ledger.of(np.array([0, 0]), np.array([10, 12]), np.array([10, 15]), {"n": np.array([1, 5])})
        >>> keys = Keys(np.array(["a"], dtype=object), np.array([0, 0, 0]), np.array([13, 16, 20]))
        >>> ledger.window(keys, "n", 7).tolist()
        [1.0, 6.0, 0.0]
        """
        on_time = visible <= occurred
        place = code[on_time] * DAY_SPAN + occurred[on_time]
        order = np.argsort(place, kind="stable")
        late = ~on_time
        return cls(
            place=place[order],
            amounts={name: values[on_time][order] for name, values in amounts.items()},
            late_code=code[late],
            late_occurred=occurred[late],
            late_visible=visible[late],
            late_amounts={name: values[late] for name, values in amounts.items()},
        )

    def window(self, keys: Keys, name: str, start: int, end: int = 0) -> Floats:
        """Return the sum over ``[as_of − start, as_of − end)`` of what was visible before each `as_of`, shape (n,)."""
        low = np.searchsorted(self.place, _edges(keys, start))
        high = np.searchsorted(self.place, _edges(keys, end))
        values = self.amounts[name]
        if np.issubdtype(values.dtype, np.integer):
            running = np.concatenate([[0], np.cumsum(values, dtype=np.int64)])
            total: Floats = np.asarray(running[high] - running[low], dtype=np.float64)
        else:
            total = _range_sums(values.astype(np.float64), low, high)
        return total + self._late(keys, name, start, end) if len(self.late_code) else total

    def _late(self, keys: Keys, name: str, start: int, end: int) -> Floats:
        opens = np.maximum(self.late_visible, self.late_occurred + end)
        closes = self.late_occurred + start
        counts = closes > opens
        if not counts.any():
            return keys.full(0.0)
        base, amount = self.late_code[counts] * DAY_SPAN, self.late_amounts[name][counts]
        if np.issubdtype(amount.dtype, np.integer):
            return _whole_steps(keys, base + opens[counts], base + closes[counts], amount.astype(np.int64))
        return _steps(keys, base + opens[counts], amount) - _steps(keys, base + closes[counts], amount)


def _whole_steps(keys: Keys, opens: Ints, closes: Ints, amount: Ints) -> Floats:
    """Return the sum of the amounts that count at each row: those of its account for which it lies in (opens, closes].

    Each amount steps in at the first row after `opens` and out at the first after `closes`; with no such row of the
    account both are the next account's first row, and cancel out.
    """
    steps = np.zeros(len(keys) + 1, dtype=np.int64)
    np.add.at(steps, np.searchsorted(keys.place, opens, side="right"), amount)
    np.subtract.at(steps, np.searchsorted(keys.place, closes, side="right"), amount)
    return np.cumsum(steps)[:-1].astype(np.float64)


def _steps(keys: Keys, place: Ints, amount: npt.NDArray[np.generic]) -> Floats:
    """Return the sum of the amounts placed before each `as_of` of the same account."""
    order = np.argsort(place, kind="stable")
    place = place[order]
    low = np.searchsorted(place, keys.code * DAY_SPAN)
    high = np.searchsorted(place, _edges(keys, 0))
    return _range_sums(amount[order].astype(np.float64), low, high)


def _range_sums(values: Floats, low: Ints, high: Ints) -> Floats:
    """Return ``values[low:high].sum()`` for each pair, without the cancellation of a running difference."""
    if not len(values) or not len(low):
        return np.zeros(len(low))
    padded = np.append(values, 0.0)
    sums: Floats = np.add.reduceat(padded, np.column_stack([low, high]).ravel())[::2]
    return np.where(high > low, sums, 0.0)


@dataclass(frozen=True)
class Entities:
    """On which days each entity (a user, an event kind) of an account was active.

    Parameters
    ----------
    code, entity, occurred, visible : ndarray of int, shape (m,)
        One row per account, entity and active day. An entity number belongs to one account only.
    """

    code: Ints
    entity: Ints
    occurred: Ints
    visible: Ints

    @classmethod
    def of(cls, code: Ints, label: Ints, occurred: Ints, visible: Ints) -> Entities:
        """Sort rows by entity and day; `label` need only be unique within an account."""
        width = int(label.max()) + 1 if len(label) else 1
        _, entity = np.unique(code * width + label, return_inverse=True)
        order = np.argsort(entity * DAY_SPAN + occurred, kind="stable")
        return cls(code[order], entity[order].astype(np.int64), occurred[order], visible[order])

    @property
    def late(self) -> bool:
        """Some row became visible after its own day."""
        return bool((self.visible > self.occurred).any())

    def subset(self, rows: npt.NDArray[np.bool_] | Ints) -> Entities:
        """Return only some rows, or all in another order."""
        return Entities(self.code[rows], self.entity[rows], self.occurred[rows], self.visible[rows])

    def joined(self, other: Entities) -> Entities:
        """Return these rows, which ascend by entity and day, and those of another, which are few, in that order."""
        if not len(other.code):
            return self
        place, more = self.entity * DAY_SPAN + self.occurred, other.entity * DAY_SPAN + other.occurred
        order = np.argsort(more, kind="stable")
        at = np.searchsorted(place, more[order], side="right")
        del place
        names = ("code", "entity", "occurred", "visible")
        return Entities(*(np.insert(getattr(self, name), at, getattr(other, name)[order]) for name in names))

    def distinct(self, keys: Keys, start: int, end: int = 0) -> Floats:
        """Return how many entities were active in ``[as_of − start, as_of − end)`` as known at each `as_of`."""
        opens, closes = np.maximum(self.visible, self.occurred + end), self.occurred + start
        return running_distinct(keys, self.code, self.entity, opens, closes, ordered=not self.late)

    def ever(self, keys: Keys) -> Floats:
        """Return how many entities had been active at all before each `as_of`."""
        return self.distinct(keys, EVER)


def running_distinct(
    keys: Keys, code: Ints, entity: Ints, opens: Ints, closes: Ints, *, ordered: bool = False
) -> Floats:
    """Count at each `as_of` the entities with an interval ``(opens, closes]`` around it.

    Parameters
    ----------
    keys : Keys
        The n rows asked about.
    code, entity, opens, closes : ndarray of int, shape (m,)
        Intervals in day numbers; those of one entity may overlap, which counts once.
    ordered : bool
        The rows already ascend by entity and `opens`.

    Examples
    --------
    >>> keys = Keys(np.array(["a"], dtype=object), np.array([0, 0]), np.array([5, 9]))
    >>> zeros = np.array([0, 0])
    >>> running_distinct(keys, zeros, zeros, np.array([1, 3]), np.array([6, 8])).tolist()
    [1.0, 0.0]
    """
    counts = closes > opens
    if not counts.all():
        code, entity, opens, closes = code[counts], entity[counts], opens[counts], closes[counts]
    if not len(code):
        return keys.full(0.0)
    if not ordered:
        order = np.argsort(entity * (2 * DAY_SPAN) + opens, kind="stable")
        code, entity, opens, closes = code[order], entity[order], opens[order], closes[order]
    # A running maximum of the ends that starts anew with each entity, because later entities weigh more.
    reach = np.maximum.accumulate(entity * (2 * DAY_SPAN) + closes) - entity * (2 * DAY_SPAN)
    opening = np.ones(len(code), dtype=bool)
    opening[1:] = (entity[1:] != entity[:-1]) | (opens[1:] > reach[:-1])
    final = np.append(opening[1:], True)
    started = np.sort(code[opening] * DAY_SPAN + opens[opening])
    ended = np.sort(code[final] * DAY_SPAN + np.minimum(reach[final], DAY_SPAN - 1))
    base, edge = keys.code * DAY_SPAN, _edges(keys, 0)
    opened = np.searchsorted(started, edge) - np.searchsorted(started, base)
    closed = np.searchsorted(ended, edge) - np.searchsorted(ended, base)
    return (opened - closed).astype(np.float64)
