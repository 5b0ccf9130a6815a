"""What was counted over windows already, kept small."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from churnml.features.keys import Floats

__all__ = ["Answers"]


class Answers:
    """Counts over windows, each kept in the smallest integers that hold it.

    Features ask for hundreds of windows, some for the same: as floats the answers would outgrow the planes.

    Examples
    --------
    >>> answers = Answers()
    >>> answers.get("events", 28, 0, lambda: np.array([3.0, 0.0])).tolist()
    [3.0, 0.0]
    >>> answers.get("events", 28, 0, lambda: np.array([])).tolist()
    [3.0, 0.0]
    """

    def __init__(self) -> None:
        self._answers: dict[tuple[str, int, int], npt.NDArray[np.integer]] = {}

    def get(self, name: str, start: int, end: int, count: Callable[[], Floats]) -> Floats:
        """Return one count per row asked about, counted when a window is first asked for.

        Parameters
        ----------
        name : str
            What is counted.
        start, end : int
            The window in days before `as_of`.
        count : callable
            Counts it: whole numbers, none below 0 or missing.
        """
        window = (name, start, end)
        if window in self._answers:
            return self._answers[window].astype(np.float64)
        counts = count()
        self._answers[window] = counts.astype(np.min_scalar_type(int(counts.max(initial=0))))
        return counts
