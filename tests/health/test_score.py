"""What the health score must be, whatever the company."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churnml.api.requests import PredictRequest
from churnml.config import Config
from churnml.errors import BundleError, ConfigError, DataError, UsageError
from churnml.features.spec import FeatureSet
from churnml.health import HealthScale, Measure, lift_score, measures, score_health
from churnml.language import render

AS_OF = pd.Timestamp("2026-01-01")
IDENTITY = ((0.0, 0.0), (100.0, 100.0))
REFERENCE = {"engagement": 25.0, "adoption": 30.0, "support": 20.0, "sentiment": 15.0, "commercial": 10.0}


def identity(name: str, group: str, weight: float = 1.0) -> Measure:
    """Return a measure whose value is its score."""
    return Measure(name=name, group=group, weight=weight, feature=f"m_{name}", per=None, points=IDENTITY)


def plain_scale(weights: dict[str, float], **changes: Any) -> HealthScale:
    """Return a scale with one measure per group, whose value is its score."""
    return HealthScale(
        **{
            "preset": "reference",
            "measures": tuple(identity(group, group) for group in weights),
            "weights": weights,
            "by_segment": {},
            "by_phase": {},
            "segment_column": None,
            "alpha": 0.5,
            "red_below": 40.0,
            "green_from": 70.0,
            "min_coverage": 0.5,
            "fitted_on": {},
            **changes,
        }
    )


def said(result: pd.Series) -> list[str]:
    return [render(text, "en") for text in result["reason_texts"]]


def row(**values: float) -> pd.DataFrame:
    return pd.DataFrame([{"account_id": "a", "as_of": AS_OF, **{f"m_{name}": value for name, value in values.items()}}])


def scored(frame: pd.DataFrame, probability: float | None) -> pd.DataFrame:
    return frame[["account_id", "as_of"]].assign(churn_probability=np.nan if probability is None else probability)


def one(frame: pd.DataFrame, scale: HealthScale, probability: float | None = None, **options: Any) -> Any:
    options = {"base_rate": 0.04, "verdict": "publishable", **options}
    return score_health(frame, scored(frame, probability), scale=scale, **options).iloc[0]


def test_worked_example_of_the_literature_gives_63() -> None:
    frame = row(engagement=80, adoption=60, support=50, sentiment=40, commercial=90)
    result = one(frame, plain_scale(REFERENCE))
    assert result["health_score"] == pytest.approx(63.0, abs=1e-12)
    assert result["band"] == "yellow"
    assert result["coverage"] == pytest.approx(1.0)
    parts = measures(frame, plain_scale(REFERENCE))
    assert (parts["score"] * parts["weight_effective"]).round(9).tolist() == [20, 18, 10, 6, 9]


def test_missing_is_not_zero_and_its_weight_goes_to_the_known() -> None:
    result = one(row(engagement=80, adoption=60, sentiment=40, commercial=90), plain_scale(REFERENCE))
    assert result["health_score"] == pytest.approx((20 + 18 + 6 + 9) / 0.8)
    assert result["coverage"] == pytest.approx(0.8)


def test_weight_of_a_missing_measure_stays_inside_its_group_first() -> None:
    scale = plain_scale({"a": 50.0, "b": 50.0})
    twin = identity("a2", "a", 3.0)
    scale = replace(scale, measures=(*scale.measures, twin))
    assert one(row(a=80, b=20, a2=np.nan), scale)["rules_score"] == pytest.approx(50.0)
    assert one(row(a=80, b=20, a2=40), scale)["rules_score"] == pytest.approx(0.5 * (0.25 * 80 + 0.75 * 40) + 10)


def test_thin_coverage_is_unknown_and_half_is_enough() -> None:
    scale = plain_scale({"a": 50.0, "b": 50.0})
    assert one(row(a=80), scale)["band"] == "green"
    thin = one(row(a=80), plain_scale({"a": 49.9, "b": 50.1}))
    assert thin["band"] == "unknown"
    assert "low_coverage" in thin["reasons"]
    assert "50 %" in said(thin)[-1] or "49" in said(thin)[-1]


@pytest.mark.parametrize("probability", [None, 0.04, 0.9])
def test_nothing_known_has_no_score_but_a_band(probability: float | None) -> None:
    """What the model says of an account nobody knows anything of is what it says of any such account."""
    result = one(row(), plain_scale(REFERENCE), probability)
    assert np.isnan(result["health_score"])
    assert (result["alpha"], result["band"], result["coverage"]) == (0.0, "unknown", 0.0)


def test_a_company_that_carries_no_measure_is_scored_by_the_model() -> None:
    scale = plain_scale(REFERENCE)
    bare = replace(scale, measures=tuple(replace(measure, feature=None) for measure in scale.measures))
    result = one(row(), bare, 0.04)
    assert result["health_score"] == pytest.approx(70.0)
    assert (result["alpha"], result["band"]) == (1.0, "unknown")


def test_lift_is_scored_in_its_logarithm() -> None:
    lifts = np.array([0.25, 0.5, 1.0, np.sqrt(3.0), 3.0, 8.0, 16.0])
    assert lift_score(lifts * 0.04, 0.04) == pytest.approx([97, 83.5, 70, 55, 40, 3, 1.5])
    assert np.isnan(lift_score(np.array([np.nan]), 0.04))[0]
    with pytest.raises(UsageError, match="base rate"):
        lift_score(np.array([0.1]), 0.0)


@pytest.mark.parametrize("base_rate", [0.001, 0.02, 0.125, 0.3, 0.5, 0.8, 0.99])
def test_the_lift_map_neither_saturates_nor_leaves_a_band_empty(base_rate: float) -> None:
    scores = lift_score(np.linspace(0.0, 1.0, 20001), base_rate)
    assert (np.diff(scores) < 0).all()
    assert scores[0] == 100.0
    assert 0 < scores[-1] < 5
    assert ((scores >= 40) & (scores < 70)).any()
    assert lift_score(np.array([base_rate]), base_rate)[0] == pytest.approx(70.0)


def test_blend_takes_alpha_of_the_model() -> None:
    frame = row(**dict.fromkeys(REFERENCE, 80.0))
    assert one(frame, plain_scale(REFERENCE), 0.04)["health_score"] == pytest.approx(0.5 * 70 + 0.5 * 80)
    assert one(frame, plain_scale(REFERENCE, alpha=0.2), 0.12)["health_score"] == pytest.approx(0.2 * 40 + 0.8 * 80)


def test_a_model_that_failed_its_gate_has_no_part_and_the_row_says_so() -> None:
    result = one(row(**dict.fromkeys(REFERENCE, 80.0)), plain_scale(REFERENCE), 0.9, verdict="rules_only")
    assert result["health_score"] == pytest.approx(80.0)
    assert (result["alpha"], result["band"], result["reasons"]) == (0.0, "green", ["rules_only"])


def test_model_in_the_red_zone_caps_the_band_at_yellow() -> None:
    scale = plain_scale(REFERENCE, alpha=0.2)
    capped = one(row(**dict.fromkeys(REFERENCE, 100.0)), scale, 0.2)
    assert capped["health_score"] > 70
    assert (capped["band"], capped["reasons"]) == ("yellow", ["model_red_cap"])
    assert "yellow" in said(capped)[0]
    at_the_edge = one(row(**dict.fromkeys(REFERENCE, 100.0)), scale, 0.12)
    assert at_the_edge["band"] == "green"


def test_far_from_its_renewal_the_likeliest_to_leave_is_yellow_at_most() -> None:
    scale = plain_scale(REFERENCE, alpha=0.2, far_days=90.0, far_above=0.03)
    well = row(**dict.fromkeys(REFERENCE, 100.0))
    held = one(well.assign(days_to_renewal=91.0), scale, 0.031)
    assert (held["band"], held["reasons"]) == ("yellow", ["far_cap"])
    assert "more than 90 days ahead" in said(held)[0]
    # Its score is what it was; who is near, less likely to leave or without a known end is green, and red stays red.
    for days, chance in ((90.0, 0.031), (91.0, 0.03), (np.nan, 0.031)):
        free = one(well.assign(days_to_renewal=days), scale, chance)
        assert (free["band"], free["reasons"]) == ("green", [])
    assert held["health_score"] == one(well.assign(days_to_renewal=90.0), scale, 0.031)["health_score"]
    assert one(well, scale, 0.031)["band"] == "green"
    ill = row(**dict.fromkeys(REFERENCE, 10.0)).assign(days_to_renewal=91.0)
    assert (one(ill, scale, 0.031)["band"], one(ill, scale, 0.031)["reasons"]) == ("red", [])
    alone = one(well.assign(days_to_renewal=91.0), scale, 0.031, verdict="rules_only")
    assert (alone["band"], alone["reasons"]) == ("green", ["rules_only"])


def test_bands_compare_unrounded() -> None:
    scale = plain_scale({"a": 1.0})
    bands = [one(row(a=value), scale)["band"] for value in (39.99999, 40.0, 69.99999, 70.0)]
    assert bands == ["red", "yellow", "yellow", "green"]


def test_stale_counts_as_missing_and_is_named() -> None:
    scale = plain_scale({"a": 50.0, "b": 50.0})
    label = {"en": "NPS answer", "ja": "NPS回答"}
    aged = replace(scale.measures[0], age_feature="m_age", valid_days=180, own_label=label)
    scale = replace(scale, measures=(aged, scale.measures[1]))
    fresh, stale = one(row(a=0, b=80, age=180), scale), one(row(a=0, b=80, age=181), scale)
    assert (fresh["rules_score"], stale["rules_score"]) == (40.0, 80.0)
    assert stale["reasons"][-1] == "stale:a"
    assert said(stale)[-1] == "The NPS answer is older than 180 days and was left out"
    assert measures(row(a=0, b=80, age=181), scale)["status"].tolist() == ["stale", "ok"]


def test_an_account_without_a_score_is_scored_by_rules(frame: pd.DataFrame) -> None:
    result = one(row(a=80), plain_scale({"a": 1.0}))
    assert result["reasons"] == ["no_model_score"]
    assert result["health_score"] == 80


def test_a_row_that_stands_twice_is_refused() -> None:
    frame = pd.concat([row(a=80)] * 2, ignore_index=True)
    with pytest.raises(DataError, match="twice"):
        score_health(frame, scored(row(), 0.1), scale=plain_scale({"a": 1.0}), base_rate=0.1, verdict="publishable")


def test_unknown_verdict_is_refused() -> None:
    with pytest.raises(UsageError, match="verdict"):
        one(row(a=80), plain_scale({"a": 1.0}), verdict="fine")


MakeConfig = Callable[..., Config]


def test_reference_preset_on_a_company(
    frame: pd.DataFrame, scores: pd.DataFrame, feature_set: FeatureSet, make_config: MakeConfig
) -> None:
    scale = HealthScale.fit(frame, make_config(), feature_set)
    by_name = {measure.name: measure for measure in scale.measures}
    assert (by_name["login_frequency"].feature, by_name["login_frequency"].per) == ("logins_28d", "seats")
    assert by_name["ticket_volume"].feature == "tickets_opened_91d"
    result = score_health(frame, scores, scale=scale, base_rate=0.05, verdict="publishable")
    assert result["health_score"].between(0, 100).all()
    assert set(result["band"]) <= {"red", "yellow", "green", "unknown"}
    churned = frame["churned"] == 1
    assert result.loc[churned, "rules_score"].mean() < result.loc[~churned, "rules_score"].mean() - 5


def test_zero_tickets_is_not_healthy_but_unknown(
    frame: pd.DataFrame, feature_set: FeatureSet, make_config: MakeConfig
) -> None:
    scale = HealthScale.fit(frame, make_config(), feature_set)
    parts = measures(frame.assign(tickets_opened_91d=0.0, ticket_resolution_rate_91d=np.nan), scale)
    assert set(parts.loc[parts["group"] == "support", "status"]) == {"missing"}
    assert parts.loc[parts["group"] == "support", "weight_effective"].eq(0).all()


def test_monthly_contracts_are_not_always_about_to_renew(
    frame: pd.DataFrame, feature_set: FeatureSet, make_config: MakeConfig
) -> None:
    scale = HealthScale.fit(frame, make_config(), feature_set)
    parts = measures(frame, scale)
    renewal = parts.loc[parts["measure"] == "time_to_renewal", "status"].to_numpy()
    assert (renewal[frame["term_days"] == 30] == "missing").all()
    assert (renewal[frame["term_days"] == 365] == "ok").all()


def test_a_company_without_logins_falls_back(
    frame: pd.DataFrame, feature_set: FeatureSet, make_config: MakeConfig
) -> None:
    frame = frame.assign(active_days_28d=10.0, logins_28d=np.nan)
    days = replace(feature_set["logins_28d"], name="active_days_28d")
    scale = HealthScale.fit(frame, make_config(), FeatureSet([*feature_set, days]))
    assert scale.measures[0].feature == "active_days_28d"


def test_absent_feature_is_missing_and_lowers_coverage(
    frame: pd.DataFrame, scores: pd.DataFrame, make_config: MakeConfig, feature_set: FeatureSet
) -> None:
    few = FeatureSet([feature_set["logins_28d"], feature_set["seats"]])
    slim = frame[["account_id", "as_of", "logins_28d", "seats"]]
    scale = HealthScale.fit(slim, make_config(), few)
    result = score_health(slim, scores, scale=scale, base_rate=0.05, verdict="publishable")
    assert result["coverage"].to_numpy() == pytest.approx(0.25)
    assert set(result["band"]) == {"unknown"}


def test_scale_survives_json_and_scores_one_account_as_the_batch(
    frame: pd.DataFrame, scores: pd.DataFrame, feature_set: FeatureSet, make_config: MakeConfig
) -> None:
    config = make_config(
        preset="balanced", by_phase={"renewal": {"commercial": 40}}, by_segment={"SMB": {"support": 0}}
    )
    frame = frame.assign(attr_segment=np.where(frame.index % 2 == 0, "SMB", "enterprise"))
    scale = HealthScale.fit(frame, config, feature_set)
    again = HealthScale.from_dict(json.loads(json.dumps(scale.as_dict(), allow_nan=False)))
    assert again == scale
    batch = score_health(frame, scores, scale=scale, base_rate=0.05, verdict="publishable")
    for index in (0, 17, 333):
        alone = score_health(frame.iloc[[index]], scores, scale=again, base_rate=0.05, verdict="publishable")
        pd.testing.assert_series_equal(alone.iloc[0], batch.iloc[index], check_names=False, check_exact=True)


def test_segment_and_phase_weights_apply_where_they_belong() -> None:
    scale = plain_scale(
        {"a": 50.0, "b": 50.0},
        by_segment={"SMB": {"a": 0.0}},
        by_phase={"renewal": {"b": 0.0, "a": 50.0}},
        segment_column="attr_segment",
    )
    base = row(a=100, b=0)
    assert one(base.assign(attr_segment="enterprise"), scale)["rules_score"] == 50
    assert one(base.assign(attr_segment="SMB"), scale)["rules_score"] == 0
    assert one(base.assign(attr_segment="SMB", attr_phase="renewal"), scale)["rules_score"] == 100


def test_data_that_is_no_scale_is_a_bundle_error() -> None:
    for data in ({}, {"format": 99}, {"format": 1}, {"format": 1, "measures": [{"name": "a"}]}):
        with pytest.raises(BundleError, match="health scale"):
            HealthScale.from_dict(data)


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ({"weights": {"suport": 10}}, "did you mean 'support'"),
        ({"by_phase": {"renewal": {"commercal": 1}}}, "did you mean 'commercial'"),
        ({"weights": {"support": -1}}, "negative"),
        ({"by_phase": {"renewel": {"commercial": 1}}}, "did you mean 'renewal'"),
        ({"by_segment": {"SMB": {"commercial": 1}}}, "no segment"),
        ({"measures": {"m": {"feature": "seats", "group": "size", "weight": 1, "points": [[0, 0], [9, 100]]}}}, "size"),
        (
            {"measures": {"m": {"feature": "seatz", "group": "support", "weight": 1, "points": [[0, 0], [9, 100]]}}},
            "seats",
        ),
        (
            {"measures": {"m": {"feature": "seats", "group": "support", "weight": 1, "points": [[9, 0], [0, 100]]}}},
            "in order",
        ),
        (
            {
                "measures": {
                    "m": {"feature": "seats", "group": "support", "weight": 1, "points": [[0, 0], [5, 90], [9, 10]]}
                }
            },
            "one way",
        ),
    ],
)
def test_a_wrong_health_section_says_where(
    section: dict[str, Any], says: str, frame: pd.DataFrame, feature_set: FeatureSet, make_config: MakeConfig
) -> None:
    with pytest.raises(ConfigError) as caught:
        HealthScale.fit(frame, make_config(**section), feature_set)
    assert says in str(caught.value)


def test_a_segment_that_differs_in_case_is_a_slip(
    frame: pd.DataFrame, feature_set: FeatureSet, make_config: MakeConfig
) -> None:
    named = frame.assign(attr_segment="SMB")
    with pytest.raises(ConfigError, match="smb") as caught:
        HealthScale.fit(named, make_config(by_segment={"smb": {"support": 1}}), feature_set)
    assert "did you mean 'SMB'" in str(caught.value)
    assert HealthScale.fit(named, make_config(by_segment={"new one": {"support": 1}}), feature_set).by_segment


def test_own_measures_join_the_preset(frame: pd.DataFrame, feature_set: FeatureSet, make_config: MakeConfig) -> None:
    config = make_config(
        weights={"relationship": 20},
        measures={
            "champion": {
                "feature": "champions_left_91d",
                "group": "relationship",
                "weight": 1,
                "points": [[0, 100], [1, 0]],
            }
        },
    )
    scale = HealthScale.fit(frame, config, feature_set)
    parts = measures(frame, scale)
    own = parts[parts["measure"] == "champion"]
    assert own["score"].tolist() == (100 - 100 * frame["champions_left_91d"]).tolist()
    assert own["weight"].to_numpy() == pytest.approx(20 / 120)


values = st.one_of(st.just(float("nan")), st.floats(-50, 150))
weights = st.floats(0, 100)


@settings(max_examples=40, deadline=None)
@given(
    scored_values=st.lists(values, min_size=3, max_size=3),
    group_weights=st.lists(weights, min_size=3, max_size=3),
    probability=st.floats(0, 1),
    alpha=st.floats(0, 1),
    more=st.floats(0, 80),
    which=st.integers(0, 2),
)
def test_properties_of_the_score(
    scored_values: list[float], group_weights: list[float], probability: float, alpha: float, more: float, which: int
) -> None:
    names = ["a", "b", "c"]
    scale = plain_scale(dict(zip(names, group_weights, strict=True)), alpha=alpha)
    known = dict(zip(names, scored_values, strict=True))
    score = one(row(**known), scale, probability)["health_score"]
    assert np.isnan(score) or 0 <= score <= 100
    # more of a measure, or less risk, never lowers it
    better = one(row(**{**known, names[which]: known[names[which]] + more}), scale, probability)["health_score"]
    assert np.isnan(score) or better >= score - 1e-9
    safer = one(row(**known), scale, probability / 2)["health_score"]
    assert np.isnan(score) or safer >= score - 1e-9
    # order of measures is irrelevant
    turned = replace(scale, measures=scale.measures[::-1])
    assert one(row(**known), turned, probability)["health_score"] == pytest.approx(score, nan_ok=True, abs=1e-9)
    # a measure with weight 0 changes nothing, neither alone in its group nor beside another
    for group in ("a", "d"):
        extra = identity("extra", group, 0.0)
        wider = replace(scale, measures=(*scale.measures, extra), weights={**scale.weights, "d": 30.0})
        result = one(row(**known, extra=99.0), wider, probability)
        assert result["health_score"] == pytest.approx(score, nan_ok=True, abs=1e-9)


def test_the_documented_features_are_enough_for_a_health_score(
    frame: pd.DataFrame, feature_set: FeatureSet, make_config: MakeConfig
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "integrations.md").read_text(encoding="utf-8")
    found = re.search(r"-d '(\{\"arr\": \d+, \"features\":.*?\}\})'", page, flags=re.DOTALL)
    assert found is not None
    sent = json.loads(found.group(1))["features"]
    assert sent == PredictRequest.model_json_schema()["examples"][1]["features"]
    scale = HealthScale.fit(frame, make_config(), feature_set)
    row = frame.head(1)[["account_id", "as_of"]].assign(**{name: sent.get(name, np.nan) for name in feature_set.names})
    scores = row[["account_id", "as_of"]].assign(churn_probability=0.1)
    answer = score_health(row, scores, scale=scale, base_rate=0.1, verdict="publishable").iloc[0]
    assert answer["coverage"] >= 0.9
    assert answer["band"] != "unknown"
