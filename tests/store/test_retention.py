"""What is kept and what is forgotten, as a timeline, and on a real store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlalchemy import text

from churnml.config import RetentionConfig
from churnml.store import Actor, Snapshot, Store
from churnml.store.retention import Stored, plan

Make = Callable[..., Snapshot]
_START = date(2024, 1, 1)  # a Monday


def _daily(days: int) -> list[Stored]:
    return [Stored(number, _START + timedelta(days=number)) for number in range(days)]


def _kept(snapshots: list[Stored], rules: RetentionConfig) -> list[date]:
    gone = set(plan(snapshots, rules).thin)
    return [one.as_of for one in snapshots if one.id not in gone]


def test_days_then_weeks_then_months_are_kept() -> None:
    kept = _kept(_daily(731), RetentionConfig(daily_days=90, weekly_days=365))
    newest = _START + timedelta(days=730)
    ages = [(newest - day).days for day in kept]
    assert ages[-91:] == list(range(90, -1, -1))
    weekly = [day for day, age in zip(kept, ages, strict=True) if 97 < age <= 358]
    assert {day.isoweekday() for day in weekly} == {7}
    assert len(weekly) == 37
    monthly = [day for day, age in zip(kept, ages, strict=True) if age > 396]
    assert all((day + timedelta(days=1)).day == 1 for day in monthly)
    assert len({(day.year, day.month) for day in kept}) == 24, "no month is without a score"


def test_applied_each_day_the_rules_leave_no_period_without_a_score() -> None:
    rules = RetentionConfig(daily_days=84, weekly_days=120)
    held: list[Stored] = []
    for one in _daily(300):
        held.append(one)
        gone = set(plan(held, rules).thin)
        held = [stored for stored in held if stored.id not in gone]
    newest = held[-1].as_of
    assert [one.as_of for one in held[-85:]] == [newest - timedelta(days=age) for age in range(84, -1, -1)]
    assert {(one.as_of.year, one.as_of.month) for one in held} == {(2024, month) for month in range(1, 11)}
    months = [one.as_of.month for one in held if (newest - one.as_of).days > 126]
    assert len(months) == len(set(months))
    assert not plan(held, rules).thin


def test_a_day_that_was_scored_again_keeps_the_last() -> None:
    snapshots = [Stored(1, _START), Stored(2, _START), Stored(3, _START + timedelta(days=1))]
    assert plan(snapshots, RetentionConfig()).thin == (1,)
    again = [*snapshots, Stored(4, _START + timedelta(days=1))]
    assert plan(again, RetentionConfig()).thin == (1,), "lists of the newest day go on"
    assert plan([], RetentionConfig()).trim == ()


def test_the_first_scoring_of_a_model_stays() -> None:
    snapshots = [replace(one, version="b" if one.id >= 40 else "a") for one in _daily(400)]
    kept = _kept(snapshots, RetentionConfig(daily_days=90, weekly_days=90))
    assert _START + timedelta(days=40) in kept
    assert len(kept) == len(_kept(_daily(400), RetentionConfig(daily_days=90, weekly_days=90))) + 1


@pytest.mark.slow
def test_a_store_forgets_what_is_old_and_keeps_what_is_an_accounts_last(
    store: Store, snapshot: Make, actor: Actor
) -> None:
    rules = RetentionConfig(explanations_days=10, daily_days=84, weekly_days=84, audit_days=20)
    judgements = store.judgements("acme")
    judgements.give_feedback("a1", "useful", None, "ann", actor, snapshot_id=1)
    for number in range(0, 120, 8):
        whole = snapshot(_START + timedelta(days=number))
        if number > 16:
            # One account has left.
            scores = whole.scores[whole.scores["account_id"] != "a4"]
            reasons = [{"account_id": name} for name in scores["account_id"]]
            whole = replace(whole, scores=scores, explanations=reasons)
        store.publish(whole, retention=rules, now=whole.scored_at + timedelta(days=number))
    points = store.history("acme", "a1")
    newest = points[0][0].as_of
    ages = [(newest - info.as_of).days for info, _ in points]
    assert ages == [0, 8, 16, 24, 32, 40, 48, 56, 64, 72, 80, 88]
    for (info, account), age in zip(points, ages, strict=True):
        assert (store.explanation(info.id, "a1") is not None) == (age <= 10)
        assert bool(account.details) == (age <= 10)
    last, account = store.history("acme", "a4")[0]
    assert last.as_of == _START + timedelta(days=16)
    assert account.details
    assert store.explanation(last.id, "a4") is not None
    assert store.account_scores(last.id, ["a1", "a2", "a3", "a4"]).keys() == {"a4"}
    assert [item.kind for item in judgements.feedback("a1")] == ["useful"]
    entries = store.audit(1000)
    assert entries[0].at - entries[-1].at <= timedelta(days=20)
    with store._engine.connect() as connection:
        counts = {
            name: connection.execute(text(f"SELECT count(*) FROM {name}")).scalar_one()
            for name in ("explanations", "features")
        }
    assert counts == {"explanations": 2 * 4 + 1, "features": 2 * 5}
