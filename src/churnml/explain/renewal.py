"""What raises the risk at the next decision on a contract."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from churnml.features.spec import FeatureSet
from churnml.language import Argument

__all__ = ["RenewalDriver", "renewal_drivers"]

_NOTICEABLE = 0.05
"""Log-odds below which a feature raises nothing worth telling."""


@dataclass(frozen=True)
class RenewalDriver:
    """A feature that raises the risk at the next decision.

    Parameters
    ----------
    feature : str
    label : Text or Words
    log_odds : float
        What it adds, above 0.
    """

    feature: str
    label: Argument
    log_odds: float


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
    found = []
    for row in values:
        best = [place for place in np.argsort(-row, kind="stable")[:most] if row[place] > _NOTICEABLE]
        found.append(tuple(RenewalDriver(specs[at].name, specs[at].label, float(row[at])) for at in best))
    return found
