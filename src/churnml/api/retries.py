"""When the client tries again, and after which pause."""

from __future__ import annotations

from datetime import UTC, datetime

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

from churnml.api.pauses import pause_named

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
    named = None if outcome is None or outcome.failed else pause_named(outcome.result(), datetime.now(UTC))
    return _GROWING(state) if named is None else min(named, _LONGEST_PAUSE)


def _last(state: RetryCallState) -> httpx.Response:
    """Return the last answer, or raise the last failure."""
    assert state.outcome is not None
    answer: httpx.Response = state.outcome.result()
    return answer
