"""Independent work on several threads: LightGBM, NumPy and BLAS release Python's lock meanwhile."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

__all__ = ["both", "side_by_side"]

Result = TypeVar("Result")
Other = TypeVar("Other")


def side_by_side(jobs: Sequence[Callable[[], Result]]) -> list[Result]:
    """Run independent jobs, begun in their order, and return what came of each.

    Examples
    --------
    >>> side_by_side([lambda: 1, lambda: 2])
    [1, 2]
    """
    if len(jobs) == 1:  # as for a request to the service: no thread is worth it
        return [jobs[0]()]
    with ThreadPoolExecutor(max_workers=max(min(len(jobs), os.cpu_count() or 1), 1)) as pool:
        futures = [pool.submit(job) for job in jobs]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)  # what has not begun need not any more
            raise


def both(first: Callable[[], Result], second: Callable[[], Other]) -> tuple[Result, Other]:
    """Do two things at the same time, the second on a thread of its own, and return what came of each.

    Examples
    --------
    >>> both(lambda: 1, lambda: "two")
    (1, 'two')
    """
    with ThreadPoolExecutor(max_workers=1) as pool:
        other = pool.submit(second)
        return first(), other.result()
