"""The acceptance lines of a health score: what it promises, what history gave, and why a line fails."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["Acceptance", "AcceptanceLine", "EarlyWarning", "WouldHold", "acceptance", "why_unseen", "wilson"]

_RED_LIFT = 3.0
_EARLY = 2 / 3
_GREEN = 0.8
_Z = 1.959964

CAUSES = ("unknown_band", "rules_outvoted_model", "model_outvoted_rules", "neither")
"""Why a churner was not below green."""


@dataclass(frozen=True)
class AcceptanceLine:
    """One promise of a health score, and what history gave.

    Parameters
    ----------
    code : str
        What is promised.
    value : float or None
        What history gave; None where it holds nothing to judge by.
    low, high : float or None
        The 95 % interval; None where the line counts everybody.
    wanted : str
        The promise in figures.
    holds : bool
        Whether it was kept.
    """

    code: str
    value: float | None
    low: float | None
    high: float | None
    wanted: str
    holds: bool


@dataclass(frozen=True)
class WouldHold:
    """The lowest edge of green at which two thirds of the churners would have been below it.

    Read off the same history that it is judged by, so it is a place to look, not a promise.

    Parameters
    ----------
    green_from : float
        The edge, one decimal.
    green_share : float
        Share of the readings that would be green then.
    """

    green_from: float
    green_share: float


@dataclass(frozen=True)
class EarlyWarning(AcceptanceLine):
    """The line that promises churners below green 60 days before.

    Parameters
    ----------
    churners : int
        Churners with a band 60–90 days before.
    unseen : mapping
        Cause → churners that were green.
    would_hold : WouldHold or None
        Where green would have to begin for the line to hold.
    """

    churners: int
    unseen: Mapping[str, int]
    would_hold: WouldHold | None


Acceptance = tuple[AcceptanceLine, EarlyWarning, AcceptanceLine]
"""``red_lift``, ``early_warning``, ``green_share``."""


def acceptance(bands: pd.DataFrame, early: pd.DataFrame, labelled: pd.DataFrame, green_from: float) -> Acceptance:
    """Return one entry per acceptance line.

    Parameters
    ----------
    bands : DataFrame
        As in `HealthBacktest.bands`.
    early : DataFrame
        One reading per churner, taken 60–90 days before: ``health_score, band, model_score, rules_score``.
    labelled : DataFrame
        All labelled readings: ``health_score``.
    green_from : float
        The edge of green in force.

    Returns
    -------
    tuple of AcceptanceLine
        The lift of red, the early warning with its causes, the share of green.
    """
    by_band = bands.set_index("band")
    red, green = by_band.loc["red"], float(by_band["share"]["green"])
    lift = _number(red["lift"])
    return (
        AcceptanceLine(
            "red_lift", lift, _number(red["lift_low"]), _number(red["lift_high"]), "≥ 3", _at_least(lift, _RED_LIFT)
        ),
        _early(early, labelled, green_from),
        AcceptanceLine("green_share", green, None, None, "≤ 0.8", green <= _GREEN),
    )


def why_unseen(row: pd.Series, green_from: float) -> str:
    """Return the code of why a churner's reading was not below green."""
    if row["band"] == "unknown":
        return "unknown_band"
    model, rules = row["model_score"], row["rules_score"]
    if model < green_from <= rules:
        return "rules_outvoted_model"
    if rules < green_from <= model:
        return "model_outvoted_rules"
    return "neither"


def _early(early: pd.DataFrame, labelled: pd.DataFrame, green_from: float) -> EarlyWarning:
    known = early[early["band"] != "unknown"]
    below = known["band"].isin(["red", "yellow"])
    share = float(below.mean()) if len(known) else None
    causes = [why_unseen(row, green_from) for _, row in known[~below].iterrows()]
    low, high = wilson(int(below.sum()), len(known))
    return EarlyWarning(
        "early_warning",
        share,
        low,
        high,
        "≥ 0.667",
        _at_least(share, _EARLY),
        churners=len(known),
        unseen={code: causes.count(code) for code in CAUSES if code in causes},
        would_hold=_would_hold(known, labelled),
    )


def _would_hold(early: pd.DataFrame, labelled: pd.DataFrame) -> WouldHold | None:
    """Return the lowest edge of green (one decimal) with two thirds of churners below it, and the green share there.

    A reading whose band the model has capped stays below green wherever the edge is.
    """
    if early.empty:
        return None
    capped = (early["band"] != "green") & (
        early["health_score"] >= early["health_score"][early["band"] == "green"].min()
    )
    scores = np.sort(np.where(capped, -np.inf, early["health_score"].to_numpy(dtype=float)))
    needed = math.ceil(round(_EARLY * len(scores), 9))
    edge = max(math.floor(10 * float(scores[needed - 1]) + 1e-9) / 10 + 0.1, 0.1)
    if not math.isfinite(edge) or edge > 100:
        return None
    green = (labelled["health_score"].to_numpy(dtype=float) >= edge).mean()
    return WouldHold(green_from=round(edge, 1), green_share=round(float(green), 6))


def wilson(hits: int, count: int, *, z: float = _Z) -> tuple[float | None, float | None]:
    """Return the Wilson interval of a share, 95 % by default (Wilson 1927, 10.1080/01621459.1927.10502953)."""
    if count == 0:
        return None, None
    share, extra = hits / count, z**2 / count
    middle = (share + extra / 2) / (1 + extra)
    half = z * math.sqrt(share * (1 - share) / count + extra / (4 * count)) / (1 + extra)
    return middle - half, middle + half


def _at_least(value: float | None, wanted: float) -> bool:
    return value is not None and value >= wanted


def _number(value: Any) -> float | None:
    return None if value is None or pd.isna(value) else float(value)
