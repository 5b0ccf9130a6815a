"""Survival curves that need no model of the hazard: what a curve with features has to beat."""

from __future__ import annotations

import importlib.util
import warnings

import numpy as np
import numpy.typing as npt
import pandas as pd

from churnml.features.spec import FeatureSet
from churnml.metrics.predictions import roc_auc
from churnml.training.beta_geometric import BetaGeometric

__all__ = ["beta_geometric", "cox", "kaplan_meier", "kaplan_meier_by_recency", "telling"]

Array = npt.NDArray[np.float64]

_LEAST_SNAPSHOTS = 30
_ANNUAL_DAYS = 180.0
_PLAN = ("plan", "attr_plan")
_RECENCY = "days_since_last_event"


def kaplan_meier(known: pd.DataFrame, asked: pd.DataFrame, days: Array) -> Array:
    """Return survival by plan and days ahead of a snapshot (Kaplan and Meier 1958), (n, d).

    Parameters
    ----------
    known : DataFrame
        Snapshots to learn from: ``ended_days, seen_days``, and the plan where there is one.
    asked : DataFrame
        Snapshots to tell of; a plan of fewer than 30 known snapshots is told by all of them.
    days : array of shape (d,)
        Whole days ahead, the last one the farthest.
    """
    column = next((name for name in _PLAN if name in known), None)
    return _by_group(known, asked, days, _words(known, column), _words(asked, column))


def kaplan_meier_by_recency(known: pd.DataFrame, asked: pd.DataFrame, days: Array) -> Array | None:
    """Return survival by how long ago an account last did something, in fifths, (n, d); None where nothing says it.

    What anybody can tell who keeps a list of last activities.

    Parameters
    ----------
    known, asked, days
        As for `kaplan_meier`; with ``days_since_last_event``.
    """
    if _RECENCY not in known:
        return None
    edges = np.unique(np.nanquantile(known[_RECENCY].to_numpy(dtype=np.float64), [0.2, 0.4, 0.6, 0.8]))
    fifths = [np.digitize(frame[_RECENCY].to_numpy(dtype=np.float64), edges).astype(str) for frame in (known, asked)]
    return _by_group(known, asked, days, *fifths)


def _by_group(
    known: pd.DataFrame, asked: pd.DataFrame, days: Array, groups: npt.NDArray[np.str_], mine: npt.NDArray[np.str_]
) -> Array:
    out = np.zeros((len(asked), len(days)))
    for name in np.unique(mine):
        inside = known[groups == name] if (groups == name).sum() >= _LEAST_SNAPSHOTS else known
        ended, seen = inside["ended_days"].to_numpy(), np.maximum(inside["seen_days"].to_numpy(), 0)
        lasts = np.where(np.isnan(ended), seen, ended)
        at_risk = len(lasts) - np.searchsorted(np.sort(lasts), np.arange(int(days[-1])))
        lost = np.bincount(ended[ended < days[-1]].astype(np.intp), minlength=int(days[-1]))[: int(days[-1])]
        curve = np.cumprod(1.0 - np.divide(lost, at_risk, out=np.zeros(len(lost)), where=at_risk > 0))
        out[mine == name] = curve[days.astype(np.intp) - 1]
    return out


def beta_geometric(known: pd.DataFrame, asked: pd.DataFrame, days: Array) -> Array:
    """Return survival of the shifted-beta-geometric, (n, d): renewal chances differ by account, none of them seen.

    See `churnml.training.beta_geometric.BetaGeometric`.

    Parameters
    ----------
    known, asked, days
        As for `kaplan_meier`; with ``account_id, as_of, tenure_days, contract_days, next_decision_days``.
    """
    return BetaGeometric.fit(known).survival(asked, days)


def cox(known: pd.DataFrame, asked: pd.DataFrame, days: Array, features: FeatureSet, horizon_days: int) -> Array | None:
    """Return survival of a Cox regression with a ridge, stratified by length of contract where there is one, (n, d).

    None where ``lifelines`` is not installed, or finds no maximum.

    Parameters
    ----------
    known, asked, days
        As for `beta_geometric`.
    features : FeatureSet
    horizon_days : int
        What `telling` takes for early.
    """
    if importlib.util.find_spec("lifelines") is None:
        return None
    from lifelines import CoxPHFitter
    from lifelines.exceptions import ConvergenceError

    # One snapshot in three of each account: neighbouring ones tell the same.
    turn = pd.factorize(known["as_of"], sort=True)[0] + pd.factorize(known["account_id"])[0]
    rows = known[(turn % 3 == 0) & (known["seen_days"] > 0)]
    columns = [*telling(known, features, horizon_days), "next_decision_days"]
    columns = [name for name in columns if rows[name].notna().any()]
    middle, spread = rows[columns].median(), rows[columns].std().replace(0, 1)

    def design(frame: pd.DataFrame) -> pd.DataFrame:
        scaled: pd.DataFrame = ((frame[columns] - middle) / spread).clip(-4, 4).fillna(0.0)
        designed: pd.DataFrame = scaled.assign(annual=(frame["contract_days"] > _ANNUAL_DAYS).astype(int))
        return designed

    lasts = rows["ended_days"].fillna(rows["seen_days"]).clip(lower=0) + 0.5
    learnt = design(rows).assign(lasts=lasts, lost=rows["ended_days"].notna())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            fitted = CoxPHFitter(penalizer=0.1).fit(learnt, "lasts", "lost", strata=["annual"])
            curves = fitted.predict_survival_function(design(asked), times=days).T
        except (ConvergenceError, ValueError, KeyError):  # no maximum, or a length of contract that was never seen
            return None
    return np.asarray(curves, dtype=np.float64)


def telling(known: pd.DataFrame, features: FeatureSet, days: int, count: int = 10) -> list[str]:
    """Return the numeric features that rank early losses best by themselves, one per measure, on what was known.

    Parameters
    ----------
    known : DataFrame
    features : FeatureSet
    days : int
        What counts as early.
    count : int
        So many at most.
    """
    rows = known[known["seen_days"] >= days]
    y = (rows["ended_days"] < days).to_numpy(dtype=np.float64)
    strength: dict[str, tuple[float, str]] = {}
    for spec in features:
        values = rows[spec.name]
        if spec.categorical or values.notna().mean() < 0.6 or values.nunique() < 2 or spec.measure == "days_to_renewal":
            continue
        area = roc_auc(y, values.fillna(values.median()).to_numpy(dtype=np.float64)) or 0.5
        ranked = (abs(area - 0.5), spec.name)
        strength[spec.measure] = max(strength.get(spec.measure, (0.0, "")), ranked)
    return [name for _, name in sorted(strength.values(), reverse=True)[:count]]


def _words(frame: pd.DataFrame, column: str | None) -> npt.NDArray[np.str_]:
    if column is None:
        return np.full(len(frame), "?")
    return frame[column].astype(object).fillna("?").to_numpy().astype(str)
