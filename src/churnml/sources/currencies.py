"""Tells which currencies a column of money holds: by the signs of its values, or by a column of codes beside it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from churnml.language import Several, Text
from churnml.sources.expressions import mentioned
from churnml.sources.mapping import Mapping
from churnml.sources.sql import identifier
from churnml.sources.staged import StagedTable
from churnml.tables import Table

__all__ = ["CurrencyShare", "currencies_of", "currency_columns", "listed_shares", "money_columns"]

_WORDS = {
    "円": "JPY",
    "圓": "JPY",
    "yen": "JPY",
    "元": "CNY",
    "원": "KRW",
    "euro": "EUR",
    "euros": "EUR",
    "dollar": "USD",
}
_WORDS |= {
    "dollars": "USD",
    "us$": "USD",
    "u$s": "USD",
    "￥": "JPY",
    "fr": "CHF",
    "sfr": "CHF",
    "rs": "INR",
    "rm": "MYR",
}
_NAME = re.compile(
    r"currenc|(^|[_\s.-])(ccy|cur|curr)($|[_\s.-])|currencyisocode|通貨|通货|幣別|währung|devise|moneda|valuta", re.I
)
_MOST_KINDS = 200


@dataclass(frozen=True)
class CurrencyShare:
    """How much of a column of money is in one currency.

    Parameters
    ----------
    code : str
        ISO 4217.
    rows : int
        Values in this currency.
    example : str
        One of them, as it is written.
    """

    code: str
    rows: int
    example: str


def money_columns(table: Table) -> list[str]:
    """Return the columns that hold money.

    Examples
    --------
    >>> from churnml.tables import TABLES
    >>> money_columns(TABLES["subscriptions"]), money_columns(TABLES["events"])
    (['mrr'], [])
    """
    return [column.name for column in table.columns if (column.unit or "").startswith("currency")]


def currency_columns(names: Iterable[str]) -> list[str]:
    """Return the raw columns that by their names say in which currency a row is.

    Examples
    --------
    >>> currency_columns(["amount", "Currency ISO Code", "CurrencyIsoCode", "通貨", "occurred_at", "cur"])
    ['Currency ISO Code', 'CurrencyIsoCode', '通貨', 'cur']
    """
    return [name for name in names if _NAME.search(name)]


@cache
def _codes() -> dict[str, str]:
    """Return every currency's code, signs and words, in lower case, with its code."""
    from babel.numbers import get_currency_symbol, list_currencies

    codes = sorted(list_currencies())
    signs = {get_currency_symbol(code, locale="en_US").lower(): code for code in codes}
    return {**signs, **{code.lower(): code for code in codes}, **_WORDS}


def _code_of(text: str) -> str | None:
    """Return the currency that the text around a number names, or None.

    Examples
    --------
    >>> _code_of("usd"), _code_of("€"), _code_of("万円"), _code_of("pro monat"), _code_of("us$ / mo")
    ('USD', 'EUR', 'JPY', None, 'USD')
    """
    known = _codes()
    for word in re.split(r"[\s/.]+", re.sub("[万億▲△]", " ", text.lower())):
        if word in known:
            return known[word]
    return None


def currencies_of(staged: StagedTable, mapping: Mapping, name: str) -> list[CurrencyShare]:
    """Return the currencies of the good rows of a column, the most frequent first.

    Parameters
    ----------
    staged : StagedTable
        The table's rows.
    mapping : Mapping
        Where its columns come from.
    name : str
        A column of money.
    """
    raw = f"CAST({mapping.raw_value(name)} AS VARCHAR)"
    around = f"trim(regexp_replace({raw}, '[-0-9.,+()%''’`_−\\s\\p{{Z}}０-９]+', ' ', 'g'))"
    shares = _shares(staged, name, around, raw)
    if len(shares) > 1:
        return shares
    expr = mapping.sources[name].expr or ""
    for column in currency_columns(mapping.raw_columns):
        if mentioned(expr, [column]):  # the config tells the currencies apart itself
            continue
        code = identifier(f"column:{column}")
        beside = _shares(staged, name, f"CAST({code} AS VARCHAR)", f"concat_ws(' ', {raw}, {code})")
        if len(beside) > 1:
            return beside
    return shares


def _shares(staged: StagedTable, name: str, text: str, example: str) -> list[CurrencyShare]:
    rows = staged.run(
        f"SELECT {text} AS around, count(*), min({example}) FROM staged WHERE {staged.good} "
        f"AND {identifier(name)} IS NOT NULL GROUP BY 1 HAVING around <> '' ORDER BY 2 DESC, 1 LIMIT {_MOST_KINDS}"
    ).fetchall()
    shares: dict[str, CurrencyShare] = {}
    for around, count, shown in rows:
        code = _code_of(around)
        if code is not None:
            known = shares.get(code, CurrencyShare(code, 0, shown))
            shares[code] = CurrencyShare(code, known.rows + int(count), known.example)
    return sorted(shares.values(), key=lambda share: (-share.rows, share.code))


def listed_shares(shares: list[CurrencyShare], most: int = 5) -> Several | Text:
    """Return what a column holds of each currency, of the largest ones."""
    listed = Several(
        parts=tuple(
            Text.of("data-currency", code=share.code, n=share.rows, example=repr(share.example))
            for share in shares[:most]
        )
    )
    return Text.of("data-and_more", listed=listed, n=len(shares) - most) if len(shares) > most else listed
