"""Memory that a run is done with goes back to the system."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["give_back", "held", "release", "share_arena"]

_LARGE_BYTES = 1_000_000_000
"""A process that has never held so much has nothing that is worth a look at all of its objects."""
_M_ARENA_MAX = -8
"""The parameter's number in glibc's ``malloc.h``."""


def share_arena() -> None:
    """Have all threads that begin from now on take their memory from one arena (glibc's `mallopt`).

    Each would get one of its own otherwise, and what has become free at the end of such an arena never goes back to the
    system: a training on many threads would keep hundreds of megabytes of matrices that nobody needs any more. It holds
    for the whole process and its life; where ``MALLOC_ARENA_MAX`` says something else, nothing is done.

    Examples
    --------
    >>> share_arena()
    """
    if sys.platform != "linux" or "MALLOC_ARENA_MAX" in os.environ:
        return
    if (option := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:  # musl has none
        option(_M_ARENA_MAX, 1)


def give_back() -> None:
    """Return freed memory to the operating system, as far as Arrow and the C library can (glibc's `malloc_trim`).

    What makes the features of a large company leaves many freed blocks behind. The C library keeps them for its own
    next ones, but the large arrays of a training come from the system anew: both would be held at once. Nothing is done
    in a process that has always been small.

    Examples
    --------
    >>> give_back()
    """
    if _was_large():
        gc.collect()  # arrays that plans and closures hold in a circle are not freed before
        release()


def release() -> None:
    """Do the same without looking for objects that nothing but a circle of each other holds: quick enough for a loop.

    Examples
    --------
    >>> release()
    """
    if not _was_large():
        return
    if (arrow := sys.modules.get("pyarrow")) is not None:
        arrow.default_memory_pool().release_unused()
    if sys.platform != "linux":
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none
    if trim is not None:
        trim(0)


@contextmanager
def held() -> Iterator[None]:
    """Tell the collector of circles that what is there now stays until the end: it looks at what is new only.

    Millions of objects of a large company would else be looked through again and again while more are made.

    Examples
    --------
    >>> with held():
    ...     made = [[number] for number in range(3)]
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _was_large() -> bool:
    return sys.platform != "linux" or _most_ever_held() >= _LARGE_BYTES


def _most_ever_held() -> int:
    import resource  # no other system than Unix has it

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
