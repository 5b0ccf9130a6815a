"""Accounts that are part of others: who stands at the top of each, over however many levels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["below", "chain_of", "circles", "top_of"]

Ints = npt.NDArray[np.int64]


def top_of(parents: pd.Series) -> pd.Series:
    """Return the account at the top of each account's chain of parents; one that is part of none is its own.

    A parent that is no account itself is a top as well. Accounts in a circle, which `circles` tells, are one group
    under the least id of the circle: nobody is counted twice or lost.

    Parameters
    ----------
    parents : Series of str
        ``parent_id`` by ``account_id``; null for an account that is part of none.

    Examples
    --------
    >>> import pandas as pd
    >>> top_of(pd.Series({"plant": "country", "country": "world", "world": None, "solo": None})).to_dict()
    {'plant': 'world', 'country': 'world', 'world': 'world', 'solo': 'solo'}
    """
    import pandas as pd

    names, above = _coded(parents)
    top = _risen(above)
    for circle in _circles(above, top):
        of_circle = np.isin(top, circle)
        top[of_circle] = min(circle, key=lambda code: str(names[code]))
    return pd.Series(names.to_numpy(dtype=object)[top[: len(parents)]], index=parents.index, dtype="object")


def circles(parents: pd.Series) -> list[tuple[str, ...]]:
    """Return the accounts that are part of each other, each circle from its least id on.

    Parameters
    ----------
    parents : Series of str
        As of `top_of`.

    Examples
    --------
    >>> import pandas as pd
    >>> circles(pd.Series({"b": "c", "c": "a", "a": "b", "under": "a", "own": "own"}))
    [('a', 'b', 'c')]
    """
    names, above = _coded(parents)
    rounds = []
    for circle in _circles(above, _risen(above)):
        ids = [str(names[code]) for code in circle]
        first = ids.index(min(ids))
        rounds.append((*ids[first:], *ids[:first]))
    return sorted(rounds)


def chain_of(parents: pd.Series, account_id: str) -> tuple[str, ...]:
    """Return the accounts above one, the nearest first, until there is none or one comes again.

    Examples
    --------
    >>> import pandas as pd
    >>> chain_of(pd.Series({"plant": "country", "country": "world", "world": None}), "plant")
    ('country', 'world')
    """
    above: list[str] = []
    at = account_id
    while at in parents.index:
        parent = parents[at]
        if parent is None or parent != parent or parent in (account_id, at) or parent in above:
            break
        above.append(str(parent))
        at = str(parent)
    return tuple(above)


def below(parents: pd.Series) -> dict[str, list[str]]:
    """Return, of each account that has some, all accounts below it, over all levels, in their order.

    Examples
    --------
    >>> import pandas as pd
    >>> below(pd.Series({"plant": "country", "country": "world", "world": None, "solo": None}))
    {'country': ['plant'], 'world': ['plant', 'country']}
    """
    under: dict[str, list[str]] = {}
    for account in parents.index[parents.notna()]:
        for above in chain_of(parents, account):
            under.setdefault(above, []).append(str(account))
    return under


def _coded(parents: pd.Series) -> tuple[pd.Index, Ints]:
    """Return all ids, the accounts first, and the position of each one's parent; its own for one without."""
    import pandas as pd

    own = pd.Index(parents.index.astype("object"))
    given = parents.astype("object").where(parents.notna(), None)
    others = pd.Index([one for one in dict.fromkeys(given) if one is not None and one not in own], dtype="object")
    names = own.append(others)
    above = np.arange(len(names), dtype=np.int64)
    at = np.asarray(names.get_indexer(pd.Index(given, dtype="object")), dtype=np.int64)
    above[: len(own)] = np.where(given.notna().to_numpy(), at, above[: len(own)])
    return names, above


def _risen(above: Ints) -> Ints:
    """Return the end of each chain: a top, or some account of a circle. Each step doubles the levels."""
    top = above.copy()
    for _ in range(max(len(above), 1).bit_length()):
        higher = top[top]
        if np.array_equal(higher, top):
            break
        top = higher
    return top


def _circles(above: Ints, top: Ints) -> list[list[int]]:
    """Return the circles among the ends of the chains."""
    rounds: list[list[int]] = []
    walked: set[int] = set()
    for start in np.unique(top[above[top] != top]):
        if int(start) in walked:
            continue
        circle, at = [int(start)], int(above[start])
        while at != start:
            circle.append(at)
            at = int(above[at])
        walked.update(circle)
        rounds.append(circle)
    return rounds
