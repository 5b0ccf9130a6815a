"""What to do about values at fault, told from the values themselves and from what the config already says."""

from __future__ import annotations

import json
import re

from churnml.config import ColumnSource
from churnml.sources.dates import propose_format
from churnml.tables import CHECKS, Column

__all__ = ["remedy_for"]


def remedy_for(code: str, column: Column | None, source: ColumnSource | None, values: list[str]) -> str:
    """Return the remedy of a failed check, from some of the raw values at fault.

    Parameters
    ----------
    code : str
        Code of the check.
    column : Column or None
        The canonical column.
    source : ColumnSource or None
        Its section in the config.
    values : list of str
        Raw values at fault, the most frequent first.

    Examples
    --------
    >>> from churnml.tables import TABLES
    >>> seats, rate = TABLES["subscriptions"]["seats"], TABLES["subscriptions"]["discount_rate"]
    >>> remedy_for("CHK012", seats, ColumnSource(column="n"), ["1.234,5"])
    'Set `decimal: ","` on the column: the comma is the decimal sign here.'
    >>> remedy_for("CHK034", rate, ColumnSource(column="rabatt"), ["15"])
    'These look like percentages written as whole numbers: `expr: rabatt / 100.0`.'
    """
    if column is None:
        return CHECKS[code].remedy
    if code in ("CHK011", "CHK033") and column.dtype in ("date", "timestamp"):
        if code == "CHK033" and values and not any(re.search(r"[\d年月日]", value) for value in values):
            return f"If the words mean that there is no date, say so: `{_no_values(values)}`."
        return _date_remedy(column, source, values)
    if code in ("CHK012", "CHK033") and column.dtype in ("int64", "float64"):
        return _number_remedy(column, source, values)
    if code in ("CHK013", "CHK033") and column.dtype == "boolean" and values:
        words = ", ".join(f"{_yaml(value)}: true" for value in values[:3])
        return f"Say what the words mean, `true`, `false` or `null`, e.g. `words: {{{words}}}`."
    if code == "CHK033":
        return CHECKS["CHK013"].remedy
    if code in ("CHK014", "CHK034"):
        return _range_remedy(code, column, source, values)
    if code == "CHK035":
        return _placeholder_remedy(column, source, values)
    return CHECKS[code].remedy


def _written(source: ColumnSource | None) -> str:
    """Return a raw column as it is written in SQL."""
    name = source.column if source is not None and source.column is not None else None
    if name is None:
        return "<column>"
    return name if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) else '"' + name.replace('"', '""') + '"'


def _no_values(values: list[str]) -> str:
    """Return the `words` of a config by which some values mean that there is none."""
    return f"words: {{{', '.join(f'{_yaml(value)}: null' for value in values[:3])}}}"


def _yaml(word: str) -> str:
    """Return a word as a key of YAML, in quotation marks where it needs them."""
    return word if re.fullmatch(r"[^\W\d][\w.]*( [\w.]+)*", word) else json.dumps(word, ensure_ascii=False)


def _date_remedy(column: Column, source: ColumnSource | None, values: list[str]) -> str:
    if source is not None and source.format is not None and values:
        return f"They do not fit `format: '{source.format}'`. Without it: {propose_format(values)}"
    return propose_format(values)


def _number_remedy(column: Column, source: ColumnSource | None, values: list[str]) -> str:
    name, decimal = _written(source), source.decimal if source is not None else None
    commas = [value for value in values if re.search(r"\d,\d{1,2}(\D|$)|\d\.\d{3},", value)]
    points = [value for value in values if re.search(r"\d\.\d{1,2}(\D|$)|\d,\d{3}\.", value)]
    if values and decimal != "," and len(commas) * 2 > len(values):
        return 'Set `decimal: ","` on the column: the comma is the decimal sign here.'
    if values and decimal == "," and len(points) * 2 > len(values):
        return 'The point is the decimal sign here: leave `decimal: ","` out, or set `decimal: "."`.'
    if column.dtype == "int64" and values and all(re.fullmatch(r"-?\d+[.,]\d+", value) for value in values):
        return f"The column counts whole {column.unit or 'units'}: map another one, or `expr: round({name})`."
    units = {
        match.group().strip() for value in values if (match := re.search(r"[^\d\s.,'+-]+$|^[^\d\s.,'(+-]+", value))
    }
    if len(units) == 1 and all(re.search(r"\d", value) for value in values):
        unit = units.pop().replace("'", "''")
        return f"Take {unit!r} away: `expr: replace({name}, '{unit}', '')`."
    if values and not any(re.search(r"\d", value) for value in values):
        return f"If the words mean that there is no number, say so: `{_no_values(values)}`."
    return (
        "Map the column with an `expr` that leaves the number alone, "
        f"e.g. `expr: regexp_replace({name}, '[^0-9.-]', '', 'g')`."
    )


def _range_remedy(code: str, column: Column, source: ColumnSource | None, values: list[str]) -> str:
    numbers = [float(value) for value in values if re.fullmatch(r"-?\d+(\.\d+)?", value)]
    name = _written(source)
    if column.unit == "share" and numbers and max(numbers) <= 100 and any(number > 1 for number in numbers):
        return f"These look like percentages written as whole numbers: `expr: {name} / 100.0`."
    if column.maximum is not None and numbers and column.maximum < max(numbers) <= 100 and min(numbers) >= 0:
        return (
            f"The scale is {column.unit}: map the column with an `expr` that brings it there, "
            f"e.g. `expr: {name} * {column.maximum:g} / <highest mark>`."
        )
    return CHECKS[code].remedy


def _placeholder_remedy(column: Column, source: ColumnSource | None, values: list[str]) -> str:
    day = values[0][:10] if values else "1900-01-01"
    return (
        f"Nothing to do if they mean that there is none; to say it yourself: `expr: nullif({_written(source)}, "
        f"DATE '{day}')`."
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", day)
        else CHECKS["CHK035"].remedy
    )
