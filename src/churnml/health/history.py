"""How a score moved, and why: trend, and every change split into data, weights and model."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from churnml.errors import DataError
from churnml.health.scale import HealthScale
from churnml.health.score import measures, score_health
from churnml.health.verdict import HealthVerdict
from churnml.language import Text

__all__ = ["Change", "Reading", "decompose", "trend"]

_SLOPE_DAYS = 84
_LEAST_READINGS = 3


def trend(history: pd.DataFrame, at: pd.Timestamp | None = None) -> pd.DataFrame:
    """Return how each reading moved against earlier ones of its account.

    Parameters
    ----------
    history : DataFrame
        ``account_id, as_of, health_score``; any order, one row per key.
    at : Timestamp, optional
        Only the readings of this date are asked about; NaN for the others.

    Returns
    -------
    DataFrame
        On the rows of `history`, in its order: ``account_id, as_of, change_7d, change_30d`` (points against the
        reading nearest to so many days before, within half of that either side; NaN where there is none) and
        ``slope_12w`` (points per week: least squares over the readings of the last 84 days, at least three).

    Examples
    --------
    >>> history = pd.DataFrame({"account_id": "a", "as_of": pd.date_range("2026-01-01", periods=5, freq="7D"),
    ...                         "health_score": [80.0, 78.0, 76.0, 74.0, 60.0]})
    >>> trend(history)[["change_7d", "change_30d", "slope_12w"]].to_numpy()[-1].tolist()
    [-14.0, -20.0, -4.4]
    """
    if history.duplicated(["account_id", "as_of"]).any():
        raise DataError(Text.of("fault-reading_twice"))
    out = history[["account_id", "as_of"]].copy()
    moved = np.full((len(history), 3), np.nan)
    days = (history["as_of"] - pd.Timestamp(0)) / pd.Timedelta(days=1)
    when, score = days.to_numpy(dtype=float), history["health_score"].to_numpy(dtype=float)
    asked = np.ones(len(history), dtype=bool) if at is None else (history["as_of"] == at).to_numpy()
    for indices in history.groupby("account_id", sort=False).indices.values():
        rows = np.asarray(indices, dtype=np.int64)
        order = rows[np.argsort(when[rows], kind="stable")]
        order = order[~np.isnan(score[order])]
        for place in np.flatnonzero(asked[order]):
            earlier = order[: place + 1]
            moved[order[place]] = _moved(when[earlier], score[earlier])
    out[["change_7d", "change_30d", "slope_12w"]] = moved
    return out


@dataclass(frozen=True)
class Reading:
    """Everything a health score was made of on one date.

    Parameters
    ----------
    frame, scores : DataFrame
        Feature frame and the model's scores of the same accounts, one row per account.
    scale : HealthScale
        Measures and weights in force.
    base_rate : float
        The model's.
    verdict : str
        The model's.
    """

    frame: pd.DataFrame
    scores: pd.DataFrame
    scale: HealthScale
    base_rate: float
    verdict: HealthVerdict

    def health(self) -> pd.DataFrame:
        """Return the health scores."""
        return score_health(self.frame, self.scores, scale=self.scale, base_rate=self.base_rate, verdict=self.verdict)


@dataclass(frozen=True)
class Change:
    """Why scores moved between two readings.

    Parameters
    ----------
    accounts : DataFrame
        One row per account of both readings: ``account_id, before, after, change, data, weights, model``; the last
        three add up to ``change``.
    parts : DataFrame
        One row per account and part of ``data``: ``account_id, part, points``; the part is a measure's name or
        ``churn_model`` (its probability moved because the facts did). They add up to ``data``.
    """

    accounts: pd.DataFrame
    parts: pd.DataFrame


def decompose(before: Reading, after: Reading, rescored: pd.DataFrame) -> Change:
    """Split every account's change into data, weights and model.

    First only the facts move (old weights, old model), then the weights, then the model; each step's difference is
    its share, so the shares add up to the change whatever moved together.

    Parameters
    ----------
    before, after : Reading
        The two readings.
    rescored : DataFrame
        Scores that *before's* model gives to *after's* frame; the same as ``after.scores`` where the model stayed.

    Returns
    -------
    Change
        Of the accounts that both readings hold.
    """
    both = before.frame["account_id"][before.frame["account_id"].isin(after.frame["account_id"])].tolist()
    start, end = _of(before, both), _of(after, both)
    rescored = _ordered(rescored, both)
    moved = replace(start, frame=end.frame, scores=rescored)
    weighed = replace(moved, scale=end.scale)
    steps = [reading.health() for reading in (start, moved, weighed, end)]
    score = np.column_stack([step["health_score"].to_numpy(dtype=float) for step in steps])
    accounts = pd.DataFrame(
        {
            "account_id": both,
            "before": score[:, 0],
            "after": score[:, 3],
            "change": score[:, 3] - score[:, 0],
            "data": score[:, 1] - score[:, 0],
            "weights": score[:, 2] - score[:, 1],
            "model": score[:, 3] - score[:, 2],
        }
    )
    return Change(accounts, _parts(start, moved, steps[0], steps[1], accounts))


def _moved(when: np.ndarray, score: np.ndarray) -> tuple[float, float, float]:
    now = when[-1]
    changes = []
    for days in (7.0, 30.0):
        off = np.abs(now - when[:-1] - days)
        near = int(off.argmin()) if off.size else -1
        changes.append(float(score[-1] - score[near]) if near >= 0 and off[near] <= days / 2 else float("nan"))
    recent = when >= now - _SLOPE_DAYS
    slope = float("nan")
    if recent.sum() >= _LEAST_READINGS:
        weeks = when[recent] / 7.0
        lean = weeks - weeks.mean()
        slope = round(float((lean * score[recent]).sum() / (lean**2).sum()), 9)
    return changes[0], changes[1], slope


def _of(reading: Reading, accounts: list[str]) -> Reading:
    return replace(reading, frame=_ordered(reading.frame, accounts), scores=_ordered(reading.scores, accounts))


def _ordered(frame: pd.DataFrame, accounts: list[str]) -> pd.DataFrame:
    if frame["account_id"].duplicated().any():
        raise DataError(Text.of("fault-reading_account_twice"))
    return frame.set_index("account_id").loc[accounts].reset_index()


def _parts(
    start: Reading, moved: Reading, first: pd.DataFrame, second: pd.DataFrame, accounts: pd.DataFrame
) -> pd.DataFrame:
    """Split the data part into measures, and what the model's probability moved by.

    A measure's part is the difference of its weighted distance from the account's rules score before; where a
    measure went missing, this charges it only with what its absence really did.
    """
    count = len(start.scale.measures)
    old, new = measures(start.frame, start.scale), measures(moved.frame, start.scale)
    centre = first["rules_score"].to_numpy(dtype=float)[:, None]
    distance = [
        part["weight_effective"].to_numpy(dtype=float).reshape(-1, count)
        * (np.nan_to_num(part["score"].to_numpy(dtype=float).reshape(-1, count) - centre))
        for part in (old, new)
    ]
    share = 1.0 - second["alpha"].to_numpy(dtype=float)[:, None]
    points = share * (distance[1] - distance[0])
    model = accounts["data"].to_numpy() - points.sum(axis=1)
    names = [*(measure.name for measure in start.scale.measures), "churn_model"]
    return pd.DataFrame(
        {
            "account_id": accounts["account_id"].to_numpy().repeat(count + 1),
            "part": names * len(accounts),
            "points": np.column_stack([points, model]).ravel(),
        }
    )
