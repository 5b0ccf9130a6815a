"""Gaps between the days on which an account was active, as known at each as_of."""

from __future__ import annotations

import numpy as np

from churnml.features.events.ledger import Entities
from churnml.features.keys import DAY_SPAN, Floats, Ints, Keys

__all__ = ["gap_squares", "longest_silence"]


def longest_silence(keys: Keys, days: Entities, window: int, since: Ints) -> Floats:
    """Return the most consecutive days without activity in a window, counted from day `since` on at most.

    Parameters
    ----------
    keys : Keys
        The n rows asked about.
    days : Entities
        The active days of each account, ascending.
    window : int
        Days before `as_of`.
    since : ndarray of int, shape (n,)
        First day that counts.
    """
    begins = np.maximum(keys.day - window, since)
    silence = _silence_on_time(keys, days, begins)
    rows = _waiting(keys, days)
    if len(rows):
        silence[rows] = _silence_late(keys, days, begins, rows)
    return silence


def gap_squares(keys: Keys, days: Entities, last: Ints | None = None, squares: Ints | None = None) -> Floats:
    """Return the sum of the squared days from each active day to the next one, over all time before each `as_of`.

    Parameters
    ----------
    keys : Keys
        The n rows asked about, of a accounts.
    days : Entities
        The active days of each account, ascending.
    last, squares : ndarray of int, shape (a,), optional
        What is known of each account from before `days` begin: its last active day (−1 for none), and the sum until
        then.

    Examples
    --------
    >>> keys = Keys(np.array(["a"], dtype=object), np.array([0, 0]), np.array([15, 30]))
    >>> day = np.array([10, 12, 20])
    >>> gap_squares(keys, Entities(np.zeros(3, int), np.zeros(3, int), day, day)).tolist()
    [4.0, 68.0]
    """
    # As many days as accounts have lived: no more arrays of them than it takes.
    opening = np.flatnonzero(np.append(True, days.code[1:] != days.code[:-1])[: len(days.code)])
    gaps = np.diff(days.occurred, prepend=0)
    known = last[days.code[opening]] if last is not None else np.full(len(opening), -1)
    gaps[opening] = np.where(known < 0, 0, days.occurred[opening] - known)
    gaps *= gaps
    running = np.append(0, np.cumsum(gaps, out=gaps))
    del gaps
    place = days.code * DAY_SPAN + days.occurred
    low = np.searchsorted(place, keys.code * DAY_SPAN)
    high = np.searchsorted(place, keys.code * DAY_SPAN + keys.day)
    total = np.asarray(running[high] - running[low], dtype=np.float64)
    if squares is not None:
        total += squares[keys.code]
    rows = _waiting(keys, days)
    if len(rows):
        owner, active = _known_days(keys, days, np.zeros(len(rows), dtype=np.int64), rows)
        known = last[keys.code[rows]][owner] if last is not None else np.full(len(owner), -1)
        opening = np.append(True, owner[1:] != owner[:-1])[: len(owner)]
        gaps = np.where(opening, np.where(known < 0, 0, active - known), np.diff(active, prepend=0))
        total[rows] = np.bincount(owner, weights=gaps.astype(np.float64) ** 2, minlength=len(rows))
        if squares is not None:
            total[rows] += squares[keys.code[rows]]
    return total


def _waiting(keys: Keys, days: Entities) -> Ints:
    """Return the rows at which an active day has passed that only becomes visible later."""
    late = days.visible > days.occurred
    if not late.any():
        return np.zeros(0, dtype=np.int64)
    base, edge = days.code[late] * DAY_SPAN, keys.code * DAY_SPAN + keys.day
    passed = np.searchsorted(np.sort(base + days.occurred[late]), edge)
    return np.flatnonzero(passed > np.searchsorted(np.sort(base + days.visible[late]), edge))


def _silence_on_time(keys: Keys, days: Entities, begins: Ints) -> Floats:
    length = np.maximum(keys.day - begins, 0)
    place = days.code * DAY_SPAN + days.occurred
    low = np.searchsorted(place, keys.code * DAY_SPAN + np.minimum(begins, keys.day))
    high = np.searchsorted(place, keys.code * DAY_SPAN + keys.day)
    active = high > low
    if not active.any():
        return np.asarray(length, dtype=np.float64)
    first = days.occurred[np.minimum(low, len(place) - 1)] - begins
    last = keys.day - days.occurred[np.maximum(high - 1, 0)] - 1
    gaps = np.append(np.diff(days.occurred) - 1, 0)
    inner = np.maximum.reduceat(np.append(gaps, 0), np.column_stack([low, np.maximum(high - 1, 0)]).ravel())[::2]
    inner = np.where(high - low > 1, inner, 0)
    longest = np.maximum(np.maximum(first, last), inner)
    return np.asarray(np.where(active, longest, length), dtype=np.float64)


def _silence_late(keys: Keys, days: Entities, begins: Ints, rows: Ints) -> Floats:
    """Do the same day by day for rows whose gaps depend on what was known."""
    begin, as_of = begins[rows], keys.day[rows]
    owner, active = _known_days(keys, days, begin, rows)
    before = np.concatenate([[0], active[:-1]])
    opening = np.concatenate([[True], owner[1:] != owner[:-1]])[: len(owner)]
    before = np.where(opening, begin[owner] - 1, before[: len(owner)])
    longest = np.zeros(len(rows), dtype=np.int64)
    np.maximum.at(longest, owner, active - before - 1)
    last = begin - 1
    last[owner] = active
    return np.asarray(np.maximum(longest, as_of - last - 1).clip(0), dtype=np.float64)


def _known_days(keys: Keys, days: Entities, begin: Ints, rows: Ints) -> tuple[Ints, Ints]:
    """Return (position among `rows`, active day) for every day from `begin` on that was known at the row's `as_of`."""
    place = days.code * DAY_SPAN + days.occurred
    as_of, base = keys.day[rows], keys.code[rows] * DAY_SPAN
    low = np.searchsorted(place, base + np.minimum(begin, as_of))
    count = np.searchsorted(place, base + as_of) - low
    owner = np.repeat(np.arange(len(rows)), count)
    position = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count - low, count)
    known = days.visible[position] < as_of[owner]
    return owner[known], days.occurred[position[known]]
