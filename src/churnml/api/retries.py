"""When the client tries again, and after which pause."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    retry_if_result,
    stop_after_attempt,
    wait_exponential,
    wait_random,
)

__all__ = ["retrying"]

_RETRIED = (429, 502, 503, 504)
_LONGEST_PAUSE = 60.0
_GROWING = wait_exponential(multiplier=0.2, max=10) + wait_random(0, 0.1)


def retrying(attempts: int) -> Retrying:
    """Return what calls a function again, up to so many times in all, while its answer is worth another try."""
    return Retrying(
        stop=stop_after_attempt(attempts),
        wait=_pause,
        retry=retry_if_exception_type(httpx.TransportError) | retry_if_result(_worth_another),
        retry_error_callback=_last,
    )


def _worth_another(answer: httpx.Response) -> bool:
    return answer.status_code in _RETRIED


def _pause(state: RetryCallState) -> float:
    """Return the seconds that ``Retry-After`` names, else a pause that doubles."""
    outcome = state.outcome
    named = None if outcome is None or outcome.failed else _retry_after(outcome.result().headers.get("Retry-After"))
    return _GROWING(state) if named is None else min(max(named, 0.0), _LONGEST_PAUSE)


def _retry_after(text: str | None) -> float | None:
    """Return the seconds of a ``Retry-After``, which may be a number or a date; None when it is neither."""
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(text).astimezone(UTC) - datetime.now(UTC)).total_seconds()
        except ValueError:
            return None
    return seconds if math.isfinite(seconds) else None


def _last(state: RetryCallState) -> httpx.Response:
    """Return the last answer, or raise the last failure."""
    assert state.outcome is not None
    answer: httpx.Response = state.outcome.result()
    return answer
