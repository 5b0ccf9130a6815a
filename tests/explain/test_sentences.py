"""Sentences say what is known of an account, with its numbers, its window and its unit, in every language."""

from __future__ import annotations

from typing import Any

import pytest

from churnml.explain.facts import Change, Facts, comparison, fact, label
from churnml.explain.reference import Yardstick
from churnml.features.spec import FeatureSpec
from churnml.language import render, words


def spec(measure: str, unit: str, window: int | None = None, kind: Any = "level", **more: Any) -> FeatureSpec:
    name = f"{measure}_{window}d" if window else measure
    return FeatureSpec(
        name,
        "engagement",
        unit,
        "",
        words({"en": "own label", "ja": "独自の指標"}),
        "",
        "t",
        window,
        measure,
        kind,
        **more,
    )


def usual(*quantiles: float, low: float | None = None, high: float | None = None, **more: Any) -> Yardstick:
    return Yardstick(quantiles, low, None, high, **more)


LOW = usual(*[12.0] * 30, *[20.0] * 10)
USERS = spec("active_users", "users", 28)
TICKETS = spec("tickets_opened", "tickets", 91)
FEATURES = spec("features_used", "features", 28)
CHAMPIONS = spec("champions_active", "contacts")
CORE = spec("core_feature_share", "share", 28)
CSAT = spec("csat", "points", 91)
NPS = spec("nps_last", "points")
LAST = spec("days_since_last_login", "days", kind="age")
DELAY = spec("payment_delay_days", "days", 182)
SILENCE = spec("silence_ratio", "ratio", 28)
KIND = spec("events_of_template_used", "events", 28)
MRR = spec("mrr", "currency")
SEATS = spec("seats", "seats")
TENURE = spec("tenure_days", "days", kind="age")
RENEWAL = spec("days_to_renewal", "days", kind="age")
FIRST = spec("days_to_first_value", "days", kind="age")
RENEWS = spec("auto_renew", "share", kind="flag")
PLAN = spec("plan", "", kind="category", categorical=True)
URGENT = spec("urgent_ticket_share", "share", 28)
OWN = spec("widgets_sold", "widgets", 28)
TEMPLATES = words({"en": "templates", "ja": "テンプレート"})

CASES = [
    (
        Facts(USERS, 5.0, -1, change=Change(14.0)),
        "5 active users in the last 28 days, 14 in the 28 days before (−64 %)",
        "過去28日間のアクティブユーザーは5人（その前の28日間は14人、−64%）",
    ),
    (
        Facts(FEATURES, 3.0, -1, change=Change(9.0)),
        "3 features used in the last 28 days, 9 in the 28 days before",
        "過去28日間の利用は3機能（その前の28日間は9機能）",
    ),
    (
        Facts(FEATURES, 0.0, -1, yardstick=usual(*[10.0] * 41)),
        "Nothing used in the last 28 days (similar accounts: 10 features)",
        "過去28日間、利用なし（類似顧客は10機能）",
    ),
    (
        Facts(USERS, 1.0, -1, yardstick=LOW),
        "1 active user in the last 28 days (similar accounts: 12)",
        "過去28日間のアクティブユーザーは1人（類似顧客は12人）",
    ),
    (
        Facts(TICKETS, 6.0, 1, yardstick=usual(*[0.0] * 38, *[9.0] * 3)),
        "6 tickets opened in the last 91 days, more than 93 % of similar accounts",
        "過去91日間の新規の問い合わせは6件で、類似顧客の93%より多い",
    ),
    (
        Facts(CHAMPIONS, 0.0, -1, change=Change(1.0, on="2025-12-04")),
        "The last champion or sponsor left (1 in place on 4 December 2025)",
        "最後の推進担当者・スポンサーが離任（2025年12月4日時点では1人）",
    ),
    (
        Facts(CORE, 0.5, -1, whole=4.0, yardstick=usual(*[0.75] * 41)),
        "2 of 4 core features used in the last 28 days (similar accounts: 3)",
        "過去28日間のコア機能の利用は4機能中2機能（類似顧客は3機能）",
    ),
    (
        Facts(URGENT, 1.0, 1, whole=3.0, yardstick=usual(*[0.0] * 41)),
        "3 of 3 tickets urgent in the last 28 days",
        "過去28日間の緊急の問い合わせは3件中3件",
    ),
    (
        Facts(CSAT, 2.25, -1, change=Change(2.75)),
        "Support satisfaction 2.25 of 5 in the last 91 days, 2.75 in the 91 days before",
        "過去91日間のサポート満足度は5点中2.25点（その前の91日間は2.75点）",
    ),
    (
        Facts(NPS, 3.0, -1, change=Change(8.0)),
        "Latest NPS answer 3 of 10, 8 the time before",
        "直近のNPS回答は10点中3点（その前は8点）",
    ),
    (
        Facts(LAST, 34.0, 1, yardstick=usual(*[1.0] * 41)),
        "Last login 34 days ago (similar accounts: 1 day)",
        "最終ログインから34日経過（類似顧客は1日）",
    ),
    (Facts(LAST, None, 1), "Nobody has logged in yet", "ログイン実績なし"),
    (Facts(FIRST, None, 1), "First value not yet reached", "初回の成果にまだ到達していない"),
    (
        Facts(DELAY, -0.83, 1, yardstick=usual(*[-5.2] * 41)),
        "Paid about 1 day early in the last 182 days; most pay 5 days early",
        "過去182日間の支払いは期日の約1日前（多くは約5日前）",
    ),
    (
        Facts(DELAY, 12.4, 1, yardstick=usual(*[0.0] * 41)),
        "Paid about 12 days late in the last 182 days; most pay on the due day",
        "過去182日間の支払いは期日の約12日後（多くは期日どおり）",
    ),
    (
        Facts(SILENCE, 5.8, 1, yardstick=usual(*[0.7] * 41)),
        "Silent 5.8 times as long as its usual gap",
        "利用の空白が通常の5.8倍に",
    ),
    (
        Facts(KIND, 0.0, -1, kind=TEMPLATES, gone=True),
        "Templates no longer used: not once in the last 28 days",
        "テンプレートの利用がなくなった（過去28日間は0回）",
    ),
    (
        Facts(KIND, 12.0, -1, kind=TEMPLATES, change=Change(40.0)),
        "Templates used 12 times in the last 28 days, 40 in the 28 days before (−70 %)",
        "過去28日間のテンプレートの利用は12回（その前の28日間は40回、−70%）",
    ),
    (
        Facts(MRR, 4200.0, 1, yardstick=usual(*[900.0] * 41), rank=0.954),
        "Pays more than 95 % of similar accounts ($4,200 a month)",
        "月額は$4,200で、類似顧客の95%より高い",
    ),
    (
        Facts(SEATS, 4.0, -1, change=Change(6.0, days=91)),
        "4 seats (91 days ago: 6 seats)",
        "契約シートは4席（91日前は6席）",
    ),
    (
        Facts(TENURE, 900.0, 1, yardstick=usual(*[500.0] * 41)),
        "Customer for 30 months (similar accounts: 16 months)",
        "利用開始から30か月（類似顧客は16か月）",
    ),
    (Facts(RENEWAL, 40.0, -1, term_days=365.0, plain=True), "40 days to renewal", "契約更新まで40日"),
    (Facts(RENEWS, 0.0, -1), "Does not renew automatically", "自動更新ではない契約"),
    (Facts(PLAN, "Basic", 1), "Plan: Basic", "プラン：Basic"),
    (
        Facts(OWN, 1.0, -1, yardstick=usual(*[5.0] * 41)),
        "Own label: 1 widget in the last 28 days (similar accounts: 5 widgets)",
        "過去28日間の独自の指標は1件（類似顧客は5件）",
    ),
]


@pytest.mark.parametrize(("facts", "english", "japanese"), CASES, ids=[case[1][:40] for case in CASES])
def test_sentence(facts: Facts, english: str, japanese: str) -> None:
    sentence = fact(facts)
    assert sentence is not None
    assert render(sentence, "en") == english
    assert render(sentence, "ja") == japanese


UNSAID = {
    "a change against the claim": Facts(USERS, 5.0, 1, change=Change(14.0)),
    "a trifle": Facts(USERS, 10.0, 1, change=Change(9.0)),
    "a change that rounding makes": Facts(spec("first_response_hours", "hours", 28), 12.4, 1, change=Change(11.6)),
    "a share that hardly moved": Facts(CORE, 0.0, -1, change=Change(0.02)),
    "a usual level": Facts(USERS, 12.0, -1, yardstick=LOW),
    "a level on the other side": Facts(USERS, 1.0, 1, yardstick=LOW),
    "a level with the accounts of the other risk": Facts(
        USERS, 5.0, -1, yardstick=usual(*[9.0] * 41, low=5.0, high=20.0, clear=True)
    ),
    "a value nobody knows": Facts(NPS, None, -1),
    "a good silence": Facts(SILENCE, 0.3, -1, yardstick=usual(*[0.7] * 41)),
    "the renewal of a monthly term": Facts(RENEWAL, 12.0, -1, term_days=30.0, plain=True),
    "a share of one": Facts(URGENT, 1.0, 1, whole=1.0, yardstick=usual(*[0.0] * 41)),
    "what has no direction": Facts(USERS, 1.0, 0, yardstick=LOW),
    "a window that overlaps": Facts(TICKETS, 9.0, 1, change=Change(5.0, on="2025-12-04")),
}


@pytest.mark.parametrize("facts", UNSAID.values(), ids=UNSAID)
def test_what_is_not_said(facts: Facts) -> None:
    assert fact(facts) is None


def test_no_percentage_on_a_small_base() -> None:
    said = [fact(Facts(FEATURES, 2.0, -1, change=Change(before))) for before in (9.0, 10.0)]
    assert ["%" in render(text, "en") for text in said if text is not None] == [False, True]


def test_groups_are_compared_where_they_differ_as_they_are_read() -> None:
    def compared(**more: Any) -> str | None:
        text = comparison(Facts(USERS, 2.0, -1, yardstick=usual(*[9.0] * 41, **more)))
        return render(text, "en") if text is not None else None

    assert compared(low=12.4, high=3.1, clear=True) == "Accounts at low risk average 12 users, at high risk 3 users."
    assert compared(low=12.4, high=3.1) is None
    assert compared(low=12.02, high=12.01, clear=True) is None
    few = {"low": 0.049, "high": 0.21, "some_low": 0.05, "some_high": 0.2, "clear": True}
    deals = Facts(spec("opportunities_lost", "opportunities", 91), 1.0, 1, yardstick=usual(*[0.0] * 41, **few))
    text = comparison(deals)
    assert text is not None
    assert render(text, "en") == "5 % of low-risk and 20 % of high-risk accounts have any."
    assert render(text, "ja") == "1以上の割合は、低リスク層で5%、高リスク層で20%。"


def test_a_feature_is_called_by_the_catalogue_or_by_itself() -> None:
    assert [render(label(USERS), code) for code in ("en", "ja")] == ["active users", "アクティブユーザー数"]
    assert [render(label(OWN), code) for code in ("en", "ja")] == ["own label", "独自の指標"]
    assert render(label(KIND, TEMPLATES), "en") == "use of templates"


def test_no_sentence_claims_a_cause() -> None:
    for facts, english, japanese in CASES:
        assert fact(facts) is not None
        assert not any(word in english.lower() for word in ("because", "caus", "due to ", "leads to"))
        assert not any(word in japanese for word in ("原因", "せいで", "により", "ため"))
