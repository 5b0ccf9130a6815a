"""Answers a page's numbers as a CSV that spreadsheets open as it is meant."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from fastapi import Request
from starlette.responses import Response

from churnml.reports.spreadsheets import neutralised
from churnml.serving.pages.compression import compressed

__all__ = ["csv_answer", "csv_bytes"]


def csv_bytes(rows: Iterable[Sequence[Any]], *, marked: bool = True) -> bytes:
    """Return rows as CSV in UTF-8; a spreadsheet knows it by the mark in front, which a program does not expect."""
    out = io.StringIO()
    csv.writer(out).writerows([neutralised(cell) for cell in row] for row in rows)
    return out.getvalue().encode("utf-8-sig" if marked else "utf-8")


def csv_answer(request: Request, data: bytes, name: str) -> Response:
    """Return CSV as a file to keep, called ``<name>.csv``."""
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return compressed(request, data, "text/csv; charset=utf-8", headers=headers)
