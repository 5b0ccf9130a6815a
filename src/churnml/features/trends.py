"""Trends: the recent window against the one before, the slope over twelve weeks, the drop from the own peak."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd

from churnml.features.aggregates import Aggregate
from churnml.features.inputs import Inputs, filled, ratio
from churnml.features.keys import Floats
from churnml.features.measures import Count, Direct, FromRows, Measure
from churnml.features.spec import Sign
from churnml.language import Text

__all__ = ["from_peak", "slope", "trend", "trends_of"]

_WEEKS = 12
"""Weeks of a slope."""

_LEAST_WEEKS = 4

_YEAR = 364
"""Days among which an account's own peak is looked for."""

Windowed = Callable[[int, int], Floats]


def trends_of(base: Measure) -> Iterator[Measure]:
    """Yield the trends that a count declares. They inherit what it needs and the direction of the risk."""
    if not base.trends:
        return
    assert isinstance(base.make, Count)
    count = base.make
    derived = replace(base, kind="trend", of=base.name, trends="", ranked=False)

    def called(name: str) -> Text:
        return Text.of(f"feature-{name}.label", of=base.called)

    def meant(name: str) -> Text:
        return Text.of(f"feature-{name}.meaning", of=base.called)

    yield replace(
        derived,
        name=f"{base.name}_trend",
        unit="share",
        missing="trend",
        label=called("trend"),
        meaning=meant("trend"),
        make=_changing(count),
        main_window_only=base.trends == "main",
    )
    if base.trends != "shape":
        return
    assert count.source is None
    yield replace(
        derived,
        name=f"{base.name}_slope_12w",
        unit="share per week",
        missing="slope",
        label=called("slope"),
        meaning=meant("slope"),
        make=Direct(lambda inputs, window: slope(inputs, partial(count.make, inputs))),
        windowed=False,
    )
    yield replace(
        derived,
        name=f"{base.name}_from_peak",
        unit="share",
        missing="from_peak",
        label=called("from_peak"),
        meaning=meant("from_peak"),
        make=Direct(lambda inputs, window: from_peak(inputs, partial(count.make, inputs), window)),
        main_window_only=True,
        risk_direction=_opposite(base.risk_direction),
    )


def _opposite(sign: Sign) -> Sign:
    opposite: dict[Sign, Sign] = {-1: 1, 0: 0, 1: -1}
    return opposite[sign]


def _changing(count: Count) -> Direct | FromRows:
    """Return how the change between a window and the one before is made."""
    if count.source is None:
        return Direct(lambda inputs, window: trend(inputs, partial(count.make, inputs), window))

    def finish(inputs: Inputs, window: int, recent: pd.Series, before: pd.Series) -> Floats:
        return _change(inputs, filled(recent), filled(before), window)

    return FromRows(
        count.source,
        lambda rows, window: Aggregate((count.make(rows, window, 0), count.make(rows, 2 * window, window)), finish),
    )


def trend(inputs: Inputs, values: Windowed, window: int) -> Floats:
    """Return the symmetric change between a window and the one before."""
    return _change(inputs, values(window, 0), values(2 * window, window), window)


def _change(inputs: Inputs, recent: Floats, before: Floats, window: int) -> Floats:
    return np.where(inputs.whole(2 * window, window), ratio(recent - before, recent + before), np.nan)


def slope(inputs: Inputs, values: Windowed) -> Floats:
    """Return the least-squares slope of the weekly values over the observable weeks, divided by their mean."""
    weeks = np.stack([values(7 * (back + 1), 7 * back) for back in range(_WEEKS)])
    seen = np.stack([inputs.whole(7 * (back + 1), 7 * back) for back in range(_WEEKS)])
    time = -np.arange(_WEEKS, dtype=np.float64)[:, None] * np.ones_like(weeks)
    count = seen.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean_time = np.where(seen, time, 0).sum(axis=0) / count
        mean = np.where(seen, weeks, 0).sum(axis=0) / count
        lean = np.where(seen, time - mean_time, 0)
        gradient = (lean * np.where(seen, weeks - mean, 0)).sum(axis=0) / (lean**2).sum(axis=0)
    return np.where(count >= _LEAST_WEEKS, ratio(gradient, mean), np.nan)


def from_peak(inputs: Inputs, values: Windowed, window: int) -> Floats:
    """Return how far the last window is below the highest window of the last 364 days, as a share of the latter."""
    peak = inputs.keys.full()
    for start in range(window, max(_YEAR, window) + 1, window):
        peak = np.fmax(peak, np.where(inputs.whole(start, start - window), values(start, start - window), np.nan))
    return np.where(inputs.whole(window), 1 - ratio(values(window, 0), peak), np.nan)
