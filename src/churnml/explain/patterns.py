"""Patterns among churned accounts: which reasons come together, how often, and how long before they leave."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score

from churnml.errors import DataError
from churnml.explain.batch import batch_contributions
from churnml.explain.contract import Explainable
from churnml.features.spec import FAMILIES
from churnml.language import Text

__all__ = ["CHURNERS_NEEDED", "Pattern", "churn_patterns"]

CHURNERS_NEEDED = 20
"""Churned accounts from which patterns are looked for."""

_RAISES = 0.1
_LEAST_SILHOUETTE = 0.25
_NULL_DRAWS = 19


@dataclass(frozen=True)
class Pattern:
    """One pattern of reasons among churned accounts.

    Parameters
    ----------
    families : tuple of str
        Families that raise the risk in this pattern, strongest first.
    effects : dict
        Family → mean log-odds in the pattern.
    accounts : int
        Churned accounts of this pattern.
    share : float
        Of all churned accounts.
    median_lead_days : float or None
        Days from the first reading that showed the pattern's leading family as a raiser, without a break, to churn.
    example : str
        The account nearest to the pattern's centre.
    example_on : str
        ISO date of its last reading.
    title : Text
        What the pattern is called.
    """

    families: tuple[str, ...]
    effects: dict[str, float]
    accounts: int
    share: float
    median_lead_days: float | None
    example: str
    example_on: str
    title: Text


def churn_patterns(model: Explainable, frame: pd.DataFrame, *, seed: int, most: int = 6) -> list[Pattern]:
    """Cluster the driver profiles of churned accounts at their last reading.

    Parameters
    ----------
    model : ChurnModel
        Its contributions make the profiles: net log-odds by family, context left out.
    frame : DataFrame
        Feature frame of past dates with ``churn_on``; an account counts once.
    seed : int
        Of the clustering.
    most : int
        Patterns at most; their number is the one with the best silhouette.

    Returns
    -------
    list of Pattern
        Most frequent first. One alone, of everybody, where the profiles do not fall into groups: their best silhouette
        is below 0.25 or not above what one cloud of the same means and covariance gives (19 draws, 5 %).

    References
    ----------
    Kaufman and Rousseeuw 1990, "Finding Groups in Data" (0.25); Liu et al. 2008, 10.1198/016214508000000454 (one
    Gaussian as what clusters are held against).

    Raises
    ------
    DataError
        Fewer than 20 churned accounts.
    """
    left = frame.loc[frame["churn_on"].notna(), ["account_id", "churn_on"]]
    left = left.sort_values("churn_on").drop_duplicates("account_id", keep="last")
    readings = frame.drop(columns="churn_on").merge(left, on="account_id")
    readings = readings[readings["as_of"] < readings["churn_on"]].sort_values(["account_id", "as_of"])
    readings = readings.reset_index(drop=True)
    if readings["account_id"].nunique() < CHURNERS_NEEDED:
        raise DataError(
            Text.of("fault-patterns_few", least=str(CHURNERS_NEEDED)),
            got=Text.of("fault-patterns_few.got", n=str(readings["account_id"].nunique())),
        )
    names = [family for family in FAMILIES if any(_counts(spec, family) for spec in model.features)]
    effects = _effects(model, readings, names)
    last = ~readings.duplicated("account_id", keep="last").to_numpy()
    profile, labels = effects[last], _clusters(effects[last], seed, most)
    accounts, dates = readings.loc[last, "account_id"].to_numpy(), readings.loc[last, "as_of"].to_numpy()
    patterns = []
    for label in np.unique(labels):
        inside = labels == label
        centre = profile[inside].mean(axis=0)
        nearest = int(np.linalg.norm(profile[inside] - centre, axis=1).argmin())
        order = [index for index in np.argsort(-centre, kind="stable") if centre[index] > _RAISES][:2]
        members = readings["account_id"].isin(accounts[inside]).to_numpy()
        patterns.append(
            Pattern(
                families=tuple(names[index] for index in order),
                effects={name: round(float(value), 4) for name, value in zip(names, centre, strict=True)},
                accounts=int(inside.sum()),
                share=float(inside.mean()),
                median_lead_days=_lead(readings[members], effects[members, order[0]]) if order else None,
                example=str(accounts[inside][nearest]),
                example_on=str(dates[inside][nearest])[:10],
                title=_title([names[index] for index in order]),
            )
        )
    return sorted(patterns, key=lambda pattern: -pattern.accounts)


def _counts(spec: Any, family: str) -> bool:
    return bool(spec.family == family and family != "context")


def _effects(model: Explainable, readings: pd.DataFrame, names: list[str]) -> np.ndarray:
    parts = batch_contributions(model, model.matrix(readings))[:, :-1]
    family = np.array([spec.family for spec in model.features])
    return np.column_stack([parts[:, family == name].sum(axis=1) for name in names])


def _clusters(profile: np.ndarray, seed: int, most: int) -> np.ndarray:
    """Return the labels of the number of clusters whose members are closest to their own; all 0 for no clusters."""
    best, chosen = _closest(profile, seed, most)
    none = np.zeros(len(profile), dtype=int)
    if best < _LEAST_SILHOUETTE:
        return none
    rng = np.random.default_rng(seed)
    mean, covariance = profile.mean(axis=0), np.cov(profile, rowvar=False).reshape(profile.shape[1], -1)
    for _ in range(_NULL_DRAWS):
        cloud = rng.multivariate_normal(mean, covariance, len(profile), method="eigh")
        if _closest(cloud, seed, most)[0] >= best:
            return none
    return chosen


def _closest(profile: np.ndarray, seed: int, most: int) -> tuple[float, np.ndarray]:
    """Return the best silhouette over the numbers of clusters, with its labels."""
    best, chosen = -1.0, np.zeros(len(profile), dtype=int)
    for count in range(2, min(most, len(profile) // 5) + 1):
        labels = KMeans(count, n_init=5, random_state=seed).fit_predict(profile)
        score = float(silhouette_score(profile, labels)) if len(np.unique(labels)) > 1 else -1.0
        if score > best:
            best, chosen = score, labels
    return best, chosen


def _lead(readings: pd.DataFrame, effect: np.ndarray) -> float | None:
    """Return the median days from the start of the last unbroken run of raising readings to churn."""
    days = []
    before = (readings["churn_on"] - readings["as_of"]).dt.days.to_numpy()
    for indices in readings.reset_index(drop=True).groupby("account_id").indices.values():
        rows = np.asarray(indices, dtype=np.int64)
        raised = effect[rows] > _RAISES
        if raised[-1]:
            quiet = np.flatnonzero(~raised)
            days.append(int(before[rows[quiet[-1] + 1 if quiet.size else 0]]))
    return float(np.median(days)) if days else None


def _title(families: list[str]) -> Text:
    named = dict(zip(("first", "second"), (Text.of(f"pattern-{family}") for family in families), strict=False))
    return Text.of(f"pattern-{('none', 'one', 'two')[len(families)]}", **named)
