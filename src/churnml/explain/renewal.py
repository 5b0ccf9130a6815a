"""What raises the risk at the next decision on a contract."""

from __future__ import annotations

import numpy as np
import pandas as pd

from churnml.explain.lifetime import RenewalDriver
from churnml.features.spec import FeatureSet

__all__ = ["renewal_drivers"]

_NOTICEABLE = 0.05
"""Log-odds below which a feature raises nothing worth telling."""


def renewal_drivers(added: pd.DataFrame, features: FeatureSet, most: int = 3) -> list[tuple[RenewalDriver, ...]]:
    """Return what raises each account's risk at its next decision most, context such as size and industry left out.

    Parameters
    ----------
    added : DataFrame
        From `churnml.training.hazard.HazardModel.renewal_contributions`.
    features : FeatureSet
    most : int
    """
    specs = [spec for spec in features if spec.actionable and spec.name in added]
    values = added[[spec.name for spec in specs]].fillna(0.0).to_numpy()
    by_account = []
    for row in values:
        best = [place for place in np.argsort(-row, kind="stable")[:most] if row[place] > _NOTICEABLE]
        by_account.append(tuple(RenewalDriver(specs[at].name, specs[at].label, float(row[at])) for at in best))
    return by_account
