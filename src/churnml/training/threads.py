"""One thread for linear algebra on small problems, where a second one costs more than it brings."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from typing import Any

import scipy.optimize  # noqa: F401  # its BLAS must be loaded before the controller looks for libraries
from threadpoolctl import ThreadpoolController

__all__ = ["one_blas_thread"]


def one_blas_thread() -> AbstractContextManager[Any]:
    """Hold BLAS to one thread in a block.

    The last digits of a product depend on how many threads there are, so this also keeps results the same on every
    machine. Who runs several threads holds it around them: each would set the number back while another is at work.
    L-BFGS-B calls BLAS on vectors of a few numbers, for which waking a thread takes longer than the work.

    Examples
    --------
    >>> with one_blas_thread():
    ...     2 + 2
    4
    """
    limit: AbstractContextManager[Any] = _controller().limit(limits=1, user_api="blas")
    return limit


@cache
def _controller() -> ThreadpoolController:
    """Look for the libraries once: it takes longer than most of what they are asked for here."""
    return ThreadpoolController()
