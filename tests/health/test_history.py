"""Trend, frozen scores, and changes that split exactly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from churnml.errors import DataError
from churnml.explain.composition import Composition, moved
from churnml.features.spec import FeatureSet
from churnml.health import HealthScale, Reading, compositions, decompose, score_health, trend


def history(*readings: tuple[str, str, float]) -> pd.DataFrame:
    frame = pd.DataFrame(readings, columns=["account_id", "as_of", "health_score"])
    return frame.assign(as_of=pd.to_datetime(frame["as_of"]))


def test_trend_of_monthly_readings() -> None:
    found = trend(
        history(
            ("a", "2026-03-01", 40.0), ("a", "2026-01-01", 70.0), ("b", "2026-03-01", 10.0), ("a", "2026-02-01", 60)
        )
    )
    assert found["account_id"].tolist() == ["a", "a", "b", "a"]
    assert found["change_30d"].tolist()[0] == -20.0
    assert np.isnan(found["change_7d"]).all()
    assert np.isnan(found["change_30d"].iloc[[1, 2]]).all()
    assert found["slope_12w"].iloc[0] == pytest.approx(-3.5294, abs=0.05)


def test_trend_skips_readings_without_a_score() -> None:
    found = trend(history(("a", "2026-01-01", 70.0), ("a", "2026-01-08", np.nan), ("a", "2026-01-15", 50.0)))
    assert np.isnan(found["change_7d"]).all()
    with pytest.raises(DataError, match="twice"):
        trend(history(("a", "2026-01-01", 70.0), ("a", "2026-01-01", 60.0)))


@pytest.fixture
def readings(
    frame: pd.DataFrame,
    make_frame: Callable[..., pd.DataFrame],
    feature_set: FeatureSet,
    make_config: Callable[..., Any],
) -> tuple[Reading, Reading, pd.DataFrame]:
    rng = np.random.default_rng(0)
    later = make_frame(seed=2).assign(as_of=pd.Timestamp("2026-02-01")).sample(frac=1.0, random_state=3)
    later = later[later["account_id"] != "A0007"]

    def scores(of: pd.DataFrame) -> pd.DataFrame:
        return of[["account_id", "as_of"]].assign(churn_probability=rng.uniform(0.001, 0.4, len(of)))

    scale = HealthScale.fit(frame, make_config(), feature_set)
    other = HealthScale.fit(frame, make_config(preset="balanced", alpha=0.7), feature_set)
    before = Reading(frame, scores(frame), scale, 0.05, "publishable")
    return before, Reading(later, scores(later), other, 0.08, "publishable"), scores(later)


def test_a_change_splits_exactly(readings: tuple[Reading, Reading, pd.DataFrame]) -> None:
    before, after, rescored = readings
    change = decompose(before, after, rescored)
    accounts = change.accounts
    assert len(accounts) == 399
    total = accounts[["data", "weights", "model"]].sum(axis=1)
    assert total.to_numpy() == pytest.approx(accounts["change"].to_numpy(), abs=1e-9)
    parts = change.parts.groupby("account_id")["points"].sum().loc[accounts["account_id"]]
    assert parts.to_numpy() == pytest.approx(accounts["data"].to_numpy(), abs=1e-9)
    shown = after.health().set_index("account_id")["health_score"].loc[accounts["account_id"]]
    assert accounts["after"].to_numpy() == pytest.approx(shown.to_numpy())
    assert (accounts[["data", "weights", "model"]].abs().max() > 1).all()


def test_only_what_changed_is_charged(readings: tuple[Reading, Reading, pd.DataFrame]) -> None:
    before, after, _ = readings
    same = decompose(before, before, before.scores).accounts
    assert same[["change", "data", "weights", "model"]].abs().max().max() == 0
    weights = decompose(before, replace(before, scale=after.scale), before.scores).accounts
    assert weights[["data", "model"]].abs().max().max() == 0
    assert weights["weights"].abs().max() > 1
    model = decompose(before, replace(before, base_rate=0.2), before.scores).accounts
    assert model[["data", "weights"]].abs().max().max() == 0
    assert model["model"].abs().max() > 1


def test_one_measure_that_moved_is_the_one_named(readings: tuple[Reading, Reading, pd.DataFrame]) -> None:
    before, _, _ = readings
    moved = replace(before, frame=before.frame.assign(core_feature_share_28d=0.0))
    parts = decompose(before, moved, before.scores).parts
    by_part = parts.groupby("part")["points"].apply(lambda points: points.abs().max())
    assert by_part["core_feature_use"] > 5
    assert by_part.drop("core_feature_use").max() < 1e-9


def test_health_of_a_reading_is_the_score(readings: tuple[Reading, Reading, pd.DataFrame]) -> None:
    before, _, _ = readings
    direct = score_health(before.frame, before.scores, scale=before.scale, base_rate=0.05, verdict="publishable")
    pd.testing.assert_frame_equal(before.health(), direct)


def _made_of(reading: Reading) -> dict[str, Composition]:
    rows = compositions(reading.frame, reading.health(), reading.scale)
    rows = rows.drop(columns="as_of").set_index("account_id").astype(object)
    rows = rows.where(rows.notna(), None)
    return {str(account): Composition.of(row) for account, row in rows.to_dict("index").items()}


def test_a_score_is_the_sum_of_what_it_is_made_of(readings: tuple[Reading, Reading, pd.DataFrame]) -> None:
    before, _, _ = readings
    health = before.health().set_index("account_id")["health_score"]
    for account, made in _made_of(before).items():
        rules = sum(made.weights[group] * score for group, score in made.scores.items())
        assert made.model_score is not None
        assert health[account] == pytest.approx(made.alpha * made.model_score + (1 - made.alpha) * rules)


def test_what_is_kept_tells_the_same_as_the_features_did(readings: tuple[Reading, Reading, pd.DataFrame]) -> None:
    before, later, rescored = readings
    after = replace(later, scale=before.scale, base_rate=before.base_rate, scores=rescored)
    change = decompose(before, after, rescored)
    group_of = {measure.name: measure.group for measure in before.scale.measures}
    parts = change.parts.assign(group=change.parts["part"].map(group_of).fillna("rest"))
    expected = parts.groupby(["account_id", "group"])["points"].sum()
    then, now = _made_of(before), _made_of(after)
    for account, points in change.accounts.set_index("account_id")["change"].items():
        made = moved(points, then[str(account)], now[str(account)], same_model=True)
        assert made.facts == points
        assert made.rest == pytest.approx(expected[account, "rest"], abs=1e-6)
        for group, own in made.groups.items():
            assert own == pytest.approx(expected[account, group], abs=1e-6)


def test_what_the_model_saw_is_told_by_family() -> None:
    before = Composition(1.0, None, 80.0, {}, {}, {"adoption": -0.4, "support": 0.1})
    after = Composition(1.0, None, 60.0, {}, {}, {"adoption": 0.8, "support": -0.1})
    made = moved(-20.0, before, after, same_model=True)
    assert made.groups == pytest.approx({"adoption": -24.0, "support": 4.0})
    assert list(made.groups) == ["adoption", "support"]
    # The families say that risk fell while the score fell too: nothing is made up, it stays the model's.
    unsaid = moved(20.0, before, after, same_model=True)
    assert (unsaid.groups, unsaid.rest) == ({}, 20.0)


def test_another_model_is_told_apart_from_the_facts_where_it_is_known() -> None:
    after = Composition(0.5, 60.0, 50.0, {}, {}, {}, by_weights=-2.0, by_model=5.0)
    made = moved(1.0, None, after, same_model=False)
    assert (made.facts, made.weights, made.model) == (-2.0, -2.0, 5.0)
    assert moved(1.0, None, replace(after, by_model=None), same_model=False).facts is None
    assert moved(1.0, None, None, same_model=False).model is None
    assert moved(1.0, None, None, same_model=True).facts == 1.0
