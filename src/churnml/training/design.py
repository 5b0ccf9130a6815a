"""The design matrix of a regression: gaps filled and marked, tails drawn in, words one-hot, everything centred."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Layout", "codes_of", "design_of"]

Array = npt.NDArray[np.float64]
Single = npt.NDArray[np.float32]
Index = npt.NDArray[np.intp]

_BLOCK = 32
"""Columns that are worked on at a time: a copy of all of them in double precision is what training must not need."""
_STEADY = 1e-12


@dataclass(frozen=True)
class Layout:
    """How the columns of a matrix become the columns of a design, as learnt from training rows.

    Parameters
    ----------
    median, low, high, width, mean, scale, missing_mean : arrays of shape (k,)
        Per column of the matrix; see `churnml.training.linear.Linear`.
    used, used_at : arrays of int
        Numeric columns that vary, and their places in the design.
    gaps, gaps_at : arrays of int
        Numeric columns that are missing in some rows, and the places of the marks in the design.
    words : mapping of int to (int, array)
        Word column → its first place in the design, and the share of each code; the last is for no word.
    columns : int
        Of the design.
    """

    median: Array
    low: Array
    high: Array
    width: Array
    mean: Array
    scale: Array
    missing_mean: Array
    used: Index
    used_at: Index
    gaps: Index
    gaps_at: Index
    words: Mapping[int, tuple[int, Array]]
    columns: int

    def matrix(self, X: Array, rows: Index | None = None) -> Single:
        """Return the design of some rows, or of all."""
        count = len(X) if rows is None else len(rows)
        filled = np.empty((self.columns, count), dtype=np.float32)
        used = dict(zip(self.used.tolist(), self.used_at.tolist(), strict=True))
        gaps = dict(zip(self.gaps.tolist(), self.gaps_at.tolist(), strict=True))
        for first, block in _blocks(X, rows):
            for column, known in enumerate(block, start=first):
                place, mark = used.get(column), gaps.get(column)
                if place is None and mark is None:
                    continue
                missing = np.isnan(known)
                if place is not None:
                    t = np.clip(np.where(missing, self.median[column], known), self.low[column], self.high[column])
                    t = np.arcsinh((t - self.median[column]) / self.width[column])
                    filled[place] = (t - self.mean[column]) / self.scale[column]
                if mark is not None:
                    filled[mark] = missing - self.missing_mean[column]
        self._fill_words(filled, X, rows)
        return filled.T

    def spread_out(self, per_column: Sequence[float] | None) -> Array:
        """Return what is given per column of the matrix per column of the design; 0 for marks and words."""
        spread = np.zeros(self.columns)
        if per_column is not None:
            spread[self.used_at] = np.asarray(per_column, dtype=np.float64)[self.used]
        return spread

    def _fill_words(self, filled: Single, X: Array, rows: Index | None) -> None:
        for column, (place, share) in self.words.items():
            codes = codes_of(X[:, column] if rows is None else X[rows, column], len(share))
            filled[place : place + len(share)] = -share[:, None]
            filled[place + codes, np.arange(len(codes))] += 1.0


def design_of(X: Array, categorical: Sequence[int] = (), rows: Index | None = None) -> tuple[Layout, Single]:
    """Learn the layout of a design from rows, and return it with their design.

    Parameters
    ----------
    X : array of shape (n, k)
        NaN where missing; word codes in the `categorical` columns.
    categorical : sequence of int
    rows : array of int, optional
        The rows to learn from; all by default.

    Returns
    -------
    layout, design : Layout, array of shape (rows, columns)
        The design in single precision: it is read many times, and half as long takes half the time.

    Examples
    --------
    >>> layout, design = design_of(np.array([[1.0, 0.0], [np.nan, 1.0], [3.0, 1.0]]), categorical=[1])
    >>> design.shape, layout.used.tolist(), layout.gaps.tolist()  # a number, its gaps, two words and no word
    ((3, 5), [0], [0])
    """
    count, k = len(X) if rows is None else len(rows), X.shape[1]
    is_word = np.zeros(k, dtype=bool)
    is_word[list(categorical)] = True
    one = {name: np.zeros(k) for name in ("median", "low", "high", "mean", "missing_mean")}
    one |= {name: np.ones(k) for name in ("width", "scale")}
    sizes = {int(column): _words(X, int(column), rows) for column in categorical}
    # Pages that nothing is written to take no memory.
    filled = np.empty((2 * int((~is_word).sum()) + sum(sizes.values()), count), dtype=np.float32)
    used, gaps, at = [], [], 0
    for first, block in _blocks(X, rows):
        for column, known in enumerate(block, start=first):
            missing = np.isnan(known)
            empty = int(missing.sum())
            if is_word[column] or empty == count:
                continue
            own = _scaling(known[~missing] if empty else known)
            t = np.arcsinh((np.where(missing, own["median"], known) - own["median"]) / own["width"])
            spread = float(t.std())
            own |= {"mean": float(t.mean()), "missing_mean": empty / count}
            if spread > _STEADY:
                own["scale"] = spread
                filled[at] = (t - own["mean"]) / spread
                used.append((column, at))
                at += 1
            if empty:
                filled[at] = missing - own["missing_mean"]
                gaps.append((column, at))
                at += 1
            for name, number in own.items():
                one[name][column] = number
    words = {}
    for column, size in sizes.items():
        codes = codes_of(X[:, column] if rows is None else X[rows, column], size)
        words[column] = (at, np.bincount(codes, minlength=size) / count)
        at += size
    pairs = [np.array(numbers, dtype=np.intp).reshape(-1, 2).T for numbers in (used, gaps)]
    layout = Layout(
        **one,
        used=pairs[0][0],
        used_at=pairs[0][1],
        gaps=pairs[1][0],
        gaps_at=pairs[1][1],
        words=words,
        columns=at,
    )
    layout._fill_words(filled, X, rows)
    return layout, filled[:at].T


def codes_of(column: Array, size: int) -> Index:
    """Return the word codes of a column; no word, and any code out of range, is the last one."""
    known = np.where(np.isnan(column), size - 1, column).astype(np.intp)
    return np.where((known < 0) | (known >= size), size - 1, known)


def _blocks(X: Array, rows: Index | None) -> Iterator[tuple[int, Array]]:
    """Give the columns as rows of contiguous blocks, with the number of the first."""
    for first in range(0, X.shape[1], _BLOCK):
        block = X[:, first : first + _BLOCK] if rows is None else X[rows, first : first + _BLOCK]
        yield first, np.ascontiguousarray(block.T)


def _words(X: Array, column: int, rows: Index | None) -> int:
    """Return how many codes a word column has, that for no word included."""
    codes = X[:, column] if rows is None else X[rows, column]
    known = codes[~np.isnan(codes)]
    return int(known.max()) + 2 if len(known) else 1


def _scaling(known: Array) -> dict[str, float]:
    """Median, range and mean absolute deviation of a column's known values."""
    median = float(np.median(known))
    deviation = float(np.abs(known - median).mean())
    return {
        "median": median,
        "low": float(known.min()),
        "high": float(known.max()),
        "width": deviation if deviation > _STEADY else 1.0,
    }
