"""Adoption 活用度: which parts of the product are used, and by how many of the seats."""

from __future__ import annotations

import numpy as np

from churnml.features.family import Family
from churnml.features.inputs import Inputs, ratio
from churnml.features.keys import Floats
from churnml.features.measures import NO_DAY_SEEN, Words

__all__ = ["ADOPTION"]

ADOPTION = Family("adoption")

_KINDS = (("events", ("event_type",)),)
_USERS = (("events", ("user_id",)),)
_SEATS = (("subscriptions", ("seats",)),)
_NO_BEFORE = "the window before was not wholly observable"
_NO_SEATS = "no seats are under contract"


@ADOPTION.count(
    "features_used", "features",
    Words(
        "features used", "利用機能数", "Distinct kinds of event in the last {w} days.",
        "過去{w}日間に使われた機能(イベント種別)の数。",
    ),
    needs=_KINDS, risk_direction=-1, trends="each", ranked=True,
)  # fmt: skip
def features_used(inputs: Inputs, start: int, end: int) -> Floats:
    return inputs.events.kinds_used(start, end)


@ADOPTION.measure(
    "core_feature_share", "share",
    Words(
        "share of core features used", "コア機能の利用率",
        "Core features used in the last {w} days ÷ all core features.",
        "過去{w}日間に使われたコア機能数÷コア機能の総数。",
    ),
    missing=NO_DAY_SEEN, needs=_KINDS, risk_direction=-1,
)  # fmt: skip
def core_feature_share(inputs: Inputs, w: int) -> Floats:
    return inputs.counted(inputs.events.kinds_used_of(inputs.core, w) / max(len(inputs.core), 1), w)


@ADOPTION.measure(
    "features_gained", "features",
    Words(
        "features taken up", "新たに使われた機能数", "Kinds used in the last {w} days and not in the {w} days before.",
        "過去{w}日間に使われ、その前の{w}日間には使われなかった機能の数。",
    ),
    missing=_NO_BEFORE, needs=_KINDS,
    risk_direction=-1, constrained=False,
)  # fmt: skip
def features_gained(inputs: Inputs, w: int) -> Floats:
    both, before = inputs.events.kinds_used(2 * w), inputs.events.kinds_used(2 * w, w)
    return np.where(inputs.whole(2 * w, w), both - before, np.nan)


@ADOPTION.measure(
    "features_lost", "features",
    Words(
        "features given up", "使われなくなった機能数",
        "Kinds used in the {w} days before and not in the last {w} days.",
        "その前の{w}日間に使われ、過去{w}日間には使われなかった機能の数。",
    ),
    missing=_NO_BEFORE, needs=_KINDS, risk_direction=1,
)  # fmt: skip
def features_lost(inputs: Inputs, w: int) -> Floats:
    both, recent = inputs.events.kinds_used(2 * w), inputs.events.kinds_used(w)
    return np.where(inputs.whole(2 * w, w), both - recent, np.nan)


@ADOPTION.measure(
    "seat_activation", "share",
    Words(
        "seats ever activated", "ライセンス有効化率",
        "Distinct users ever active ÷ seats under contract, at most 100 %: a seat may be handed on.",
        "これまでに利用したユーザー数÷契約シート数。席の引き継ぎがあるため100%を上限とする。",
    ),
    missing=_NO_SEATS, needs=_USERS + _SEATS, after=("seats",), windowed=False, risk_direction=-1,
)  # fmt: skip
def seat_activation(inputs: Inputs) -> Floats:
    return np.minimum(ratio(inputs.events.users_ever(), inputs.made["seats"]), 1.0)


@ADOPTION.measure(
    "former_user_share", "share",
    Words(
        "share of users who left", "離脱ユーザー率",
        "Users ever active but not in the last {w} days ÷ users ever active.",
        "これまでに利用したユーザーのうち、過去{w}日間に利用のないユーザーの割合。",
    ),
    missing="nobody was ever active", needs=_USERS, risk_direction=1,
)  # fmt: skip
def former_user_share(inputs: Inputs, w: int) -> Floats:
    ever = inputs.events.users_ever()
    return ratio(ever - inputs.events.active_users(w), ever)


@ADOPTION.measure(
    "seat_utilisation", "share",
    Words(
        "seats in use", "シート利用率", "Active users of the last {w} days ÷ seats under contract.",
        "過去{w}日間のアクティブユーザー数÷契約シート数。",
    ),
    missing=_NO_SEATS, needs=_USERS + _SEATS, after=("seats",), risk_direction=-1, ranked=True,
)  # fmt: skip
def seat_utilisation(inputs: Inputs, w: int) -> Floats:
    return ratio(inputs.events.active_users(w), inputs.made["seats"])


@ADOPTION.measure(
    "events_per_seat", "events",
    Words(
        "events per seat", "シートあたりのイベント数", "Events of the last {w} days ÷ seats under contract.",
        "過去{w}日間のイベント数÷契約シート数。",
    ),
    missing=_NO_SEATS, needs=_KINDS + _SEATS, after=("seats",), risk_direction=-1,
)  # fmt: skip
def events_per_seat(inputs: Inputs, w: int) -> Floats:
    return ratio(inputs.events.events(w), inputs.made["seats"])
