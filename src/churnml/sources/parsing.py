"""SQL that turns raw values into canonical types: a value that cannot be read becomes null, never a guess."""

from __future__ import annotations

from itertools import product

import duckdb

from churnml.config import ColumnSource
from churnml.sources.sql import literal
from churnml.tables import Column

__all__ = ["clean", "family", "parse", "propose_format"]

_BLANKS = "' \t\r\n\u00a0\u3000'"
_NULL_WORDS = ("null", "none", "nan", "nat", "n/a", "#n/a", "\\n", "-", "0000-00-00", "0000-00-00 00:00:00")
_TRUE = ("true", "t", "yes", "y", "on", "1")
_FALSE = ("false", "f", "no", "n", "off", "0")
_DAYS = ("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y%m%d", "%Y.%m.%d", "%Y年%m月%d日")
_NAMED_DAYS = ("%d %b %Y", "%d-%b-%Y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y", "%d.%m.%y", "%m/%d/%y", "%d/%m/%y")
_TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p", "T%H:%M:%S", "%H%M%S", " %H時%M分", " %H時%M分%S秒")
ENDLESS = "2200-01-01"
"""An end on or after this day means that there is none."""


def family(duckdb_type: str) -> str:
    """Return what kind of values a DuckDB type holds.

    Examples
    --------
    >>> [family(name) for name in ("SMALLINT", "DECIMAL(18,3)", "TIMESTAMP WITH TIME ZONE", "TIMESTAMP_NS", "UUID")]
    ['integer', 'float', 'zoned', 'time', 'text']
    """
    name = duckdb_type.upper()
    if name in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT") or (name.startswith("U") and "INT" in name):
        return "integer"
    if name in ("FLOAT", "DOUBLE") or name.startswith("DECIMAL"):
        return "float"
    if name == "TIMESTAMP WITH TIME ZONE":
        return "zoned"
    if name.startswith("TIMESTAMP"):
        return "time"
    return {"DATE": "date", "BOOLEAN": "boolean"}.get(name, "text")


def clean(raw: str, duckdb_type: str, column: Column, source: ColumnSource) -> tuple[str, str]:
    """Return the SQL of a raw value without blanks, null words and NaN, with its words translated, and its family.

    Parameters
    ----------
    raw : str
        SQL of the raw value.
    duckdb_type : str
        Its DuckDB type.
    column : Column
        The canonical column.
    source : ColumnSource
        Its section in the config.

    Examples
    --------
    >>> from churnml.tables import TABLES
    >>> sql, kind = clean("' NULL '", "VARCHAR", TABLES["events"]["user_id"], ColumnSource(column="user"))
    >>> duckdb.execute(f"SELECT {sql}").fetchone(), kind
    ((None,), 'text')
    """
    kind = family(duckdb_type)
    if source.words:
        raw, kind = _in_words(_trimmed(raw), source.words), "text"
    elif kind == "text" or (source.format is not None and kind in ("integer", "float")):
        raw, kind = _trimmed(raw), "text"
    if kind == "float":
        raw = f"CASE WHEN NOT isnan(CAST({raw} AS DOUBLE)) THEN {raw} END"
    if kind == "text" and (column.dtype != "string" or column.name.endswith("_id") or column.values):
        nulls = "".join(f" WHEN {literal(word)} THEN NULL" for word in _NULL_WORDS)
        raw = f"CASE lower({raw}){nulls} ELSE {raw} END"
    return raw, kind


def parse(cleaned: str, kind: str, column: Column, source: ColumnSource, *, whole_floats: bool = False) -> str:
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

    Examples
    --------
    >>> from churnml.tables import TABLES
    >>> sql = parse("'1,200'", "text", TABLES["subscriptions"]["seats"], ColumnSource(column="seats"))
    >>> duckdb.execute(f"SELECT {sql}").fetchone()
    (1200,)
    """
    if column.dtype == "string":
        return _word(cleaned, kind, column, whole_floats)
    if column.dtype == "timestamp":
        return _timestamp(cleaned, kind, source)
    if column.dtype == "date":
        return _date(cleaned, kind, source)
    if column.dtype == "boolean":
        return _boolean(cleaned, kind)
    return _number(cleaned, kind, source, whole=column.dtype == "int64")


def _trimmed(raw: str) -> str:
    return f"nullif(trim(CAST({raw} AS VARCHAR), {_BLANKS}), '')"


def _in_words(raw: str, words: dict[str, str]) -> str:
    cases = "".join(
        f" WHEN lower({literal(word.strip())}) THEN {literal(canonical)}"
        for word, canonical in words.items()
        if word != "*"
    )
    others = f"CASE WHEN {raw} IS NOT NULL THEN {literal(words['*'])} END" if "*" in words else raw
    return f"CASE lower({raw}){cases} ELSE {others} END" if cases else others


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


def _timestamp(raw: str, kind: str, source: ColumnSource) -> str:
    zone = literal(source.timezone)
    if kind == "zoned":
        return f"timezone('UTC', {raw})"
    if kind in ("time", "date"):
        local = f"CAST({raw} AS TIMESTAMP)"
        return local if source.timezone == "UTC" else f"timezone('UTC', timezone({zone}, {local}))"
    if kind != "text":
        return f"CASE WHEN ({raw}) IS NULL THEN CAST(NULL AS TIMESTAMP) END"
    if source.format is not None:
        parsed = f"try_strptime({raw}, {literal(source.format)})"
        if "%z" in source.format.lower():
            return f"timezone('UTC', CAST({parsed} AS TIMESTAMPTZ))"
        return parsed if source.timezone == "UTC" else f"timezone('UTC', timezone({zone}, {parsed}))"
    with_offset = f"timezone('UTC', try_cast({raw} AS TIMESTAMPTZ))"
    if source.timezone == "UTC":  # the session's zone, so that times without an offset are read as UTC
        return with_offset
    local = f"timezone('UTC', timezone({zone}, try_cast({raw} AS TIMESTAMP)))"
    offset = r"'.*\d:\d.*([zZ]|[+-]\d{2}(:?\d{2})?| [A-Za-z/_]+)$'"
    return f"CASE WHEN regexp_full_match({raw}, {offset}) THEN {with_offset} ELSE {local} END"


def _date(raw: str, kind: str, source: ColumnSource) -> str:
    """Return the calendar day as written: a day does not move with the time zone of who wrote it."""
    if kind == "zoned":
        return f"CAST(timezone({literal(source.timezone)}, {raw}) AS DATE)"
    if kind in ("time", "date"):
        return f"CAST({raw} AS DATE)"
    if kind != "text":
        return f"CASE WHEN ({raw}) IS NULL THEN CAST(NULL AS DATE) END"
    if source.format is not None:
        return f"CAST(try_strptime({raw}, {literal(source.format)}) AS DATE)"
    return f"CAST(try_cast({raw} AS TIMESTAMP) AS DATE)"


def _boolean(raw: str, kind: str) -> str:
    if kind == "boolean":
        return raw
    text = f"lower(CAST({raw} AS VARCHAR))" if kind != "float" else f"CAST(try_cast({raw} AS BIGINT) AS VARCHAR)"
    true, false = (", ".join(map(literal, words)) for words in (_TRUE, _FALSE))
    return f"CASE WHEN {text} IN ({true}) THEN true WHEN {text} IN ({false}) THEN false END"


def _number(raw: str, kind: str, source: ColumnSource, *, whole: bool) -> str:
    if kind in ("integer", "float", "boolean"):
        number = f"CAST({raw} AS DOUBLE)" if kind != "integer" else raw
    elif kind == "text":
        number = _text_number(raw, source.decimal)
    else:
        return f"CASE WHEN ({raw}) IS NULL THEN CAST(NULL AS DOUBLE) END"
    if not whole:
        return f"CAST({number} AS DOUBLE)"
    if kind in ("integer", "boolean"):
        return f"CAST({number} AS BIGINT)"
    return f"CASE WHEN {number} = floor({number}) THEN try_cast({number} AS BIGINT) END"


def _text_number(raw: str, decimal: str) -> str:
    """Read a text number: currency signs go, grouped thousands are joined, a percentage is divided by 100."""
    group = "," if decimal == "." else r"\."
    point = r"\." if decimal == "." else ","
    bare = rf"regexp_replace({raw}, '[\s$€£¥￥%]', '', 'g')"
    shape = rf"'[-+]?(\d+|\d{{1,3}}({group}\d{{3}})+)?({point}\d*)?([eE][-+]?\d+)?'"
    joined = rf"replace(regexp_replace({bare}, '{group}', '', 'g'), '{decimal}', '.')"
    scale = f"CASE WHEN suffix({raw}, '%') THEN 100.0 ELSE 1.0 END"
    careful = f"CASE WHEN regexp_full_match({bare}, {shape}) THEN try_cast({joined} AS DOUBLE) / {scale} END"
    if decimal != ".":
        return careful
    plain = rf"CASE WHEN regexp_full_match({raw}, '-?\d+(\.\d+)?') THEN try_cast({raw} AS DOUBLE) END"
    return f"coalesce({plain}, {careful})"


def propose_format(values: list[str]) -> str:
    """Return the remedy for dates that could not be read, from some of the values.

    Examples
    --------
    >>> propose_format(["31.12.2025", "01.02.2026"])
    "Add `format: '%d.%m.%Y'` to the column; it reads all 2 examples."
    >>> propose_format(["45292", "45293"])
    "These look like Excel day numbers: map the column with `expr: date '1899-12-30' + CAST(<column> AS INTEGER)`."
    """
    if not values:
        return "Give the column a `format`."
    if all(value.isdigit() for value in values):
        lengths = {len(value) for value in values}
        if lengths == {5}:
            return (
                "These look like Excel day numbers: map the column with "
                "`expr: date '1899-12-30' + CAST(<column> AS INTEGER)`."
            )
        if lengths <= {10}:
            return "These look like Unix seconds: map the column with `expr: to_timestamp(CAST(<column> AS BIGINT))`."
        if lengths <= {13}:
            return "These look like Unix milliseconds: map the column with `expr: epoch_ms(CAST(<column> AS BIGINT))`."
    reads = _formats_that_read(values)
    most = max(reads.values(), default=0)
    if most * 10 < len(values) * 9:
        return "Give the column a `format`, or an `expr` where the formats are mixed."
    best = [form for form, count in reads.items() if count == most]
    how_many = f"all {most}" if most == len(values) else f"{most} of {len(values)}"
    if len(best) > 1:
        either = " or ".join(f"`format: '{form}'`" for form in best[:2])
        return f"Add {either} to the column: both read {how_many} examples, so only you can tell which is meant."
    return f"Add `format: '{best[0]}'` to the column; it reads {how_many} examples."


def _formats_that_read(values: list[str]) -> dict[str, int]:
    formats = [day + time for day, time in product((*_DAYS, *_NAMED_DAYS), _TIMES)]
    counts = ", ".join(f"count(try_strptime(v, {literal(form)}))" for form in formats)
    with duckdb.connect() as db:
        row = db.execute(f"SELECT {counts} FROM (SELECT unnest(?) AS v)", [values]).fetchone()
    return {form: int(count) for form, count in zip(formats, row or (), strict=True) if count}
