"""What each table looked like on each day: rows, accounts, empty values, words, equal rows, numbers that rose or fell.

A row belongs to the day on which it became known. Values that are revealed later (a ticket's solution) are not looked
at: the newest days lack them by nature.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pandas as pd

from churnml.tables import TABLES, Table, Tables, knowledge

if TYPE_CHECKING:
    import ibis.expr.types as ir

__all__ = ["HISTORY_DAYS", "PROFILE_COLUMNS", "profile"]

HISTORY_DAYS = 1100
"""Days before the `as_of` that are looked at: three years, so that a season is seen more than once."""

PROFILE_COLUMNS = ("table", "measure", "column", "word", "day", "hits", "rows")
"""One row per table, measure, column, word and day.

``measure`` is ``rows`` (hits: rows of the day), ``accounts`` (hits: distinct accounts), ``nulls``, ``equal``, ``rose``
and ``fell`` (hits among rows), or ``words`` (hits: rows with that word among rows that have one).
"""

_MOST_WORDS = 60
"""A column with more distinct words is free text, of which no word is missed."""
_NAMES = ("name", "owner")
"""Who an account is and who looks after it: new ones come with every customer and every hire."""


def profile(tables: Tables, as_of: date, *, history_days: int = HISTORY_DAYS, rows_only: bool = False) -> pd.DataFrame:
    """Return what each table looked like on each day before a date.

    Parameters
    ----------
    tables : Tables
        The company's tables.
    as_of : date
        Midnight UTC; only what was known before counts.
    history_days : int
        How far back to look.
    rows_only : bool
        Only the measure ``rows``, which tells a feed that stopped, in a fraction of the time.

    Returns
    -------
    DataFrame
        `PROFILE_COLUMNS`; a day without rows has none.

    Examples
    --------
    >>> events = pd.DataFrame({"account_id": ["a", "b", "a"], "event_type": ["login", "login", "export"],
    ...                        "occurred_at": pd.to_datetime(["2026-03-01", "2026-03-01", "2026-03-02"])})
    >>> found = profile(Tables.from_pandas({"events": events}), date(2026, 3, 3))
    >>> found[found["measure"] == "rows"][["table", "day", "hits"]].to_dict("list")["hits"]
    [2.0, 1.0]
    """
    since = max(as_of - timedelta(days=history_days), tables.observed_from)
    parts = [part for name in tables for part in _table(tables, name, since, as_of, rows_only)]
    if not parts:
        return pd.DataFrame(columns=list(PROFILE_COLUMNS))
    profiles = pd.concat(parts, ignore_index=True)[list(PROFILE_COLUMNS)]
    profiles["day"] = pd.to_datetime(profiles["day"]).astype("datetime64[us]")
    profiles[["hits", "rows"]] = profiles[["hits", "rows"]].astype("float64")
    order = ["table", "measure", "column", "word", "day"]
    return profiles.sort_values(order, kind="stable", ignore_index=True)


def _table(tables: Tables, name: str, since: date, as_of: date, rows_only: bool) -> Iterator[pd.DataFrame]:
    import ibis

    table, supplied = TABLES[name], tables.supplied.get(name, frozenset())
    rows = tables[name]
    if table.occurred_at is None:
        if "known_at" not in supplied:
            return  # without history a table is as it is today, whatever the day
        at = rows.known_at
    else:
        at = knowledge.rows_known_since(rows, name)
    rows = rows.mutate(day_=at.date())
    rows = rows.filter((rows.day_ >= ibis.literal(since)) & (rows.day_ < ibis.literal(as_of)))
    if rows_only:
        daily: pd.DataFrame = rows.group_by("day_").aggregate(rows=rows.count()).to_pandas()
        yield pd.DataFrame(
            {"table": name, "measure": "rows", "column": "", "word": "", "day": daily["day_"], "hits": daily["rows"]}
        ).assign(rows=daily["rows"])
        return
    optional = [column for column in _looked_at(table, supplied) if not table[column].required]
    aggregates = {f"nulls.{column}": rows[column].isnull().sum() for column in optional}
    daily = (
        rows.group_by("day_").aggregate(rows=rows.count(), accounts=rows.account_id.nunique(), **aggregates).to_pandas()
    )
    if daily.empty:
        return
    shown = pd.DataFrame({"table": name, "column": "", "word": "", "day": daily["day_"], "rows": daily["rows"]})
    yield shown.assign(measure="rows", hits=daily["rows"])
    yield shown.assign(measure="accounts", hits=daily["accounts"])
    for column in optional:
        yield shown.assign(measure="nulls", column=column, hits=daily[f"nulls.{column}"])
    if not table.key:
        distinct: pd.DataFrame = rows.distinct().group_by("day_").aggregate(once=ibis._.count()).to_pandas()
        merged = daily[["day_", "rows"]].merge(distinct, on="day_", validate="1:1")
        equal = merged.set_index("day_")
        left = shown["day"].map(equal["rows"] - equal["once"])
        yield shown.assign(measure="equal", hits=left)
    yield from _words(rows, table, supplied)
    yield from _moves(rows, table, supplied)


def _looked_at(table: Table, supplied: frozenset[str]) -> list[str]:
    hidden = {"account_id", "known_at", "left_known_at", *table.key, *table.revealed}
    return [column for column in table.column_names if column in supplied and column not in hidden]


def _words(rows: ir.Table, table: Table, supplied: frozenset[str]) -> Iterator[pd.DataFrame]:
    """Count each word of each column of few words by day."""
    import ibis

    columns = [
        column
        for column in _looked_at(table, supplied)
        if table[column].dtype == "string" and not column.endswith("_id") and column not in _NAMES
    ]
    if not columns:
        return
    counted: pd.DataFrame = rows.aggregate([rows[column].nunique().name(column) for column in columns]).to_pandas()
    for column in columns:
        if not 1 <= counted[column].iloc[0] <= _MOST_WORDS:
            continue
        known = rows.filter(rows[column].notnull())
        by_word: pd.DataFrame = (
            known.group_by(["day_", column]).aggregate(hits=ibis._.count()).rename(word=column, day="day_").to_pandas()
        )
        by_word["rows"] = by_word.groupby("day")["hits"].transform("sum")
        yield by_word.assign(table=table.name, measure="words", column=column)


def _moves(rows: ir.Table, table: Table, supplied: frozenset[str]) -> Iterator[pd.DataFrame]:
    """Count by day how many numbers are larger and how many are smaller than the account's own before.

    An account is compared with itself: a rise of prices shows in nearly every row, whoever the customers are.
    """
    import ibis

    if table.occurred_at is None:
        return
    alike = [column for column in ("event_type", "kind", "product") if column in supplied and column in rows.columns]
    for column in _looked_at(table, supplied):
        if table[column].dtype not in ("float64", "int64"):
            continue
        known = rows.filter(rows[column].notnull())
        order = [known[table.occurred_at], *(known[key] for key in table.key)]
        window = ibis.window(group_by=["account_id", *alike], order_by=order)
        moves = known.mutate(before_=known[column].lag().over(window))
        moves = moves.filter(moves.before_.notnull())
        daily: pd.DataFrame = (
            moves.group_by("day_")
            .aggregate(
                rows=moves.count(),
                rose=(moves[column] > moves.before_).sum(),
                fell=(moves[column] < moves.before_).sum(),
            )
            .rename(day="day_")
            .to_pandas()
        )
        for measure in ("rose", "fell"):
            part = daily[["day", "rows"]].assign(hits=daily[measure], table=table.name, measure=measure, column=column)
            yield part.assign(word="")
