"""Explanations say what the model says, in groups that speak once."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from churnml.errors import BundleError, DataError, UsageError
from churnml.explain import ExplainReference, Explanation, explain
from churnml.explain.explainer import _topics, explanations_of
from churnml.explain.explanation import Indicator
from churnml.explain.groups import group_columns
from churnml.explain.order import facts_in_order
from churnml.features.spec import FeatureSet, FeatureSpec
from churnml.health import score_health
from churnml.language import Text, render


def explained(world: Any, **changes: Any) -> list[Explanation]:
    options = {
        "scores": world.scores,
        "health": world.health,
        "scale": world.scale,
        "reference": world.reference,
        **changes,
    }
    model = options.pop("model", world.model)
    return explain(model, options.pop("frame", world.frame), **options)


def test_family_effects_add_up_to_the_log_odds(world: Any) -> None:
    log_odds = world.model.log_odds(world.model.matrix(world.frame))
    for row, told in enumerate(explained(world)):
        assert told.expected_log_odds is not None
        assert told.expected_log_odds + sum(told.families.values()) == pytest.approx(log_odds[row], abs=1e-6)
        assert told.churn_probability == pytest.approx(world.scores["churn_probability"][row])


def test_the_planted_cause_is_told_with_the_accounts_numbers(world: Any) -> None:
    frame = world.frame
    fallen = (frame["active_users_trend_28d"] < -0.35) & (frame["invoices_overdue"] == 0)
    told = [explanation for explanation, hit in zip(explained(world), fallen, strict=True) if hit]
    assert len(told) > 10
    first = [explanation.raising[0] for explanation in told if explanation.raising]
    assert np.mean([driver.family == "engagement" for driver in first]) > 0.9
    for explanation in told[:20]:
        driver = next(item for item in explanation.raising if item.topic == "users")
        row = frame.index[frame["account_id"] == explanation.account_id][0]
        now, trend = frame["active_users_28d"][row], frame["active_users_trend_28d"][row]
        assert driver.value == now
        assert driver.previous == round(now * (1 - trend) / (1 + trend))
        sentence = render(driver.sentence, "en")
        users = "1 active user" if now == 1 else f"{now:.0f} active users"
        assert sentence.startswith(f"{users} in the last 28 days, {driver.previous:.0f} in the 28 days before")


def test_features_that_move_together_speak_once(world: Any) -> None:
    group = world.reference.groups
    assert group["active_users_28d"] == group["active_users_trend_28d"] == group["logins_28d"]
    assert len({group["active_users_28d"], group["tickets_opened_91d"], group["nps_last"]}) == 3
    for told in explained(world):
        for drivers in (told.raising, told.lowering, told.context):
            assert len({driver.group for driver in drivers}) == len(drivers)
            assert len(drivers) <= 3


def test_context_is_apart_from_what_a_csm_can_act_on(world: Any) -> None:
    told = explained(world)
    assert all(driver.actionable for item in told for driver in (*item.raising, *item.lowering))
    assert all(not driver.actionable for item in told for driver in item.context)


def test_effects_point_the_way_of_their_list(world: Any) -> None:
    for told in explained(world):
        assert all(driver.effect_log_odds > 0 and driver.effect_points >= 0 for driver in told.raising)
        assert all(driver.effect_log_odds < 0 and driver.effect_points <= 0 for driver in told.lowering)
        sizes = [abs(driver.effect_log_odds) for driver in told.raising]
        assert sizes == sorted(sizes, reverse=True)


def test_a_model_that_failed_its_gate_is_told_by_rules(world: Any) -> None:
    model = world.model.with_info(verdict="rules_only")
    blended = score_health(world.frame, world.scores, scale=world.scale, base_rate=0.1, verdict="rules_only")
    for told in explained(world, model=model, health=blended):
        assert told.source == "rules"
        assert "rules alone" in render(told.summary, "en")
        assert told.expected_log_odds is None
        drivers = (*told.raising, *told.lowering)
        assert all(driver.effect_log_odds is None for driver in drivers)
        green = world.scale.green_from
        assert sum(told.families.values()) == pytest.approx(green - told.health_score, abs=1e-9)


def test_the_batch_says_what_one_account_alone_says(world: Any) -> None:
    batch = explained(world)
    reference = ExplainReference.from_dict(json.loads(json.dumps(world.reference.as_dict(), allow_nan=False)))
    for row in (0, 101, 249):
        pick = slice(row, row + 1)
        alone = explained(
            world,
            frame=world.frame.iloc[pick],
            scores=world.scores.iloc[pick],
            health=world.health.iloc[pick],
            reference=reference,
        )
        assert alone[0].as_dict() == batch[row].as_dict()


def test_one_after_the_other_in_any_order_they_say_the_same(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = explained(world)
    monkeypatch.setattr("churnml.explain.explainer._BATCH", 7)
    order = np.random.default_rng(1).permutation(len(world.frame))
    options = {"scores": world.scores, "health": world.health, "scale": world.scale, "reference": world.reference}
    for row, told in zip(order, explanations_of(world.model, world.frame, **options, order=order), strict=True):
        assert told == at_once[row]


def test_explanations_are_json(world: Any) -> None:
    for told in explained(world):
        data = json.loads(json.dumps(told.as_dict(), allow_nan=False))
        assert data["account_id"] == told.account_id
        assert data["as_of"] == "2025-08-01"


def test_indicators_stand_beside_the_score(world: Any) -> None:
    for told, overdue in zip(explained(world), world.frame["invoices_overdue"], strict=True):
        codes = [indicator.code for indicator in told.indicators]
        assert codes == (["invoice_overdue"] if overdue > 0 else [])
        if overdue == 1:
            assert render(told.indicators[0].text, "en") == "1 invoice is overdue"


def test_the_csms_sentiment_is_its_own_field(world: Any) -> None:
    frame = world.frame.assign(attr_csm_sentiment=[None, *["good"] * (len(world.frame) - 1)])
    told = explained(world, frame=frame)
    assert (told[0].csm_sentiment, told[1].csm_sentiment) == (None, "good")


def test_previous_values_come_from_the_last_earlier_snapshot(world: Any) -> None:
    earlier = pd.concat(
        [
            world.frame.assign(as_of=pd.Timestamp("2025-06-01"), tickets_opened_91d=90.0),
            world.frame.assign(as_of=pd.Timestamp("2025-07-01"), tickets_opened_91d=40.0),
            world.frame.assign(as_of=pd.Timestamp("2025-09-01"), tickets_opened_91d=70.0),
        ]
    )
    drivers = [
        driver
        for told in explained(world, previous=earlier)
        for driver in (*told.raising, *told.lowering)
        if driver.feature == "tickets_opened_91d"
    ]
    assert drivers
    assert {(driver.previous, driver.previous_on) for driver in drivers} == {(40.0, "2025-07-01")}


def test_percentile_and_thirds_tell_what_is_normal(world: Any) -> None:
    drivers = [
        driver
        for told in explained(world)
        for driver in (*told.raising, *told.lowering)
        if driver.feature == "active_users_28d"
    ]
    assert drivers
    assert any(driver.comparison is not None for driver in drivers)
    for driver in drivers:
        assert driver.segment in ("SMB", "enterprise")
        assert driver.percentile is not None
        assert 0 <= driver.percentile <= 1
        if driver.comparison is not None:
            assert driver.low > driver.high
            assert (abs(driver.value - driver.high) < abs(driver.value - driver.low)) == (driver.effect_points > 0)


def test_only_what_counts_is_told_one_fact_a_topic(world: Any) -> None:
    for told in explained(world):
        drivers = (*told.raising, *told.lowering)
        sizes = [abs(driver.effect_points) for driver in drivers]
        assert all(size >= max(1.0, 0.2 * max(sizes)) for size in sizes)
        topics = [driver.topic for driver in drivers]
        assert len(set(topics)) == len(topics)
        assert len(told.raising) <= 3
        assert len(told.lowering) <= 2
        if told.indicators:
            assert "payment" not in topics


def test_what_is_not_told_is_one_number(world: Any) -> None:
    """The average, what is told and the rest make the account's probability; what a hard fact says is told."""
    parts = world.model.contributions(world.model.matrix(world.frame))[:, :-1]
    groups = group_columns(world.model.features, world.reference)
    names = world.model.features.names
    (paid,) = (columns for columns in groups.values() if "invoices_overdue" in [names[column] for column in columns])
    overdue = 0
    for row, told in enumerate(explained(world)):
        effects = sum(driver.effect_log_odds or 0.0 for driver in (*told.raising, *told.lowering, *told.context))
        if "invoice_overdue" in [item.code for item in told.indicators]:
            effects, overdue = effects + float(parts[row, paid].sum()), overdue + 1
        neutral = float(world.model.calibrated(np.array([told.expected_log_odds + effects]))[0])
        assert told.other_points == pytest.approx(100 * (told.churn_probability - neutral), abs=1e-6)
    assert overdue


def test_a_red_account_without_a_reason_of_the_model_is_told_by_its_measures(world: Any) -> None:
    red = world.health.assign(band="red")
    explained_ = explained(world, health=red)
    low = world.health["rules_score"].to_numpy() < 60
    assert low.sum() > 20
    assert all(told.sentences for told, costs in zip(explained_, low, strict=True) if costs)
    assert any(told.raising and told.raising[0].effect_log_odds is None for told in explained_)


def test_rows_that_do_not_belong_together_are_refused(world: Any) -> None:
    with pytest.raises(DataError, match="scores"):
        explained(world, scores=world.scores.iloc[::-1])
    with pytest.raises(DataError, match="health"):
        explained(world, health=world.health.iloc[:-1])


def test_a_reference_needs_rows(world: Any) -> None:
    with pytest.raises(UsageError, match="needs rows"):
        ExplainReference.fit(world.frame.iloc[:0], world.features, np.array([]))
    with pytest.raises(BundleError, match="reference"):
        ExplainReference.from_dict({"format": 9})


def test_what_is_not_known_is_no_good_news(world: Any) -> None:
    told = explained(world)
    assert any("nps_last" in driver.features for one in told for driver in one.raising)
    assert not [driver for one in told for driver in (*one.lowering, *one.context) if driver.value is None]


def test_a_rank_among_peers_speaks_with_its_measure(world: Any) -> None:
    peer = replace(world.features["active_users_28d"], name="active_users_percentile", kind="peer", actionable=False)
    size = replace(world.features["tenure_days"], name="tenure_percentile", kind="peer", measure="tenure_days")
    columns = group_columns(FeatureSet([*world.features, peer, size]), world.reference)
    by_column = {column: key for key, members in columns.items() for column in members}
    count = len(world.features)
    assert by_column[count] == by_column[world.features.names.index("active_users_28d")]
    assert by_column[count][2] is True
    assert by_column[count + 1] == by_column[world.features.names.index("tenure_days")]


def test_what_raises_the_risk_is_told_in_the_order_of_its_own_and_its_familys_effect(world: Any) -> None:
    for told in explained(world):
        said = [driver.effect_log_odds + told.families[driver.family] for driver in told.raising]
        assert said == sorted(said, reverse=True)


def test_of_a_silent_account_it_is_not_said_again_that_it_uses_one_thing_or_another() -> None:
    silence = Indicator(code="silence", feature="days_since_last_event", value=40.0, text=Text.of("fact-notice"))
    overdue = Indicator(code="invoice_overdue", feature="invoices_overdue", value=1.0, text=Text.of("fact-notice"))
    assert {"use", "features", "kind:report"} <= _topics((silence, overdue), {"kind:report"})
    assert _topics((overdue,), {"kind:report"}) == {"payment"}


def test_hard_facts_are_told_by_what_the_model_makes_of_them() -> None:
    def fact(code: str, feature: str) -> Indicator:
        return Indicator(code=code, feature=feature, value=1.0, text=Text.of(f"fact-{code}"))

    def spec(name: str, family: str) -> FeatureSpec:
        return FeatureSpec(name, family, "", "", "", "", "contacts")

    facts = (fact("invoice_overdue", "invoices_overdue"), fact("champion_left", "champions_left_91d"))
    specs = {
        one.name: one for one in (spec("invoices_overdue", "commercial"), spec("champions_left_91d", "relationship"))
    }
    families = {"commercial": 0.2, "relationship": 1.4}
    notice = fact("notice", "notice_given")
    ordered = facts_in_order((*facts, notice), families, specs)
    assert [item.code for item in ordered] == ["notice", "champion_left", "invoice_overdue"]
    assert facts_in_order(facts, {}, {}) == facts
