"""Reads a CSV file as text into Parquet, without guessing types, and tells which lines could not be read."""

from __future__ import annotations

import codecs
import csv
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TextIO

import duckdb

from churnml.config import TableSource
from churnml.errors import DataError
from churnml.language import Text
from churnml.sources.file_kinds import is_gzip, open_bytes
from churnml.sources.sql import identifier, literal, problem

__all__ = ["MalformedLines", "StagedCsv", "stage_csv", "unique_names"]

_DELIMITERS = (",", ";", "\t", "|")
_ENCODINGS = ("cp932", "euc_jp", "gb18030", "cp1252", "latin-1")
_CHUNK = 1 << 20
_SAMPLE_LINES = 5000
_HOPELESS_SHARE = 0.2


@dataclass(frozen=True)
class MalformedLines:
    """Lines of text files that are no rows.

    Parameters
    ----------
    rows : int
        How many, each counted once.
    listings : tuple of Path
        Parquet files of them: ``line``, ``file``, and in ``said`` what is wrong and the text; null for what is no JSON.
    example : str
        One of them, as it stands.
    remedy : Text, optional
        What to do about them.
    """

    rows: int = 0
    listings: tuple[Path, ...] = ()
    example: str = ""
    remedy: Text | None = None

    def __add__(self, other: MalformedLines) -> MalformedLines:
        return MalformedLines(
            self.rows + other.rows,
            (*self.listings, *other.listings),
            self.example or other.example,
            self.remedy or other.remedy,
        )


@dataclass(frozen=True)
class StagedCsv:
    """What came of one CSV file.

    Parameters
    ----------
    malformed : MalformedLines
        Lines with too many or too few fields; they are not in the target.
    delimiter : str
        The field separator.
    repeated_headers : int
        Lines that repeat the header, as files that were joined have; they are not in the target.
    """

    malformed: MalformedLines = field(default_factory=MalformedLines)
    delimiter: str = ","
    repeated_headers: int = 0


@dataclass(frozen=True)
class _Layout:
    """How the file is laid out: what the header says, and what the first lines look like."""

    file_name: str
    names: list[str]
    delimiter: str
    skipped: int
    sample: list[list[str]]
    lines: list[str]


def stage_csv(
    db: duckdb.DuckDBPyConnection,
    file: Path,
    target: Path,
    source: TableSource,
    where: str,
    *,
    max_malformed_share: float = 1.0,
) -> StagedCsv:
    """Copy a CSV file into a Parquet file of text columns.

    Parameters
    ----------
    db : DuckDB connection
        Runs the copy.
    file, target : Path
        The CSV file, perhaps packed with gzip, and the Parquet file to write.
    source : TableSource
        Names encoding and delimiter.
    where : str
        Place for messages, e.g. ``tables.events.from``.
    max_malformed_share : float
        A file of which more lines are malformed is refused before they are listed one by one.

    Raises
    ------
    DataError
        The file is empty, is in another encoding, a quote is never closed, or it is no table of this shape.
    """
    name = file.name
    if codecs.lookup(source.encoding).name not in ("utf-8", "utf-8-sig") or _is_mixed(file):
        file = _rewritten(file, target.with_suffix(".utf8.csv"), source.encoding, where)
    layout = _layout(file, name, source, where)
    _refuse_hopeless(db, file, layout, where, max_malformed_share)
    names = layout.names
    reader = _reader(file, layout)
    selected = ", ".join(identifier(name) for name in names)
    header = " AND ".join(f"trim({identifier(n)}) IS NOT DISTINCT FROM {literal(n)}" for n in names)
    try:
        db.execute(_copy(f"SELECT {selected} FROM {reader}", target))
        malformed = _malformed(db, file, target, layout, where)
        row = db.execute(f"SELECT count(*) FROM read_parquet({literal(str(target))}) WHERE {header}").fetchone()
        repeated = int(row[0] or 0) if row and len(names) > 1 else 0
        if repeated:
            whole = target.rename(target.with_suffix(".whole.parquet"))
            db.execute(_copy(f"SELECT * FROM read_parquet({literal(str(whole))}) WHERE NOT ({header})", target))
            whole.unlink()
    except duckdb.Error as error:
        raise problem(
            "CHK002",
            Text.of("data-no_csv", file=layout.file_name),
            where=where,
            got=str(error).splitlines()[0],
        ) from error
    finally:
        db.execute("DROP TABLE IF EXISTS lines_rejected; DROP TABLE IF EXISTS files_rejected")
    return StagedCsv(malformed, layout.delimiter, repeated)


def _copy(query: str, target: Path) -> str:
    return f"COPY ({query}) TO {literal(str(target))} (FORMAT parquet, COMPRESSION lz4)"


def _reader(file: Path, layout: _Layout, *, keep: bool = True) -> str:
    """Return the call that reads the file; `keep` stores the lines that cannot be read."""
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in layout.names)
    rejects = (
        "store_rejects=true, rejects_limit=0, rejects_table='lines_rejected', rejects_scan='files_rejected'"
        if keep
        else "ignore_errors=true"
    )
    return (
        f"read_csv({literal(str(file))}, auto_detect=false, header=true, columns={{{columns}}}, "
        f"delim={literal(layout.delimiter)}, quote='\"', escape='\"', skip={layout.skipped}, "
        f"compression={literal('gzip' if is_gzip(file) else 'none')}, {rejects})"
    )


def _malformed(db: duckdb.DuckDBPyConnection, file: Path, target: Path, layout: _Layout, where: str) -> MalformedLines:
    """List the lines that could not be read, each once, however many of its fields are at fault."""
    lines = (
        "SELECT line, any_value(csv_line) AS text, min(error_type) AS kind, min(error_message) AS message "
        "FROM lines_rejected GROUP BY line"
    )
    row = db.execute(f"SELECT count(*), min_by(text, line) FROM ({lines})").fetchone()
    count, example = (int(row[0] or 0), str(row[1] or "").strip()) if row else (0, "")
    if not count:
        return MalformedLines()
    worst = db.execute(
        f"SELECT * FROM ({lines}) WHERE kind IN ('INVALID ENCODING', 'UNQUOTED VALUE') ORDER BY line LIMIT 20"
    ).fetchall()
    for line, text, kind, _ in worst:
        if kind == "INVALID ENCODING":
            raise _wrong_encoding(file, where)
        if "\n" in text.rstrip("\n"):
            raise problem(
                "CHK002",
                Text.of("data-open_quote", line=line, file=layout.file_name),
                where=where,
                got=repr(text[:60]),
            )
    listing = target.with_suffix(".malformed.parquet")
    listed = f"SELECT line, {literal(layout.file_name)} AS file, message || ': ' || trim(text) AS said FROM ({lines})"
    db.execute(f"COPY ({listed} ORDER BY line) TO {literal(str(listing))} (FORMAT parquet)")
    return MalformedLines(count, (listing,), example, _malformed_remedy(example, layout))


def _malformed_remedy(example: str, layout: _Layout) -> Text:
    fields = len(next(csv.reader([example], delimiter=layout.delimiter), []))
    if fields < len(layout.names):
        return Text.of("remedy-short_lines")
    return Text.of("remedy-long_lines")


def _refuse_hopeless(
    db: duckdb.DuckDBPyConnection, file: Path, layout: _Layout, where: str, max_malformed_share: float
) -> None:
    """Refuse a file of which so many lines do not fit the header that listing them one by one would help nobody."""
    widths = Counter(len(line) for line in layout.sample if line)
    total = sum(widths.values())
    if any(line.count('"') % 2 for line in layout.lines):
        return  # a quoted text goes over several lines, which cannot be counted by their ends
    if not total or 1 - widths[len(layout.names)] / total <= max(_HOPELESS_SHARE, max_malformed_share):
        return
    with open_bytes(file) as stream:
        lines = sum(chunk.count(b"\n") for chunk in iter(lambda: stream.read(_CHUNK), b"")) - layout.skipped
    try:
        row = db.execute(f"SELECT count(*) FROM {_reader(file, layout, keep=False)}").fetchone()
    except duckdb.Error:
        return  # the thorough reading tells what is wrong
    good = int(row[0] or 0) if row else 0
    if (lines - good) <= max_malformed_share * max(lines, 1):
        return
    usual = next(width for width, _ in widths.most_common() if width != len(layout.names))
    line = next(line for line, fields in zip(layout.lines, layout.sample, strict=True) if len(fields) == usual)
    raise problem(
        "CHK040",
        Text.of("data-no_fit", n=lines - good, of=lines, file=layout.file_name),
        where=where,
        got=Text.of("data-no_fit.got", fields=usual, header=len(layout.names), example=repr(line.strip()[:80])),
        expected=Text.of("data-at_most", share=f"{max_malformed_share:.1%}"),
        remedy=_shape_remedy(layout, usual),
    )


def _shape_remedy(layout: _Layout, usual: int) -> Text:
    header, *body = [",".join(layout.names), *layout.lines]
    for other in _DELIMITERS:
        if other == layout.delimiter or other not in header:
            continue
        width = header.count(other)
        if width and sum(line.count(other) == width for line in body) > len(body) / 2:
            return Text.of("remedy-delimiter", delimiter=f"delimiter: {other!r}")
    more = usual - len(layout.names)
    if more > 0:
        return Text.of("remedy-header_fields" if more > 1 else "remedy-header_field", n=more)
    return Text.of("remedy-all_fields")


def _layout(file: Path, file_name: str, source: TableSource, where: str) -> _Layout:
    """Return the column names and the delimiter, told from the header line, and the first lines."""
    with open_bytes(file) as stream:
        if stream.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            raise _wrong_encoding(file, where)
        stream.seek(0)
        # Not a codec's reader, for which a line also ends at U+2028, a form feed and other signs inside a text.
        reader = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
        try:
            first = reader.readline()
            named = first.strip().strip('"')
            skipped, delimiter = 0, source.delimiter
            if named.lower().startswith("sep=") and len(named) == 5:  # Excel's own line
                skipped, delimiter = 1, delimiter or named[4]
                first = reader.readline()
            delimiter = delimiter or _delimiter_of(first)
            names = next(csv.reader(_lines(first, reader), delimiter=delimiter), [])
            lines = [line for line in islice(_lines("", reader), _SAMPLE_LINES) if line.strip()]
        except UnicodeDecodeError:
            raise _wrong_encoding(file, where) from None
        except csv.Error as error:
            raise problem("CHK002", Text.of("data-no_header", file=file_name), where=where, got=str(error)) from error
    names = [name.strip() or f"column{number}" for number, name in enumerate(names)]
    sample = [_fields(line, delimiter) for line in lines]
    if sample and all(len(line) == len(names) + 1 and not line[-1].strip() for line in sample):
        names.append(f"column{len(names)}")  # every line ends with a delimiter, the header does not
    return _Layout(file_name, unique_names(names), delimiter, skipped, sample, lines)


def _fields(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return [line]


def _delimiter_of(header: str) -> str:
    """Return the sign that parts most fields of the header, outside quotes."""
    bare = "".join(part for number, part in enumerate(header.split('"')) if number % 2 == 0)
    return max(_DELIMITERS, key=bare.count)


def _lines(first: str, reader: TextIO) -> Iterator[str]:
    if first:
        yield first.removeprefix("\ufeff")
    while line := reader.readline():
        yield line


def unique_names(names: list[str]) -> list[str]:
    """Add a number to names that stand twice, ignoring case as SQL does.

    Examples
    --------
    >>> unique_names(["Amount", "amount", "date"])
    ['Amount', 'amount_1', 'date']
    """
    seen: dict[str, int] = {}
    unique: list[str] = []
    for name in names:
        number = seen.get(name.casefold(), 0)
        seen[name.casefold()] = number + 1
        unique.append(f"{name}_{number}" if number else name)
    return unique


def _is_mixed(file: Path) -> bool:
    """Tell whether lines end in more than one way, or the file ends with the mark of DOS (Ctrl-Z)."""
    both = feeds = returns = 0
    last = b""
    with open_bytes(file) as stream:
        while chunk := stream.read(_CHUNK):
            both += (last[-1:] + chunk).count(b"\r\n")
            feeds += chunk.count(b"\n")
            returns += chunk.count(b"\r")
            last = chunk
    return last.rstrip(b"\r\n").endswith(b"\x1a") or feeds > both > 0 or (returns > both and feeds > 0)


def _rewritten(file: Path, target: Path, encoding: str, where: str) -> Path:
    """Write the file anew in UTF-8, every line ending with a line feed."""
    decoder = codecs.getincrementaldecoder(encoding)()
    ends = codecs.lookup(encoding).name
    with open_bytes(file) as stream, target.open("w", encoding="utf-8", newline="") as out:
        held = ""
        try:
            while chunk := stream.read(_CHUNK):
                text = held + decoder.decode(chunk)
                held = "\r" if text.endswith("\r") else ""
                out.write(_one_line_end(text.removesuffix("\r") if held else text))
            out.write(_one_line_end(held + decoder.decode(b"", final=True)))
        except UnicodeError as error:
            if ends in ("utf-8", "utf-8-sig"):
                raise _wrong_encoding(file, where) from None
            at_fault = error.object[error.start :] if isinstance(error, UnicodeDecodeError) else chunk
            raise problem(
                "CHK002",
                Text.of("data-not_in_encoding", file=file.name, encoding=encoding),
                where=where,
                got=f"0x{at_fault[:1].hex()}",  # where UTF-16 lacks its mark, at the file's first byte
            ) from error
    return target


def _one_line_end(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\x1a", "")


def _wrong_encoding(file: Path, where: str) -> DataError:
    """Return the error that shows the first unreadable line in every encoding that can read it."""
    with open_bytes(file) as stream:
        if stream.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            return _encoding_error(file, where, Text.of("data-not_utf8.utf16"), ["utf-16"])
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
                got = Text.of("data-not_utf8.byte", byte=f"0x{line[error.start]:02x}", line=str(number))
                for encoding, text in readings.items():
                    read = Text.of("data-not_utf8.reads", encoding=encoding, text=repr(text))
                    got = Text.of("list-beside", one=got, other=read)
                return _encoding_error(file, where, got, list(readings))
    return _encoding_error(file, where, Text.of("data-not_utf8.bytes"), list(_ENCODINGS))


def _encoding_error(file: Path, where: str, got: Text, encodings: list[str]) -> DataError:
    said = Text.of("data-not_utf8", file=file.name, encodings=", ".join(encodings))
    return problem("CHK002", said, where=where, got=got)
