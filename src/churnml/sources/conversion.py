"""Turns amounts of several currencies into the company's own by a dated table, or says which rows cannot be added."""

from __future__ import annotations

from dataclasses import replace

import duckdb

from churnml.config import RatesSource
from churnml.language import Several, Text
from churnml.sources.lookups import column_of
from churnml.sources.mapping import Mapping
from churnml.sources.raw import Raw
from churnml.sources.sql import identifier, literal, problem

__all__ = ["in_own_currency", "lay_rates"]

_MONEY = {
    "subscriptions": ("mrr", "started_on"),
    "invoices": ("amount", "issued_on"),
    "opportunities": ("amount", "created_at"),
}


def lay_rates(db: duckdb.DuckDBPyConnection, raw: Raw, rates: RatesSource) -> None:
    """Make the table of rates: ``other, since, worth``.

    Raises
    ------
    DataError
        A column is missing, or a rate or a day cannot be read.
    """
    other, since, rate = (
        identifier(column_of(raw, name, f"rates.{key}"))
        for key, name in (("currency", rates.currency), ("since", rates.since), ("rate", rates.rate))
    )
    db.execute(
        "CREATE OR REPLACE TEMP TABLE rates AS SELECT upper(trim(CAST("
        f"{other} AS VARCHAR))) AS other, try_cast({since} AS DATE) AS since, try_cast({rate} AS DOUBLE) AS worth "
        f"FROM {raw.relation}"
    )
    row = db.execute("SELECT count(*) FROM rates WHERE since IS NULL OR worth IS NULL OR worth <= 0").fetchone()
    if row and row[0]:
        raise problem(
            "CHK047",
            Text.of("data-bad_rates", n=row[0]),
            where="rates",
        )


def in_own_currency(
    db: duckdb.DuckDBPyConnection, mapping: Mapping, raw: Raw, column: str | None, own: str, *, has_rates: bool
) -> tuple[Mapping, list[Text]]:
    """Return the mapping with its amounts in the company's currency, and what was converted.

    Parameters
    ----------
    db : DuckDB connection
        Holds ``rates`` where `has_rates`.
    mapping, raw : Mapping, Raw
        The table.
    column : str or None
        Raw column of the currency; without one all amounts are taken to be in the company's own.
    own : str
        The company's currency.

    Raises
    ------
    DataError
        Amounts are in other currencies and there is no rate for their day.
    """
    money, day = _MONEY.get(mapping.table.name, ("", ""))
    if column is None or money not in mapping.mapped:
        return mapping, []
    said = identifier(f"column:{column_of(raw, column, f'{raw.place}.currency')}")
    code = f"upper(trim(CAST({said} AS VARCHAR)))"
    rows = db.execute(
        f"SELECT {code} AS code, count(*) FROM ({mapping.select}) WHERE {identifier(money)} IS NOT NULL "
        f"AND {code} NOT IN ({literal(own.upper())}, '') GROUP BY 1 ORDER BY 2 DESC, 1"
    ).fetchall()
    if not rows:
        return mapping, []
    counted = Several(parts=tuple(Text.of("data-rows_in", n=count, code=code) for code, count in rows))
    if not has_rates:
        raise problem(
            "CHK047",
            Text.of("data-other_currency", origin=raw.origin, currency=own.upper(), counted=counted),
            where=f"{raw.place}.currency",
            got=Text.of("words", words=counted),
        )
    joined = (
        f"SELECT mapped.*, rates.worth FROM (SELECT *, {code} AS currency_code, CAST({identifier(day)} AS DATE) AS "
        f"currency_day FROM ({mapping.select})) AS mapped ASOF LEFT JOIN rates "
        "ON mapped.currency_code = rates.other AND mapped.currency_day >= rates.since"
    )
    missing = db.execute(
        f"SELECT currency_code, min(currency_day), count(*) FROM ({joined}) WHERE {identifier(money)} IS NOT NULL "
        f"AND currency_code NOT IN ({literal(own.upper())}, '') AND worth IS NULL GROUP BY 1 ORDER BY 1"
    ).fetchall()
    if missing:
        unrated = Several(
            parts=tuple(
                Text.of("data-rows_in.from", n=count, code=code, first=str(first)) for code, first, count in missing
            )
        )
        raise problem(
            "CHK047",
            Text.of("data-rates_missing", origin=raw.origin),
            where="rates",
            got=Text.of("words", words=unrated),
        )
    foreign = f"coalesce(currency_code NOT IN ({literal(own.upper())}, ''), false)"
    select = (
        f"SELECT * EXCLUDE (currency_code, currency_day, worth) REPLACE (CASE WHEN {foreign} "
        f"THEN {identifier(money)} * worth ELSE {identifier(money)} END AS {identifier(money)}) FROM ({joined})"
    )
    note = Text.of(
        "data-converted",
        table=raw.place.removeprefix("tables."),
        counted=counted,
        currency=own.upper(),
        day=day,
    )
    return replace(mapping, select=select), [note]
