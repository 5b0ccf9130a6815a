"""Cursors of a list: the snapshot, the place in it, and a mark of the filters."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json

from churnml.serving.http.problems import Problem
from churnml.store import ScoreFilter

__all__ = ["cursor_of", "read_cursor", "wrong_cursor"]


def _filter_mark(where: ScoreFilter) -> str:
    return hashlib.sha256(repr(where).encode()).hexdigest()[:8]


def cursor_of(snapshot_id: int, position: int, where: ScoreFilter) -> str:
    """Return the cursor of the page after a position."""
    text = json.dumps([snapshot_id, position, _filter_mark(where)])
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
    if not numbers or mark != _filter_mark(where):
        raise wrong_cursor()
    return snapshot_id, position


def wrong_cursor() -> Problem:
    """Return the problem of a cursor that leads nowhere."""
    return Problem("request.cursor", "Send next_cursor of the page before, with the same filters")
