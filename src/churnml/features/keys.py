"""The rows that are asked about: unique (account, as_of) pairs, coded as integers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from churnml.errors import DataError
from churnml.language import Text

if TYPE_CHECKING:
    import ibis.expr.types as ir

__all__ = ["DAY_SPAN", "EVER", "Floats", "Ints", "Keys", "day_numbers"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

DAY_SPAN = 1 << 20
"""Room for day numbers in a combined integer ``account * DAY_SPAN + day``: about 2,800 years."""

EVER = DAY_SPAN // 2
"""Days of a window that holds all that was ever known."""


def day_numbers(values: pd.Series | npt.NDArray[np.generic]) -> Ints:
    """Return days since 1970-01-01 of dates or timestamps without nulls.

    Examples
    --------
    >>> day_numbers(pd.Series(pd.to_datetime(["1970-01-02 23:59"]))).tolist()
    [1]
    """
    array = pd.to_datetime(pd.Series(values)).to_numpy()
    return array.astype("datetime64[D]").astype(np.int64)


@dataclass(frozen=True)
class Keys:
    """Unique (account, as_of) pairs, ordered by account and date.

    Parameters
    ----------
    accounts : ndarray of str, shape (a,)
        Accounts, ascending.
    code : ndarray of int, shape (n,)
        Position of each row's account in `accounts`.
    day : ndarray of int, shape (n,)
        Each row's `as_of` in days since 1970-01-01.
    part : bool
        These are some of many: what is read of the tables is kept to their accounts.
    """

    accounts: npt.NDArray[np.object_]
    code: Ints
    day: Ints
    part: bool = False

    def __len__(self) -> int:
        return len(self.code)

    @classmethod
    def none(cls) -> Keys:
        """Return no key."""
        return cls(np.zeros(0, dtype=object), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))

    @classmethod
    def of(cls, spine: pd.DataFrame) -> tuple[Keys, Ints]:
        """Return the keys of a spine, and for each of its rows the position among the keys.

        Parameters
        ----------
        spine : DataFrame
            With ``account_id`` and ``as_of`` (midnights), in any order, rows may repeat.

        Raises
        ------
        DataError
            A column is missing, a value is null, or an `as_of` is not at midnight.

        Examples
        --------
        >>> rows = pd.DataFrame({"account_id": ["b", "a", "b"], "as_of": pd.to_datetime(["2026-03-01"] * 3)})
        >>> keys, position = Keys.of(rows)
        >>> keys.accounts.tolist(), position.tolist()
        (['a', 'b'], [1, 0, 1])
        """
        for column in ("account_id", "as_of"):
            if column not in spine:
                raise DataError(
                    Text.of("fault-spine_column", column=repr(column)), where="spine", code="features.spine"
                )
            if spine[column].isna().any():
                raise DataError(Text.of("fault-spine_empty"), where=f"spine.{column}", code="features.spine")
        as_of = pd.to_datetime(spine["as_of"])
        if (as_of != as_of.dt.normalize()).any():
            raise DataError(
                Text.of("fault-spine_midnight"),
                where="spine.as_of",
                got=str(as_of[as_of != as_of.dt.normalize()].iloc[0]),
                code="features.spine",
            )
        code, accounts = pd.factorize(spine["account_id"].astype("object"), sort=True)
        combined = code.astype(np.int64) * DAY_SPAN + day_numbers(as_of)
        unique, position = np.unique(combined, return_inverse=True)
        keys = cls(np.asarray(accounts, dtype=object), unique // DAY_SPAN, unique % DAY_SPAN)
        return keys, position.astype(np.int64)

    def parts(self, number: int) -> Iterator[Keys]:
        """Yield the keys in so many parts, each of whole accounts, in order.

        Examples
        --------
        >>> keys = Keys(np.array(list("abc"), dtype=object), np.array([0, 0, 1, 2]), np.array([5, 6, 5, 5]))
        >>> [(part.accounts.tolist(), part.code.tolist()) for part in keys.parts(2)]
        [(['a', 'b'], [0, 0, 1]), (['c'], [0])]
        """
        for positions in np.array_split(np.arange(len(self.accounts)), min(number, len(self.accounts))):
            first, last = positions[0], positions[-1]
            low, high = np.searchsorted(self.code, [first, last + 1])
            yield Keys(self.accounts[first : last + 1], self.code[low:high] - first, self.day[low:high], part=True)

    def of_accounts(self, codes: Ints) -> tuple[Keys, Ints]:
        """Return the keys of some accounts, given by their ascending positions, and where they stand among all keys.

        Examples
        --------
        >>> keys = Keys(np.array(list("abc"), dtype=object), np.array([0, 0, 1, 2]), np.array([5, 6, 5, 5]))
        >>> some, rows = keys.of_accounts(np.array([0, 2]))
        >>> some.accounts.tolist(), some.code.tolist(), rows.tolist()
        (['a', 'c'], [0, 0, 1], [0, 1, 3])
        """
        rows = np.flatnonzero(np.isin(self.code, codes))
        code = np.searchsorted(codes, self.code[rows])
        return Keys(self.accounts[codes], code, self.day[rows], part=True), rows

    @property
    def as_of(self) -> npt.NDArray[np.datetime64]:
        """Each row's `as_of`, shape (n,)."""
        return self.day.astype("datetime64[D]").astype("datetime64[us]")

    @cached_property
    def place(self) -> Ints:
        """Each row's ``account * DAY_SPAN + day``, ascending."""
        return self.code * DAY_SPAN + self.day

    @cached_property
    def names(self) -> pa.Array:
        """The accounts as Arrow strings."""
        return pa.array(self.accounts, pa.string())

    def expression(self) -> ir.Table:
        """Return the keys as an Ibis table ``key_code, key_account, as_of`` for joins in the engine."""
        import ibis

        frame = pd.DataFrame(
            {"key_code": np.arange(len(self)), "key_account": self.accounts[self.code], "as_of": self.as_of}
        )
        return ibis.memtable(
            frame, schema=ibis.schema({"key_code": "int64", "key_account": "string", "as_of": "timestamp(6)"})
        )

    def full(self, value: float = np.nan) -> Floats:
        """Return one number per key."""
        return np.full(len(self), value, dtype=np.float64)
