"""Tells why the ids of two tables do not meet although they name the same accounts, and what mends it."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from churnml.language import Text
from churnml.sources.sql import literal

__all__ = ["why_ids_differ"]

_WIDE = "".join(chr(code + 0xFEE0) for code in range(0x21, 0x7F))
_PLAIN = "".join(chr(code) for code in range(0x21, 0x7F))
"""Full-width signs, and the same in ASCII."""


@dataclass(frozen=True)
class _Cause:
    """One way in which two systems write the same id.

    Parameters
    ----------
    same : str
        SQL of ``id`` under which both are equal.
    name : str
        What differs: ``ids-cause-<name>`` of the catalogue.
    mended : {"both", "one", "ascii"}
        Where the expression goes: ``ids-<mended>`` of the catalogue.
    expr : str
        The expression; ``{column}`` stands for the raw column of the table with the longer ids, ``{digits}`` for the
        longer length, ``{prefix}`` for a prefix.
    """

    same: str
    name: str
    mended: str
    expr: str


_CAUSES = (
    _Cause(
        r"CASE WHEN regexp_full_match(id, '[A-Za-z0-9]{18}') THEN left(id, 15) ELSE id END",
        "salesforce",
        "one",
        "left({column}, 15)",
    ),
    _Cause("lower(id)", "case", "both", "lower({column})"),
    _Cause(
        "ltrim(id, '0')",
        "zeros",
        "both",
        "lpad(CAST({column} AS VARCHAR), {digits}, '0')",
    ),
    _Cause(
        r"regexp_replace(id, '\.0+$', '')",
        "decimals",
        "one",
        "regexp_replace({column}, '\\.0+$', '')",
    ),
    _Cause(
        r"regexp_replace(id, '[\s\p{Z}\x{200b}\x{feff}]+', '', 'g')",
        "space",
        "both",
        "regexp_replace({column}, '[\\s\\p{{Z}}]+', '', 'g')",
    ),
    _Cause(
        f"translate(id, {literal(_WIDE)}, {literal(_PLAIN)})",
        "full_width",
        "ascii",
        "translate({column}, '０１２３４５６７８９', '0123456789')",
    ),
    _Cause("lower(strip_accents(id))", "accents", "both", "strip_accents({column})"),
    _Cause(
        r"regexp_replace(lower(id), '[^a-z0-9]', '', 'g')",
        "signs",
        "both",
        "regexp_replace(lower({column}), '[^a-z0-9]', '', 'g')",
    ),
    _Cause(
        r"ltrim(regexp_replace(id, '^[^0-9]*', ''), '0')",
        "prefix",
        "one",
        "regexp_replace({column}, '^{prefix}', '')",
    ),
    _Cause(
        r"regexp_extract(id, '[^/:|#@]+$')",
        "before",
        "one",
        "regexp_extract({column}, '[^/:|#@]+$')",
    ),
    _Cause(
        r"regexp_extract(id, '^[^/:|#@_-]+')",
        "behind",
        "one",
        "regexp_extract({column}, '^[^/:|#@_-]+')",
    ),
)


def why_ids_differ(
    db: duckdb.DuckDBPyConnection,
    strangers: str,
    known: str,
    table: str,
    other: str,
    *,
    columns: dict[str, str] | None = None,
) -> Text | None:
    """Return the cause and the expression that mends it, where one makes most ids meet.

    Parameters
    ----------
    db : DuckDB connection
        Compares.
    strangers, known : str
        Queries of one column ``account_id``: ids of `table` that `other` does not have, and all ids of `other`.
    table, other : str
        What the tables are called.
    columns : dict of str to str, optional
        Table → its raw column, where that is known.

    Examples
    --------
    >>> db = duckdb.connect()
    >>> print(why_ids_differ(db, "SELECT '7' AS account_id", "SELECT '0007' AS account_id", "events", "accounts"))
    Most of them are in accounts but for leading zeros: map the column in both tables with
    `expr: lpad(CAST(<column> AS VARCHAR), 4, '0')`.
    """
    for cause in _CAUSES:
        row = db.execute(
            f"SELECT count_if({cause.same} <> '' AND {cause.same} IN (SELECT {cause.same} "
            f"FROM (SELECT account_id AS id FROM ({known})))) * 2 > count(*) "
            f"FROM (SELECT account_id AS id FROM ({strangers}))"
        ).fetchone()
        if row and row[0]:
            return _sentence(db, cause, strangers, known, table, other, columns or {})
    return None


def _sentence(
    db: duckdb.DuckDBPyConnection,
    cause: _Cause,
    strangers: str,
    known: str,
    table: str,
    other: str,
    columns: dict[str, str],
) -> Text:
    row = db.execute(
        f"SELECT (SELECT max(length(account_id)) FROM ({strangers})), (SELECT max(length(account_id)) FROM ({known}))"
    ).fetchone()
    own, others = (int(row[0] or 0), int(row[1] or 0)) if row else (0, 0)
    long = table if own >= others else other
    prefixed = strangers if own >= others else known
    prefix = db.execute(
        f"SELECT regexp_extract(account_id, '^[^0-9]*') AS p FROM ({prefixed}) "
        "GROUP BY p ORDER BY count(*) DESC LIMIT 1"
    ).fetchone()
    first = prefix[0] if prefix else ""
    words = {"column": columns.get(long, "<column>"), "digits": str(max(own, others)), "prefix": first}
    return Text.of(
        "ids-differ",
        other=other,
        difference=Text.of(f"ids-cause-{cause.name}", prefix=first),
        remedy=Text.of(f"ids-{cause.mended}", table=long, expr=f"`expr: {_filled(cause.expr, words)}`"),
    )


def _filled(text: str, words: dict[str, str]) -> str:
    """Fill the places in; ids and names are never a format string."""
    for name, word in words.items():
        text = text.replace("{" + name + "}", word)
    return text.replace("{{", "{").replace("}}", "}")
