"""SQL that turns raw values into canonical types: a value that cannot be read becomes null, never a guess."""

from __future__ import annotations

from churnml.config import ColumnSource
from churnml.sources.dates import date_value, elsewhere, readable_date, timestamp_value
from churnml.sources.macros import salesforce_id
from churnml.sources.numbers import finite, infinite_word, is_written_plainly, text_number
from churnml.sources.sql import literal
from churnml.tables import Column

__all__ = ["clean", "family", "is_read_as_text", "parse", "trimmed", "unusual", "unwrapped"]

_BLANKS = (
    "' \t\r\n\v\f\u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u200b\u2028\u2029"
    "\u202f\u205f\u3000\ufeff'"
)

_TRUE = ("true", "t", "yes", "y", "on", "1", "1.0")
_FALSE = ("false", "f", "no", "n", "off", "0", "0.0")


def family(duckdb_type: str) -> str:
    """Return what kind of values a DuckDB type holds.

    Examples
    --------
    >>> [family(name) for name in ("SMALLINT", "DECIMAL(18,3)", "TIMESTAMP WITH TIME ZONE", "TIMESTAMP_NS", "UUID")]
    ['integer', 'float', 'zoned', 'time', 'text']
    """
    name = duckdb_type.upper()
    if name in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"):
        return "integer"
    if name.startswith("U") and name.endswith(("INT", "INTEGER")):
        return "integer"
    if name in ("FLOAT", "DOUBLE") or name.startswith("DECIMAL"):
        return "float"
    if name == "TIMESTAMP WITH TIME ZONE":
        return "zoned"
    if name.startswith("TIMESTAMP"):
        return "time"
    return {"DATE": "date", "BOOLEAN": "boolean"}.get(name, "text")


def is_read_as_text(duckdb_type: str, source: ColumnSource) -> bool:
    """Tell whether a raw value goes through `trimmed` and `unwrapped` before it is cleaned.

    Examples
    --------
    >>> is_read_as_text("VARCHAR", ColumnSource(column="u")), is_read_as_text("DATE", ColumnSource(column="u"))
    (True, False)
    """
    kind = family(duckdb_type)
    return bool(source.words) or kind == "text" or (source.format is not None and kind in ("integer", "float"))


def trimmed(raw: str) -> str:
    r"""Return the SQL of a raw value as text without blanks around it.

    Letters are composed (NFC), so that é written in two ways is one. DuckDB's own ``trim`` looks every sign of a text
    up among the blanks, which takes ten times as long as an expression that is searched for.

    Examples
    --------
    >>> import duckdb
    >>> texts = [" 7  ", "\u3000a b", "c\u200b", "d", " ", None]
    >>> duckdb.execute(f"SELECT {trimmed('v')} FROM (SELECT unnest(?) AS v)", [texts]).fetchall()
    [('7',), ('a b',), ('c',), ('d',), ('',), (None,)]
    """
    blanks = f"[{_BLANKS[1:-1]}]+"
    return f"regexp_replace(nfc_normalize(CAST({raw} AS VARCHAR)), '^{blanks}|{blanks}$', '', 'g')"


def unwrapped(text: str) -> str:
    """Return the SQL of a trimmed text; what a spreadsheet wrote as a formula of a text (``="00123"``) is that text.

    Examples
    --------
    >>> import duckdb
    >>> duckdb.execute(f"SELECT {unwrapped('v')} FROM (SELECT unnest(?) AS v)", [['="007"', ""]]).fetchall()
    [('007',), (None,)]
    """
    formula = f"starts_with({text}, '=\"') AND ends_with({text}, '\"')"
    return (
        f"nullif(CASE WHEN {formula} THEN trim(substr({text}, 3, length({text}) - 3), {_BLANKS}) ELSE {text} END, '')"
    )


def clean(raw: str, duckdb_type: str, column: Column, source: ColumnSource) -> tuple[str, str]:
    """Return the SQL of a raw value without null words and NaN, with its words translated, and its family.

    It is for a connection that `define_macros` has prepared.

    Parameters
    ----------
    raw : str
        Name of the raw value; of the unwrapped text where it `is_read_as_text`.
    duckdb_type : str
        Its DuckDB type.
    column : Column
        The canonical column.
    source : ColumnSource
        Its section in the config.

    Examples
    --------
    >>> import duckdb
    >>> from churnml.sources.macros import define_macros
    >>> from churnml.tables import TABLES
    >>> sql, kind = clean("v", "VARCHAR", TABLES["events"]["user_id"], ColumnSource(column="u"))
    >>> texts = ["NULL", "007"]
    >>> with duckdb.connect() as db:
    ...     define_macros(db)
    ...     print(db.execute(f"SELECT {sql} FROM (SELECT unnest(?) AS v)", [texts]).fetchall(), kind)
    [(None,), ('007',)] text
    """
    kind = "text" if is_read_as_text(duckdb_type, source) else family(duckdb_type)
    if source.words:
        raw = _in_words(raw, source.words)
    if kind == "float":
        raw = f"CASE WHEN isfinite(CAST({raw} AS DOUBLE)) THEN {raw} END"
    if kind == "text":
        raw = _without_null_words(raw, endless=column.dtype in ("int64", "float64"))
        if column.dtype in ("date", "timestamp"):
            raw = readable_date(raw, source)
    return raw, kind


def _without_null_words(raw: str, *, endless: bool) -> str:
    also = f" OR {infinite_word(raw)}" if endless else ""
    return f"CASE WHEN getvariable('null_words')[lower({raw})]{also} THEN NULL ELSE {raw} END"


def unusual(cleaned: str, kind: str, column: Column, source: ColumnSource) -> str | None:
    """Return the SQL condition of a value that only the thorough SQL of `parse` reads; None where there is no other."""
    if kind != "text":
        return None
    if column.dtype in ("int64", "float64"):
        return f"NOT {is_written_plainly(cleaned, source.decimal or '.')}"
    if column.dtype in ("date", "timestamp") and source.format is None:
        return elsewhere(cleaned)
    return None


def parse(
    cleaned: str,
    kind: str,
    column: Column,
    source: ColumnSource,
    *,
    whole_floats: bool = False,
    usual: bool = False,
    plain_times: bool = False,
) -> str:
    """Return the SQL that reads one canonical column; what is there but cannot be read becomes null.

    Parameters
    ----------
    cleaned, kind : str
        Name of the cleaned value, and its family.
    column : Column
        The canonical column.
    source : ColumnSource
        Its section in the config: format, time zone, decimal sign.
    whole_floats : bool
        The column holds whole numbers that were exported as ``12.0``.
    usual : bool
        No value of the column is `unusual`: the SQL can be short.
    plain_times : bool
        Every value of the column `is_plain_time`: it can be shorter still.

    Examples
    --------
    >>> import duckdb
    >>> from churnml.tables import TABLES
    >>> sql = parse("'1,200'", "text", TABLES["subscriptions"]["seats"], ColumnSource(column="seats"))
    >>> duckdb.execute(f"SELECT {sql}").fetchone()
    (1200,)
    """
    if column.dtype == "string":
        word = _word(cleaned, kind, column, whole_floats)
        return salesforce_id(word) if source.id == "salesforce" else word
    if column.dtype == "timestamp":
        return timestamp_value(cleaned, kind, source, iso=usual, plain=plain_times)
    if column.dtype == "date":
        day = date_value(cleaned, kind, source, iso=usual, plain=plain_times)
        return f"({day}) + 1" if source.inclusive else day
    if column.dtype == "boolean":
        return _boolean(cleaned, kind)
    return _number(cleaned, kind, source, whole=column.dtype == "int64", usual=usual)


def _in_words(raw: str, words: dict[str, str | None]) -> str:
    cases = "".join(
        f" WHEN lower(nfc_normalize({literal(word.strip())})) THEN {_word_or_nothing(canonical)}"
        for word, canonical in words.items()
        if word != "*"
    )
    others = f"CASE WHEN {raw} IS NOT NULL THEN {_word_or_nothing(words['*'])} END" if "*" in words else raw
    return f"CASE lower({raw}){cases} ELSE {others} END" if cases else others


def _word_or_nothing(word: str | None) -> str:
    return "CAST(NULL AS VARCHAR)" if word is None else literal(word)


def _word(raw: str, kind: str, column: Column, whole_floats: bool) -> str:
    if column.values:
        known = ", ".join(map(literal, column.values))
        word = f"replace(replace(lower(CAST({raw} AS VARCHAR)), ' ', '_'), '-', '_')"
        return f"CASE WHEN {word} IN ({known}) THEN {word} END"
    if kind == "float":
        whole = f"CASE WHEN {raw} = floor({raw}) AND abs({raw}) < 1e15 THEN CAST(CAST({raw} AS BIGINT) AS VARCHAR)"
        return f"{whole} ELSE CAST({raw} AS VARCHAR) END"
    if whole_floats:
        return f"regexp_replace({raw}, '\\.0+$', '')"
    return f"CAST({raw} AS VARCHAR)"


def _boolean(raw: str, kind: str) -> str:
    if kind == "boolean":
        return raw
    text = f"lower(CAST({raw} AS VARCHAR))"
    true, false = (", ".join(map(literal, words)) for words in (_TRUE, _FALSE))
    return f"CASE WHEN {text} IN ({true}) THEN true WHEN {text} IN ({false}) THEN false END"


def _number(raw: str, kind: str, source: ColumnSource, *, whole: bool, usual: bool) -> str:
    if kind in ("integer", "float", "boolean"):
        number = f"CAST({raw} AS DOUBLE)" if kind != "integer" else raw
    elif kind == "text":
        number = text_number(raw, source.decimal or ".", plain=usual)
    else:
        return f"CASE WHEN ({raw}) IS NULL THEN CAST(NULL AS DOUBLE) END"
    if not whole:
        return finite(f"CAST({number} AS DOUBLE)") if kind == "float" else f"CAST({number} AS DOUBLE)"
    if kind in ("integer", "boolean"):
        return f"try_cast({number} AS BIGINT)"
    return f"CASE WHEN {number} = floor({number}) THEN try_cast({number} AS BIGINT) END"
