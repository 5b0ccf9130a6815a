"""Where there is room to grow: accounts that use the product as much as others and pay less."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

__all__ = ["GrowthFigures", "RfmCell", "growth_figures", "growth_potential", "rfm_cells"]

_LEAST_PEERS = 5
_HIGH = 4


@dataclass(frozen=True)
class RfmCell:
    """The accounts of one score of recency and one of frequency, 1–5, and what they pay a month."""

    recency: int
    frequency: int
    accounts: int
    mrr: float


@dataclass(frozen=True)
class GrowthFigures:
    """The room to grow of one segment: accounts that have some, and how much ARR."""

    segment: str | None
    accounts: int
    arr: float
    room_arr: float


def rfm_cells(scored: pd.DataFrame) -> tuple[RfmCell, ...]:
    """Return how many accounts have which scores, of those that occur; best recency first.

    Parameters
    ----------
    scored : DataFrame
        ``recency, frequency`` from `churnml.retention.rfm`, and ``mrr``.
    """
    cells = scored.groupby(["recency", "frequency"]).agg(accounts=("mrr", "size"), mrr=("mrr", "sum")).reset_index()
    cells = cells.sort_values(["recency", "frequency"], ascending=False)
    columns = (cells[name].tolist() for name in ("recency", "frequency", "accounts", "mrr"))
    return tuple(RfmCell(*cell) for cell in zip(*columns, strict=True))


def growth_potential(scored: pd.DataFrame) -> pd.Series:
    """Return by how much more ARR each account would pay if it paid what its peers do.

    An account has room where recency and frequency of use score 4 or 5: the median MRR of the accounts of its segment
    with the same frequency score, less its own, times twelve, and never below 0. It is a place to look, not a promise:
    nobody was asked. Fewer than 5 peers give none.

    Parameters
    ----------
    scored : DataFrame
        ``segment`` (may be null), ``recency, frequency, mrr``.

    Examples
    --------
    >>> scored = pd.DataFrame({"segment": "SMB", "recency": 5, "frequency": [5, 5, 5, 5, 5, 1],
    ...                        "mrr": [10.0, 100.0, 100.0, 100.0, 200.0, 1.0]})
    >>> growth_potential(scored).tolist()
    [1080.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    """
    peers = scored.groupby([scored["segment"].fillna(""), "frequency"])["mrr"]
    typical = peers.transform("median").where(peers.transform("size") >= _LEAST_PEERS)
    eager = (scored["recency"] >= _HIGH) & (scored["frequency"] >= _HIGH)
    room = (12 * (typical - scored["mrr"])).clip(lower=0.0).where(eager, 0.0)
    return room.fillna(0.0)


def growth_figures(scored: pd.DataFrame) -> tuple[GrowthFigures, ...]:
    """Return the room by segment, most first.

    Parameters
    ----------
    scored : DataFrame
        ``segment, mrr`` and ``room_arr`` from `growth_potential`.
    """
    open_ones = scored[scored["room_arr"] > 0]
    figures = [
        GrowthFigures(str(name) or None, len(own), float(12 * own["mrr"].sum()), float(own["room_arr"].sum()))
        for name, own in open_ones.groupby(open_ones["segment"].fillna(""))
    ]
    return tuple(sorted(figures, key=lambda one: -one.room_arr))
