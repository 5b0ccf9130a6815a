"""SQL that reads numbers as people write them, and the question that a column raises which can be read both ways."""

from __future__ import annotations

from functools import cache

from churnml.sources.sql import literal

__all__ = [
    "AMBIGUOUS_COMMAS",
    "AMBIGUOUS_POINTS",
    "finite",
    "shows_comma_decimals",
    "shows_point_decimals",
    "text_number",
]

_WIDE = "０１２３４５６７８９．，－＋（）％−–’‘´`，￥"
_PLAIN = "0123456789.,-+()%--'''',¥"
_INFINITE = r"'[-+]?(inf|infinity|∞|1\.#inf)'"
_SHAPE, _SHAPE_WHOLE = r"-?\d+(\.\d+)?", r"-?\d+"
_WORDS = "円|圓|元|원|руб\\.?|р\\.|zł|kč|ft|lei|лв|kr\\.?|fr\\.|sfr\\.?|rs\\.?|rp|rm|euros?|dollars?|yen"

AMBIGUOUS_POINTS = r"'[^0-9.,]*[1-9]\d{0,2}\.\d{3}[^0-9.,]*'"
"""Shape of a number whose point may group thousands: 1.250."""

AMBIGUOUS_COMMAS = r"'[^0-9.,]*[1-9]\d{0,2},\d{3}[^0-9.,]*'"
"""Shape of a number whose comma may be the decimal sign: 1,250."""


def shows_point_decimals(value: str) -> str:
    """Return the SQL condition of a text number that settles that points are decimal signs.

    Examples
    --------
    >>> import duckdb
    >>> texts = "SELECT unnest(['1.250', '0.250', '12.5', '1250.125']) AS v"
    >>> sql = f"SELECT v FROM ({texts}) WHERE {shows_point_decimals('v')}"
    >>> [row[0] for row in duckdb.execute(sql).fetchall()]
    ['0.250', '12.5', '1250.125']
    """
    shapes = r"(^|[^0-9.,])(0\.\d|\d+\.(\d{1,2}|\d{4,})([^0-9.,]|$)|\d{4,}\.\d)|,\d{3}\.\d"
    return f"regexp_matches({value}, {literal(shapes)})"


def shows_comma_decimals(value: str) -> str:
    """Return the SQL condition of a text number that settles that commas are not decimal signs."""
    return rf"regexp_matches({value}, ',\d{{3}}\.|,\d{{3}},\d{{3}}|,\d{{2}},\d{{3}}')"


def finite(number: str) -> str:
    """Return the SQL of a floating-point number without NaN and infinity: neither is a value.

    Examples
    --------
    >>> import duckdb
    >>> duckdb.execute(f"SELECT {finite(chr(39) + 'inf' + chr(39) + '::DOUBLE')}, {finite('1.5::DOUBLE')}").fetchone()
    (None, 1.5)
    """
    return f"CASE WHEN isfinite({number}) THEN {number} END"


def infinite_word(text: str) -> str:
    """Return the SQL condition of a text that spells infinity."""
    return f"regexp_full_match(lower({text}), {_INFINITE})"


@cache
def _currencies() -> str:
    """Return the regular expression of currency codes, signs and words."""
    from babel.numbers import list_currencies

    codes = "|".join(sorted(code.lower() for code in list_currencies()))
    before, behind = r"(^|[\s\p{Z}0-9万億])", r"($|[\s\p{Z}0-9(+-])"
    return rf"(?i)((us|ca|au|nz|hk|nt|a|c|r|s|mx)?\p{{Sc}}|{before}({codes}|{_WORDS})\.?{behind})"


def text_number(raw: str, decimal: str, *, plain: bool = False) -> str:
    """Return the SQL that reads a text number; what is no number becomes null.

    Currency signs, codes and words go; spaces of every kind, apostrophes and the other decimal sign may group
    thousands; parentheses, a minus behind and ▲ make a number negative; a percentage is divided by 100; 万 and 億
    multiply.

    Parameters
    ----------
    raw : str
        SQL of the text, without blanks around it.
    decimal : {".", ","}
        The decimal sign.
    plain : bool
        Whether no value has more than digits, a point and a minus in front, so that the SQL can be short.

    Examples
    --------
    >>> import duckdb
    >>> texts = ["1,234.50", "USD 1'234.50", "(1 234.5)", "１２，０００円", "12.5%"]
    >>> texts += ["1,23,456", "1,2", "▲5", "12万円", "1 2", "-.5"]
    >>> sql = f"SELECT {text_number('v', '.')} FROM (SELECT unnest(?) AS v)"
    >>> [row[0] for row in duckdb.execute(sql, [texts]).fetchall()]
    [1234.5, 1234.5, -1234.5, 12000.0, 0.125, 123456.0, None, -5.0, 120000.0, None, -0.5]
    >>> duckdb.execute(f"SELECT {text_number('v', ',')} FROM (SELECT 'CHF 1.234,50' AS v)").fetchone()
    (1234.5,)
    """
    if plain:
        return _plain(raw)
    careful = _careful(raw, decimal)
    if decimal != ".":
        return careful
    return f"coalesce({_plain(raw)}, CASE WHEN {raw} IS NOT NULL THEN {careful} END)"


def is_written_plainly(raw: str, decimal: str) -> str:
    """Return the SQL condition of a text number that has only digits, a decimal point and a minus in front."""
    return f"regexp_full_match({raw}, '{_SHAPE if decimal == '.' else _SHAPE_WHOLE}')"


def _plain(raw: str) -> str:
    return f"CASE WHEN regexp_full_match({raw}, '{_SHAPE}') THEN {finite(f'try_cast({raw} AS DOUBLE)')} END"


def _careful(raw: str, decimal: str) -> str:
    group = "," if decimal == "." else r"\."
    point = r"\." if decimal == "." else ","
    wide = f"translate({raw}, {literal(_WIDE)}, {literal(_PLAIN)})"
    # The sign that a currency word is told by may be a digit beside it, which stays.
    groups = r"'\3\5'"
    bare = f"regexp_replace(regexp_replace({wide}, {literal(_currencies())}, {groups}, 'g'), '[,.]-+$', '')"
    tight = (
        rf"regexp_replace(regexp_replace({bare}, '^[\s\p{{Z}}]+|[\s\p{{Z}}]+$', '', 'g'), '[\s\p{{Z}}'']+', '_', 'g')"
    )
    indian = r"|\d{1,2}(,\d{2})+,\d{3}" if decimal == "." else ""
    # Some databases write a half as .5.
    number = rf"((\d+|\d{{1,3}}([_{group}]\d{{3}})+{indian})({point}\d*)?|{point}\d+)"
    body = rf"{number}([eE][-+]?\d+)?_?(万|億)?_?%?"
    shape = rf"[-+▲△]?_?{body}|\(_?{body}_?\)|{body}_?-"
    digits = rf"regexp_replace(regexp_replace(t, '[^0-9{point}eE+-]', '', 'g'), '(^[-+])|([-+]$)', '', 'g')"
    joined = f"replace({digits}, '{decimal}', '.')"
    sign = r"CASE WHEN regexp_matches(t, '^[-▲△(]|-$') THEN -1.0 ELSE 1.0 END"
    scale = "CASE WHEN contains(t, '万') THEN 1e4 WHEN contains(t, '億') THEN 1e8 ELSE 1.0 END"
    percent = "CASE WHEN contains(t, '%') THEN 100.0 ELSE 1.0 END"
    value = f"try_cast({joined} AS DOUBLE) * ({sign}) * ({scale}) / ({percent})"
    guarded = f"CASE WHEN regexp_full_match(t, {literal(shape)}) THEN {finite(value)} END"
    return guarded.replace("(t,", f"({tight},")
