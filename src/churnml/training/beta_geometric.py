"""Renewal by renewal without features: chances differ by account, none is seen, and who has stayed long stays on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import minimize
from scipy.special import betaln

from churnml.training.stacking import Asked

__all__ = ["BetaGeometric"]

Array = npt.NDArray[np.float64]

_ANNUAL_DAYS = 180.0
_YEAR, _MONTH = 365.25, 365.25 / 12
_PENALTY = 0.05
_READ = ("account_id", "as_of", "contract_days", "next_decision_days", "ended_days", "seen_days", "tenure_days")


@dataclass(frozen=True)
class BetaGeometric:
    """The shifted-beta-geometric, by length of term (Fader and Hardie 2007).

    P(T = t) = B(α + 1, β + t − 1) / B(α, β) and P(T > t) = B(α, β + t) / B(α, β) at the t-th renewal (their equations 5
    and 6), so that whoever comes to the t-th is lost at it with the chance α / (α + β + t − 1).

    Parameters
    ----------
    long, short : tuple of float
        α and β where terms last over 180 days, and where they do not.
    """

    long: tuple[float, float]
    short: tuple[float, float]

    @classmethod
    def fit(cls, frame: pd.DataFrame, weight: Array | None = None) -> Self:
        """Fit to the first snapshot of each account, given that it had renewed as often as it had by then.

        Parameters
        ----------
        frame : DataFrame
            ``account_id, as_of, contract_days, next_decision_days, ended_days, seen_days`` and, where known,
            ``tenure_days``.
        weight : array of shape (n,), optional
            Of each row.
        """
        read = [name for name in _READ if name in frame]
        first = frame[read].assign(weight=1.0 if weight is None else weight).sort_values("as_of")
        first = first.drop_duplicates("account_id")
        annual = first["contract_days"] > _ANNUAL_DAYS
        return cls(_fitted(first[annual], _YEAR), _fitted(first[~annual], _MONTH))

    def survival(self, frame: pd.DataFrame, days: Array) -> Array:
        """Return the chance of being there after so many days, (n, d)."""
        a, b, length = self._of(frame)
        renewed = np.floor(_tenure(frame) / length)[:, None]
        first = frame["next_decision_days"].fillna(pd.Series(length, index=frame.index)).to_numpy()[:, None]
        to_come = np.maximum(np.ceil((days[None, :] - first) / length[:, None]), 0)
        a, b = a[:, None], b[:, None]
        return np.asarray(np.exp(betaln(a, b + renewed + to_come) - betaln(a, b + renewed)))

    def chances(self, frame: pd.DataFrame, asked: Asked) -> Array:
        """Return the chance of being lost at each decision of those who come to it, (q,)."""
        a, b, length = self._of(frame)
        renewed = np.floor(_tenure(frame) / length)
        return np.asarray((a / (a + b + renewed))[asked.row] * _slower(a, b, renewed, asked))

    def as_dict(self) -> dict[str, Any]:
        """Return the parameters as JSON-ready data."""
        return {"long": list(self.long), "short": list(self.short)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Rebuild from `as_dict`."""
        (a, b), (c, d) = data["long"], data["short"]
        return cls((float(a), float(b)), (float(c), float(d)))

    def _of(self, frame: pd.DataFrame) -> tuple[Array, Array, Array]:
        annual = (frame["contract_days"] > _ANNUAL_DAYS).to_numpy()
        a, b = (np.where(annual, self.long[place], self.short[place]) for place in (0, 1))
        return a, b, np.where(annual, _YEAR, _MONTH)


def _slower(a: Array, b: Array, renewed: Array, asked: Asked) -> Array:
    """Return by how much less than at the next decision is lost at each later one."""
    start = (a + b + renewed)[asked.row]
    return np.asarray(start / (start + asked.place))


def _fitted(rows: pd.DataFrame, length: float) -> tuple[float, float]:
    before = np.floor(_tenure(rows) / length)
    lasts = rows["ended_days"].fillna(rows["seen_days"]).clip(lower=0).to_numpy()
    lost, weight = rows["ended_days"].notna().to_numpy(), rows["weight"].to_numpy()
    first = rows["next_decision_days"].fillna(length).to_numpy()
    passed = np.maximum(np.floor((lasts - first) / length + 1), 0)
    survived = np.where(lost, np.maximum(passed - 1, 0), passed)
    # Who came as far, from as far, is alike: a few dozen sums stand for all accounts.
    alike, place = np.unique(np.column_stack([before, survived, lost]), axis=0, return_inverse=True)
    weight = np.bincount(place.ravel(), weights=weight, minlength=len(alike))
    (before, survived), lost = alike[:, :2].T, alike[:, 2] > 0

    def loss(theta: Array) -> float:
        a, b = np.exp(theta)
        stayed = betaln(a, b + before + survived) - betaln(a, b + before)
        left = betaln(a + 1, b + before + survived) - betaln(a, b + before)
        return float(-(weight * np.where(lost, left, stayed)).sum() + _PENALTY * (theta**2).sum())

    a, b = np.exp(minimize(loss, np.zeros(2), method="L-BFGS-B").x)
    return float(a), float(b)


def _tenure(frame: pd.DataFrame) -> Array:
    if "tenure_days" not in frame:
        return np.zeros(len(frame))
    return frame["tenure_days"].fillna(0).to_numpy(dtype=np.float64)
