"""Scores that were in force, with what became of the accounts."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from churnml.config import LabelConfig
from churnml.snapshots.labels import labelled
from churnml.store import SnapshotInfo, Store
from churnml.tables import Tables

__all__ = ["with_outcomes"]

_COLUMNS = ["account_id", "churn_probability", "band", "arr"]


def with_outcomes(
    store: Store, name: str, tables: Tables, label: LabelConfig, snapshots: Sequence[SnapshotInfo]
) -> pd.DataFrame:
    """Return what snapshots said of their accounts, and the label at the horizon.

    Parameters
    ----------
    store : Store
        Keeps the scores.
    name : str
        The company's.
    tables : Tables
        What became of the accounts is read from them.
    label : LabelConfig
    snapshots : sequence of SnapshotInfo
        At least one.

    Returns
    -------
    DataFrame
        One row per account and snapshot: ``account_id, churn_probability, band, arr, as_of, model_version, churned``;
        `churned` is 1, 0, or NaN where the label is not final or there is none.
    """
    parts = []
    for snapshot in snapshots:
        said = [[getattr(one, column) for column in _COLUMNS] for one in store.outlooks(name).of(snapshot.id)]
        part = pd.DataFrame(said, columns=_COLUMNS)
        parts.append(part.assign(as_of=pd.Timestamp(snapshot.as_of), model_version=snapshot.model_version))
    rows = pd.concat(parts, ignore_index=True)
    rows = rows.astype({"account_id": "str", "churn_probability": "float64", "arr": "float64"})
    rows["as_of"] = rows["as_of"].astype("datetime64[us]")
    outcomes = labelled(rows[["account_id", "as_of", "arr"]], tables, label.at_horizon(label.horizon_days))
    return rows.assign(churned=outcomes["churned"].to_numpy(dtype=float))
