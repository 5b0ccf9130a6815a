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
from churnml.features.measures import Count, Direct, FromRows, Measure, Words, verbatim
from churnml.features.spec import Sign

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
    count, of = base.make, base.words
    label_en, label_ja = verbatim(of.label_en), verbatim(of.label_ja)
    begun = label_en[:1].upper() + label_en[1:]
    derived = replace(base, kind="trend", of=base.name, trends="", ranked=False)
    yield replace(
        derived,
        name=f"{base.name}_trend",
        unit="share",
        missing="both windows are 0, or the one before was not wholly observable",
        words=Words(
            f"trend of {of.label_en}",
            f"{of.label_ja}の増減",
            f"{begun}: (last {{w}} days − the {{w}} days before) ÷ their sum, from −1 to 1.",
            f"{label_ja}:(過去{{w}}日間−その前の{{w}}日間)÷両者の合計(−1から1)。",
        ),
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
        missing="fewer than 4 of the 12 weeks were observable, or all are 0",
        words=Words(
            f"12-week slope of {of.label_en}",
            f"{of.label_ja}の12週間の傾き",
            f"{begun} per week: least-squares slope over the observable weeks of the last 12 ÷ their mean.",
            f"{label_ja}(週次):過去12週のうち観測可能な週の回帰直線の傾き÷平均。",
        ),
        make=Direct(lambda inputs, window: slope(inputs, partial(count.make, inputs))),
        windowed=False,
    )
    yield replace(
        derived,
        name=f"{base.name}_from_peak",
        unit="share",
        missing="no window was wholly observable, or the peak is 0",
        words=Words(
            f"drop of {of.label_en} from their peak",
            f"{of.label_ja}のピークからの減少率",
            f"{begun}: 1 − last {{w}} days ÷ the highest of the {{w}}-day windows of the last 364 days.",
            f"{label_ja}:1−過去{{w}}日間÷過去364日間の{{w}}日ごとの最大値。",
        ),
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
