"""Which term of a product goes on as which: the one rule for labels, MRR, seats, ARR, KPIs and days to renewal.

A term *succeeds* another of the same account and product (add-ons apart) when it begins at most ``grace_days`` after
the other one ended, or before that end, up to `EARLY_DAYS` or half of the other one's length, and outlasts it. From its
start on the successor counts alone; until then the predecessor goes on counting, in the days of an overlap and of a
lapse. Terms that overlap for longer are contracts side by side, and add up. Each term has at most one successor and
one predecessor, the one whose end lies nearest to its start.

Terms are paired in the order in which they became known, so that what becomes known later never changes a pair.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd

from churnml.tables import knowledge

__all__ = ["EARLY_DAYS", "continuations", "successors", "superseded"]

EARLY_DAYS = 31
"""A renewal may begin so many days before its predecessor ends."""

_DAY = np.timedelta64(1, "D")

Times = npt.NDArray[np.datetime64]
Ints = npt.NDArray[np.int64]


def successors(terms: pd.DataFrame, *, grace_days: int, hindsight: bool = True) -> Ints:
    """Return the position of each term's successor among the rows, −1 where it has none.

    Parameters
    ----------
    terms : DataFrame
        From `churnml.snapshots.contract.subscription_frame`.
    grace_days : int
        A successor may begin so many days after the end.
    hindsight : bool
        Judge by when terms really ended; otherwise by the end that was known when the successor became known.

    Examples
    --------
    >>> day = pd.Timestamp
    >>> terms = pd.DataFrame({"account_id": "a", "product": "crm", "is_addon": False,
    ...     "started_on": [day("2025-01-10"), day("2025-12-31"), day("2026-03-01")], "notice_at": pd.NaT,
    ...     "terminated_on": pd.NaT, "actual_end": [day("2026-01-10"), day("2026-12-31"), day("2027-03-01")],
    ...     "agreed_end": [day("2026-01-10"), day("2026-12-31"), day("2027-03-01")],
    ...     "known_at": pd.NaT})
    >>> successors(terms, grace_days=14).tolist()
    [1, -1, -1]
    """
    places = np.full(len(terms), -1, dtype=np.int64)
    end = "actual_end" if hindsight else "agreed_end"
    lengthy = (terms[end] > terms["started_on"]).to_numpy()
    rows = terms.reset_index(drop=True)[lengthy]
    if rows.empty:
        return places
    known = knowledge.frame_known_since(rows, "subscriptions")
    names = rows["product"].astype("object").where(rows["product"].notna(), "")
    lines = rows.groupby(["account_id", names, "is_addon"], sort=False, dropna=False)
    line: Ints = np.asarray(lines.ngroup(), dtype=np.int64)
    order = np.lexsort((rows[end].to_numpy(), rows["started_on"].to_numpy(), known.to_numpy(), line))
    position = rows.index.to_numpy()[order]
    columns = {name: rows[name].to_numpy()[order] for name in ("started_on", "agreed_end", "actual_end")}
    ends = _Ends(**columns, known=known.to_numpy()[order], announced=_announced(rows)[order], hindsight=hindsight)
    line = line[order]
    side_by_side = _overlapping(line, ends)
    follows = np.flatnonzero((line[1:] == line[:-1]) & ~side_by_side[1:])
    lapse = ends.start[follows + 1] - ends.of(follows, follows + 1)
    follows = follows[lapse <= grace_days * _DAY]
    places[position[follows]] = position[follows + 1]
    bounds = np.flatnonzero(np.diff(line, prepend=-1, append=-1))
    for first, last in pairwise(bounds):
        if side_by_side[first]:
            for before, after in _pairs(ends, int(first), int(last), grace_days):
                places[position[before]] = position[after]
    return places


def continuations(terms: pd.DataFrame, *, grace_days: int) -> pd.DataFrame:
    """Return until when each term counts and which one goes on from it, seen with hindsight.

    Beside its successor that is: the successor of a term of the same product that ended on the same day (two terms
    became one); or, where nothing of its own product follows, the first term of another product that succeeds nothing
    itself and begins no more than `grace_days` after the end (the account changed its plan).

    Returns
    -------
    DataFrame
        On the index of `terms`: ``until`` (the next term's start, or the term's own end) and ``next`` (its position,
        −1 where none goes on).
    """
    follower = successors(terms, grace_days=grace_days)
    start, end = terms["started_on"].to_numpy(), terms["actual_end"].to_numpy()
    fresh = np.ones(len(terms), dtype=bool)
    fresh[follower[follower >= 0]] = False
    rows = terms[["account_id", "is_addon"]].assign(
        product=terms["product"].astype("object").where(terms["product"].notna(), ""),
        row=np.arange(len(terms)),
        day=end,
        next=follower,
    )
    merged = rows[follower >= 0].drop_duplicates(["account_id", "is_addon", "product", "day"])
    alone = rows[(follower < 0) & (end > start)].drop(columns="next")
    followed = alone.merge(merged.drop(columns="row"), on=["account_id", "is_addon", "product", "day"])
    follower[followed["row"].to_numpy()] = followed["next"].to_numpy()
    alone = alone[follower[alone["row"].to_numpy()] < 0]
    begun = rows[fresh & (end > start)].drop(columns=["product", "next"]).assign(day=start[fresh & (end > start)])
    changed = pd.merge_asof(
        alone.sort_values("day", kind="stable"),
        begun.rename(columns={"row": "next"}).sort_values("day", kind="stable"),
        on="day",
        by=["account_id", "is_addon"],
        direction="forward",
        tolerance=pd.Timedelta(days=grace_days),
    ).dropna(subset=["next"])
    follower[changed["row"].to_numpy()] = changed["next"].to_numpy().astype(np.int64)
    return pd.DataFrame({"until": np.where(follower >= 0, start[follower], end), "next": follower}, index=terms.index)


def superseded(terms: pd.DataFrame) -> pd.DataFrame:
    """Return when each term is replaced by a successor that overlaps it, and since when that is known.

    Returns
    -------
    DataFrame
        On the index of `terms`: ``superseded_on`` (the successor's start) and ``superseded_known`` (an instant; known
        at every ``as_of`` after it), NaT where nothing overlaps.
    """
    successor = successors(terms, grace_days=EARLY_DAYS, hindsight=False)
    start = terms["started_on"].to_numpy()
    known = knowledge.frame_known_since(terms, "subscriptions").to_numpy()
    overlaps = (successor >= 0) & (start[successor] < terms["agreed_end"].to_numpy())
    never = np.datetime64("NaT", "us")
    return pd.DataFrame(
        {
            "superseded_on": np.where(overlaps, start[successor], never),
            "superseded_known": np.where(overlaps, known[successor], never),
        },
        index=terms.index,
    )


class _Ends:
    """The terms in the order in which they became known, and when each ended as far as one could know."""

    def __init__(
        self,
        *,
        started_on: Times,
        agreed_end: Times,
        actual_end: Times,
        known: Times,
        announced: Times,
        hindsight: bool,
    ) -> None:
        self.start, self.known = started_on, known
        self._agreed, self._actual, self._announced, self._hindsight = agreed_end, actual_end, announced, hindsight

    @property
    def latest(self) -> Times:
        """The later of the agreed and the actual end."""
        return np.maximum(self._agreed, self._actual)

    def of(self, rows: Ints, at: int | Ints) -> Times:
        """Return the ends of some terms, as known when others became known."""
        if self._hindsight:
            return self._actual[rows]
        return np.where(self._announced[rows] <= self.known[at], self._actual[rows], self._agreed[rows])


def _overlapping(line: Ints, ends: _Ends) -> npt.NDArray[np.bool_]:
    """Tell which rows belong to a line of which a term begins before all earlier ones have ended."""
    until = pd.Series(ends.latest).groupby(line).cummax().to_numpy()
    overlaps = np.zeros(len(line), dtype=np.bool_)
    overlaps[1:] = (line[1:] == line[:-1]) & (ends.start[1:] < until[:-1])
    return np.asarray(pd.Series(overlaps).groupby(line).transform("any").to_numpy(), dtype=np.bool_)


def _announced(rows: pd.DataFrame) -> Times:
    """Return when each term's actual end could be known at the earliest; the agreed one is known from the start."""
    announced = rows[["notice_at", "terminated_on"]].min(axis=1).where(rows["terminated_on"].notna())
    return announced.to_numpy()


def _pairs(ends: _Ends, first: int, last: int, grace_days: int) -> list[tuple[int, int]]:
    """Pair the terms of one product, `first` to `last` in the order in which they became known."""
    pairs: list[tuple[int, int]] = []
    unpaired: list[int] = [first]
    for after in range(first + 1, last):
        before = np.asarray(unpaired)
        start, end, begun = ends.start[after], ends.of(before, after), ends.start[before]
        early = np.minimum(EARLY_DAYS * _DAY, (end - begun) // 2)
        fits = (begun < start) & (start >= end - early) & (start <= end + grace_days * _DAY)
        fits &= end < ends.of(np.asarray([after]), after)[0]
        if fits.any():
            distance = np.where(fits, np.abs((start - end) / _DAY), np.inf)
            nearest = int(before[int(distance.argmin())])
            pairs.append((nearest, after))
            unpaired.remove(nearest)
        unpaired.append(after)
    return pairs
