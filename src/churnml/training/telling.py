"""Which features tell most by themselves: a model of few answers is better off with few questions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import rankdata

from churnml.features.spec import FeatureSpec

__all__ = ["telling_features"]

Array = npt.NDArray[np.float64]

_LEAST_KNOWN = 0.3


def telling_features(
    frame: pd.DataFrame, row: npt.NDArray[np.intp], lost: Array, specs: Sequence[FeatureSpec], most: int
) -> list[FeatureSpec]:
    """Return the features to learn from: words all, and of each measure the number that ranks the losses best.

    Parameters
    ----------
    frame : DataFrame
        Features of the snapshots.
    row : array of shape (q,)
        Snapshot of each question.
    lost : array of shape (q,)
        1 where the account was lost; both outcomes occur.
    specs : sequence of FeatureSpec
    most : int
        So many numbers at most.

    Returns
    -------
    list of FeatureSpec
        In the order of `specs`.
    """
    gone = lost == 1
    best: dict[str, tuple[float, str]] = {}
    for spec in specs:
        if spec.categorical:
            continue
        values = frame[spec.name].to_numpy(dtype=np.float64, na_value=np.nan)[row]
        known = ~np.isnan(values)
        if known.mean() < _LEAST_KNOWN or not gone[known].any() or gone[known].all():
            continue
        ranks, left = rankdata(values[known]), gone[known]
        wins = ranks[left].mean() - (left.sum() + 1) / 2.0
        strength = abs(float(wins) / float((~left).sum()) - 0.5) * float(known.mean()) ** 0.5
        measure = spec.measure or spec.name
        best[measure] = max(best.get(measure, (0.0, "")), (strength, spec.name))
    chosen = {name for _, name in sorted(best.values(), reverse=True)[:most]}
    return [spec for spec in specs if spec.categorical or spec.name in chosen]
