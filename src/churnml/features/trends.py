"""Trends: the recent window against the one before, the slope over twelve weeks, the drop from the own peak."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from churnml.features.inputs import Inputs, Recipes, ratio
from churnml.features.keys import Floats
from churnml.features.measures import WEEKS, YEAR, Measure

__all__ = ["from_peak", "recipes", "slope", "trend", "trend_measures"]

_LEAST_WEEKS = 4

Windowed = Callable[[int, int], Floats]


def trend_measures(
    base: Measure, windows: tuple[int, ...], main: tuple[int, ...], *, shape: bool = False
) -> Iterator[tuple[Measure, tuple[int, ...]]]:
    """Yield the trends of a measure, each with the windows it is made for.

    Parameters
    ----------
    base : Measure
        The measure, e.g. active users.
    windows : tuple of int
        Windows of the recent-against-before trend.
    main : tuple of int
        The one window of the drop from peak.
    shape : bool
        Also the slope over twelve weeks and the drop from the own peak.
    """
    label_en, label_ja = base.label_en, base.label_ja
    yield Measure(
        f"{base.name}_trend", "share", "both windows are 0, or the one before was not wholly observable",
        f"trend of {label_en}", f"{label_ja}の増減",
        f"{label_en.capitalize()}: (last {{w}} days − the {{w}} days before) ÷ their sum, from −1 to 1.",
        f"{label_ja}:(過去{{w}}日間−その前の{{w}}日間)÷両者の合計(−1から1)。",
        table=base.table, needs=base.needs, kind="trend", monotone=base.monotone, measure=base.name,
    ), windows  # fmt: skip
    if not shape:
        return
    yield Measure(
        f"{base.name}_slope_12w", "share per week", "fewer than 4 of the 12 weeks were observable, or all are 0",
        f"12-week slope of {label_en}", f"{label_ja}の12週間の傾き",
        f"{label_en.capitalize()} per week: least-squares slope over the observable weeks of the last 12 ÷ their mean.",
        f"{label_ja}(週次):過去12週のうち観測可能な週の回帰直線の傾き÷平均。",
        table=base.table, needs=base.needs, windowed=False, kind="trend", monotone=base.monotone, measure=base.name,
    ), ()  # fmt: skip
    yield Measure(
        f"{base.name}_from_peak", "share", "no window was wholly observable, or the peak is 0",
        f"drop of {label_en} from their peak", f"{label_ja}のピークからの減少率",
        f"{label_en.capitalize()}: 1 − last {{w}} days ÷ the highest of the {{w}}-day windows of the last 364 days.",
        f"{label_ja}:1−過去{{w}}日間÷過去364日間の{{w}}日ごとの最大値。",
        table=base.table, needs=base.needs, kind="trend", monotone=-base.monotone, measure=base.name,
    ), main  # fmt: skip


def trend(inputs: Inputs, values: Windowed, window: int) -> Floats:
    """Return the symmetric change between a window and the one before."""
    recent, before = values(window, 0), values(2 * window, window)
    return np.where(inputs.whole(2 * window, window), ratio(recent - before, recent + before), np.nan)


def slope(inputs: Inputs, values: Windowed) -> Floats:
    """Return the least-squares slope of the weekly values over the observable weeks, divided by their mean."""
    weeks = np.stack([values(7 * (back + 1), 7 * back) for back in range(WEEKS)])
    seen = np.stack([inputs.whole(7 * (back + 1), 7 * back) for back in range(WEEKS)])
    time = -np.arange(WEEKS, dtype=np.float64)[:, None] * np.ones_like(weeks)
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
    for start in range(window, max(YEAR, window) + 1, window):
        peak = np.fmax(peak, np.where(inputs.whole(start, start - window), values(start, start - window), np.nan))
    return np.where(inputs.whole(window), 1 - ratio(values(window, 0), peak), np.nan)


def recipes(inputs: Inputs, windows: tuple[int, ...], main: int, kinds: tuple[str, ...]) -> Recipes:
    """Return how the trends of everything made from events are made."""
    out: Recipes = {}
    for name in ("events", "active_days", "logins", "active_users", "features_used"):
        values = _measured(inputs, "kinds_used" if name == "features_used" else name)
        out |= {f"{name}_trend_{w}d": partial(trend, inputs, values, w) for w in windows}
        out[f"{name}_slope_12w"] = partial(slope, inputs, values)
        out[f"{name}_from_peak_{main}d"] = partial(from_peak, inputs, values, main)
    for slug in kinds:
        out[f"events_of_{slug}_trend_{main}d"] = partial(trend, inputs, _measured(inputs, "of_kind", slug), main)
    return out


def _measured(inputs: Inputs, name: str, *first: str) -> Windowed:
    """Return a measure of the events by name; the events are rolled up only when it is asked."""

    def values(start: int, end: int) -> Floats:
        found: Floats = getattr(inputs.book, name)(*first, start, end)
        return found

    return values
