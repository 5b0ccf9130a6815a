"""Cursors of a list: the snapshot, the place in it, and a mark of the filters."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from datetime import date, datetime
from typing import TypeVar

from churnml.language import Text
from churnml.serving.http.problems import Problem
from churnml.store import ScoreFilter

__all__ = ["cursor_of", "place_cursor", "read_cursor", "read_place", "wrong_cursor"]


P = TypeVar("P", float, date, datetime)


def _mark(where: object) -> str:
    return hashlib.sha256(repr(where).encode()).hexdigest()[:8]


def cursor_of(snapshot_id: int, position: int, where: ScoreFilter) -> str:
    """Return the cursor of the page after a position."""
    text = json.dumps([snapshot_id, position, _mark(where)])
    return base64.urlsafe_b64encode(text.encode()).decode()


def read_cursor(cursor: str, where: ScoreFilter) -> tuple[int, int]:
    """Return the snapshot and the position that a cursor names.

    Raises
    ------
    Problem
        It is no cursor, or it is of a list with other filters.
    """
    try:
        snapshot_id, position, mark = json.loads(base64.b64decode(cursor.encode(), altchars=b"-_", validate=True))
    except (ValueError, TypeError, binascii.Error, UnicodeError, RecursionError):
        raise wrong_cursor() from None
    numbers = all(type(number) is int and 0 <= number < 2**31 for number in (snapshot_id, position))
    if not numbers or mark != _mark(where):
        raise wrong_cursor()
    return snapshot_id, position


def place_cursor(place: tuple[float | date | datetime, int], where: object) -> str:
    """Return the cursor of the page after a place: what the list is ordered by, and an id.

    Examples
    --------
    >>> read_place(place_cursor((1240.5, 7), "open"), "open", float)
    (1240.5, 7)
    """
    first = place[0] if isinstance(place[0], float) else place[0].isoformat()
    text = json.dumps([first, place[1], _mark(where)])
    return base64.urlsafe_b64encode(text.encode()).decode()


def read_place(cursor: str, where: object, kind: type[P]) -> tuple[P, int]:
    """Return the place that a cursor names.

    Parameters
    ----------
    kind : type
        float, date or datetime: what the list is ordered by.

    Raises
    ------
    Problem
        It is no cursor, or it is of a list with other filters.
    """
    try:
        first, number, mark = json.loads(base64.b64decode(cursor.encode(), altchars=b"-_", validate=True))
        place = first if kind is float else kind.fromisoformat(first)  # type: ignore[attr-defined]
    except (ValueError, TypeError, binascii.Error, UnicodeError, RecursionError):
        raise wrong_cursor() from None
    if type(place) is not kind or type(number) is not int or not 0 <= number < 2**31 or mark != _mark(where):
        raise wrong_cursor()
    return place, number


def wrong_cursor() -> Problem:
    """Return the problem of a cursor that leads nowhere."""
    return Problem("request.cursor", Text.of("detail-cursor"))
