"""Is a feature missing as often where a model is used as where it was trained."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.stats import norm

from churnml.features.spec import FeatureSet

__all__ = ["missing_shares"]

_LEAST_DIFFERENCE = 0.10
"""Smaller differences than ten points of a hundred change little."""

_FEWEST_ROWS = 50
"""Dates of fewer rows are taken together: of three rows all or none are missing a value soon."""

_ERROR_RATE = 0.01
"""Of companies without a difference, the share that has a finding by chance, over all their features."""

Paused = Callable[[str, int, pd.Timestamp], bool]


def missing_shares(
    training: pd.DataFrame, scored: pd.DataFrame, feature_set: FeatureSet, paused: Paused | None = None
) -> pd.DataFrame:
    """Return the features whose share of missing values differs between training and scoring beyond noise.

    A model that learnt from rows without a rank, say, and scores rows that have one, answers for a population that it
    has never seen. Compared are the dates of the newer half of the training, because windows fill up only while the
    data begin, and what is scored. A share that one of those dates had is nothing new; it must lie outside all of them
    by ten points and by what chance lets happen to any feature in one company of a hundred (Bonferroni). Neighbouring
    dates of a few rows, as snapshots before renewals are, count as one.

    Parameters
    ----------
    training : DataFrame
        Rows with a label: ``account_id, as_of`` and the features.
    scored : DataFrame
        The rows of a day that scoring asks about, with the same features.
    feature_set : FeatureSet
        The columns a model reads.
    paused : callable, optional
        ``(table, window_days, as_of)`` → whether the table's window is empty by its own pace
        (`churnml.evaluation.pauses.Pauses`): mails of every 30 days leave a window of 28 days without any now and then.
        A date on which a feature is missing everywhere because of that is not compared.

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
    by_date = newer[names].isna().groupby(newer["as_of"]).mean()
    now = scored[names].isna().mean()
    if paused is not None:
        _leave_out_pauses(by_date, now, pd.Timestamp(scored["as_of"].max()), feature_set, paused)
    shares = _of_blocks(by_date, newer["as_of"].value_counts())
    before = shares.mean()
    # Rows of one account are not independent: its rows together count as one.
    accounts, rows = newer["account_id"].nunique(), len(scored)
    pooled = (before * accounts + now * rows) / (accounts + rows)
    error = np.sqrt(pooled * (1 - pooled) * (1 / accounts + 1 / rows))
    compared = max(int((before.notna() & now.notna()).sum()), 1)
    outside = pd.concat([shares.min() - now, now - shares.max()], axis=1).max(axis=1)
    differs = (outside >= _LEAST_DIFFERENCE) & (outside > norm.isf(_ERROR_RATE / (2 * compared)) * error)
    order = (before - now).abs()[differs].sort_values(ascending=False, kind="stable").index
    return pd.DataFrame({"feature": order, "training": before[order].to_numpy(), "scoring": now[order].to_numpy()})


def _of_blocks(by_date: pd.DataFrame, rows: pd.Series) -> pd.DataFrame:
    """Return the shares of blocks of neighbouring dates that hold enough rows together; most dates are a block."""
    sizes = rows.reindex(by_date.index)
    # A date begins a block where the one before is full; what is left over in the end belongs to the last full one.
    blocks, held = [0], 0
    for size in sizes.iloc[:-1]:
        held += int(size)
        blocks.append(blocks[-1] + int(held >= _FEWEST_ROWS))
        held = 0 if held >= _FEWEST_ROWS else held
    block = np.array(blocks)
    if sizes[block == block[-1]].sum() < _FEWEST_ROWS:
        block = np.minimum(block, max(block[-1] - 1, 0))
    counted = by_date.notna().mul(sizes, axis=0).groupby(block).sum()
    missing = by_date.mul(sizes, axis=0).groupby(block).sum()
    shares: pd.DataFrame = missing / counted.where(counted > 0)
    return shares


def _leave_out_pauses(
    by_date: pd.DataFrame, now: pd.Series, day: pd.Timestamp, feature_set: FeatureSet, paused: Paused
) -> None:
    """Set the shares of dates on which everything is missing to NaN where the feature's table pauses there."""
    for spec in feature_set:
        if spec.window_days is None:
            continue
        for on in by_date.index[by_date[spec.name] == 1.0]:
            if paused(spec.table, spec.window_days, on):
                by_date.loc[on, spec.name] = np.nan
        if now[spec.name] == 1.0 and paused(spec.table, spec.window_days, day):
            now[spec.name] = np.nan
