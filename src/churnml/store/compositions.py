"""What health scores are made of, as few bytes: two a number, whose names stand once on the snapshot."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING

from churnml.explain.composition import Composition

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["packed_compositions", "unpacked_composition"]

_UNKNOWN, _MOST = -32768, 32767
_STEPS = {"alpha": 1e4, "weight": 1e4, "risk": 1e3}
"""Steps in 1 of each kind of number; scores and points have hundredths."""
_POINTS = 100.0


def packed_compositions(frame: pd.DataFrame, names: Sequence[str]) -> list[bytes]:
    """Return each row's numbers of the columns `names` as bytes; what is beyond two bytes is kept as their most.

    Examples
    --------
    >>> import pandas as pd
    >>> names = ["alpha", "rules_score", "score:support"]
    >>> (packed,) = packed_compositions(pd.DataFrame([[0.5, 61.237, float("nan")]], columns=names), names)
    >>> len(packed), unpacked_composition(packed, names).rules_score
    (6, 61.24)
    """
    import numpy as np

    values = frame[list(names)].to_numpy(dtype=float) * np.array([_steps(name) for name in names])
    whole = np.where(np.isnan(values), _UNKNOWN, np.clip(np.round(values), -_MOST, _MOST))
    return [row.tobytes() for row in whole.astype("<i2")]


def unpacked_composition(packed: bytes, names: Sequence[str]) -> Composition:
    """Return what `packed_compositions` packed under the same names."""
    whole = struct.unpack(f"<{len(packed) // 2}h", packed)
    numbers = {
        name: None if value == _UNKNOWN else value / _steps(name) for name, value in zip(names, whole, strict=True)
    }
    return Composition.of(numbers)


def _steps(name: str) -> float:
    return _STEPS.get(name.partition(":")[0], _POINTS)
