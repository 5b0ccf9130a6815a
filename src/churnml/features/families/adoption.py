"""Adoption 活用度: which parts of the product are used, and by how many of the seats."""

from __future__ import annotations

import numpy as np

from churnml.features.family import Family
from churnml.features.inputs import Inputs, ratio
from churnml.features.keys import Floats
from churnml.features.measures import NO_DAY_SEEN

__all__ = ["ADOPTION"]

ADOPTION = Family("adoption")

_KINDS = (("events", ("event_type",)),)
_USERS = (("events", ("user_id",)),)
_SEATS = (("subscriptions", ("seats",)),)
_NO_BEFORE = "window_before_not"
_NO_SEATS = "no_seats_under"


@ADOPTION.count(
    "features_used", "features",
    needs=_KINDS, risk_direction=-1, trends="each", ranked=True,
)  # fmt: skip
def features_used(inputs: Inputs, start: int, end: int) -> Floats:
    return inputs.events.kinds_used(start, end)


@ADOPTION.measure(
    "core_feature_share", "share",
    missing=NO_DAY_SEEN, needs=_KINDS, risk_direction=-1,
)  # fmt: skip
def core_feature_share(inputs: Inputs, w: int) -> Floats:
    return inputs.counted(inputs.events.kinds_used_of(inputs.core, w) / max(len(inputs.core), 1), w)


@ADOPTION.measure(
    "features_gained", "features",
    missing=_NO_BEFORE, needs=_KINDS,
    risk_direction=-1, constrained=False,
)  # fmt: skip
def features_gained(inputs: Inputs, w: int) -> Floats:
    both, before = inputs.events.kinds_used(2 * w), inputs.events.kinds_used(2 * w, w)
    return np.where(inputs.whole(2 * w, w), both - before, np.nan)


@ADOPTION.measure(
    "features_lost", "features",
    missing=_NO_BEFORE, needs=_KINDS, risk_direction=1,
)  # fmt: skip
def features_lost(inputs: Inputs, w: int) -> Floats:
    both, recent = inputs.events.kinds_used(2 * w), inputs.events.kinds_used(w)
    return np.where(inputs.whole(2 * w, w), both - recent, np.nan)


@ADOPTION.measure(
    "seat_activation", "share",
    missing=_NO_SEATS, needs=_USERS + _SEATS, after=("seats",), windowed=False, risk_direction=-1,
)  # fmt: skip
def seat_activation(inputs: Inputs) -> Floats:
    return np.minimum(ratio(inputs.events.users_ever(), inputs.made["seats"]), 1.0)


@ADOPTION.measure(
    "former_user_share", "share",
    missing="nobody_ever_active", needs=_USERS, risk_direction=1,
)  # fmt: skip
def former_user_share(inputs: Inputs, w: int) -> Floats:
    ever = inputs.events.users_ever()
    return ratio(ever - inputs.events.active_users(w), ever)


@ADOPTION.measure(
    "seat_utilisation", "share",
    missing=_NO_SEATS, needs=_USERS + _SEATS, after=("seats",), risk_direction=-1, ranked=True,
)  # fmt: skip
def seat_utilisation(inputs: Inputs, w: int) -> Floats:
    return ratio(inputs.events.active_users(w), inputs.made["seats"])


@ADOPTION.measure(
    "events_per_seat", "events",
    missing=_NO_SEATS, needs=_KINDS + _SEATS, after=("seats",), risk_direction=-1,
)  # fmt: skip
def events_per_seat(inputs: Inputs, w: int) -> Floats:
    return ratio(inputs.events.events(w), inputs.made["seats"])
