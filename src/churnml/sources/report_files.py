"""Takes out of a text file the lines that are no rows: further header lines, and what stands behind the last row."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from churnml.config import TableSource
from churnml.sources.file_kinds import open_bytes

__all__ = ["rows_alone"]


def rows_alone(file: Path, target: Path, source: TableSource) -> Path:
    """Return a file with one header line and the rows alone; the file itself where it cannot be read line by line.

    A report's footer is often in another encoding than its rows, so nothing behind the first empty line is decoded.

    Parameters
    ----------
    file, target : Path
        The file, and where to write.
    source : TableSource
        Its section in the config: `header_lines`, `ends_at_blank_line`, `encoding`.
    """
    try:
        with target.open("w", encoding=source.encoding, newline="") as out:
            out.writelines(_lines_of_rows(file, source))
    except (UnicodeError, csv.Error):
        return file  # reading it as a table says what is wrong, and in which encoding it reads well
    return target


def _lines_of_rows(file: Path, source: TableSource) -> Iterator[str]:
    records = 0
    record: list[str] = []
    with open_bytes(file) as stream:
        for line in stream:
            text = line.decode(source.encoding).removeprefix("\ufeff")
            if not record and source.ends_at_blank_line and records and not text.strip():
                return
            record.append(text)
            if "".join(record).count('"') % 2:
                continue  # a quoted cell goes on in the next line
            if records == 0 or records >= source.header_lines:
                yield from record
            records, record = records + 1, []
    yield from record
