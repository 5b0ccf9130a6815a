"""SQL functions that `expr`, `where` and presets can use on raw values, and the SQL of Salesforce's ids."""

from __future__ import annotations

import duckdb

from churnml.sources.sql import literal

__all__ = ["define_macros", "definitions", "salesforce_id"]

_NO_DECIMALS = (
    "BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF",
)  # fmt: skip
_THREE_DECIMALS = ("BHD", "JOD", "KWD", "OMR", "TND")
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"

_MACROS = {
    "is_true(x)": "coalesce(lower(CAST(x AS VARCHAR)) IN ('true', 't', 'yes', 'y', '1', '1.0'), false)",
    "is_false(x)": "coalesce(lower(CAST(x AS VARCHAR)) IN ('false', 'f', 'no', 'n', '0', '0.0'), false)",
    "first_of(a, b)": "coalesce(nullif(CAST(a AS VARCHAR), ''), CAST(b AS VARCHAR))",
    "epoch_time(x)": "coalesce(CASE WHEN abs(try_cast(CAST(x AS VARCHAR) AS DOUBLE)) >= 1e11 "
    "THEN epoch_ms(CAST(try_cast(CAST(x AS VARCHAR) AS DOUBLE) AS BIGINT)) "
    "ELSE timezone('UTC', to_timestamp(try_cast(CAST(x AS VARCHAR) AS DOUBLE))) END, "
    "timezone('UTC', try_cast(CAST(x AS VARCHAR) AS TIMESTAMPTZ)))",
    "minor_units(c)": f"CASE WHEN upper(c) IN {_NO_DECIMALS} THEN 1.0 "
    f"WHEN upper(c) IN {_THREE_DECIMALS} THEN 1000.0 ELSE 100.0 END",
    "json_value_of(x, names)": "CASE WHEN json_valid(x) THEN list_filter(list_transform(names, lambda k: "
    "json_extract_string(x, '$.\"' || k || '\"')), lambda v: v IS NOT NULL)[1] END",
}

_NULL_WORDS = (
    "null", "none", "nan", "nat", "nil", "n/a", "#n/a", "#na", "<na>", "\\n", "-", "--", "---", "–", "—", "ー", "―",
    "(null)", "<null>", "[null]", "(none)", "-none-", "--none--", "(no value)", "no value", "(blank)", "(empty)",
    "undefined", "#null!", "#ref!", "#value!", "#div/0!", "#num!", "#name?", "0000-00-00", "0000-00-00 00:00:00",
)  # fmt: skip
"""Words that mean that there is no value, in every column alike."""


def define_macros(db: duckdb.DuckDBPyConnection) -> None:
    r"""Define the functions on a connection.

    - ``is_true(x)``, ``is_false(x)``: yes and no, however they are written; absent is neither.
    - ``first_of(a, b)``: the first that is there, as text, whatever kinds of values the columns hold.
    - ``epoch_time(x)``: seconds or milliseconds since 1970, or an ISO time, as a time in UTC.
    - ``minor_units(currency)``: how many of the smallest units make one: 100 cents, 1 yen, 1000 fils.
    - ``json_value_of(x, names)``: the first of several values of a JSON object in a cell.

    The words that mean that there is no value become the variable ``null_words``: written out in the SQL of every
    column, they would be most of what DuckDB has to plan.

    Examples
    --------
    >>> with duckdb.connect() as db:
    ...     define_macros(db)
    ...     print(db.execute("SELECT 1440000 / minor_units('jpy'), 1200 / minor_units('EUR')").fetchone())
    ...     print(db.execute("SELECT CAST(epoch_time('1793520300') AS VARCHAR), epoch_time('1793520300000') = "
    ...                      "epoch_time('2026-11-01T08:05:00Z'), is_true('TRUE'), is_true(NULL)").fetchone())
    ...     print(db.execute("SELECT json_value_of('{\"b\": 2}', ['a', 'b'])").fetchone())
    (1440000.0, 12.0)
    ('2026-11-01 08:05:00', True, True, False)
    ('2',)
    """
    for head, body in _MACROS.items():
        db.execute(f"CREATE OR REPLACE TEMP MACRO {head} AS {body}")
    # A map is looked up once per entry of a dictionary; a list of CASEs would be walked for every row.
    words = ", ".join(f"{literal(word)}: true" for word in _NULL_WORDS)
    db.execute(f"SET VARIABLE null_words = map {{{words}}}")


def definitions() -> str:
    """Return what all of them are defined as: SQL that uses them comes to the same as long as it stays."""
    return repr((_MACROS, _NULL_WORDS))


def salesforce_id(value: str) -> str:
    """Return the SQL of an id of Salesforce with 18 characters: the three last say which of the others are capitals.

    One of 15 characters gets them; one of 18 whose letters do not fit becomes null, since a spreadsheet or a careless
    program changed its case; what has another length is no such id and stays what it is.

    Examples
    --------
    >>> with duckdb.connect() as db:
    ...     for text in ("001xx000003DGbX", "001xx000003DGbxAAG", "001XX000003DGBXAAW", "C-17"):
    ...         print(db.execute(f"SELECT {salesforce_id('v')} FROM (SELECT '{text}' AS v)").fetchone()[0])
    001xx000003DGbXAAW
    001xx000003DGbxAAG
    None
    C-17
    """
    letters = []
    for chunk in range(3):
        bits = " + ".join(
            f"CASE WHEN regexp_matches(substr({value}, {chunk * 5 + place + 1}, 1), '[A-Z]') THEN {2**place} ELSE 0 END"
            for place in range(5)
        )
        letters.append(f"substr('{_LETTERS}', 1 + {bits}, 1)")
    check = " || ".join(letters)
    shape = f"regexp_full_match({value}, '[A-Za-z0-9]{{15}}([A-Za-z0-9]{{3}})?')"
    return (
        f"CASE WHEN NOT {shape} THEN {value} WHEN length({value}) = 15 THEN {value} || {check} "
        f"WHEN upper(substr({value}, 16)) = {check} THEN left({value}, 15) || {check} END"
    )
