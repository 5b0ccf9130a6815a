"""What became of the accounts that were scored: chances held against outcomes, and bands against churn."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import pandas as pd

from churnml.metrics.predictions import roc_auc
from churnml.metrics.reliability import CalibrationBin, calibration_bins

__all__ = ["BandOutcome", "RealisedFigures", "realised_figures"]

_BANDS = ("red", "yellow", "green", "unknown")


@dataclass(frozen=True)
class BandOutcome:
    """What became of the accounts in one band: how many there were, churned, and the ARR of either."""

    band: str
    accounts: int
    churned: int
    arr: float
    arr_lost: float

    @property
    def churn_rate(self) -> float | None:
        """Churned ÷ accounts, 0–1."""
        return self.churned / self.accounts if self.accounts else None


@dataclass(frozen=True)
class RealisedFigures:
    """What became of scores that were in force, their windows being over.

    Parameters
    ----------
    first, last : date
        `as_of` of the first and the last snapshot that counts.
    snapshots, readings : int
        Snapshots, and scores in them; an account counts once in each.
    churned : int
    expected : float
        ``Σ p``: the churners that the chances promised.
    roc_auc : float or None
        None where all had one outcome.
    missed : int
        Churned while green.
    false_alarms : int
        Stayed while red.
    bands : tuple of BandOutcome
    bins : tuple of CalibrationBin
        Chances in ten parts of equal size, and how often it came so.
    versions : tuple of str
        Models that made the scores.
    """

    first: date
    last: date
    snapshots: int
    readings: int
    churned: int
    expected: float
    roc_auc: float | None
    missed: int
    false_alarms: int
    bands: tuple[BandOutcome, ...]
    bins: tuple[CalibrationBin, ...]
    versions: tuple[str, ...]


def realised_figures(readings: pd.DataFrame) -> RealisedFigures | None:
    """Return what became of scores; None where no window is over.

    Parameters
    ----------
    readings : DataFrame
        One row per account and snapshot: ``as_of, churn_probability, band, arr, churned`` (1, 0; NaN where the window
        is not over, or nothing was left to predict) and ``model_version``.

    Examples
    --------
    >>> readings = pd.DataFrame({"as_of": pd.Timestamp("2026-01-01"), "churn_probability": [0.5, 0.2, 0.2, 0.1],
    ...     "band": ["red", "red", "green", "green"], "arr": 100.0, "churned": [1.0, 0.0, 1.0, 0.0],
    ...     "model_version": "a"})
    >>> found = realised_figures(readings)
    >>> found.churned, found.expected, found.missed, found.false_alarms, found.bands[0].churn_rate
    (2, 1.0, 1, 1, 0.5)
    """
    known = readings[readings["churned"].notna()]
    if known.empty:
        return None
    churned = known["churned"].to_numpy(dtype=float)
    chance = known["churn_probability"].to_numpy(dtype=float)
    arr = known["arr"].fillna(0.0)
    bands = []
    for band in _BANDS:
        mine = known["band"] == band
        lost = mine & (known["churned"] == 1)
        bands.append(
            BandOutcome(band, int(mine.sum()), int(lost.sum()), float(arr[mine].sum()), float(arr[lost].sum()))
        )
    by_band = {one.band: one for one in bands}
    red, green = by_band["red"], by_band["green"]
    return RealisedFigures(
        first=known["as_of"].min().date(),
        last=known["as_of"].max().date(),
        snapshots=int(known["as_of"].nunique()),
        readings=len(known),
        churned=int(churned.sum()),
        expected=round(float(chance.sum()), 6),
        roc_auc=roc_auc(churned, chance),
        missed=green.churned,
        false_alarms=red.accounts - red.churned,
        bands=tuple(bands),
        bins=tuple(calibration_bins(churned, chance)),
        versions=tuple(sorted(known["model_version"].unique())),
    )
