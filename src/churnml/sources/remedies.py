"""What to do about values at fault, told from the values themselves and from what the config already says."""

from __future__ import annotations

import json
import re

from churnml.config import ColumnSource
from churnml.language import Text
from churnml.sources.dates import propose_format
from churnml.tables import CHECKS, Column

__all__ = ["remedy_for"]


def remedy_for(code: str, column: Column | None, source: ColumnSource | None, values: list[str]) -> Text:
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
    >>> str(remedy_for("CHK012", seats, ColumnSource(column="n"), ["1.234,5"]))
    'Set `decimal: ","` on the column: the comma is the decimal sign here.'
    >>> str(remedy_for("CHK034", rate, ColumnSource(column="rabatt"), ["15"]))
    'These look like percentages written as whole numbers: `expr: rabatt / 100.0`.'
    """
    if column is None:
        return CHECKS[code].remedy
    if code == "CHK033" and source is not None and source.id is not None:
        return CHECKS["CHK046"].remedy
    if code in ("CHK011", "CHK033") and column.dtype in ("date", "timestamp"):
        if code == "CHK033" and values and not any(re.search(r"[\d年月日]", value) for value in values):
            return Text.of("remedy-no_date", words=_no_values(values))
        return _date_remedy(column, source, values)
    if code in ("CHK012", "CHK033") and column.dtype in ("int64", "float64"):
        return _number_remedy(column, source, values)
    if code in ("CHK013", "CHK033") and column.dtype == "boolean" and values:
        words = ", ".join(f"{_yaml(value)}: true" for value in values[:3])
        return Text.of("remedy-yes_no", words=f"words: {{{words}}}")
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


def _date_remedy(column: Column, source: ColumnSource | None, values: list[str]) -> Text:
    if source is not None and source.format is not None and values:
        return Text.of("remedy-format.other", form=source.format, remedy=propose_format(values))
    return propose_format(values)


def _number_remedy(column: Column, source: ColumnSource | None, values: list[str]) -> Text:
    name, decimal = _written(source), source.decimal if source is not None else None
    commas = [value for value in values if re.search(r"\d,\d{1,2}(\D|$)|\d\.\d{3},", value)]
    points = [value for value in values if re.search(r"\d\.\d{1,2}(\D|$)|\d,\d{3}\.", value)]
    if values and decimal != "," and len(commas) * 2 > len(values):
        return Text.of("remedy-comma")
    if values and decimal == "," and len(points) * 2 > len(values):
        return Text.of("remedy-point")
    if column.dtype == "int64" and values and all(re.fullmatch(r"-?\d+[.,]\d+", value) for value in values):
        return Text.of("remedy-whole", unit=_unit(column), expr=f"expr: round({name})")
    units = {
        match.group().strip() for value in values if (match := re.search(r"[^\d\s.,'+-]+$|^[^\d\s.,'(+-]+", value))
    }
    if len(units) == 1 and all(re.search(r"\d", value) for value in values):
        unit = units.pop().replace("'", "''")
        return Text.of("remedy-unit", unit=repr(unit), expr=f"expr: replace({name}, '{unit}', '')")
    if values and not any(re.search(r"\d", value) for value in values):
        return Text.of("remedy-no_number", words=_no_values(values))
    return Text.of("remedy-number", expr=f"expr: regexp_replace({name}, '[^0-9.-]', '', 'g')")


def _unit(column: Column) -> Text:
    return Text.of(f"column-unit-{column.unit}|column-unit-units")


def _range_remedy(code: str, column: Column, source: ColumnSource | None, values: list[str]) -> Text:
    numbers = [float(value) for value in values if re.fullmatch(r"-?\d+(\.\d+)?", value)]
    name = _written(source)
    if column.unit == "share" and numbers and max(numbers) <= 100 and any(number > 1 for number in numbers):
        return Text.of("remedy-percent", expr=f"expr: {name} / 100.0")
    if column.maximum is not None and numbers and column.maximum < max(numbers) <= 100 and min(numbers) >= 0:
        scale = f"expr: {name} * {column.maximum:g} / <highest mark>"
        return Text.of("remedy-scale", unit=Text.of(f"column-unit-{column.name}|words", words=column.unit), expr=scale)
    return CHECKS[code].remedy


def _placeholder_remedy(column: Column, source: ColumnSource | None, values: list[str]) -> Text:
    day = values[0][:10] if values else "1900-01-01"
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", day):
        return CHECKS["CHK035"].remedy
    return Text.of("remedy-placeholder", expr=f"expr: nullif({_written(source)}, DATE '{day}')")
