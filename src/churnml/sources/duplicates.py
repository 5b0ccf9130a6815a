"""Finds rows that stand twice: those that share a key, and those that equal another one and have no id."""

from __future__ import annotations

from dataclasses import dataclass

from churnml.sources.mapping import Mapping
from churnml.sources.sql import identifier
from churnml.sources.staged import StagedTable

__all__ = ["EqualRows", "equal_rows", "lay_surplus"]

_EQUAL_SAMPLE = 2_000_000
"""Above so many rows without an id, equal ones are counted in a share of them."""


@dataclass(frozen=True)
class EqualRows:
    """Rows that equal another one.

    Parameters
    ----------
    rows : int
        How many there are beside the first of each.
    surplus : str or None
        SQL condition of those rows; None where the table has no key, and they are only counted.
    total : float or None
        What they add up to of `money`.
    money : str or None
        The column of money.
    is_estimated : bool
        Whether they were counted in a share of the rows.
    """

    rows: int
    surplus: str | None = None
    total: float | None = None
    money: str | None = None
    is_estimated: bool = False


def lay_surplus(staged: StagedTable, mapping: Mapping) -> tuple[int, int]:
    """Lay out all but the latest known of the rows that share a key; returns how many equal it, and how many do not.

    The table ``surplus`` holds ``row_at`` and whether the row is the ``same`` as the one that stays.
    """
    output = mapping.output
    keys = ", ".join(f"{output[name]} AS key_{number}" for number, name in enumerate(mapping.table.key))
    names = ", ".join(f"key_{number}" for number in range(len(mapping.table.key)))
    content = f"hash({', '.join(output.values())})"
    staged.run(
        "CREATE OR REPLACE TEMP TABLE surplus AS "
        "SELECT row_at, same FROM (SELECT row_at, row_number() OVER w AS nth, "
        f"content = first_value(content) OVER w AS same FROM (SELECT row_at, {keys}, {output['known_at']} AS known, "
        f"{content} AS content FROM staged WHERE {staged.good}) "
        f"WINDOW w AS (PARTITION BY {names} ORDER BY known DESC NULLS LAST, content)) WHERE nth > 1"
    )
    row = staged.run("SELECT count_if(same), count_if(NOT same) FROM surplus").fetchone() or (0, 0)
    return int(row[0] or 0), int(row[1] or 0)


def equal_rows(staged: StagedTable, mapping: Mapping, rows: int) -> EqualRows:
    """Count the rows that equal another one and have no id to tell them apart, of `rows` in all."""
    table = mapping.table
    if table.key:
        money = next((name for name in ("mrr", "amount") if name in mapping.mapped), None)
        without_id = f" AND {identifier(table.key[0])} IS NULL" if mapping.some_keys_made else ""
        surplus = f"equal_number > 1{without_id}"
        total = f"CAST(sum({identifier(money)}) FILTER ({surplus}) AS DOUBLE)" if money else "NULL"
        row = staged.run(f"SELECT count_if({surplus}), {total} FROM staged WHERE {staged.good}").fetchone()
        count, sum_ = row or (0, None)
        return EqualRows(int(count or 0), surplus, sum_, money)
    # Equal rows have equal times: all rows of a share of the times tell the share of equal ones.
    scale = max(1, rows // _EQUAL_SAMPLE)
    names = ", ".join(identifier(name) for name in mapping.mapped)
    times = identifier(table.occurred_at or mapping.mapped[0])
    part = f" AND hash({times}) % {scale} = 0" if scale > 1 else ""
    ((count,),) = staged.counted(
        f"SELECT count(*) - count(DISTINCT hash({names})) FROM staged WHERE {staged.good}{part}"
    )
    return EqualRows(int(count or 0) * scale, is_estimated=scale > 1)
