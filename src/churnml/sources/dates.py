"""SQL that reads dates and times, tells placeholders from dates, and proposes formats for what cannot be read.

A time that carries a zone or an offset is an instant; its day is the day in the column's `timezone`, whatever the
kind of the file and whether or not a `format` is given. A time without one is taken as written.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from functools import reduce
from itertools import product

import duckdb

from churnml.config import ColumnSource
from churnml.language import Text
from churnml.sources.sql import literal
from churnml.tables.row_rules import EARLIEST

__all__ = [
    "date_value",
    "day_as_written",
    "elsewhere",
    "is_plain_time",
    "propose_format",
    "readable_date",
    "timestamp_value",
]

_DAYS = ("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y%m%d", "%Y.%m.%d", "%Y年%m月%d日")
_SHORT_DAYS = ("%d.%m.%y", "%d/%m/%y", "%m/%d/%y", "%y/%m/%d", "%d-%m-%y", "%y-%m-%d", "%y.%m.%d", "%m-%d-%y")
_NAMED_DAYS = (
    "%d %b %Y", "%d-%b-%Y", "%d/%b/%Y", "%b %d, %Y", "%b %d %Y", "%d %B %Y", "%B %d, %Y", "%d %b %y", "%d-%b-%y",
    "%d/%b/%y", "%b %d, %y", "%a, %d %b %Y", "%a %b %d %Y", "%A, %d %B %Y", "%A, %B %d, %Y", "%Y-%b-%d",
)  # fmt: skip
_MONTHS = ("%Y-%m", "%Y/%m", "%m/%Y", "%b %Y", "%B %Y", "%b-%y")
_TIMES = (
    "", " %H:%M", " %H:%M:%S", ", %H:%M", ", %H:%M:%S", " %I:%M %p", ", %I:%M %p", " %I:%M:%S %p", ", %I:%M:%S %p",
    "T%H:%M:%S", "%H%M%S", "T%H%M%S", " %H:%M:%S.%f", " %H.%M", " %H.%M.%S", " %H時%M分", " %H時%M分%S秒",
)  # fmt: skip
_WIDE = "０１２３４５６７８９／－：．，　"
_PLAIN = "0123456789/-:., "
_OFFSET = r"'.*\d:\d.*([zZ]|[+-]\d{2}(:?\d{2})?| [A-Za-z/_]+)$'"
_ERAS = {"令和": 2018, "平成": 1988, "昭和": 1925, "大正": 1911, "R": 2018, "H": 1988, "S": 1925, "T": 1911}
_ERA = r"^(令和|平成|昭和|大正|[RHSTrhst])\s*\.?\s*(元|\d{1,2})\s*[年./-]"
_ELSEWHERE = rf"[^\x00-\x7F]|{_ERA}"


def readable_date(raw: str, source: ColumnSource) -> str:
    """Return the SQL of a text date with its full-width digits made plain, where the config gives a format for it.

    Without a format `date_value` and `timestamp_value` do the same, and more, to what they cannot read at once.
    """
    return f"translate({raw}, {literal(_WIDE)}, {literal(_PLAIN)})" if source.format is not None else raw


def is_plain_time(raw: str, timezone: str) -> str:
    """Return the SQL condition of a text with the shape of an ISO date or time in a zone: the quickest to read.

    Examples
    --------
    >>> texts = ["2026-03-01", "2026-03-01T09:30", "2026-03-01 09:30:00.5", "2026-03-01T09:30Z", "0000-00-00", " "]
    >>> with duckdb.connect() as db:
    ...     for timezone in ("UTC", "Asia/Tokyo"):
    ...         sql = f"SELECT {is_plain_time('v', timezone)} FROM (SELECT unnest(?) AS v)"
    ...         print([is_plain for is_plain, in db.execute(sql, [texts]).fetchall()])
    [True, True, True, True, False, False]
    [True, True, True, False, False, False]
    """
    zone = "Z?" if timezone == "UTC" else ""
    time = rf"[ T]\d\d:\d\d(:\d\d(\.\d{{1,6}})?)?{zone}"
    return rf"regexp_full_match({raw}, '[1-9]\d{{3}}-\d\d-\d\d({time})?')"


def timestamp_value(raw: str, kind: str, source: ColumnSource, *, iso: bool = False, plain: bool = False) -> str:
    """Return the SQL of a time in UTC.

    Parameters
    ----------
    raw, kind : str
        SQL of the cleaned value, and its family.
    source : ColumnSource
        Its section in the config: format and time zone.
    iso : bool
        Whether no value is a Japanese date, so that the SQL can be short.
    plain : bool
        Whether every value `is_plain_time`, so that the SQL can be shorter still.

    Examples
    --------
    >>> sql = timestamp_value("v", "text", ColumnSource(column="t", timezone="Asia/Tokyo"))
    >>> texts = ["2024-01-05 09:30", "2024-01-05T00:30:00Z", "令和6年1月5日 9時30分", "２０２４/１/５ ９:３０"]
    >>> texts.append("24/01/05")
    >>> with duckdb.connect() as db:
    ...     _ = db.execute("SET TimeZone = 'UTC'")
    ...     rows = db.execute(f"SELECT CAST({sql} AS VARCHAR) FROM (SELECT unnest(?) AS v)", [texts]).fetchall()
    >>> [row[0] for row in rows]
    ['2024-01-05 00:30:00', '2024-01-05 00:30:00', '2024-01-05 00:30:00', '2024-01-05 00:30:00', None]
    """
    zone = literal(source.timezone)
    if kind == "zoned":
        return f"timezone('UTC', {raw})"
    if kind in ("time", "date"):
        local = f"CAST({raw} AS TIMESTAMP)"
        return local if source.timezone == "UTC" else f"timezone('UTC', timezone({zone}, {local}))"
    if kind != "text":
        return f"CASE WHEN ({raw}) IS NULL THEN CAST(NULL AS TIMESTAMP) END"
    if source.format is not None:
        parsed = _in_format(raw, source.format)
        if _has_zone(source.format):
            return f"timezone('UTC', CAST({parsed} AS TIMESTAMPTZ))"
        return parsed if source.timezone == "UTC" else f"timezone('UTC', timezone({zone}, {parsed}))"
    if plain:
        return _local_time(raw, source.timezone)
    if iso:
        return _timestamp(raw, source.timezone)
    return _with_japanese(raw, lambda text: _timestamp(text, source.timezone))


def _timestamp(text: str, timezone: str) -> str:
    with_offset = f"timezone('UTC', try_cast({text} AS TIMESTAMPTZ))"
    if timezone == "UTC":  # the session's zone, so that times without an offset are read as UTC
        return _with_whole_year(text, with_offset)
    local = _local_time(text, timezone)
    return _with_whole_year(text, f"CASE WHEN regexp_full_match({text}, {_OFFSET}) THEN {with_offset} ELSE {local} END")


def _local_time(text: str, timezone: str) -> str:
    local = f"try_cast({text} AS TIMESTAMP)"
    return local if timezone == "UTC" else f"timezone('UTC', timezone({literal(timezone)}, {local}))"


def date_value(raw: str, kind: str, source: ColumnSource, *, iso: bool = False, plain: bool = False) -> str:
    """Return the SQL of a calendar day: as written, and of a time with a zone the day in the column's `timezone`.

    Examples
    --------
    >>> with duckdb.connect() as db:
    ...     _ = db.execute("SET TimeZone = 'UTC'")
    ...     for form in (None, "%Y-%m-%dT%H:%M:%S%z"):
    ...         sql = date_value("v", "text", ColumnSource(column="t", timezone="Asia/Tokyo", format=form))
    ...         row = db.execute(f"SELECT CAST({sql} AS VARCHAR) FROM (SELECT '2025-02-28T15:00:00+00' AS v)")
    ...         print(row.fetchone())
    ('2025-03-01',)
    ('2025-03-01',)
    """
    zone = literal(source.timezone)
    if kind == "zoned":
        return f"CAST(timezone({zone}, {raw}) AS DATE)"
    if kind in ("time", "date"):
        return f"CAST({raw} AS DATE)"
    if kind != "text":
        return f"CASE WHEN ({raw}) IS NULL THEN CAST(NULL AS DATE) END"
    if source.format is not None:
        parsed = _in_format(raw, source.format)
        if _has_zone(source.format):
            return f"CAST(timezone({zone}, CAST({parsed} AS TIMESTAMPTZ)) AS DATE)"
        return f"CAST({parsed} AS DATE)"
    if plain:
        return day_as_written(raw)
    if iso:
        return _date(raw, source.timezone)
    return _with_japanese(raw, lambda text: _date(text, source.timezone))


def _date(text: str, timezone: str) -> str:
    instant = f"CAST(timezone({literal(timezone)}, try_cast({text} AS TIMESTAMPTZ)) AS DATE)"
    if timezone == "UTC":
        return _with_whole_year(text, instant)
    written = day_as_written(text)
    return _with_whole_year(text, f"CASE WHEN regexp_full_match({text}, {_OFFSET}) THEN {instant} ELSE {written} END")


def day_as_written(raw: str) -> str:
    """Return the SQL of the day that a text time shows, whatever zone it carries."""
    return f"CAST(try_cast({raw} AS TIMESTAMP) AS DATE)"


def _has_zone(form: str) -> bool:
    return "%z" in form.lower()


def _in_format(raw: str, form: str) -> str:
    """Return the SQL that reads a text in a format; a four-digit year must be written with four digits."""
    parsed = f"try_strptime({raw}, {literal(form)})"
    return f"CASE WHEN {parsed} >= TIMESTAMP '1000-01-01' OR NOT isfinite({parsed}) THEN {parsed} END"


def _with_whole_year(text: str, value: str) -> str:
    """Refuse a year of fewer than four digits: 25/03/24 is not a day of the year 25."""
    return f"CASE WHEN {value} >= DATE '1000-01-01' OR regexp_matches({text}, '^-?\\d{{4}}') THEN {value} END"


def elsewhere(raw: str) -> str:
    """Return the SQL condition of a text date that may be Japanese: other signs than ASCII, or an era."""
    # Both sides of an AND would be worked out for every row.
    return f"CASE WHEN try_cast({raw} AS TIMESTAMP) IS NULL THEN regexp_matches({raw}, {literal(_ELSEWHERE)}) END"


def _with_japanese(raw: str, read: Callable[[str], str]) -> str:
    """Read a text, and what cannot be read and holds other signs than ASCII, or an era, once more in plain signs."""
    again = f"CASE WHEN regexp_matches({raw}, {literal(_ELSEWHERE)}) THEN {read(_western(raw))} END"
    return f"coalesce({read(raw)}, {again})"


def _western(raw: str) -> str:
    """Return the SQL of a Japanese (or Chinese, Korean) date in ISO form; other texts stay what they are."""
    text = f"translate({raw}, {literal(_WIDE)}, {literal(_PLAIN)})"
    era = f"upper(regexp_extract({text}, {literal(_ERA)}, 1))"
    first = " ".join(f"WHEN {literal(name)} THEN {year}" for name, year in _ERAS.items())
    number = f"try_cast(replace(regexp_extract({text}, {literal(_ERA)}, 2), '元', '1') AS INTEGER)"
    year = f"CAST(CASE {era} {first} END + {number} AS VARCHAR) || '年'"
    full = (
        f"CASE WHEN regexp_matches({text}, {literal(_ERA)}) "
        f"THEN {year} || regexp_replace({text}, {literal(_ERA)}, '') ELSE {text} END"
    )
    day = (
        rf"regexp_replace({full}, '^(\d{{4}})\s*[年년]\s*(\d{{1,2}})\s*[月월./-]\s*(\d{{1,2}})\s*[日일]?', '\1-\2-\3')"
    )
    day = f"regexp_replace({day}, '\\s*[(（].曜?日?[)）]', '')"
    time = rf"regexp_replace({day}, '(\d{{1,2}})\s*[時시]\s*(\d{{1,2}})\s*[分분]\s*(\d{{1,2}})\s*[秒초]', ' \1:\2:\3')"
    time = rf"regexp_replace({time}, '(\d{{1,2}})\s*[時시]\s*(\d{{1,2}})\s*[分분]', ' \1:\2')"
    # One digit of an hour needs its zero, two blanks are one.
    return rf"regexp_replace(regexp_replace({time}, '\s+', ' ', 'g'), ' (\d:)', ' 0\1')"


def propose_format(values: list[str]) -> Text:
    """Return the remedy for dates that could not be read, from some of the values.

    Examples
    --------
    >>> str(propose_format(["31.12.2025", "01.02.2026"]))
    "Add `format: '%d.%m.%Y'` to the column; it reads all 2 examples."
    >>> str(propose_format(["45292", "45293"]))
    "These look like Excel day numbers: map the column with `expr: date '1899-12-30' + CAST(<column> AS INTEGER)`."
    """
    if not values:
        return Text.of("remedy-format")
    if all(value.replace(".", "", 1).isdigit() and value.isascii() for value in values):
        whole = [value.partition(".")[0] for value in values]
        lengths = {len(value) for value in whole}
        if lengths == {5}:
            return Text.of("remedy-excel_days", expr="expr: date '1899-12-30' + CAST(<column> AS INTEGER)")
        seconds = (
            (9, "seconds", "to_timestamp(CAST(<column> AS DOUBLE))"),
            (12, "milliseconds", "epoch_ms(CAST(<column> AS BIGINT))"),
        )
        micro = (
            (15, "microseconds", "make_timestamp(CAST(<column> AS BIGINT))"),
            (18, "nanoseconds", "make_timestamp_ns(CAST(<column> AS BIGINT))"),
        )
        for digits, unit, call in (*seconds, *micro):
            if lengths <= {digits, digits + 1}:
                return Text.of(f"remedy-unix.{unit}", expr=f"expr: {call}")
    reads = _formats_that_read(values)
    most = max(reads.values(), default=0)
    if most * 10 < len(values) * 9:
        return Text.of("remedy-format.mixed")
    best = [form for form, count in reads.items() if count == most][:3]
    forms = reduce(lambda one, other: Text.of("remedy-either", one=one, other=other), map(_written, best))
    many = {1: "one", 2: "two"}.get(len(best), "several") + ("" if most == len(values) else "_most")
    return Text.of(f"remedy-format.{many}", form=best[0], forms=forms, n=most, of=len(values))


def _written(form: str) -> Text:
    return Text.of("words", words=f"`format: '{form}'`")


def _formats_that_read(values: list[str]) -> dict[str, int]:
    """Count, for every format, the values that it reads as a date that can be."""
    days = (*_DAYS, *_NAMED_DAYS, *_SHORT_DAYS)
    formats = [*(day + time for day, time in product(days, _TIMES)), *_MONTHS]
    # Planning hundreds of formats takes the engine seconds; Python tells at once which few could be meant.
    formats = [form for form in formats if any(_may_read(value, form) for value in values[:_TRIED])]
    if not formats:
        return {}
    plausible = "count_if(try_strptime(v, {form}) BETWEEN TIMESTAMP '" + EARLIEST + "' AND TIMESTAMP '2200-01-01')"
    counts = ", ".join(plausible.format(form=literal(form)) for form in formats)
    with duckdb.connect() as db:
        row = db.execute(f"SELECT {counts} FROM (SELECT unnest(?) AS v)", [values]).fetchone()
    return {form: int(count) for form, count in zip(formats, row or (), strict=True) if count}


_TRIED = 12
_FIELDS = re.compile(r"(?:%\w|\w)+")


def _between_fields(text: str) -> list[str]:
    return _FIELDS.sub("0", text).split()


def _may_read(value: str, form: str) -> bool:
    """Tell whether a format reads the value; what stands between the fields decides most, and is quickly compared."""
    if _between_fields(value) != _between_fields(form):
        return False
    try:
        datetime.strptime(value, form)  # noqa: DTZ007 - only whether it can be read is asked
    except ValueError:
        return False
    return True
