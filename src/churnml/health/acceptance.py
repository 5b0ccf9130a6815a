"""The acceptance lines of a health score: what it promises, what history gave, and why a line fails."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["acceptance", "why_unseen", "wilson"]

_RED_LIFT = 3.0
_EARLY = 2 / 3
_GREEN = 0.8
_Z = 1.959964

CAUSES = ("unknown_band", "rules_outvoted_model", "model_outvoted_rules", "neither")
"""Why a churner was not below green."""


def acceptance(
    bands: pd.DataFrame, early: pd.DataFrame, labelled: pd.DataFrame, green_from: float
) -> tuple[dict[str, Any], ...]:
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
    tuple of dict
        ``code, value, low, high`` (95 %; None where the line counts everybody), ``wanted, holds``;
        *early_warning* also has ``churners``, ``unseen`` (cause → churners that were green) and ``would_hold``: the
        lowest edge of green at which two thirds would have been below it, and the share that would be green then.
        That edge is read off the same history, so it is a place to look, not a promise.
    """
    by_band = bands.set_index("band")
    red, green = by_band.loc["red"], float(by_band["share"]["green"])
    lift = _number(red["lift"])
    return (
        _line(
            "red_lift", lift, (_number(red["lift_low"]), _number(red["lift_high"])), "≥ 3", _at_least(lift, _RED_LIFT)
        ),
        _early(early, labelled, green_from),
        _line("green_share", green, (None, None), "≤ 0.8", green <= _GREEN),
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


def _early(early: pd.DataFrame, labelled: pd.DataFrame, green_from: float) -> dict[str, Any]:
    known = early[early["band"] != "unknown"]
    below = known["band"].isin(["red", "yellow"])
    share = float(below.mean()) if len(known) else None
    causes = [why_unseen(row, green_from) for _, row in known[~below].iterrows()]
    line = _line("early_warning", share, wilson(int(below.sum()), len(known)), "≥ 0.667", _at_least(share, _EARLY))
    return {
        **line,
        "churners": len(known),
        "unseen": {code: causes.count(code) for code in CAUSES if code in causes},
        "would_hold": _would_hold(known, labelled),
    }


def _would_hold(early: pd.DataFrame, labelled: pd.DataFrame) -> dict[str, float] | None:
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
    return {"green_from": round(edge, 1), "green_share": round(float(green), 6)}


def wilson(hits: int, count: int, *, z: float = _Z) -> tuple[float | None, float | None]:
    """Return the Wilson interval of a share, 95 % by default (Wilson 1927, 10.1080/01621459.1927.10502953)."""
    if count == 0:
        return None, None
    share, extra = hits / count, z**2 / count
    middle = (share + extra / 2) / (1 + extra)
    half = z * math.sqrt(share * (1 - share) / count + extra / (4 * count)) / (1 + extra)
    return middle - half, middle + half


def _line(
    code: str, value: float | None, spread: tuple[float | None, float | None], wanted: str, holds: bool
) -> dict[str, Any]:
    return {"code": code, "value": value, "low": spread[0], "high": spread[1], "wanted": wanted, "holds": holds}


def _at_least(value: float | None, wanted: float) -> bool:
    return value is not None and value >= wanted


def _number(value: Any) -> float | None:
    return None if value is None or pd.isna(value) else float(value)
