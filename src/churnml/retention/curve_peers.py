"""Beside whom an account's curve is drawn: the other accounts of its plan, else of its segment, else all others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import pandas as pd

from churnml.explain.lifetime import Lifetime, Peers

__all__ = ["with_peers"]

_LEAST = 10
"""Fewer others would say more of one account than of its like."""
_GROUPS: tuple[Literal["plan", "segment"], ...] = ("plan", "segment")


def with_peers(lifetimes: Sequence[Lifetime], known: pd.DataFrame) -> tuple[Lifetime, ...]:
    """Return the same accounts with the mean curve of their peers beside them; without, where there are under ten.

    Parameters
    ----------
    lifetimes : sequence of Lifetime
        All accounts of one date.
    known : DataFrame
        ``account_id``, and ``plan`` and ``segment`` where the company has them.

    Examples
    --------
    >>> from churnml.language import Text
    >>> line = Lifetime("a", None, None, {}, (1.0,), (1.0,), (1.0,), *[None] * 7, Text.of("survival-most_stay"))
    >>> some = [replace(line, account_id=str(n), survival=(n / 10,)) for n in range(11)]
    >>> first = with_peers(some, pd.DataFrame({"account_id": [one.account_id for one in some], "plan": "Pro"}))[0]
    >>> first.peers.by, first.peers.group, first.peers.accounts, [round(share, 6) for share in first.peers.survival]
    ('plan', 'Pro', 10, [0.55])
    """
    if len(lifetimes) <= _LEAST:
        return tuple(lifetimes)
    rows = known.set_index("account_id").reindex([one.account_id for one in lifetimes])
    curves = np.array([one.survival for one in lifetimes])
    peers = _others(curves, np.zeros(len(lifetimes), dtype=np.intp), "all", [None])
    for by in reversed(_GROUPS):
        if by in rows:
            codes, names = pd.factorize(rows[by])
            own = _others(curves, codes.astype(np.intp), by, [str(name) for name in names])
            peers = [mine or wider for mine, wider in zip(own, peers, strict=True)]
    return tuple(replace(one, peers=its) for one, its in zip(lifetimes, peers, strict=True))


def _others(
    curves: np.ndarray, codes: np.ndarray, by: Literal["plan", "segment", "all"], names: Sequence[str | None]
) -> list[Peers | None]:
    """Return the peers of each account in its group, itself left out; None outside of groups and in small ones."""
    totals = np.zeros((len(names), curves.shape[1]))
    inside = codes >= 0
    np.add.at(totals, codes[inside], curves[inside])
    others = np.bincount(codes[inside], minlength=len(names)) - 1
    peers: list[Peers | None] = []
    for code, own in zip(codes, curves, strict=True):
        if code < 0 or others[code] < _LEAST:
            peers.append(None)
            continue
        mean = (totals[code] - own) / others[code]
        peers.append(Peers(by, names[code], int(others[code]), tuple(mean.tolist())))
    return peers
