"""Tells what a file really is by its first bytes: names lie, content does not."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import IO, Literal

from churnml.language import Text
from churnml.sources.sql import problem

__all__ = ["FileKind", "file_kind", "is_gzip", "open_bytes"]

FileKind = Literal["text", "json", "parquet", "workbook"]

_TEXT_NAMES = (".csv", ".tsv", ".txt", ".tab", ".psv")
_JSON_NAMES = (".jsonl", ".ndjson", ".json", ".jsonlines")
_WORKBOOK_NAMES = (".xlsx", ".xls", ".xlsm", ".xlsb", ".ods")
_PARQUET_NAMES = (".parquet", ".pq")
_EXPECTED = Text.of("data-kinds")

_PACKED = {
    b"BZh": ("bzip2", "bunzip2"),
    b"\xfd7zXZ\x00": ("xz", "unxz"),
    b"7z\xbc\xaf": ("7-Zip", "unpack"),
    b"Rar!": ("RAR", "unpack"),
    b"%PDF": ("PDF", "as_csv"),
    b"Obj\x01": ("Avro", "convert"),
    b"ORC": ("ORC", "convert"),
    b"ARROW1": ("Arrow (Feather)", "as_parquet"),
}


def is_gzip(file: Path) -> bool:
    """Tell whether a file's content is packed with gzip, whatever its name."""
    with file.open("rb") as stream:
        return stream.read(2) == b"\x1f\x8b"


def open_bytes(file: Path) -> IO[bytes]:
    """Open a file's content, unpacked where it is packed with gzip."""
    return gzip.open(file, "rb") if is_gzip(file) else file.open("rb")  # type: ignore[return-value]


def file_kind(file: Path, where: str) -> FileKind:
    """Return how a file is to be read.

    Parameters
    ----------
    file : Path
        The file.
    where : str
        Place for messages, e.g. ``tables.events.from``.

    Raises
    ------
    DataError
        It is empty, damaged, or of a kind that is not read.
    """
    if file.stat().st_size == 0:
        raise problem("CHK003", Text.of("data-empty_file", file=file.name), where=where)
    try:
        with open_bytes(file) as stream:
            head = stream.read(4096)
    except (OSError, EOFError) as error:
        raise problem("CHK002", Text.of("data-unreadable.file", file=file.name), where=where, got=str(error)) from error
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06", b"\xd0\xcf\x11\xe0")):
        return "workbook"
    for magic, (name, remedy) in _PACKED.items():
        if head.startswith(magic):
            raise problem(
                "CHK002",
                Text.of("data-other_kind", file=file.name, kind=name),
                where=where,
                expected=_EXPECTED,
                remedy=Text.of(f"data-other_kind.{remedy}"),
            )
    return _by_text(file, head, where)


def _by_text(file: Path, head: bytes, where: str) -> FileKind:
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if start[:1] == b"<" and start[:200].lower().startswith((b"<!doctype", b"<html", b"<?xml", b"<table", b"<head")):
        raise problem(
            "CHK002",
            Text.of("data-web_page", file=file.name),
            where=where,
            got=start[:60].decode("latin-1"),
            expected=_EXPECTED,
        )
    name = file.name.lower().removesuffix(".gz")
    if start[:2] in (b'{"', b"[{") or (start[:1] in (b"{", b"[") and name.endswith(_JSON_NAMES)):
        return "json"
    if name.endswith(_PARQUET_NAMES) or (name.endswith(_WORKBOOK_NAMES) and b"\x00" in head):
        kind = "Parquet" if name.endswith(_PARQUET_NAMES) else "Excel"
        raise problem(
            "CHK002",
            Text.of("data-not_of_kind", file=file.name, kind=kind),
            where=where,
            got=Text.of("data-starts", start=repr(head[:16])),
            expected=_EXPECTED,
        )
    if name.endswith(_JSON_NAMES):
        raise problem(
            "CHK002",
            Text.of("data-no_json", file=file.name),
            where=where,
            got=Text.of("data-starts", start=repr(head[:40])),
        )
    if name.endswith((*_TEXT_NAMES, *_WORKBOOK_NAMES)):
        return "text"
    raise problem(
        "CHK002",
        Text.of("data-kind_unknown", file=file.name),
        where=where,
        got=Text.of("data-starts", start=repr(head[:16])),
        expected=_EXPECTED,
    )
