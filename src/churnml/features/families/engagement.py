"""Engagement 利用頻度: how often, how widely and how lately the product is used."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from churnml.features.family import Family
from churnml.features.inputs import Inputs, ratio
from churnml.features.keys import Floats
from churnml.features.measures import NO_DAY_SEEN, Count, Direct, Measure, Scope
from churnml.language import Text, words

__all__ = ["ENGAGEMENT"]

ENGAGEMENT = Family("engagement")

_EVENTS = (("events", ("event_type",)),)
_USERS = (("events", ("user_id",)),)
_VALUES = (("events", ("value",)),)
_NO_BEFORE = "window_before_not"
_NOBODY = "nobody_active_window"
_NO_EVENT = "no_event_window"


@ENGAGEMENT.count(
    "events", "events",
    needs=_EVENTS, risk_direction=-1, trends="shape", ranked=True,
)  # fmt: skip
def events(inputs: Inputs, start: int, end: int) -> Floats:
    return inputs.events.events(start, end)


@ENGAGEMENT.count(
    "active_days", "days",
    needs=_EVENTS, risk_direction=-1, trends="shape", ranked=True,
)  # fmt: skip
def active_days(inputs: Inputs, start: int, end: int) -> Floats:
    return inputs.events.active_days(start, end)


@ENGAGEMENT.measure(
    "active_day_rate", "share",
    missing=NO_DAY_SEEN, needs=_EVENTS, risk_direction=-1,
)  # fmt: skip
def active_day_rate(inputs: Inputs, w: int) -> Floats:
    return ratio(inputs.events.active_days(w), inputs.observable_days(w))


@ENGAGEMENT.count(
    "active_users", "users",
    needs=_USERS, risk_direction=-1, trends="shape", ranked=True,
)  # fmt: skip
def active_users(inputs: Inputs, start: int, end: int) -> Floats:
    return inputs.events.active_users(start, end)


@ENGAGEMENT.measure(
    "events_per_user", "events",
    missing=_NOBODY, needs=_USERS,
    risk_direction=-1, constrained=False,
)  # fmt: skip
def events_per_user(inputs: Inputs, w: int) -> Floats:
    return ratio(inputs.events.events(w), inputs.events.active_users(w))


@ENGAGEMENT.measure(
    "stickiness", "share",
    missing=_NOBODY, needs=_USERS,
    risk_direction=-1, constrained=False,
)  # fmt: skip
def stickiness(inputs: Inputs, w: int) -> Floats:
    return ratio(inputs.events.user_days(w), inputs.events.active_users(w) * inputs.observable_days(w))


@ENGAGEMENT.measure(
    "weekday_share", "share",
    missing=_NO_EVENT, needs=_EVENTS,
    risk_direction=0,
)  # fmt: skip
def weekday_share(inputs: Inputs, w: int) -> Floats:
    return ratio(inputs.events.weekday_events(w), inputs.events.events(w))


@ENGAGEMENT.measure(
    "longest_silence", "days",
    missing=NO_DAY_SEEN, needs=_EVENTS, risk_direction=1,
)  # fmt: skip
def longest_silence(inputs: Inputs, w: int) -> Floats:
    return inputs.counted(inputs.events.longest_silence(w, inputs.observed_since), w)


@ENGAGEMENT.measure(
    "days_since_last_event", "days",
    missing="no_event_known", needs=_EVENTS, windowed=False, kind="age", risk_direction=1,
)  # fmt: skip
def days_since_last_event(inputs: Inputs) -> Floats:
    return np.asarray(inputs.keys.day - inputs.events.last_day)


@ENGAGEMENT.measure(
    "silence_ratio", "ratio",
    missing="no_event_known_no", needs=_EVENTS, risk_direction=1,
)  # fmt: skip
def silence_ratio(inputs: Inputs, w: int) -> Floats:
    rate = active_day_rate(inputs, w)
    return np.where(rate > 0, (inputs.keys.day - inputs.events.last_day) * rate, np.nan)


@ENGAGEMENT.measure(
    "active_weeks", "weeks",
    missing=NO_DAY_SEEN, needs=_EVENTS, risk_direction=-1,
)  # fmt: skip
def active_weeks(inputs: Inputs, w: int) -> Floats:
    weeks = [inputs.events.active_days(7 * n + 7, 7 * n) > 0 for n in range(w // 7)]
    return inputs.counted(np.sum(weeks, axis=0, dtype=np.float64) + inputs.keys.full(0.0), w)


@ENGAGEMENT.measure(
    "users_gained", "users",
    missing=_NO_BEFORE, needs=_USERS,
    risk_direction=-1, constrained=False,
)  # fmt: skip
def users_gained(inputs: Inputs, w: int) -> Floats:
    both, before = inputs.events.active_users(2 * w), inputs.events.active_users(2 * w, w)
    return np.where(inputs.whole(2 * w, w), both - before, np.nan)


@ENGAGEMENT.measure(
    "users_lost", "users",
    missing=_NO_BEFORE, needs=_USERS, risk_direction=1,
)  # fmt: skip
def users_lost(inputs: Inputs, w: int) -> Floats:
    both, recent = inputs.events.active_users(2 * w), inputs.events.active_users(w)
    return np.where(inputs.whole(2 * w, w), both - recent, np.nan)


def _logins(inputs: Inputs, start: int, end: int) -> Floats:
    return inputs.events.logins(start, end)


def _days_since_login(inputs: Inputs, _: None) -> Floats:
    return np.asarray(inputs.keys.day - inputs.events.last_login_day)


@ENGAGEMENT.each
def of_logins(scope: Scope) -> Iterator[Measure]:
    """Declare what is made of logins, where there are any."""
    if not scope.logins:
        return
    yield Measure(
        name="logins", family="engagement", unit="logins", missing=NO_DAY_SEEN,
        make=Count(_logins), needs=_EVENTS, risk_direction=-1, trends="shape",
    )  # fmt: skip
    yield Measure(
        name="days_since_last_login", family="engagement", unit="days", missing="no_login_known",
        make=Direct(_days_since_login), needs=_EVENTS, windowed=False, kind="age", risk_direction=1,
    )  # fmt: skip


def _of_kind(slug: str, inputs: Inputs, start: int, end: int) -> Floats:
    return inputs.events.of_kind(slug, start, end)


def _share_of_kind(slug: str, inputs: Inputs, w: int) -> Floats:
    return ratio(inputs.events.of_kind(slug, w), inputs.events.events(w))


def _value_of_kind(slug: str, inputs: Inputs, start: int, end: int) -> Floats:
    return inputs.events.value_of_kind(slug, start, end)


@ENGAGEMENT.each
def of_kinds(scope: Scope) -> Iterator[Measure]:
    """Declare what is made of each kind of event that is counted one by one."""
    for slug, kind in scope.kinds.items():
        own = words(kind)
        yield Measure(
            name=f"events_of_{slug}", family="engagement", unit="events", missing=NO_DAY_SEEN,
            label=Text.of("m-events_of.label", kind=own), meaning=Text.of("m-events_of.meaning", kind=own),
            make=Count(partial(_of_kind, slug)), needs=_EVENTS, event_kind=slug, trends="main",
            risk_direction=-1 if slug in scope.core else 0, constrained=False,
        )  # fmt: skip
        yield Measure(
            name=f"share_of_{slug}", family="engagement", unit="share", missing=_NO_EVENT,
            label=Text.of("m-share_of.label", kind=own), meaning=Text.of("m-share_of.meaning", kind=own),
            make=Direct(partial(_share_of_kind, slug)), needs=_EVENTS, event_kind=slug,
            risk_direction=0,
        )  # fmt: skip
        if slug in scope.valued:
            yield Measure(
                name=f"value_of_{slug}", family="engagement", unit="units", missing=NO_DAY_SEEN,
                label=Text.of("m-value_of.label", kind=own), meaning=Text.of("m-value_of.meaning", kind=own),
                make=Count(partial(_value_of_kind, slug)), needs=_VALUES, event_kind=slug,
                risk_direction=0,
            )  # fmt: skip
