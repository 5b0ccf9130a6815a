"""Sentences read naturally, agree in number, and never claim a cause."""

from __future__ import annotations

from typing import Any

import pytest

from churnml.explain.sentences import Facts, sentence_en, sentence_ja
from churnml.features.spec import FeatureSpec


def spec(name: str, unit: str, en: str, ja: str, window: int | None = None, kind: Any = "level") -> FeatureSpec:
    return FeatureSpec(name, "engagement", unit, "no answer is on record", en, ja, "", "", "t", window, name, kind)


USERS = spec("active_users_28d", "users", "active users", "アクティブユーザー数", 28)
TICKETS = spec("tickets_opened_91d", "tickets", "tickets opened", "問い合わせ件数", 91)
SILENCE = spec("longest_silence_28d", "days", "longest silence", "最長の未利用期間", 28)
SHARE = spec("core_feature_share_28d", "share", "share of core features used", "コア機能の利用率", 28)
MRR = spec("mrr", "currency", "MRR", "MRR")
LAST = spec("days_since_last_login", "days", "days since the last login", "最終ログインからの日数", None, "age")
RENEWAL = spec("days_to_renewal", "days", "days to renewal", "契約更新までの日数")
TREND = spec("logins_trend_28d", "share", "trend of logins", "ログイン回数の増減", 28, "trend")
SLOPE = spec(
    "events_slope_12w", "share per week", "12-week slope of events", "利用イベント数の12週間の傾き", None, "trend"
)
PEAK = spec(
    "events_from_peak_28d", "share", "drop of events from their peak", "利用イベント数のピークからの減少率", 28, "trend"
)
SEATS = spec("seats_change_91d", "share", "seat change", "シート数の変化率", 91, "trend")
PEER = spec("events_percentile", "share", "events among peers", "同類顧客内での利用イベント数", None, "peer")
FLAG = spec("auto_renew", "share", "automatic renewal", "自動更新", None, "flag")
PLAN = spec("plan", "", "plan", "プラン", None, "category")
OWN = spec("widgets_sold_28d", "widgets", "widgets sold", "販売数", 28)
NPS = spec("nps_last", "points", "last NPS answer", "直近のNPS回答")

TERM = spec("days_into_term", "days", "days since the term began", "契約開始からの日数", None, "age")
DELAY = spec("payment_delay_days_182d", "days", "delay of payment", "支払遅延日数", 182)

CASES = [
    (Facts(TERM, 5.0), "The term began 5 days ago", "契約開始から5日経過"),
    (Facts(TERM, 0.0), "The term began today", "契約開始から0日経過"),
    (
        Facts(DELAY, -5.25, typical=-4.7, below=0.2, above=0.63),
        "Payment 5.2 days early on average in 182 days, earlier than at 63 % of accounts (typically 4.7 days early)",
        "過去182日間の支払は平均で期日の5.2日前、アカウントの63%より早い（中央値は期日の4.7日前）",
    ),
    (Facts(DELAY, 12.0), "Payment 12 days late on average in 182 days", "過去182日間の支払は平均で期日の12日後"),
    (Facts(DELAY, 0.0), "Payment on the due day on average in 182 days", "過去182日間の支払は平均で期日どおり"),
    (
        Facts(USERS, 5.0, previous=14.0),
        "Active users fell from 14 to 5 in 28 days (−64 %)",
        "過去28日間でアクティブユーザーが14人から5人に減少（−64%）",
    ),
    (
        Facts(USERS, 5.0, previous=14.0, previous_on="2026-08-01"),
        "Active users fell from 14 to 5 since 1 August 2026 (−64 %)",
        "2026年8月1日以降、アクティブユーザーが14人から5人に減少（−64%）",
    ),
    (Facts(USERS, 1.0), "1 active user in 28 days", "過去28日間のアクティブユーザー数は1人"),
    (Facts(USERS, 2.0), "2 active users in 28 days", "過去28日間のアクティブユーザー数は2人"),
    (Facts(USERS, 0.0), "No active users in 28 days", "過去28日間のアクティブユーザー数は0人"),
    (
        Facts(USERS, 1200.0, typical=300.0, below=0.82, above=0.1),
        "1,200 active users in 28 days, higher than at 82 % of accounts (typically 300)",
        "過去28日間のアクティブユーザー数は1,200人、アカウントの82%を上回る（中央値300人）",
    ),
    (
        Facts(USERS, 2.0, typical=300.0, below=0.0, above=0.99),
        "2 active users in 28 days, lower than at nearly all accounts (typically 300)",
        "過去28日間のアクティブユーザー数は2人、ほぼすべてのアカウントを下回る（中央値300人）",
    ),
    # a change that points against the driver's effect is not told
    (Facts(USERS, 5.0, previous=3.0, toward=-1), "5 active users in 28 days", "過去28日間のアクティブユーザー数は5人"),
    (Facts(TICKETS, 0.0), "No tickets opened in 91 days", "過去91日間の問い合わせ件数は0件"),
    (
        Facts(TICKETS, 6.0, previous=1.0),
        "Tickets opened rose from 1 to 6 in 91 days (+500 %)",
        "過去91日間で問い合わせ件数が1件から6件に増加（+500%）",
    ),
    (
        Facts(TICKETS, 3.0, previous=0.0),
        "Tickets opened rose from 0 to 3 in 91 days",
        "過去91日間で問い合わせ件数が0件から3件に増加",
    ),
    (
        Facts(SILENCE, 1.0, previous=4.0),
        "Longest silence fell from 4 days to 1 day in 28 days (−75 %)",
        "過去28日間で最長の未利用期間が4日から1日に減少（−75%）",
    ),
    (
        Facts(SHARE, 0.27, previous=0.64),
        "Share of core features used fell from 64 % to 27 % in 28 days",
        "過去28日間でコア機能の利用率が64%から27%に低下",
    ),
    (Facts(MRR, 1234.0), "MRR: $1,234", "MRRは$1,234"),
    (Facts(MRR, 1234.0, currency="JPY"), "MRR: ¥1,234", "MRRは1,234円"),
    (Facts(LAST, 34.0), "The last login was 34 days ago", "最終ログインから34日経過"),
    (
        Facts(LAST, 34.0, typical=1.0, below=0.9, above=0.0),
        "The last login was 34 days ago, longer ago than at 90 % of accounts (typically 1 day)",
        "最終ログインから34日経過、アカウントの90%より長い（中央値1日）",
    ),
    (Facts(LAST, 1.0), "The last login was 1 day ago", "最終ログインから1日経過"),
    (Facts(RENEWAL, 40.0), "40 days to renewal", "契約更新まで40日"),
    (Facts(RENEWAL, 1.0), "1 day to renewal", "契約更新まで1日"),
    (Facts(RENEWAL, 0.0), "Renewal is due today", "契約更新まで0日"),
    (Facts(RENEWAL, -3.0), "Renewal is 3 days overdue", "契約更新の期日を3日超過"),
    (
        Facts(TREND, -0.5),
        "Logins down 67 % against the 28 days before",
        "過去28日間のログイン回数は直前の28日間より67%減少",
    ),
    (Facts(TREND, -1.0), "Logins fell to none in 28 days", "過去28日間でログイン回数が0に減少"),
    (
        Facts(SLOPE, -0.08),
        "Events falling over 12 weeks (−8 % a week)",
        "利用イベント数は12週間で減少傾向（週あたり−8%）",
    ),
    (
        Facts(PEAK, 0.64),
        "Events 64 % below their peak of the last year",
        "利用イベント数は過去1年の最高値を64%下回る",
    ),
    (Facts(SEATS, -0.33), "Seat change: −33 % in 91 days", "過去91日間のシート数の変化率は−33%"),
    (Facts(PEER, 0.1), "Events lower than at 90 % of peer accounts", "利用イベント数は類似アカウントの90%を下回る"),
    (Facts(FLAG, 1.0), "Automatic renewal: yes", "自動更新：あり"),
    (Facts(PLAN, "Basic"), "Plan: Basic", "プラン：Basic"),
    (Facts(OWN, 1.0), "Widgets sold: 1 in 28 days", "過去28日間の販売数は1件"),
    (Facts(NPS, None), "No value for last NPS answer: no answer is on record", "直近のNPS回答のデータなし"),
    (Facts(NPS, 1.0), "Last NPS answer: 1 point", "直近のNPS回答は1点"),
]


@pytest.mark.parametrize(("facts", "english", "japanese"), CASES, ids=[case[1][:40] for case in CASES])
def test_sentence(facts: Facts, english: str, japanese: str) -> None:
    assert sentence_en(facts) == english
    assert sentence_ja(facts) == japanese


def test_no_sentence_claims_a_cause() -> None:
    for facts, _, _ in CASES:
        assert not any(word in sentence_en(facts).lower() for word in ("because", "caus", "due to ", "leads to"))
        assert not any(word in sentence_ja(facts) for word in ("原因", "せいで", "により", "ため"))
