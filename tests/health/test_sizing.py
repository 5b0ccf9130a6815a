"""Red as large as the team, green where churners were seen; learned from readings the model had not seen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from churnml.config import CapacityConfig
from churnml.features.spec import FeatureSet
from churnml.health import BandEdges, HealthScale, score_health, size_bands


def readings(churned: int = 200, seed: int = 1) -> pd.DataFrame:
    """Two dates of 1000 accounts; churners scored lower, and left 70 days later."""
    rng = np.random.default_rng(seed)
    parts = []
    for number, as_of in enumerate(pd.date_range("2026-01-01", periods=2, freq="MS")):
        gone = np.arange(1000) < churned // 2
        parts.append(
            pd.DataFrame(
                {
                    "account_id": [f"{number}-{row}" for row in range(1000)],
                    "as_of": as_of,
                    "health_score": np.clip(rng.normal(np.where(gone, 45, 75), 15), 0, 100),
                    "churned": gone.astype(float),
                    "churn_on": pd.Series(as_of + pd.Timedelta(days=70), index=range(1000)).where(gone),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def test_who_is_held_back_leaves_green_to_others() -> None:
    known = readings()
    free = size_bands(known, CapacityConfig(share=0.1), weeks=4)
    held = (known["health_score"] >= free.green_from) & (np.arange(len(known)) % 20 == 0)
    edges = size_bands(known.assign(at_most_yellow=held), CapacityConfig(share=0.1), weeks=4)
    before = (known["health_score"] >= free.green_from).mean()
    after = ((known["health_score"] >= edges.green_from) & ~held).mean()
    assert edges.green_from < free.green_from
    assert after == pytest.approx(before, abs=0.005)
    assert edges.red_below == free.red_below
    assert size_bands(known.assign(at_most_yellow=False), CapacityConfig(share=0.1), weeks=4) == free


def test_red_is_as_large_as_the_team() -> None:
    known = readings()
    share = size_bands(known, CapacityConfig(share=0.1), weeks=4)
    assert (known["health_score"] < share.red_below).mean() == pytest.approx(0.1, abs=0.005)
    called = size_bands(known, CapacityConfig(csms=2, calls_per_week=5), weeks=4)
    assert (known["health_score"] < called.red_below).sum() / 2 == pytest.approx(40, abs=2)
    everyone = size_bands(known, CapacityConfig(csms=50, calls_per_week=50), weeks=4)
    assert everyone.red_below < everyone.green_from <= 100


def test_green_begins_above_two_thirds_of_the_churners_of_another_sample_too() -> None:
    for seed in range(20):
        edges = size_bands(readings(seed=seed), CapacityConfig(), weeks=4)
        later = readings(seed=100 + seed)
        assert (later.loc[later["churned"] == 1, "health_score"] < edges.green_from).mean() > 2 / 3
        assert (later["health_score"] >= edges.green_from).mean() + 0.05 >= 0.4
        assert (later["health_score"] >= edges.green_from).mean() <= 0.85


def test_equal_scores_make_bands_that_are_in_order() -> None:
    flat = readings().assign(health_score=0.0)
    edges = size_bands(flat, CapacityConfig(), weeks=4)
    assert 0 < edges.red_below < edges.green_from


def test_the_default_learns_blend_and_bands_where_churners_are_known(
    make_frame: Any, make_config: Any, feature_set: FeatureSet
) -> None:
    frame = make_frame(1500, seed=2)
    scores = frame[["account_id", "as_of"]].assign(churn_probability=np.where(frame["churned"] == 1, 0.5, 0.05))
    scale = HealthScale.fit(frame, make_config(), feature_set, scores=scores)
    found = score_health(frame, scores, scale=scale, base_rate=float(frame["churned"].mean()), verdict="publishable")
    assert (found["band"] == "red").mean() == pytest.approx(0.1, abs=0.03)
    assert BandEdges(scale.red_below, scale.green_from) != BandEdges(40.0, 70.0)
    # By rules alone the same share is red.
    rules = HealthScale.fit(frame, make_config(), feature_set, scores=scores, verdict="rules_only")
    ruled = score_health(frame, scores, scale=rules, base_rate=0.1, verdict="rules_only")
    assert (ruled["band"] == "red").mean() == pytest.approx(0.1, abs=0.03)


def test_without_scores_and_where_they_are_set_the_edges_stay(
    make_frame: Any, make_config: Any, feature_set: FeatureSet
) -> None:
    frame = make_frame(1500, seed=2)
    scores = frame[["account_id", "as_of"]].assign(churn_probability=0.05)
    few = frame.assign(churned=(np.arange(len(frame)) < 19).astype(float))
    scale = HealthScale.fit(frame, make_config(), feature_set)
    assert (scale.alpha, scale.red_below, scale.green_from) == (0.5, 40.0, 70.0)
    # Nineteen churners cannot show that the rules do no harm; red needs none of them.
    scarce = HealthScale.fit(few, make_config(), feature_set, scores=scores)
    assert scarce.alpha == 1.0
    fixed = make_config(red_below=30, green_from=60, alpha=0.7)
    scale = HealthScale.fit(frame, fixed, feature_set, scores=scores)
    assert (scale.alpha, scale.red_below, scale.green_from) == (0.7, 30.0, 60.0)


def test_of_accounts_far_from_their_renewal_the_likeliest_to_leave_are_held_back(
    make_frame: Any, make_config: Any, feature_set: FeatureSet
) -> None:
    frame = make_frame(1500, seed=2).assign(days_to_renewal=np.where(np.arange(1500) % 2, 200.0, 30.0))
    rng = np.random.default_rng(3)
    scores = frame[["account_id", "as_of"]].assign(churn_probability=rng.beta(1, 20, 1500) + 0.3 * frame["churned"])
    base_rate = float(frame["churned"].mean())
    green = {}
    for share in (0.0, 0.1):
        scale = HealthScale.fit(frame, make_config(far_yellow=share), feature_set, scores=scores)
        scored = score_health(frame, scores, scale=scale, base_rate=base_rate, verdict="publishable")
        green[share] = (scored["band"] == "green").to_numpy()
        again = HealthScale.from_dict(scale.as_dict())
        assert again == scale
        held = scale.at_most_yellow(frame, scores["churn_probability"].to_numpy())
        far = (frame["days_to_renewal"] > 90).to_numpy()
        assert held[far].mean() == pytest.approx(share, abs=0.01)
        assert not held[~far].any()
        assert not green[share][held].any()
    assert green[0.1].mean() == pytest.approx(green[0.0].mean(), abs=0.01)
    # Where all are equally likely to leave, or few tell it, nobody is held back.
    flat = scores.assign(churn_probability=0.05)
    scale = HealthScale.fit(frame, make_config(), feature_set, scores=flat)
    assert not scale.at_most_yellow(frame, flat["churn_probability"].to_numpy()).any()
    near = frame.assign(days_to_renewal=np.where(np.arange(1500) < 49, 200.0, 30.0))
    assert HealthScale.fit(near, make_config(), feature_set, scores=scores).far_above is None


def test_the_model_in_use_says_who_is_held_back_and_the_held_out_readings_how_low_green_begins(
    make_frame: Any, make_config: Any, feature_set: FeatureSet
) -> None:
    frame = make_frame(1500, seed=2).assign(days_to_renewal=np.where(np.arange(1500) % 2, 200.0, 30.0))
    rng = np.random.default_rng(3)
    scores = frame[["account_id", "as_of"]].assign(churn_probability=rng.beta(1, 20, 1500) + 0.3 * frame["churned"])
    # The model in use is surer of who stays.
    newest = frame.assign(churn_probability=scores["churn_probability"] ** 1.5)
    scales = [
        HealthScale.fit(frame, make_config(far_yellow=0.3), feature_set, scores=scores, newest=rows)
        for rows in (None, newest, newest.head(60))
    ]
    far = (frame["days_to_renewal"] > 90).to_numpy()
    held = [scale.at_most_yellow(newest, newest["churn_probability"].to_numpy())[far].mean() for scale in scales]
    assert held[0] < 0.2
    assert held[1] == pytest.approx(0.3, abs=0.01)
    assert len({scale.green_from for scale in scales}) == 1
    # Thirty far accounts tell too little.
    assert scales[2] == scales[0]
