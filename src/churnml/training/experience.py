"""What churn depended on in other companies: where a regression with few churners begins."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

from churnml.features.spec import FeatureSet, FeatureSpec

__all__ = ["expected_coefficients", "stem"]

_FILE = "experience.json"


def expected_coefficients(features: FeatureSet) -> tuple[float, ...]:
    """Return what each feature added to the log-odds of churn in other companies, per standard deviation.

    The numbers come from a regression over many simulated companies together (``python benchmarks/experience.py``
    makes and writes them). A feature whose window is not among theirs has the coefficient of the nearest one; words,
    and whatever is about one product's own kinds of event, have none.

    Parameters
    ----------
    features : FeatureSet

    Returns
    -------
    tuple of float
        One per feature, 0 where nothing is known.
    """
    known = _known()
    return tuple(_coefficient(spec, known) for spec in features)


def _coefficient(spec: FeatureSpec, known: dict[str, dict[int, float]]) -> float:
    if spec.categorical or spec.event_kind:
        return 0.0
    windows = known.get(stem(spec), {})
    if not windows:
        return 0.0
    days = spec.window_days or 0
    return windows[min(windows, key=lambda other: (abs(other - days), other))]


def stem(spec: FeatureSpec) -> str:
    """Return a feature's name without its window.

    Examples
    --------
    >>> from churnml.features.spec import FeatureSpec
    >>> text = ("",) * 3
    >>> stem(FeatureSpec("events_28d", "engagement", "events", *text, "events", 28))
    'events'
    """
    return spec.name.removesuffix(f"_{spec.window_days}d")


@cache
def _known() -> dict[str, dict[int, float]]:
    """Return stem → window in days, 0 for none → coefficient."""
    rows = json.loads(files("churnml.training").joinpath(_FILE).read_text(encoding="utf-8"))["coefficients"]
    known: dict[str, dict[int, float]] = {}
    for name, days, coefficient in rows:
        known.setdefault(name, {})[int(days)] = float(coefficient)
    return known
