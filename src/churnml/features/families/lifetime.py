"""Engagement 利用頻度, second part: the whole tenure instead of a window, and the usual rhythm of use."""

from __future__ import annotations

import numpy as np

from churnml.features.family import Family
from churnml.features.inputs import Inputs, ratio
from churnml.features.keys import EVER, Floats
from churnml.features.measures import Words

__all__ = ["LIFETIME"]

LIFETIME = Family("engagement")

_EVENTS = (("events", ("event_type",)),)
_VALUES = (("events", ("value",)),)
_UNSEEN = "no day of the account's life could be observed"
_ONE_DAY = "fewer than 2 active days are known"


@LIFETIME.measure(
    "lifetime_events_per_day", "events per day",
    Words(
        "events per day since the start", "開始以来の1日あたりイベント数",
        "All events before `as_of` ÷ the days of the account's life that could be observed.",
        "基準日までの全イベント数÷観測できた利用期間の日数。",
    ),
    missing=_UNSEEN, needs=_EVENTS, windowed=False, risk_direction=-1, constrained=False,
)  # fmt: skip
def lifetime_events_per_day(inputs: Inputs) -> Floats:
    return ratio(inputs.events.events_ever(), inputs.observable_days(EVER))


@LIFETIME.measure(
    "lifetime_active_day_rate", "share",
    Words(
        "share of days with use since the start", "開始以来の利用日率",
        "Days with an event before `as_of` ÷ the days of the account's life that could be observed.",
        "基準日までの利用日数÷観測できた利用期間の日数。",
    ),
    missing=_UNSEEN, needs=_EVENTS, windowed=False, risk_direction=-1, constrained=False,
)  # fmt: skip
def lifetime_active_day_rate(inputs: Inputs) -> Floats:
    return ratio(inputs.events.active_days_ever(), inputs.observable_days(EVER))


@LIFETIME.measure(
    "mean_gap_days", "days",
    Words(
        "usual gap between active days", "通常の利用間隔",
        "Mean days from one active day to the next, over all of them before `as_of`.",
        "基準日までの利用日から次の利用日までの平均日数。",
    ),
    missing=_ONE_DAY, needs=_EVENTS, windowed=False, risk_direction=1, constrained=False,
)  # fmt: skip
def mean_gap_days(inputs: Inputs) -> Floats:
    return ratio(inputs.events.last_day - inputs.events.first_day, inputs.events.active_days_ever() - 1)


@LIFETIME.measure(
    "gap_variation", "ratio",
    Words(
        "irregularity of use", "利用間隔のばらつき",
        "Standard deviation of the days from one active day to the next ÷ their mean, over all before `as_of`.",
        "基準日までの利用間隔の標準偏差÷平均。",
    ),
    missing="fewer than 3 active days are known", needs=_EVENTS, windowed=False, risk_direction=0,
)  # fmt: skip
def gap_variation(inputs: Inputs) -> Floats:
    gaps = inputs.events.active_days_ever() - 1
    mean = mean_gap_days(inputs)
    variance = np.maximum(ratio(inputs.events.gap_squares(), gaps) - mean**2, 0)
    return np.where(gaps >= 2, np.sqrt(variance) / mean, np.nan)


@LIFETIME.measure(
    "silence_in_usual_gaps", "ratio",
    Words(
        "silence against the usual gap since the start", "開始以来の通常間隔に対する未利用期間の比",
        "Days since the last event ÷ the mean days from one active day to the next, over all before `as_of`.",
        "最終利用からの日数÷基準日までの平均利用間隔。",
    ),
    missing=_ONE_DAY, needs=_EVENTS, windowed=False, risk_direction=1, constrained=False,
)  # fmt: skip
def silence_in_usual_gaps(inputs: Inputs) -> Floats:
    return ratio(inputs.keys.day - inputs.events.last_day, mean_gap_days(inputs))


@LIFETIME.measure(
    "lifetime_value", "units",
    Words(
        "value of all events since the start", "開始以来のイベントの値の合計",
        "Sum of the values of all events before `as_of`.", "基準日までの全イベントの値の合計。",
    ),
    missing="never missing", needs=_VALUES, windowed=False, risk_direction=-1, constrained=False,
)  # fmt: skip
def lifetime_value(inputs: Inputs) -> Floats:
    return inputs.events.value_ever()


@LIFETIME.measure(
    "lifetime_value_per_event", "units",
    Words(
        "value per event since the start", "開始以来のイベントあたりの値",
        "Sum of the values of all events before `as_of` ÷ their number.",
        "基準日までの全イベントの値の合計÷イベント数。",
    ),
    missing="no event is known", needs=_VALUES, windowed=False, risk_direction=0,
)  # fmt: skip
def lifetime_value_per_event(inputs: Inputs) -> Floats:
    return ratio(inputs.events.value_ever(), inputs.events.events_ever())
