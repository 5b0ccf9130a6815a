"""What an HTTP answer says of when to ask again."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

__all__ = ["pause_named"]


def pause_named(answer: httpx.Response, now: datetime) -> float | None:
    """Return the seconds that ``Retry-After`` names, a number or a date; None where there is none or it is neither.

    Parameters
    ----------
    answer : httpx.Response
    now : datetime
        UTC; a date is told from it.

    Examples
    --------
    >>> noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    >>> for text in ("7", "Sun, 01 Mar 2026 12:00:30 GMT", "Sun, 01 Mar 2026 11:00:00 GMT", "soon"):
    ...     print(pause_named(httpx.Response(429, headers={"Retry-After": text}), noon))
    7.0
    30.0
    0.0
    None
    """
    text = answer.headers.get("retry-after")
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(text).astimezone(UTC) - now).total_seconds()
        except ValueError:
            return None
    return max(seconds, 0.0) if math.isfinite(seconds) else None
