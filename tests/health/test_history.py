"""Trend, frozen scores, and changes that split exactly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from churnml.errors import DataError
from churnml.features.spec import FeatureSet
from churnml.health import HealthScale, Reading, decompose, score_health, trend


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
