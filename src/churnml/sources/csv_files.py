"""Reads a CSV file as text into Parquet, without guessing types, and tells which lines could not be read."""

from __future__ import annotations

import codecs
import csv
import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

import duckdb

from churnml.config import TableSource
from churnml.errors import DataError
from churnml.sources.sql import identifier, literal, problem

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MalformedLine", "stage_csv"]

_DELIMITERS = (",", ";", "\t", "|")
_ENCODINGS = ("cp932", "euc_jp", "cp1252", "latin-1")
_CHUNK = 1 << 20


@dataclass(frozen=True)
class MalformedLine:
    """A line that does not fit its header.

    Parameters
    ----------
    file : str
        Name of the file.
    line : int
        Number of the line, the header being 1.
    text : str
        The line as it stands.
    fault : str
        What is wrong with it.
    """

    file: str
    line: int
    text: str
    fault: str


def stage_csv(
    db: duckdb.DuckDBPyConnection, file: Path, target: Path, source: TableSource, where: str
) -> list[MalformedLine]:
    """Copy a CSV file into a Parquet file of text columns.

    Parameters
    ----------
    db : DuckDB connection
        Runs the copy.
    file, target : Path
        The CSV file, gzipped if its name ends ``.gz``, and the Parquet file to write.
    source : TableSource
        Names encoding and delimiter.
    where : str
        Place for messages, e.g. ``tables.events.from``.

    Returns
    -------
    list of MalformedLine
        Lines with too many or too few fields; they are not in the target.

    Raises
    ------
    DataError
        The file is empty, is in another encoding, or a quote is never closed.
    """
    if file.stat().st_size == 0:
        raise problem("CHK003", f"The file {file.name} is empty", where=where)
    if codecs.lookup(source.encoding).name not in ("utf-8", "utf-8-sig"):
        file = _transcoded(file, target.with_suffix(".utf8.csv"), source.encoding, where)
    names, delimiter = _header(file, source, where)
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in names)
    reader = (
        f"read_csv({literal(str(file))}, auto_detect=false, header=true, columns={{{columns}}}, "
        f"delim={literal(delimiter)}, quote='\"', escape='\"', store_rejects=true, rejects_limit=0, "
        f"rejects_table='lines_rejected', rejects_scan='files_rejected')"
    )
    selected = ", ".join(identifier(name) for name in names)
    try:
        db.execute(
            f"COPY (SELECT {selected} FROM {reader}) TO {literal(str(target))} (FORMAT parquet, COMPRESSION lz4)"
        )
        rejected = db.execute(
            "SELECT line, csv_line, error_type, error_message FROM lines_rejected ORDER BY 1"
        ).fetchall()
    except duckdb.Error as error:
        raise problem(
            "CHK002", f"The file {file.name} cannot be read as CSV", where=where, got=str(error).splitlines()[0]
        ) from error
    finally:
        db.execute("DROP TABLE IF EXISTS lines_rejected; DROP TABLE IF EXISTS files_rejected")
    return [_malformed(file, where, *row) for row in rejected]


def _malformed(file: Path, where: str, line: int, text: str, kind: str, message: str) -> MalformedLine:
    if kind == "INVALID ENCODING":
        raise _wrong_encoding(file, where)
    if kind == "UNQUOTED VALUE" and "\n" in text.rstrip("\n"):
        raise problem(
            "CHK002",
            f"A quote that opens in line {line} of {file.name} is never closed",
            where=where,
            got=repr(text[:60]),
            remedy="Close or remove the quote; everything behind it would be lost.",
        )
    return MalformedLine(file.name, int(line), text, message)


def _open(file: Path, mode: str = "rb") -> IO[bytes]:
    return gzip.open(file, mode) if file.suffix == ".gz" else file.open(mode)  # type: ignore[return-value]


def _header(file: Path, source: TableSource, where: str) -> tuple[list[str], str]:
    """Return the column names and the delimiter, told from the header line."""
    with _open(file) as stream:
        start = stream.read(4)
        if start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            raise _wrong_encoding(file, where)
        stream.seek(0)
        reader = codecs.getreader("utf-8-sig")(stream)
        try:
            first = reader.readline()
            delimiter = source.delimiter or max(_DELIMITERS, key=first.count)
            reader.seek(0)
            names = next(csv.reader(_lines(reader), delimiter=delimiter), [])
        except UnicodeDecodeError:
            raise _wrong_encoding(file, where) from None
    return _unique([name.strip() or f"column{number}" for number, name in enumerate(names)]), delimiter


def _lines(reader: codecs.StreamReader) -> Iterator[str]:
    while line := reader.readline():
        yield line.removeprefix("\ufeff")


def _unique(names: list[str]) -> list[str]:
    """Add a number to names that stand twice, ignoring case as SQL does."""
    seen: dict[str, int] = {}
    unique: list[str] = []
    for name in names:
        number = seen.get(name.casefold(), 0)
        seen[name.casefold()] = number + 1
        unique.append(f"{name}_{number}" if number else name)
    return unique


def _transcoded(file: Path, target: Path, encoding: str, where: str) -> Path:
    """Write the file anew in UTF-8."""
    decoder = codecs.getincrementaldecoder(encoding)()
    with _open(file) as stream, target.open("w", encoding="utf-8", newline="") as out:
        try:
            while chunk := stream.read(_CHUNK):
                out.write(decoder.decode(chunk))
            out.write(decoder.decode(b"", final=True))
        except UnicodeDecodeError as error:
            raise problem(
                "CHK002",
                f"The file {file.name} is not {encoding}",
                where=where,
                got=f"byte 0x{error.object[error.start]:02x}",
                remedy="Correct `encoding` on the table.",
            ) from error
    return target


def _wrong_encoding(file: Path, where: str) -> DataError:
    """Return the error that shows the first unreadable line in every encoding that can read it."""
    with _open(file) as stream:
        head = stream.read(4)
        if head[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            return _encoding_error(file, where, "a UTF-16 byte order mark", ["utf-16"])
        stream.seek(0)
        for number, line in enumerate(stream, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                readings = {}
                for encoding in _ENCODINGS:
                    try:
                        readings[encoding] = line.decode(encoding).strip()[:60]
                    except UnicodeDecodeError:
                        continue
                shown = "; ".join(f"as {encoding} it reads {text!r}" for encoding, text in readings.items())
                got = f"byte 0x{line[error.start]:02x} in line {number}; {shown}"
                return _encoding_error(file, where, got, list(readings))
    return _encoding_error(file, where, "bytes that are not UTF-8", list(_ENCODINGS))


def _encoding_error(file: Path, where: str, got: str, encodings: list[str]) -> DataError:
    return problem(
        "CHK002",
        f"The file {file.name} is not UTF-8",
        where=where,
        got=got,
        remedy=f"Set `encoding` on the table to the one that reads well: {', '.join(encodings)}.",
    )
