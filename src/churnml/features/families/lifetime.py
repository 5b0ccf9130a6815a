"""Engagement 利用頻度, second part: the whole tenure instead of a window, and the usual rhythm of use."""

from __future__ import annotations

import numpy as np

from churnml.features.family import Family
from churnml.features.inputs import Inputs, ratio
from churnml.features.keys import EVER, Floats

__all__ = ["LIFETIME"]

LIFETIME = Family("engagement")

_EVENTS = (("events", ("event_type",)),)
_VALUES = (("events", ("value",)),)
_UNSEEN = "no_day_account"
_ONE_DAY = "fewer_than_2"


@LIFETIME.measure(
    "lifetime_events_per_day", "events per day",
    missing=_UNSEEN, needs=_EVENTS, windowed=False, risk_direction=-1, constrained=False,
)  # fmt: skip
def lifetime_events_per_day(inputs: Inputs) -> Floats:
    return ratio(inputs.events.events_ever(), inputs.observable_days(EVER))


@LIFETIME.measure(
    "lifetime_active_day_rate", "share",
    missing=_UNSEEN, needs=_EVENTS, windowed=False, risk_direction=-1, constrained=False,
)  # fmt: skip
def lifetime_active_day_rate(inputs: Inputs) -> Floats:
    return ratio(inputs.events.active_days_ever(), inputs.observable_days(EVER))


@LIFETIME.measure(
    "mean_gap_days", "days",
    missing=_ONE_DAY, needs=_EVENTS, windowed=False, risk_direction=1, constrained=False,
)  # fmt: skip
def mean_gap_days(inputs: Inputs) -> Floats:
    return ratio(inputs.events.last_day - inputs.events.first_day, inputs.events.active_days_ever() - 1)


@LIFETIME.measure(
    "gap_variation", "ratio",
    missing="fewer_than_3", needs=_EVENTS, windowed=False, risk_direction=0,
)  # fmt: skip
def gap_variation(inputs: Inputs) -> Floats:
    gaps = inputs.events.active_days_ever() - 1
    mean = mean_gap_days(inputs)
    variance = np.maximum(ratio(inputs.events.gap_squares(), gaps) - mean**2, 0)
    return np.where(gaps >= 2, np.sqrt(variance) / mean, np.nan)


@LIFETIME.measure(
    "silence_in_usual_gaps", "ratio",
    missing=_ONE_DAY, needs=_EVENTS, windowed=False, risk_direction=1, constrained=False,
)  # fmt: skip
def silence_in_usual_gaps(inputs: Inputs) -> Floats:
    return ratio(inputs.keys.day - inputs.events.last_day, mean_gap_days(inputs))


@LIFETIME.measure(
    "lifetime_value", "units",
    missing="never", needs=_VALUES, windowed=False, risk_direction=-1, constrained=False,
)  # fmt: skip
def lifetime_value(inputs: Inputs) -> Floats:
    return inputs.events.value_ever()


@LIFETIME.measure(
    "lifetime_value_per_event", "units",
    missing="no_event_known", needs=_VALUES, windowed=False, risk_direction=0,
)  # fmt: skip
def lifetime_value_per_event(inputs: Inputs) -> Floats:
    return ratio(inputs.events.value_ever(), inputs.events.events_ever())
