"""Who is held out: a share, by chance, fixed for the episode, never the large or those who gave notice."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd

from churnml.actions import Drawn, draw
from churnml.config.experiments import ExperimentsConfig
from churnml.language import Text
from churnml.store import Alert, Assignment

DAY = date(2026, 1, 5)


def settings(**given: object) -> ExperimentsConfig:
    return ExperimentsConfig.model_validate({"enabled": True, "share": 0.25, "arr_below": 50_000, **given})


def alerts(count: int, on: date = DAY, kind: str = "silence", **given: object) -> list[Alert]:
    values = {"kind": kind, "severity": "high", "owner": "ann", "opened_on": on, "updated_on": on, "shown_on": on,
              "due_at": datetime(2026, 1, 8, tzinfo=UTC), "text": Text.of("alert-silence"), **given}  # fmt: skip
    return [Alert.model_validate({"account_id": f"a{n:03d}", **values}) for n in range(count)]


def signals(count: int, **given: object) -> pd.DataFrame:
    table = pd.DataFrame({"account_id": [f"a{n:03d}" for n in range(count)], "touch": "high", "arr": 9_000.0})
    return table.assign(churn_probability=np.linspace(0.01, 0.6, count), band="red", segment="smb", owner="ann").assign(
        **given
    )


def drawn(
    found: list[Alert],
    table: pd.DataFrame,
    known: tuple[Assignment, ...] = (),
    section: ExperimentsConfig | None = None,
    on: date = DAY,
    seed: int = 1,
) -> Drawn:
    return draw(found, known, table, section or settings(), days=60, seed=seed, as_of=on)


def out(result: Drawn) -> set[str]:
    return {alert.account_id for alert in result.alerts if alert.held_out}


def test_a_share_is_held_out_in_every_stratum_by_a_seeded_lot():
    result = drawn(alerts(80), signals(80))
    by_stratum = pd.DataFrame([item.model_dump() for item in result.assignments]).groupby("stratum")["arm"]
    assert by_stratum.agg(lambda arms: (arms == "held_out").sum()).to_dict() == {"high/high": 10, "high/low": 10}
    assert out(drawn(alerts(80), signals(80))) == out(result)
    assert out(drawn(alerts(80), signals(80), seed=2)) != out(result)


def test_who_comes_one_by_one_is_held_out_in_the_same_share():
    known: tuple[Assignment, ...] = ()
    for number in range(40):
        one = [alerts(40)[number]]
        known += drawn(one, signals(40), known).assignments
    assert sum(item.arm == "held_out" for item in known) == 10


def test_the_large_those_who_gave_notice_and_tech_touch_are_never_held_out():
    for kept in ({"arr": 50_000.0}, {"arr": np.nan}, {"notice_given": 1.0}, {"touch": "tech"}):
        result = drawn(alerts(80), signals(80, **kept))
        assert out(result) == set()
        assert result.assignments == ()
    assert out(drawn(alerts(80, kind="expansion_chance"), signals(80))) == set()
    assert out(drawn(alerts(80, severity="critical"), signals(80))) == set()
    assert len(out(drawn(alerts(80), signals(80, notice_given=1.0), section=settings(notice_given=True)))) == 20
    assert drawn(alerts(80), signals(80), section=settings(arr_below=None)).assignments == ()


def test_what_somebody_has_on_the_desk_or_the_budget_keeps_back_is_not_drawn():
    earlier = DAY - timedelta(days=7)
    assert drawn(alerts(80, on=earlier), signals(80)).assignments == ()
    assert drawn(alerts(80, held_back=True, shown_on=None), signals(80)).assignments == ()


def test_an_arm_is_fixed_for_the_episode_and_its_alerts_follow():
    first = drawn(alerts(80), signals(80))
    held = next(item for item in first.assignments if item.arm == "held_out")
    later = DAY + timedelta(days=30)
    new = [a for a in alerts(80, on=later, kind="score_fall") if a.account_id == held.account_id]
    again = drawn([*first.alerts, *new], signals(80), first.assignments, on=later)
    assert again.assignments == ()
    assert all(a.held_out for a in again.alerts if a.account_id == held.account_id)
    assert out(again) == out(first)


def test_after_its_days_an_account_is_set_free_and_has_its_alert_as_a_new_one():
    first = drawn(alerts(80), signals(80))
    known = tuple(item.model_copy(update={"id": at}) for at, item in enumerate(first.assignments))
    end = DAY + timedelta(days=60)
    freed = drawn(list(first.alerts), signals(80), known, on=end)
    assert out(freed) == set()
    assert {item.ended_on for item in freed.assignments} == {end}
    assert {alert.shown_on for alert in freed.alerts if alert.account_id in out(first)} == {end}
    assert {alert.arm for alert in freed.alerts if alert.account_id in out(first)} == {"held_out"}
    ended = tuple(freed.assignments)
    assert drawn(list(freed.alerts), signals(80), ended, on=end).assignments == ()


def test_notice_sets_an_account_free_at_once():
    first = drawn(alerts(80), signals(80))
    known = tuple(item.model_copy(update={"id": at}) for at, item in enumerate(first.assignments))
    later = DAY + timedelta(days=3)
    freed = drawn(list(first.alerts), signals(80, notice_given=1.0), known, on=later)
    assert out(freed) == set()
    assert len(freed.assignments) == 80


def test_drawing_a_day_again_changes_nothing():
    first = drawn(alerts(80), signals(80))
    again = drawn(list(first.alerts), signals(80), first.assignments)
    assert again.alerts == first.alerts
    assert again.assignments == ()
