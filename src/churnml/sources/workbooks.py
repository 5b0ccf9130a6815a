"""Reads one sheet of an Excel or OpenDocument workbook as text columns."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from churnml.errors import near_name
from churnml.language import Text
from churnml.sources.csv_files import unique_names
from churnml.sources.sql import problem

if TYPE_CHECKING:
    from python_calamine import CalamineWorkbook

__all__ = ["stage_workbook"]


def stage_workbook(file: Path, target: Path, sheet: str | None, where: str) -> frozenset[str]:
    """Copy one sheet into a Parquet file of text columns; the first line that is not empty is the header.

    Parameters
    ----------
    file, target : Path
        The workbook, and the Parquet file to write.
    sheet : str or None
        Name of the sheet; by default the first one.
    where : str
        Place for messages.

    Returns
    -------
    frozenset of str
        Columns whose cells are all numbers: their decimal sign is the point.

    Raises
    ------
    DataError
        The reader is not installed, the file is no workbook, or the sheet is missing or empty.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    workbook = _opened(file, where)
    names = workbook.sheet_names
    if sheet is not None and sheet not in names:
        near = near_name(sheet, names)
        raise problem(
            "CHK001",
            Text.of("data-no_sheet", file=file.name, sheet=repr(sheet)),
            where=f"{where.removesuffix('.from')}.sheet",
            got=Text.of("data-no_sheet.there", sheets=", ".join(names)),
            expected=Text.of("data-perhaps", name=near) if near else None,
            remedy=Text.of("data-write", it=f"sheet: {near or names[0]}"),
        )
    rows = [row for row in workbook.get_sheet_by_name(sheet or names[0]).to_python() if any(cell != "" for cell in row)]
    if len(rows) < 2:
        raise problem("CHK003", Text.of("data-empty_sheet", sheet=repr(sheet or names[0]), file=file.name), where=where)
    header = unique_names([str(_text(cell) or f"column{number}") for number, cell in enumerate(rows[0])])
    cells = {name: [row[number] for row in rows[1:]] for number, name in enumerate(header)}
    columns = {name: pa.array([_text(cell) for cell in values], pa.string()) for name, values in cells.items()}
    pq.write_table(pa.table(columns), target)
    return frozenset(
        name for name, values in cells.items() if all(cell == "" or type(cell) in (int, float) for cell in values)
    )


def _opened(file: Path, where: str) -> CalamineWorkbook:
    try:
        from python_calamine import CalamineError, CalamineWorkbook
    except ImportError as error:
        raise problem(
            "CHK002",
            Text.of("data-no_excel", file=file.name),
            where=where,
        ) from error
    try:
        return CalamineWorkbook.from_path(str(file))
    except (CalamineError, OSError) as error:
        raise problem(
            "CHK002",
            Text.of("data-no_workbook", file=file.name),
            where=where,
            got=str(error),
        ) from error


def _text(cell: Any) -> str | None:
    """Return a cell as text; a whole number has no decimals, as it is shown.

    Examples
    --------
    >>> [_text(cell) for cell in (1234.0, 1.5, True, date(2024, 1, 5), datetime(2024, 1, 5, 9), "", " 007")]
    ['1234', '1.5', 'true', '2024-01-05', '2024-01-05 09:00:00', None, ' 007']
    """
    if cell == "" or cell is None:
        return None
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
    if isinstance(cell, datetime):
        return cell.isoformat(" ")
    if isinstance(cell, date | time):
        return cell.isoformat()
    if isinstance(cell, timedelta):
        return str(cell.total_seconds())
    return str(cell)
