"""Is a feature missing as often where a model is used as where it was trained."""

from __future__ import annotations

import numpy as np
import pandas as pd

from churnml.features.spec import FeatureSet

__all__ = ["missing_shares"]

_LEAST_DIFFERENCE = 0.10
"""Smaller differences than ten points of a hundred change little."""

_LEAST_Z = 4.0
"""So many standard errors: hundreds of features are compared."""


def missing_shares(training: pd.DataFrame, scored: pd.DataFrame, feature_set: FeatureSet) -> pd.DataFrame:
    """Return the features whose share of missing values differs between training and scoring beyond noise.

    A model that learnt from rows without a rank, say, and scores rows that have one, answers for a population that it
    has never seen. Compared are the newer half of the training dates, because windows fill up only while the data
    begin, and what is scored.

    Parameters
    ----------
    training : DataFrame
        Rows with a label: ``account_id, as_of`` and the features.
    scored : DataFrame
        The rows of a day that scoring asks about, with the same features.
    feature_set : FeatureSet
        The columns a model reads.

    Returns
    -------
    DataFrame
        One row per feature that differs, the largest difference first: ``feature, training, scoring`` (shares, 0–1).

    Examples
    --------
    >>> from churnml.features import reference_catalogue
    >>> features = FeatureSet([reference_catalogue()["mrr_percentile"]])
    >>> rows = pd.DataFrame({"account_id": range(200), "as_of": pd.Timestamp("2026-03-01"), "mrr_percentile": 0.5})
    >>> missing_shares(rows.assign(mrr_percentile=np.nan), rows, features).to_dict("records")
    [{'feature': 'mrr_percentile', 'training': 1.0, 'scoring': 0.0}]
    """
    dates = np.sort(training["as_of"].unique())
    newer = training[training["as_of"] >= dates[len(dates) // 2]]
    names = feature_set.names
    before, now = newer[names].isna().mean(), scored[names].isna().mean()
    # Rows of one account are not independent: its rows together count as one.
    accounts, rows = newer["account_id"].nunique(), len(scored)
    pooled = (before * accounts + now * rows) / (accounts + rows)
    error = np.sqrt(pooled * (1 - pooled) * (1 / accounts + 1 / rows))
    difference = (before - now).abs()
    differs = (difference >= _LEAST_DIFFERENCE) & (difference > _LEAST_Z * error)
    order = difference[differs].sort_values(ascending=False, kind="stable").index
    return pd.DataFrame({"feature": order, "training": before[order].to_numpy(), "scoring": now[order].to_numpy()})
