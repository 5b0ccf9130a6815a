"""Adoption 活用度: which parts of the product are used, and by how many of the seats."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from churnml.features.inputs import Inputs, Recipes, ratio
from churnml.features.keys import Floats
from churnml.features.measures import Measure, Scope

__all__ = ["measures", "recipes"]

_KINDS = (("events", ("event_type",)),)
_SEATS = (("events", ("user_id",)), ("subscriptions", ("seats",)))
_UNSEEN = "no day of the window could be observed"
_NO_BEFORE = "the window before was not wholly observable"
_NO_SEATS = "no seats are under contract"

_PLAIN = (
    Measure(
        "features_used", "features", _UNSEEN, "features used", "利用機能数",
        "Distinct kinds of event in the last {w} days.", "過去{w}日間に使われた機能(イベント種別)の数。",
        needs=_KINDS, monotone=-1,
    ),
    Measure(
        "core_feature_share", "share", _UNSEEN, "share of core features used", "コア機能の利用率",
        "Core features used in the last {w} days ÷ all core features.",
        "過去{w}日間に使われたコア機能数÷コア機能の総数。", needs=_KINDS, monotone=-1,
    ),
    Measure(
        "features_gained", "features", _NO_BEFORE, "features taken up", "新たに使われた機能数",
        "Kinds used in the last {w} days and not in the {w} days before.",
        "過去{w}日間に使われ、その前の{w}日間には使われなかった機能の数。", needs=_KINDS,
    ),
    Measure(
        "features_lost", "features", _NO_BEFORE, "features given up", "使われなくなった機能数",
        "Kinds used in the {w} days before and not in the last {w} days.",
        "その前の{w}日間に使われ、過去{w}日間には使われなかった機能の数。", needs=_KINDS, monotone=1,
    ),
    Measure(
        "seat_activation", "share", _NO_SEATS, "seats ever activated", "ライセンス有効化率",
        "Distinct users ever active ÷ seats under contract, at most 100 %: a seat may be handed on.",
        "これまでに利用したユーザー数÷契約シート数。席の引き継ぎがあるため100%を上限とする。",
        needs=_SEATS, windowed=False, monotone=-1,
    ),
    Measure(
        "former_user_share", "share", "nobody was ever active", "share of users who left", "離脱ユーザー率",
        "Users ever active but not in the last {w} days ÷ users ever active.",
        "これまでに利用したユーザーのうち、過去{w}日間に利用のないユーザーの割合。",
        needs=(("events", ("user_id",)),), monotone=1,
    ),
    Measure(
        "seat_utilisation", "share", _NO_SEATS, "seats in use", "シート利用率",
        "Active users of the last {w} days ÷ seats under contract.",
        "過去{w}日間のアクティブユーザー数÷契約シート数。", needs=_SEATS, monotone=-1,
    ),
    Measure(
        "events_per_seat", "events", _NO_SEATS, "events per seat", "シートあたりのイベント数",
        "Events of the last {w} days ÷ seats under contract.", "過去{w}日間のイベント数÷契約シート数。",
        needs=(("events", ("event_type",)), ("subscriptions", ("seats",))), monotone=-1,
    ),
)  # fmt: skip


def measures(scope: Scope) -> Iterator[Measure]:
    """Yield the family's measures."""
    yield from _PLAIN


def recipes(inputs: Inputs, windows: tuple[int, ...], core: frozenset[str], seats: Callable[[], Floats]) -> Recipes:
    """Return how each feature of the family is made; `core` are slugs, `seats` gives the seats under contract."""
    out: Recipes = {"seat_activation": lambda: np.minimum(ratio(inputs.book.users_ever(), seats()), 1.0)}
    for w in windows:
        out |= _of_window(inputs, w, core, seats)
    return out


def _of_window(inputs: Inputs, w: int, core: frozenset[str], seats: Callable[[], Floats]) -> Recipes:
    def moved(other: Callable[[], Floats]) -> Floats:
        return np.where(inputs.whole(2 * w, w), inputs.book.kinds_used(2 * w) - other(), np.nan)

    def former_users() -> Floats:
        ever = inputs.book.users_ever()
        return ratio(ever - inputs.book.active_users(w), ever)

    return {
        f"former_user_share_{w}d": former_users,
        f"features_used_{w}d": lambda: inputs.counted(inputs.book.kinds_used(w), w),
        f"features_gained_{w}d": lambda: moved(lambda: inputs.book.kinds_used(2 * w, w)),
        f"features_lost_{w}d": lambda: moved(lambda: inputs.book.kinds_used(w)),
        f"core_feature_share_{w}d": lambda: inputs.counted(inputs.book.kinds_used_of(core, w) / max(len(core), 1), w),
        f"events_per_seat_{w}d": lambda: ratio(inputs.book.events(w), seats()),
        f"seat_utilisation_{w}d": lambda: ratio(inputs.book.active_users(w), seats()),
    }
