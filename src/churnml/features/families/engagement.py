"""Engagement 利用頻度: how often, how widely and how lately the product is used."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from churnml.features.inputs import Inputs, Recipes, ratio
from churnml.features.keys import Floats
from churnml.features.measures import Measure, Scope

__all__ = ["measures", "recipes"]

_EVENTS = (("events", ("event_type",)),)
_USERS = (("events", ("user_id",)),)
_UNSEEN = "no day of the window could be observed"
_NO_BEFORE = "the window before was not wholly observable"

_PLAIN = (
    Measure(
        "events", "events", _UNSEEN, "events", "利用イベント数",
        "Events in the last {w} days.", "過去{w}日間の利用イベント数。", needs=_EVENTS, monotone=-1,
    ),
    Measure(
        "active_days", "days", _UNSEEN, "active days", "利用日数",
        "Days with an event in the last {w} days.", "過去{w}日間にイベントがあった日数。", needs=_EVENTS, monotone=-1,
    ),
    Measure(
        "active_day_rate", "share", _UNSEEN, "share of days with use", "利用日率",
        "Active days in the last {w} days ÷ the days of them that could be observed.",
        "過去{w}日間のうち観測できた日数に対する利用日数の割合。", needs=_EVENTS, monotone=-1,
    ),
    Measure(
        "active_users", "users", _UNSEEN, "active users", "アクティブユーザー数",
        "Distinct users with an event in the last {w} days.", "過去{w}日間にイベントがあったユーザー数。",
        needs=_USERS, monotone=-1,
    ),
    Measure(
        "events_per_user", "events", "nobody was active in the window", "events per active user",
        "ユーザーあたりのイベント数", "Events ÷ active users in the last {w} days.",
        "過去{w}日間のイベント数÷アクティブユーザー数。", needs=_USERS,
    ),
    Measure(
        "stickiness", "share", "nobody was active in the window", "stickiness (daily ÷ window users)",
        "スティッキネス", "Mean daily active users ÷ active users, over the observable days of the last {w} days.",
        "過去{w}日間の観測可能日における1日平均利用者数÷アクティブユーザー数。", needs=_USERS,
    ),
    Measure(
        "weekday_share", "share", "there was no event in the window", "share of events from Monday to Friday",
        "平日利用の割合", "Events from Monday to Friday ÷ all events in the last {w} days.",
        "過去{w}日間のイベントのうち月曜から金曜の割合。", needs=_EVENTS,
    ),
    Measure(
        "longest_silence", "days", _UNSEEN, "longest silence", "最長の未利用期間",
        "Most consecutive days without an event among the observable days of the last {w} days.",
        "過去{w}日間の観測可能日のうち、連続して利用がなかった最長日数。", needs=_EVENTS, monotone=1,
    ),
    Measure(
        "days_since_last_event", "days", "no event is known", "days since the last event", "最終利用からの日数",
        "Days from the last known event to `as_of`.", "最後に確認されたイベントから基準日までの日数。",
        needs=_EVENTS, windowed=False, kind="age", monotone=1,
    ),
    Measure(
        "silence_ratio", "ratio", "no event is known or no day was active", "silence against the usual gap",
        "通常間隔に対する未利用期間の比",
        "Days since the last event ÷ the mean gap between active days in the last {w} days.",
        "最終利用からの日数÷過去{w}日間の平均利用間隔。", needs=_EVENTS, monotone=1,
    ),
    Measure(
        "active_weeks", "weeks", _UNSEEN, "active weeks", "利用週数",
        "Of the whole weeks counted back from `as_of` within the last {w} days, those with an event.",
        "基準日から遡った過去{w}日間の各週のうち、イベントがあった週の数。", needs=_EVENTS, monotone=-1,
    ),
    Measure(
        "users_gained", "users", _NO_BEFORE, "users who joined in", "新たに利用したユーザー数",
        "Users active in the last {w} days and not in the {w} days before.",
        "過去{w}日間に利用し、その前の{w}日間には利用しなかったユーザー数。", needs=_USERS,
    ),
    Measure(
        "users_lost", "users", _NO_BEFORE, "users who fell silent", "利用が途絶えたユーザー数",
        "Users active in the {w} days before and not in the last {w} days.",
        "その前の{w}日間に利用し、過去{w}日間には利用しなかったユーザー数。", needs=_USERS, monotone=1,
    ),
)  # fmt: skip

_LOGINS = (
    Measure(
        "logins", "logins", _UNSEEN, "logins", "ログイン回数",
        "Login events in the last {w} days.", "過去{w}日間のログイン回数。", needs=_EVENTS, monotone=-1,
    ),
    Measure(
        "days_since_last_login", "days", "no login is known", "days since the last login", "最終ログインからの日数",
        "Days from the last known login to `as_of`.", "最後のログインから基準日までの日数。",
        needs=_EVENTS, windowed=False, kind="age", monotone=1,
    ),
)  # fmt: skip


def measures(scope: Scope) -> Iterator[Measure]:
    """Yield the family's measures."""
    yield from _PLAIN
    if scope.logins:
        yield from _LOGINS
    for slug, words in scope.kinds.items():
        yield Measure(
            f"events_of_{slug}", "events", _UNSEEN, f"“{words}” events", f"「{words}」の回数",
            f"Events of kind “{words}” in the last {{w}} days.", f"過去{{w}}日間の「{words}」の回数。", needs=_EVENTS,
        )  # fmt: skip
        yield Measure(
            f"share_of_{slug}", "share", "there was no event in the window", f"share of “{words}” events",
            f"「{words}」の割合", f"“{words}” events ÷ all events in the last {{w}} days.",
            f"過去{{w}}日間の全イベントに占める「{words}」の割合。", needs=_EVENTS,
        )  # fmt: skip
        if slug in scope.valued:
            yield Measure(
                f"value_of_{slug}", "units", _UNSEEN, f"total value of “{words}”", f"「{words}」の値の合計",
                f"Sum of the values of “{words}” events in the last {{w}} days.",
                f"過去{{w}}日間の「{words}」の値の合計。", needs=(("events", ("value",)),),
            )  # fmt: skip


def recipes(inputs: Inputs, windows: tuple[int, ...], kinds: tuple[str, ...]) -> Recipes:
    """Return how each feature of the family is made; `kinds` are the slugs counted one by one."""
    out: Recipes = {
        "days_since_last_event": lambda: inputs.keys.day - inputs.book.last_day,
        "days_since_last_login": lambda: inputs.keys.day - inputs.book.last_login_day,
    }
    for w in windows:
        out |= _of_events(inputs, w) | _of_users(inputs, w)
        for slug in kinds:
            out |= _of_kind(inputs, w, slug)
    return out


def _of_events(inputs: Inputs, w: int) -> Recipes:
    def active_weeks() -> Floats:
        weeks = [inputs.book.active_days(7 * n + 7, 7 * n) > 0 for n in range(w // 7)]
        return inputs.counted(np.sum(weeks, axis=0, dtype=np.float64) + inputs.keys.full(0.0), w)

    def silence_ratio() -> Floats:
        rate = ratio(inputs.book.active_days(w), inputs.observable_days(w))
        return np.where(rate > 0, (inputs.keys.day - inputs.book.last_day) * rate, np.nan)

    return {
        f"events_{w}d": lambda: inputs.counted(inputs.book.events(w), w),
        f"logins_{w}d": lambda: inputs.counted(inputs.book.logins(w), w),
        f"active_days_{w}d": lambda: inputs.counted(inputs.book.active_days(w), w),
        f"active_day_rate_{w}d": lambda: ratio(inputs.book.active_days(w), inputs.observable_days(w)),
        f"weekday_share_{w}d": lambda: ratio(inputs.book.weekday_events(w), inputs.book.events(w)),
        f"longest_silence_{w}d": lambda: inputs.counted(inputs.book.longest_silence(w, inputs.observed_since), w),
        f"silence_ratio_{w}d": silence_ratio,
        f"active_weeks_{w}d": active_weeks,
    }


def _of_users(inputs: Inputs, w: int) -> Recipes:
    def moved(other: Callable[[], Floats]) -> Floats:
        return np.where(inputs.whole(2 * w, w), inputs.book.active_users(2 * w) - other(), np.nan)

    return {
        f"active_users_{w}d": lambda: inputs.counted(inputs.book.active_users(w), w),
        f"events_per_user_{w}d": lambda: ratio(inputs.book.events(w), inputs.book.active_users(w)),
        f"stickiness_{w}d": lambda: ratio(
            inputs.book.user_days(w), inputs.book.active_users(w) * inputs.observable_days(w)
        ),
        f"users_gained_{w}d": lambda: moved(lambda: inputs.book.active_users(2 * w, w)),
        f"users_lost_{w}d": lambda: moved(lambda: inputs.book.active_users(w)),
    }


def _of_kind(inputs: Inputs, w: int, slug: str) -> Recipes:
    return {
        f"events_of_{slug}_{w}d": lambda: inputs.counted(inputs.book.of_kind(slug, w), w),
        f"share_of_{slug}_{w}d": lambda: ratio(inputs.book.of_kind(slug, w), inputs.book.events(w)),
        f"value_of_{slug}_{w}d": lambda: inputs.counted(inputs.book.value_of_kind(slug, w), w),
    }
