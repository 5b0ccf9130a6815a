"""Engagement 利用頻度: how often, how widely and how lately the product is used."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from churnml.features.family import Family
from churnml.features.inputs import Inputs, ratio
from churnml.features.keys import Floats
from churnml.features.measures import NO_DAY_SEEN, Count, Direct, Measure, Scope, Words, verbatim

__all__ = ["ENGAGEMENT"]

ENGAGEMENT = Family("engagement")

_EVENTS = (("events", ("event_type",)),)
_USERS = (("events", ("user_id",)),)
_VALUES = (("events", ("value",)),)
_NO_BEFORE = "the window before was not wholly observable"
_NOBODY = "nobody was active in the window"
_NO_EVENT = "there was no event in the window"


@ENGAGEMENT.count(
    "events", "events",
    Words("events", "利用イベント数", "Events in the last {w} days.", "過去{w}日間の利用イベント数。"),
    needs=_EVENTS, risk_direction=-1, trends="shape", ranked=True,
)  # fmt: skip
def events(inputs: Inputs, start: int, end: int) -> Floats:
    return inputs.events.events(start, end)


@ENGAGEMENT.count(
    "active_days", "days",
    Words(
        "active days", "利用日数", "Days with an event in the last {w} days.", "過去{w}日間にイベントがあった日数。",
    ),
    needs=_EVENTS, risk_direction=-1, trends="shape", ranked=True,
)  # fmt: skip
def active_days(inputs: Inputs, start: int, end: int) -> Floats:
    return inputs.events.active_days(start, end)


@ENGAGEMENT.measure(
    "active_day_rate", "share",
    Words(
        "share of days with use", "利用日率",
        "Active days in the last {w} days ÷ the days of them that could be observed.",
        "過去{w}日間のうち観測できた日数に対する利用日数の割合。",
    ),
    missing=NO_DAY_SEEN, needs=_EVENTS, risk_direction=-1,
)  # fmt: skip
def active_day_rate(inputs: Inputs, w: int) -> Floats:
    return ratio(inputs.events.active_days(w), inputs.observable_days(w))


@ENGAGEMENT.count(
    "active_users", "users",
    Words(
        "active users", "アクティブユーザー数", "Distinct users with an event in the last {w} days.",
        "過去{w}日間にイベントがあったユーザー数。",
    ),
    needs=_USERS, risk_direction=-1, trends="shape", ranked=True,
)  # fmt: skip
def active_users(inputs: Inputs, start: int, end: int) -> Floats:
    return inputs.events.active_users(start, end)


@ENGAGEMENT.measure(
    "events_per_user", "events",
    Words(
        "events per active user", "ユーザーあたりのイベント数", "Events ÷ active users in the last {w} days.",
        "過去{w}日間のイベント数÷アクティブユーザー数。",
    ),
    missing=_NOBODY, needs=_USERS,
    risk_direction=-1, constrained=False,
)  # fmt: skip
def events_per_user(inputs: Inputs, w: int) -> Floats:
    return ratio(inputs.events.events(w), inputs.events.active_users(w))


@ENGAGEMENT.measure(
    "stickiness", "share",
    Words(
        "stickiness (daily ÷ window users)", "スティッキネス",
        "Mean daily active users ÷ active users, over the observable days of the last {w} days.",
        "過去{w}日間の観測可能日における1日平均利用者数÷アクティブユーザー数。",
    ),
    missing=_NOBODY, needs=_USERS,
    risk_direction=-1, constrained=False,
)  # fmt: skip
def stickiness(inputs: Inputs, w: int) -> Floats:
    return ratio(inputs.events.user_days(w), inputs.events.active_users(w) * inputs.observable_days(w))


@ENGAGEMENT.measure(
    "weekday_share", "share",
    Words(
        "share of events from Monday to Friday", "平日利用の割合",
        "Events from Monday to Friday ÷ all events in the last {w} days.",
        "過去{w}日間のイベントのうち月曜から金曜の割合。",
    ),
    missing=_NO_EVENT, needs=_EVENTS,
    risk_direction=0,
)  # fmt: skip
def weekday_share(inputs: Inputs, w: int) -> Floats:
    return ratio(inputs.events.weekday_events(w), inputs.events.events(w))


@ENGAGEMENT.measure(
    "longest_silence", "days",
    Words(
        "longest silence", "最長の未利用期間",
        "Most consecutive days without an event among the observable days of the last {w} days.",
        "過去{w}日間の観測可能日のうち、連続して利用がなかった最長日数。",
    ),
    missing=NO_DAY_SEEN, needs=_EVENTS, risk_direction=1,
)  # fmt: skip
def longest_silence(inputs: Inputs, w: int) -> Floats:
    return inputs.counted(inputs.events.longest_silence(w, inputs.observed_since), w)


@ENGAGEMENT.measure(
    "days_since_last_event", "days",
    Words(
        "days since the last event", "最終利用からの日数", "Days from the last known event to `as_of`.",
        "最後に確認されたイベントから基準日までの日数。",
    ),
    missing="no event is known", needs=_EVENTS, windowed=False, kind="age", risk_direction=1,
)  # fmt: skip
def days_since_last_event(inputs: Inputs) -> Floats:
    return np.asarray(inputs.keys.day - inputs.events.last_day)


@ENGAGEMENT.measure(
    "silence_ratio", "ratio",
    Words(
        "silence against the usual gap", "通常間隔に対する未利用期間の比",
        "Days since the last event ÷ the mean gap between active days in the last {w} days.",
        "最終利用からの日数÷過去{w}日間の平均利用間隔。",
    ),
    missing="no event is known or no day was active", needs=_EVENTS, risk_direction=1,
)  # fmt: skip
def silence_ratio(inputs: Inputs, w: int) -> Floats:
    rate = active_day_rate(inputs, w)
    return np.where(rate > 0, (inputs.keys.day - inputs.events.last_day) * rate, np.nan)


@ENGAGEMENT.measure(
    "active_weeks", "weeks",
    Words(
        "active weeks", "利用週数",
        "Of the whole weeks counted back from `as_of` within the last {w} days, those with an event.",
        "基準日から遡った過去{w}日間の各週のうち、イベントがあった週の数。",
    ),
    missing=NO_DAY_SEEN, needs=_EVENTS, risk_direction=-1,
)  # fmt: skip
def active_weeks(inputs: Inputs, w: int) -> Floats:
    weeks = [inputs.events.active_days(7 * n + 7, 7 * n) > 0 for n in range(w // 7)]
    return inputs.counted(np.sum(weeks, axis=0, dtype=np.float64) + inputs.keys.full(0.0), w)


@ENGAGEMENT.measure(
    "users_gained", "users",
    Words(
        "users who joined in", "新たに利用したユーザー数",
        "Users active in the last {w} days and not in the {w} days before.",
        "過去{w}日間に利用し、その前の{w}日間には利用しなかったユーザー数。",
    ),
    missing=_NO_BEFORE, needs=_USERS,
    risk_direction=-1, constrained=False,
)  # fmt: skip
def users_gained(inputs: Inputs, w: int) -> Floats:
    both, before = inputs.events.active_users(2 * w), inputs.events.active_users(2 * w, w)
    return np.where(inputs.whole(2 * w, w), both - before, np.nan)


@ENGAGEMENT.measure(
    "users_lost", "users",
    Words(
        "users who fell silent", "利用が途絶えたユーザー数",
        "Users active in the {w} days before and not in the last {w} days.",
        "その前の{w}日間に利用し、過去{w}日間には利用しなかったユーザー数。",
    ),
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
        words=Words("logins", "ログイン回数", "Login events in the last {w} days.", "過去{w}日間のログイン回数。"),
        make=Count(_logins), needs=_EVENTS, risk_direction=-1, trends="shape",
    )  # fmt: skip
    yield Measure(
        name="days_since_last_login", family="engagement", unit="days", missing="no login is known",
        words=Words(
            "days since the last login", "最終ログインからの日数", "Days from the last known login to `as_of`.",
            "最後のログインから基準日までの日数。",
        ),
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
        text = verbatim(kind)
        yield Measure(
            name=f"events_of_{slug}", family="engagement", unit="events", missing=NO_DAY_SEEN,
            words=Words(
                f"“{kind}” events", f"「{kind}」の回数", f"Events of kind “{text}” in the last {{w}} days.",
                f"過去{{w}}日間の「{text}」の回数。",
            ),
            make=Count(partial(_of_kind, slug)), needs=_EVENTS, event_kind=slug, trends="main",
            risk_direction=-1 if slug in scope.core else 0, constrained=False,
        )  # fmt: skip
        yield Measure(
            name=f"share_of_{slug}", family="engagement", unit="share", missing=_NO_EVENT,
            words=Words(
                f"share of “{kind}” events", f"「{kind}」の割合",
                f"“{text}” events ÷ all events in the last {{w}} days.",
                f"過去{{w}}日間の全イベントに占める「{text}」の割合。",
            ),
            make=Direct(partial(_share_of_kind, slug)), needs=_EVENTS, event_kind=slug,
            risk_direction=0,
        )  # fmt: skip
        if slug in scope.valued:
            yield Measure(
                name=f"value_of_{slug}", family="engagement", unit="units", missing=NO_DAY_SEEN,
                words=Words(
                    f"total value of “{kind}”", f"「{kind}」の値の合計",
                    f"Sum of the values of “{text}” events in the last {{w}} days.",
                    f"過去{{w}}日間の「{text}」の値の合計。",
                ),
                make=Count(partial(_value_of_kind, slug)), needs=_VALUES, event_kind=slug,
                risk_direction=0,
            )  # fmt: skip
