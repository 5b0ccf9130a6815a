"""A backtest of a score says what really happened."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from churnml.config import CapacityConfig
from churnml.errors import DataError, TrainingError, UsageError
from churnml.features.spec import FeatureSet
from churnml.health import (
    HealthBacktest,
    HealthScale,
    Predicted,
    fit_alpha,
    fit_weights,
    health_backtest,
    measures,
    propose_threshold,
    replay,
    score_health,
)
from churnml.health.acceptance import EarlyWarning, WouldHold
from churnml.reports import backtest_report
from churnml.training import Publication


def past(rows: list[tuple[str, str, float, str | None]]) -> pd.DataFrame:
    """Return readings from (account, date, score, churn day)."""
    frame = pd.DataFrame(rows, columns=["account_id", "as_of", "health_score", "churn_on"])
    frame["as_of"], frame["churn_on"] = pd.to_datetime(frame["as_of"]), pd.to_datetime(frame["churn_on"])
    ahead = (frame["churn_on"] - frame["as_of"]).dt.days
    frame["churned"] = ahead.between(0, 89).astype(float)
    score = frame["health_score"]
    frame["band"] = np.select([score.isna(), score < 40, score < 70], ["unknown", "red", "yellow"], "green")
    return frame.assign(
        coverage=1.0, model_score=score, rules_score=score, churn_probability=(1 - score / 100), alpha=0.5
    )


MONTHS = ["2025-01-01", "2025-02-01", "2025-03-01", "2025-04-01"]


def judged(rows: list[tuple[str, str, float, str | None]]) -> HealthBacktest:
    return health_backtest(past(rows), name="test", capacity_share=0.25, seed=1)


@pytest.fixture
def told() -> HealthBacktest:
    rows: list[tuple[str, str, float, str | None]] = []
    for month in MONTHS:
        rows += [(f"stay{number}", month, 90.0, None) for number in range(6)]
    rows += [("alarm", month, 20.0, None) for month in MONTHS]
    rows += [("seen", month, score, "2025-04-20") for month, score in zip(MONTHS, [80, 60, 50, 30], strict=True)]
    rows += [("late", month, score, "2025-04-20") for month, score in zip(MONTHS, [50, 80, 75, 60], strict=True)]
    rows += [("unseen", month, 95.0, "2025-04-20") for month in MONTHS]
    return judged(rows)


def test_bands_count_what_happened(told: HealthBacktest) -> None:
    bands = told.bands.set_index("band")
    assert bands.loc["red", "rows"] == 5
    assert bands.loc["red", "churned"] == 1
    assert told.rows == 40
    assert told.churned == 9
    assert bands.loc["red", "lift"] == pytest.approx((1 / 5) / (9 / 40))
    assert bands["share"].sum() == pytest.approx(1.0)
    red = bands.loc["red"]
    assert red["told_over_happened"] == pytest.approx(red["mean_probability"] / red["churn_rate"])
    assert bands.loc["green", "lift_low"] <= bands.loc["green", "lift"] <= bands.loc["green", "lift_high"]


def test_warning_counts_churners_below_green_so_many_days_before(told: HealthBacktest) -> None:
    warning = told.warning.set_index("days_before")
    # 1 March is 50 days before: the 30-day reading. 1 February is 78: the 60-day one. 1 January is 109: the 90-day one.
    assert warning["churners"].tolist() == [3, 3, 3]
    assert warning["below_green"].tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3])


def test_lead_time_is_the_last_unbroken_run_below_green(told: HealthBacktest) -> None:
    # seen: from 1 February (78 days); late: from 1 April (19 days); unseen: 0
    assert told.lead_time.churners == 3
    assert told.lead_time.median_days == 19


def test_ledgers_name_the_accounts(told: HealthBacktest) -> None:
    assert set(told.false_alarms["account_id"]) == {"alarm"}
    assert told.false_alarm_count == 4
    assert told.missed["account_id"].tolist() == ["unseen"]
    assert told.missed["cause"].tolist() == ["neither"]


def test_acceptance_lines_say_what_holds(told: HealthBacktest) -> None:
    assert [line.holds for line in told.acceptance] == [False, False, True]
    early = told.acceptance[1]
    # one of three churners was below green 78 days before; two thirds of them scored below 80.1
    assert (early.churners, early.unseen) == (3, {"neither": 2})
    assert early.low is not None
    assert early.high is not None
    assert early.low < 1 / 3 < early.high
    assert early.would_hold == WouldHold(green_from=80.1, green_share=pytest.approx(28 / 40))
    report = json.loads(json.dumps(told.as_dict(), allow_nan=False))
    assert report["missed"][0]["churn_on"] == "2025-04-20"
    shared = ["code", "value", "low", "high", "wanted", "holds"]
    assert [list(line) for line in report["acceptance"]] == [
        shared,
        [*shared, "churners", "unseen", "would_hold"],
        shared,
    ]
    assert report["acceptance"][1]["would_hold"] == {"green_from": 80.1, "green_share": pytest.approx(28 / 40)}


def test_the_edge_that_would_hold_leaves_capped_readings_below_green() -> None:
    rows = [(f"a{row}", "2025-02-01", 70.0 + row, "2025-04-20") for row in range(6)] + [("b", "2025-02-01", 90.0, None)]
    frame = past(rows)
    assert _early(frame).would_hold == WouldHold(green_from=73.1, green_share=pytest.approx(3 / 7))
    capped = frame.assign(band=np.where(frame["health_score"] == 75, "yellow", frame["band"]))
    edge = _early(capped).would_hold
    assert edge is not None
    assert edge.green_from == 72.1


def _early(frame: pd.DataFrame) -> EarlyWarning:
    return health_backtest(frame, name="test", capacity_share=0.25, seed=1).acceptance[1]


def test_a_constant_score_ranks_nobody() -> None:
    flat = judged([(f"a{row}", MONTHS[0], 50.0, "2025-02-10" if row < 5 else None) for row in range(50)])
    assert flat.ranking.roc_auc == pytest.approx(0.5)
    assert flat.ranking.lift_at_capacity == pytest.approx(1.0)


def test_a_backtest_without_churn_is_refused() -> None:
    with pytest.raises(DataError, match="churned"):
        judged([("a", MONTHS[0], 50.0, None)])


def test_threshold_fits_the_team() -> None:
    frame = pd.DataFrame({"health_score": [*np.arange(1.0, 100.0), np.nan]})
    team = propose_threshold(frame, CapacityConfig(csms=2, calls_per_week=5), red_below=40.0)
    assert (team.calls, team.red, team.red_below, team.red_now) == (40, 40, 41.0, 39)
    share = propose_threshold(frame, CapacityConfig(share=0.1), red_below=40.0)
    assert share.red == share.calls == 9
    huge = propose_threshold(frame, CapacityConfig(csms=50, calls_per_week=50), red_below=40.0)
    assert (huge.red_below, huge.red) == (100.0, 99)
    nobody = frame.assign(band=np.where(frame["health_score"] < 20, "unknown", "green"))
    assert propose_threshold(nobody, CapacityConfig(csms=1, calls_per_week=5), red_below=40.0).red_below == 40.0
    ties = propose_threshold(
        pd.DataFrame({"health_score": [10.0] * 9 + [90.0]}), CapacityConfig(share=0.5), red_below=40.0
    )
    assert ties.red <= ties.calls
    with pytest.raises(UsageError, match="No account"):
        propose_threshold(frame.iloc[:0], CapacityConfig(), red_below=40.0)


def test_fitted_weights_are_percentages_that_predict(
    make_frame: object, make_config: object, feature_set: FeatureSet
) -> None:
    train, test = make_frame(1500, seed=4), make_frame(800, seed=5)  # type: ignore[operator]
    noise = {"feature": "champions_left_91d", "group": "relationship", "weight": 1, "points": [[0, 100], [1, 0]]}
    config = make_config(weights={"relationship": 10}, measures={"champion": noise})  # type: ignore[operator]
    hand = HealthScale.fit(train, config, feature_set)
    fitted = fit_weights(hand, train)
    by_name = {measure.name: measure.weight for measure in fitted.measures}
    assert sum(by_name.values()) == pytest.approx(100.0)
    assert min(by_name.values()) >= 0
    assert by_name["login_frequency"] > 30
    assert by_name["champion"] < 5
    scores = test[["account_id", "as_of"]].assign(churn_probability=0.1)
    auc = {}
    for name, scale in (("hand", hand), ("fitted", fitted)):
        found = score_health(test, scores, scale=scale, base_rate=0.1, verdict="rules_only")
        rank = found["health_score"].rank()
        churned = test["churned"] == 1
        pairs = churned.sum() * (~churned).sum()
        auc[name] = 1 - (rank[churned].sum() - churned.sum() * (churned.sum() + 1) / 2) / pairs
    assert auc["fitted"] > auc["hand"] + 0.02
    assert measures(test, fitted)["weight"].to_numpy()[: len(by_name)].sum() == pytest.approx(1.0)


def test_fitted_weights_need_churners(frame: pd.DataFrame, make_config: object, feature_set: FeatureSet) -> None:
    scale = HealthScale.fit(frame, make_config(), feature_set)  # type: ignore[operator]
    with pytest.raises(TrainingError, match="cannot be learned"):
        fit_weights(scale, frame.assign(churned=0.0))


def test_fitted_alpha_trusts_whichever_ranks_better(
    frame: pd.DataFrame, make_config: object, feature_set: FeatureSet
) -> None:
    scale = HealthScale.fit(frame, make_config(), feature_set)  # type: ignore[operator]
    keys = frame[["account_id", "as_of"]]
    oracle = keys.assign(churn_probability=np.where(frame["churned"] == 1, 0.9, 0.01))
    noise = keys.assign(churn_probability=np.random.default_rng(0).uniform(0.01, 0.5, len(keys)))
    assert fit_alpha(scale, frame, oracle) >= 0.4
    assert fit_alpha(scale, frame, noise) < 0.2
    # The fewer churners, the less is left to the rules: nobody knows that they would do no harm.
    few = frame.assign(churned=frame["churned"].where(np.arange(len(frame)) < 100, 0.0))
    assert fit_alpha(scale, few, oracle) >= fit_alpha(scale, frame, oracle)
    assert fit_alpha(scale, frame.assign(churned=0.0), noise) == 0.5
    fitted = HealthScale.fit(frame, make_config(alpha="fitted"), feature_set, scores=noise)  # type: ignore[operator]
    assert fitted.alpha < 0.4
    with pytest.raises(UsageError, match="fitted"):
        HealthScale.fit(frame, make_config(alpha="fitted"), feature_set)  # type: ignore[operator]


def test_the_report_holds_every_score_and_its_plots(told: HealthBacktest) -> None:
    other = replace(told, name="model_alone")
    html = backtest_report([told, other], title="<acme>", horizon_days=90, capacity_share=0.1)
    assert html.count("<svg") == 3
    assert "&lt;acme&gt;" in html
    assert "<acme>" not in html
    assert "model alone" in html
    assert "neither rules nor model saw it" in html
    assert html == backtest_report([told, other], title="<acme>", horizon_days=90, capacity_share=0.1)
    ja = backtest_report([told, other], title="acme", horizon_days=90, capacity_share=0.1, language="ja")
    assert 'lang="ja"' in ja
    assert "ルールもモデルも検知せず" in ja
    assert ja.count("解約までの日数") >= 3  # the table's heads and the chart's axis
    assert not {"Band", "churn ÷", "\u0174"} & {word for word in ("Band", "churn ÷", "\u0174") if word in ja}
    with pytest.raises(UsageError, match="at least one"):
        backtest_report([], title="acme", horizon_days=90, capacity_share=0.1)


@pytest.mark.slow
def test_a_replay_follows_the_gate_and_compares_weights(
    make_frame: Any, make_config: Any, feature_set: FeatureSet
) -> None:
    dates = pd.date_range("2025-01-01", periods=4, freq="MS")
    frame = pd.concat([make_frame(300, seed=seed).assign(as_of=day) for seed, day in enumerate(dates)])
    frame["churn_on"] = (frame["as_of"] + pd.Timedelta(days=40)).where(frame["churned"] == 1)
    frame = frame.reset_index(drop=True)
    test = frame[frame["as_of"] > dates[1]]
    predictions = test[["account_id", "as_of"]].assign(fold="1", p_model=0.1 + 0.3 * test["churned"])
    split = SimpleNamespace(name="1", train=tuple(dates[:2]), test=tuple(dates[2:]))

    def replays(verdict: str) -> dict[str, HealthBacktest]:
        tested = Predicted(predictions, (split,), Publication(verdict))  # type: ignore[arg-type]
        return {found.name: found for found in replay(frame, feature_set, make_config(), tested)}

    passed, failed = replays("publishable"), replays("rules_only")
    assert list(passed) == ["configured", "balanced", "fitted", "rules_alone", "model_alone"]
    assert passed["configured"].ranking.roc_auc > passed["rules_alone"].ranking.roc_auc  # type: ignore[operator]
    pd.testing.assert_frame_equal(failed["configured"].bands, failed["rules_alone"].bands)
    advice = {one.setting: one for one in passed["configured"].advice}
    assert list(advice) == ["preset: balanced", "preset: fitted", "alpha: 1"]
    assert advice["alpha: 1"].roc_auc == pytest.approx(passed["model_alone"].ranking.roc_auc)
    assert advice["alpha: 1"].gain > 0
    assert advice["alpha: 1"].proposed == (advice["alpha: 1"].low > 0)
    assert [one.setting for one in failed["configured"].advice] == ["preset: balanced", "preset: fitted"]
    percent = {one.measure: one.percent for one in passed["configured"].weights}
    assert percent["core_feature_use"] == 30.0
    for name in ("configured", "balanced", "fitted"):
        assert sum(one.percent for one in passed[name].weights) == pytest.approx(100, abs=0.1)
    sized = passed["configured"].capacity
    assert sized is not None
    assert sized.proposal.red <= sized.proposal.calls == 30
    assert sized.past.lift is not None
    assert sized.past.lift > 1
    report = json.loads(json.dumps(passed["configured"].as_dict(), allow_nan=False))
    assert report["capacity"]["proposal"]["calls"] == 30
    assert list(report["capacity"]["past"]) == ["readings", "churn_rate", "lift", "share_of_churn"]
    assert list(report["weights"][0]) == ["measure", "group", "label", "percent"]


def test_accounts_with_long_terms_are_judged_half_a_year_before_they_left() -> None:
    far = ["2025-01-01", "2025-04-01"]
    rows: list[tuple[str, str, float, str | None]] = [("stays", day, 90.0, None) for day in far]
    rows += [("early", day, 60.0, "2025-07-10") for day in far]
    rows += [("blind", day, 95.0, "2025-07-10") for day in far]
    rows += [("monthly", day, 30.0, "2025-07-10") for day in far]
    history = past(rows)
    history.loc[history["as_of"] == "2025-04-01", "churned"] = (history["account_id"] != "stays").astype(float)
    assert health_backtest(history, name="test", capacity_share=0.25, seed=1).long_terms is None
    history["contract_days"] = np.where(history["account_id"] == "monthly", 30.0, 365.0)
    told = health_backtest(history, name="test", capacity_share=0.25, seed=1)
    long = told.long_terms
    assert long is not None
    assert (long.days_before, long.churners, long.below_green, long.unknown) == (180, 2, 0.5, 0.0)
    assert long.green_share == pytest.approx(4 / 6)
    assert told.as_dict()["long_terms"]["below_green"] == 0.5
