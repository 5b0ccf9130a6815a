"""What the store said of who calls, remembered for a moment: no request waits for what the last one asked."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from anyio import to_thread

from churnml.errors import StoreError

__all__ = ["REMEMBERED_SECONDS", "TRUSTED_SECONDS", "Memory"]

T = TypeVar("T")

REMEMBERED_SECONDS = 2.0
"""What was found is not looked up again for so long: what is ended or changed takes that long at most."""
TRUSTED_SECONDS = 300.0
"""What was found is good for so long while the store cannot be asked."""
_MOST = 10_000


@dataclass
class _Held(Generic[T]):
    """What was found in the store, when it was, and when the store was last asked for it."""

    value: T
    read_at: float
    asked_at: float


class Memory(Generic[T]):
    """What the store said, by the name or secret that was sent; what it does not know is not remembered.

    Parameters
    ----------
    trusting : bool
        What was found stays good for some minutes while the store cannot be asked.
    """

    def __init__(self, *, trusting: bool) -> None:
        self._trusting = trusting
        self._held: dict[str, _Held[T]] = {}

    async def get(self, name: str, ask: Callable[[str], T | None]) -> T | None:
        """Return what the store says, or said a moment ago; None where it knows nothing of the name.

        Parameters
        ----------
        name : str
        ask : callable
            Asks the store, beside the event loop.

        Raises
        ------
        StoreError
            It cannot be asked, and nothing that was remembered may be trusted.
        """
        held, now = self._held.get(name), time.monotonic()
        if held is not None and now - held.asked_at < REMEMBERED_SECONDS:
            return held.value
        try:
            record = await to_thread.run_sync(ask, name)
        except StoreError:
            if held is None or not self._trusting or now - held.read_at > TRUSTED_SECONDS:
                raise
            held.asked_at = now
            return held.value
        self._held.pop(name, None)
        if record is None:
            return None
        self._held[name] = _Held(record, now, now)
        if len(self._held) > _MOST:
            del self._held[next(iter(self._held))]
        return record
