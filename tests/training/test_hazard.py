"""The hazard model on made-up companies whose hazard is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from tests.companies.renewing import FEATURES, MONTH, YEAR, company

from churnml.errors import BundleError, DataError, TrainingError
from churnml.training.hazard import HazardModel
from churnml.training.stacking import MONTH_DAYS, MONTHS, decision_grid, decision_stack, known_by, month_stack
from churnml.training.survival import Curves, Forecast


def model(**parameters: object) -> HazardModel:
    return HazardModel(FEATURES, **{"kind": "logistic", "refits": 0, "most_rows": 6000, **parameters})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def mixed() -> pd.DataFrame:
    return company(400, annual=0.5, at_decision=-2.5, between=-5.0, effect=1.0)


@pytest.fixture(scope="module")
def fitted(mixed: pd.DataFrame) -> HazardModel:
    return model(refits=4).fit(mixed)


@pytest.fixture(scope="module")
def forecast(mixed: pd.DataFrame, fitted: HazardModel) -> Forecast:
    return fitted.predict_survival(mixed.head(800))


def _trees() -> HazardModel:
    frame = company(200, annual=0.3, at_decision=-2.5, effect=1.5, seed=10)
    return model(kind="lightgbm", params={"n_estimators": 30}, refits=2, most_rows=3000).fit(frame)


def test_every_horizon_follows_from_one_curve(forecast: Forecast) -> None:
    for curves in (forecast.point, *forecast.draws):
        daily = curves.survival(np.arange(721))
        assert (daily[:, 0] == 1).all()
        assert (np.diff(daily, axis=1) <= 1e-12).all()
        assert (daily > 0).all()
        horizons = np.column_stack([curves.lost_within(days) for days in (30, 90, 180, 360, 720)])
        assert (np.diff(horizons, axis=1) >= 0).all()
        assert np.allclose(1 - horizons, daily[:, [30, 90, 180, 360, 720]])
        kinds = curves.by_kind
        assert np.allclose(kinds["at_decision"] + kinds["between"] + curves.monthly, 1.0)
        assert all((np.diff(kind, axis=1) >= 0).all() for kind in kinds.values())


def test_a_gap_asks_of_those_who_are_still_there(forecast: Forecast) -> None:
    curves = forecast.point
    by_hand = 1 - curves.survival([120])[:, 0] / curves.survival([30])[:, 0]
    assert np.allclose(curves.lost_within(90, gap=30), by_hand)


def test_the_renewal_risk_is_a_factor_of_the_curve(forecast: Forecast, mixed: pd.DataFrame) -> None:
    curves, mixed = forecast.point, mixed.head(800)
    alone = Curves(curves.decision_day, curves.decision_risk, np.zeros_like(curves.step_risk))
    for row in np.flatnonzero(mixed["next_decision_days"].to_numpy() < 700)[:20]:
        day = curves.decision_day[row, 0]
        before, after = alone.survival([day, day + 1])[row]
        assert after / before == pytest.approx(1 - curves.renewal_risk[row])


def test_a_curve_is_moved_to_the_chance_of_another_model_and_no_further(forecast: Forecast) -> None:
    p = np.linspace(0.0, 0.95, len(forecast.point))
    moved = forecast.anchored(90, p)
    assert np.allclose(moved.point.lost_within(90), p)
    later = [curves.lost_within(360, gap=90) for curves in (forecast.point, moved.point)]
    assert np.allclose(*later)
    assert (np.diff(moved.point.monthly, axis=1) <= 1e-12).all()
    before, after = (one.interval(lambda curves: curves.lost_within(90)) for one in (forecast, moved))
    wide = (p > 0.05) & (before[1] - before[0] > 0.01)
    assert wide.any()
    assert ((after[1] - after[0])[wide] > 0).all()


def test_where_nothing_could_happen_the_chance_is_spread_over_the_days() -> None:
    still = Curves(np.full((2, 1), np.nan), np.full((2, 1), np.nan), np.zeros((2, 24)))
    moved = Forecast(still).anchored(60, [0.0, 0.36], gap=30).point
    assert moved.lost_within(60, gap=30).round(9).tolist() == [0.0, 0.36]
    assert moved.survival([30, 60, 90, 720])[1].round(9).tolist() == [1.0, 0.8, 0.64, 0.64]


def test_half_are_lost_by_the_expected_end() -> None:
    curves = Curves(np.array([[100.0, 465.0], [100.0, 465.0]]), np.array([[0.3, 0.4], [0.1, 0.1]]), np.zeros((2, 24)))
    assert curves.quantile_days(0.5)[0] == 465
    assert np.isnan(curves.quantile_days(0.5)[1])
    assert curves.quantile_days(0.25)[0] == 100


def test_an_annual_account_far_from_renewal_is_safe_now_and_in_danger_then() -> None:
    frame = company(500, annual=1.0, at_decision=-1.0, effect=1.5, seed=3)
    curves = model().fit(frame).predict_survival(frame).point
    far = (frame["next_decision_days"] > 120).to_numpy() & (frame["use"] < -0.8).to_numpy()
    assert far.sum() > 100
    assert curves.lost_within(90)[far].max() < 0.03
    assert curves.renewal_risk[far].mean() > 0.45
    ended = curves.survival(curves.decision_day[far, 0].max() + 1)[:, 0][far]
    assert np.allclose(1 - ended, curves.renewal_risk[far], atol=0.05)


def test_unfinished_windows_do_not_bias_the_risk() -> None:
    frame = company(600, at_decision=-3.0, months=18, seed=5)
    curves = model(min_lost=10).fit(frame).predict_survival(frame).point
    truth = 1 - (1 - expit(-3.0)) ** 12
    # Who has not left within the data is taken for one that stays by the first, and left out by the second.
    as_stayers = float((frame["ended_days"] < 12 * MONTH).mean())
    finished = frame[(frame["seen_days"] >= 12 * MONTH) | frame["ended_days"].notna()]
    only_finished = float((finished["ended_days"] < 12 * MONTH).mean())
    found = float(curves.lost_within(366).mean())
    assert found == pytest.approx(truth, abs=0.05)
    assert as_stayers < truth - 0.1
    assert only_finished > truth + 0.08


def test_thinning_looks_at_no_answer() -> None:
    frame = company(400, at_decision=-3.0, seed=6)
    whole, part = (decision_stack(frame, 14, most) for most in (10**6, 2500))
    assert len(part.lost) <= 2500 < len(whole.lost)
    assert part.lost.mean() == pytest.approx(whole.lost.mean(), abs=0.012)


def test_no_more_is_left_out_than_needed(mixed: pd.DataFrame) -> None:
    sizes = {most: len(month_stack(mixed, 30, most).lost) for most in (10**9, 4000, 2000, 1000)}
    whole, *fewer = sizes.items()
    assert whole[1] > 4000
    for most, size in fewer:
        assert 0.5 * most < size <= most


def test_the_kinds_of_end_are_kept_apart() -> None:
    frame = company(400, annual=1.0, at_decision=-1.5, between=-4.0, seed=7)
    fitted = model().fit(frame)
    assert fitted.lost_["at_decision"] > 30
    assert fitted.lost_["between"] > 30
    curves = fitted.predict_survival(frame).point
    assert curves.renewal_risk.mean() == pytest.approx(expit(-1.5), abs=0.06)
    # Of the second year the youngest accounts have told little.
    assert curves.step_risk[:, :12].mean() == pytest.approx(expit(-4.0), abs=0.006)


def test_without_an_agreed_end_one_may_leave_at_any_time() -> None:
    frame = company(300, open_ended=1.0, between=-3.0, effect=1.0, seed=8)
    fitted = model().fit(frame)
    curves = fitted.predict_survival(frame).point
    assert fitted.lost_["at_decision"] == 0
    assert np.isnan(curves.renewal_risk).all()
    assert curves.by_kind["at_decision"].max() == 0
    shown = curves.lost_within(90)
    assert shown[(frame["use"] < -1).to_numpy()].mean() > 2 * shown[(frame["use"] > 1).to_numpy()].mean()


def test_what_came_after_changes_no_score(mixed: pd.DataFrame, fitted: HazardModel) -> None:
    rows = mixed.head(200)
    told = fitted.predict_survival(rows).point.monthly
    later = rows.assign(ended_days=1.0, seen_days=9999.0, churned=1.0)
    assert (fitted.predict_survival(later).point.monthly == told).all()
    assert (fitted.predict_survival(rows.drop(columns=["ended_days", "seen_days"])).point.monthly == told).all()


def test_what_was_learnt_by_a_date_knows_nothing_later(mixed: pd.DataFrame) -> None:
    day = pd.Timestamp("2025-03-01")
    since = (day - mixed["as_of"]).dt.days
    changed = mixed.assign(ended_days=mixed["ended_days"].where(mixed["ended_days"] < since - 14, since + 1.0))
    assert (changed["ended_days"] != mixed["ended_days"]).sum() > 500
    one, other = (known_by(frame, day, wait_days=14) for frame in (mixed, changed))
    pd.testing.assert_frame_equal(one, other)
    for stack in (decision_stack(one, 14, 10**6), month_stack(one, 14, 10**6)):
        assert stack.due.max() < day.to_datetime64()
        assert len(stack.lost)


def test_who_is_gone_is_asked_no_more(mixed: pd.DataFrame) -> None:
    stack = decision_stack(mixed.reset_index(drop=True), 14, 10**6)
    ended = mixed["ended_days"].to_numpy()[stack.asked.row]
    assert not (stack.asked.day > ended + 14).any()
    lost = stack.lost == 1
    assert (np.abs(stack.asked.day - ended)[lost] <= 14).all()
    counted = pd.Series(stack.asked.row[lost]).value_counts()
    assert counted.max() == 1


def test_decisions_end_with_the_24_months() -> None:
    rows = pd.DataFrame({"next_decision_days": [0.0, 719.0, 720.0, 5.0], "contract_days": [YEAR, YEAR, YEAR, np.nan]})
    grid = decision_grid(rows)
    assert grid[0, :2].tolist() == [0.0, 365.0]
    assert grid[1, 0] == 719.0
    assert np.isnan(grid[2]).all()
    assert grid[3, 0] == 5.0
    assert np.isnan(grid[3, 1:]).all()
    assert np.nanmax(grid) < MONTHS * MONTH_DAYS


@pytest.mark.slow
def test_trees_learn_it_too_and_twice_the_same() -> None:
    frame = company(250, annual=0.3, at_decision=-2.5, effect=1.5, seed=10)
    risks = [
        model(kind="lightgbm", params={"n_estimators": 60}, refits=2).fit(frame).predict_survival(frame)
        for _ in range(2)
    ]
    assert (risks[0].point.monthly == risks[1].point.monthly).all()
    assert (risks[0].draws[1].monthly == risks[1].draws[1].monthly).all()
    risk, use = risks[0].point.renewal_risk, frame["use"].to_numpy()
    assert risk[use < -1].mean() > 2.5 * risk[use > 1].mean()


def test_what_raises_the_risk_at_the_renewal(mixed: pd.DataFrame, fitted: HazardModel) -> None:
    rows = mixed.head(300).set_axis(range(7, 307)).assign(next_decision_days=lambda f: f["next_decision_days"] % 700)
    added = fitted.renewal_contributions(rows)
    assert list(added) == ["use", "noise"]
    assert (added.index == rows.index).all()
    assert np.corrcoef(added["use"], rows["use"])[0, 1] < -0.8
    assert added["use"].std() > 3 * added["noise"].std()
    none = rows.assign(next_decision_days=np.nan)
    assert fitted.renewal_contributions(none).isna().all(axis=None)


def test_what_raises_the_risk_is_told_of_one_account_and_of_none_by_trees_too(mixed: pd.DataFrame) -> None:
    model, rows = _trees(), mixed.head(3).assign(next_decision_days=[20.0, 200.0, np.nan])
    every = model.renewal_contributions(rows)
    for place in range(3):
        one = model.renewal_contributions(rows.iloc[[place]])
        np.testing.assert_allclose(one.to_numpy(), every.iloc[[place]].to_numpy())
    assert every.iloc[2].isna().all()
    assert every.iloc[:2].notna().all(axis=None)


def test_a_model_kept_as_text_says_the_same(mixed: pd.DataFrame, fitted: HazardModel, forecast: Forecast) -> None:
    for one, told in ((fitted, forecast), (_trees(), None)):
        files = one.to_files()
        again = HazardModel.from_files(files)
        told = told or one.predict_survival(mixed.head(800))
        found = again.predict_survival(mixed.head(800))
        assert (found.point.monthly == told.point.monthly).all()
        assert (found.draws[-1].monthly == told.draws[-1].monthly).all()
        assert again.to_files() == files
    with pytest.raises(BundleError, match="cannot be read"):
        HazardModel.from_files({})
    with pytest.raises(BundleError, match="format"):
        HazardModel.from_files({"hazard.json": '{"format": 99}'})


def test_intervals_hold_the_point_and_widen_with_what_they_promise(forecast: Forecast) -> None:
    low, high = forecast.interval(lambda curves: curves.lost_within(360))
    point = forecast.point.lost_within(360)
    assert ((low <= point) & (point <= high)).all()
    assert (high - low).mean() > 0.005
    wider = forecast.interval(lambda curves: curves.lost_within(360), level=0.95)
    assert (wider[1] - wider[0] > high - low).all()
    with pytest.raises(ValueError, match="two refits"):
        Forecast(forecast.point).interval(lambda curves: curves.lost_within(90))


def test_rare_ends_have_one_rate_for_all() -> None:
    frame = company(150, annual=1.0, at_decision=-1.0, between=-9.0, seed=11)
    fitted = model(refits=2).fit(frame)
    curves = fitted.predict_survival(frame)
    assert fitted.lost_["between"] < 7
    assert np.ptp(curves.point.step_risk) == 0
    assert 0 < curves.point.step_risk[0, 0] < 0.002


def test_too_few_losses_and_missing_columns_say_what_to_do(mixed: pd.DataFrame) -> None:
    with pytest.raises(TrainingError, match="Too few accounts were lost"):
        model().fit(mixed.assign(ended_days=np.nan))
    with pytest.raises(DataError, match="lack what a survival curve") as caught:
        model().fit(mixed.drop(columns="contract_days"))
    assert caught.value.where == "contract_days"
