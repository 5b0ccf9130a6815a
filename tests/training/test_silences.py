"""Curves of companies without contracts, on made-up ones whose hazard of falling silent is known."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from tests.companies.silent import FEATURES, company, true_survival

from churnml.config import Config
from churnml.evaluation.survival import judge_survival, unfit
from churnml.language import Text, render
from churnml.retention.lifetimes import lifetimes
from churnml.training.hazard import HazardModel
from churnml.training.silences import LEAST_LOST_A_WEEK, Silences
from churnml.training.stacking import known_by
from churnml.training.survival import Curves, Forecast
from churnml.training.survival_verdict import SurvivalRole

SILENCE = 60
HORIZONS = np.array([60, 90, 120, 180, 270, 360])


def model(**parameters: object) -> HazardModel:
    settings = {"kind": "logistic", "refits": 0, "late_days": 0, "silence_days": SILENCE, "most_rows": 24_000}
    return HazardModel(FEATURES, **{**settings, **parameters})  # type: ignore[arg-type]


def at_last(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["as_of"] == frame["as_of"].max()].reset_index(drop=True)


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return company(1200, effect=0.7, seed=1)


@pytest.fixture(scope="module")
def fitted(frame: pd.DataFrame) -> HazardModel:
    return model(refits=4).fit(frame)


@pytest.fixture(scope="module")
def forecast(frame: pd.DataFrame, fitted: HazardModel) -> Forecast:
    return fitted.predict_survival(at_last(frame))


def test_every_horizon_is_right_in_the_mean_and_for_those_in_most_danger(
    frame: pd.DataFrame, forecast: Forecast
) -> None:
    hazard = at_last(frame)["hazard"].to_numpy()
    true, found = 1 - true_survival(hazard, HORIZONS, SILENCE), 1 - forecast.point.survival(HORIZONS)
    assert np.allclose(found.mean(axis=0), true.mean(axis=0), rtol=0.15)
    danger = hazard > np.quantile(hazard, 0.8)
    assert np.allclose(found[danger].mean(axis=0), true[danger].mean(axis=0), rtol=0.2)
    assert found[danger].mean() > 1.5 * found[~danger].mean()


def test_horizons_follow_from_one_curve_and_nobody_is_lost_before_a_silence_is_over(forecast: Forecast) -> None:
    for curves in (forecast.point, *forecast.draws):
        daily = curves.survival(np.arange(721))
        assert (daily[:, : SILENCE - 1] == 1).all()
        assert (np.diff(daily, axis=1) <= 1e-12).all()
        assert np.allclose(daily[:, SILENCE], 1 - curves.step_risk[:, 1])
        within = np.column_stack([curves.lost_within(days) for days in (30, 90, 180, 360, 720)])
        assert (within[:, 0] == 0).all()
        assert (np.diff(within, axis=1) > 0).all()
        assert np.allclose(within, 1 - daily[:, [30, 90, 180, 360, 720]])
        assert np.allclose(curves.by_kind["between"] + curves.monthly, 1.0)
        assert curves.by_kind["at_decision"].max() == 0


@pytest.mark.parametrize(("days", "gap"), [(60, 0), (90, 0), (100, 0), (60, 10)])
def test_a_curve_is_moved_to_the_published_chance_and_stays_as_it_is_after_it(
    forecast: Forecast, days: int, gap: int
) -> None:
    p = np.linspace(0.01, 0.9, len(forecast.point))
    moved = forecast.anchored(days, p, gap)
    assert np.allclose(moved.point.lost_within(days, gap), p)
    later = [one.point.lost_within(360, gap + days) for one in (forecast, moved)]
    assert np.allclose(*later)
    assert (np.diff(moved.point.survival(np.arange(721)), axis=1) <= 1e-12).all()
    assert moved.reach_days == forecast.reach_days


def test_steps_cut_in_two_say_the_same() -> None:
    curves = Curves(np.full((1, 1), np.nan), np.full((1, 1), np.nan), np.linspace(0.01, 0.3, 24)[None, :])
    days = np.arange(721)
    assert np.allclose(curves.cut([45, 46, 900]).survival(days), curves.survival(days))
    assert curves.cut([45, 46, 900]).edges.tolist() == sorted([*range(0, 721, 30), 45, 46])


def test_silences_that_are_not_over_do_not_bias_the_curve() -> None:
    whole = company(1500, monthly=0.06, months=20, seed=5)
    now = at_last(whole)
    truth = float(1 - true_survival(now["hazard"].to_numpy(), np.array([360]), SILENCE).mean())
    # Who is not lost within the data is taken for one that stays by the first, and left out by the second.
    as_stayers = float((whole["ended_days"] < 360).mean())
    over = whole[(whole["seen_days"] >= 360) | whole["ended_days"].notna()]
    only_over = float((over["ended_days"] < 360).mean())
    found = float(model().fit(whole).predict_survival(now).point.lost_within(360).mean())
    assert found == pytest.approx(truth, abs=0.05)
    assert as_stayers < truth - 0.12
    assert only_over > truth + 0.1


def test_what_is_asked_was_still_open_and_its_answer_is_known(frame: pd.DataFrame) -> None:
    rows = frame.reset_index(drop=True)
    at_once, later = Silences.of(rows, SILENCE).stacks(rows, 10**6)
    ended, seen = (rows[name].to_numpy() for name in ("ended_days", "seen_days"))
    for stack in (at_once, later):
        begins = ended[stack.asked.row] - (SILENCE - 1)
        assert not (begins < stack.asked.day).any()
        assert (stack.asked.day + SILENCE <= seen[stack.asked.row]).all()
        assert pd.Series(stack.asked.row[stack.lost == 1]).value_counts().max() == 1
    assert (ended[at_once.asked.row[at_once.lost == 1]] == SILENCE - 1).all()
    assert (ended[later.asked.row] >= SILENCE)[~np.isnan(ended[later.asked.row])].all()


def test_what_was_learnt_by_a_date_knows_nothing_later(frame: pd.DataFrame) -> None:
    day = pd.Timestamp("2025-03-01")
    since = (day - frame["as_of"]).dt.days
    changed = frame.assign(ended_days=frame["ended_days"].where(frame["ended_days"] < since - 30, since + 1.0))
    assert (changed["ended_days"] != frame["ended_days"]).sum() > 500
    one, other = (known_by(rows, day, wait_days=30) for rows in (frame, changed))
    pd.testing.assert_frame_equal(one, other)
    steps = Silences.of(one, SILENCE)
    for stack in steps.stacks(one.reset_index(drop=True), 10**6):
        closes = one["as_of"].to_numpy()[stack.asked.row] + (stack.asked.day + SILENCE).astype("timedelta64[D]")
        assert closes.max() <= day.to_datetime64()
        # A fold that begins so many days after a question fell due knows its answer.
        assert (closes - stack.due).astype("timedelta64[D]").astype(int).max() <= 31 + steps.wait_days


@pytest.mark.parametrize(("accounts", "by_weeks", "length"), [(1200, True, 7), (120, False, 28)])
def test_weeks_are_told_apart_where_each_has_losses_enough(accounts: int, by_weeks: bool, length: int) -> None:
    rows = company(accounts, monthly=0.03, seed=2)
    steps = Silences.of(rows, SILENCE)
    lost = rows[rows["ended_days"] >= SILENCE]
    week = (lost["ended_days"] - SILENCE) // 7
    counts = lost.groupby(week)["account_id"].nunique().reindex(range(13), fill_value=0)
    assert steps.by_weeks == by_weeks == (counts.min() >= LEAST_LOST_A_WEEK)
    assert steps.begins[1] - steps.begins[0] == length
    assert steps.begins[-1] - steps.begins[-2] == 28


def test_no_more_is_told_than_the_past_reaches() -> None:
    rows = company(400, months=14, monthly=0.06, effect=0.7, seed=3)
    fitted = model(refits=3).fit(rows)
    followed = rows[(rows["seen_days"] >= 360) & ~(rows["ended_days"] < 360)]["account_id"].nunique()
    assert fitted.reach_days_ == 420
    assert followed >= 30
    now = at_last(rows).assign(arr=1200.0)
    now.loc[0, "arr"] = np.nan
    told = lifetimes(
        now,
        fitted.predict_survival(now),
        horizon_days=90,
        gross_margin=0.8,
        yearly_discount=0.1,
        rank_by="residual_value",
        drivers=(),
    )
    for one in told:
        assert len(one.survival) == len(one.survival_low) == len(one.survival_high) == 14
        assert list(one.lost_within) == [30, 90, 180, 360]
        assert one.next_decision_on is None
        assert one.renewal_risk is None
        # What an account is worth takes 24 months.
        assert (one.residual_value, one.avoidable_loss, one.value_within, one.value_draws) == (None, None, None, ())
        if one.expected_end is not None:
            assert (one.expected_end - now["as_of"].iloc[0].date()).days < 420
        assert "24 months" not in render(one.sentence, "en")
        if one.expected_end is not None and one.earliest is not None:
            assert one.earliest <= one.expected_end
    losses = [one.expected_loss for one in told]
    assert losses.count(None) == 1
    # Nobody's worth is known, so those come first that are likeliest to be lost.
    chances = [one.lost_within[90] for one in told]
    assert chances == sorted(chances, reverse=True)
    assert any(one.expected_end is not None for one in told)


def test_what_came_after_changes_no_curve(frame: pd.DataFrame, fitted: HazardModel) -> None:
    rows = frame.head(200)
    told = fitted.predict_survival(rows).point.monthly
    later = rows.assign(ended_days=SILENCE - 1.0, seen_days=9999.0)
    assert (fitted.predict_survival(later).point.monthly == told).all()


def test_a_model_kept_as_text_says_the_same(frame: pd.DataFrame, fitted: HazardModel, forecast: Forecast) -> None:
    files = fitted.to_files()
    again = HazardModel.from_files(files)
    found = again.predict_survival(at_last(frame))
    assert (found.point.monthly == forecast.point.monthly).all()
    assert (found.draws[-1].monthly == forecast.draws[-1].monthly).all()
    assert found.reach_days == forecast.reach_days == again.reach_days_
    assert again.to_files() == files
    assert again.renewal_contributions(frame.head(3)).shape == (3, 0)
    assert fitted.lost_["at_once"] > 100 < fitted.lost_["later"]


def _config(**label: object) -> Config:
    return Config.model_validate(
        {
            "name": "t",
            "source": {"folder": "."},
            "tables": {"events": {"from": "e.csv"}},
            "label": {"churn": "silence", "horizon_days": 60, **label},
            "model": {"kind": "logistic"},
        }
    )


def _tested(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    churned = np.where(frame["seen_days"] >= SILENCE, (frame["ended_days"] < SILENCE).astype(float), np.nan)
    rows = frame.assign(churned=churned, days_since_last_event=np.arange(len(frame)) % 7.0)
    dates = np.sort(rows.loc[rows["churned"].notna(), "as_of"].unique())[-2:]
    tested = rows[rows["as_of"].isin(dates)][["account_id", "as_of", "churned"]]
    return rows, tested.assign(fold="newest", p_model=0.08)


def test_curves_are_shown_where_they_are_nearer_than_kaplan_meier(frame: pd.DataFrame) -> None:
    rows, tested = _tested(frame)
    learning = _config().learning
    assert unfit(rows, learning) is None
    verdict = judge_survival(rows, FEATURES, learning, tested).verdict
    assert verdict.role is SurvivalRole.SERVES, verdict.reason
    assert verdict.far is not None
    assert {"hazard", "kaplan_meier", "recency"} <= set(verdict.far.brier)
    assert "beta_geometric" not in verdict.far.brier
    assert isinstance(verdict.reason, Text)
    assert "are shown" in render(verdict.reason, "en")
    assert type(verdict).from_dict(json.loads(json.dumps(verdict.as_dict()))) == verdict


@pytest.mark.parametrize(
    ("label", "changed", "code"),
    [
        ({"silence_days": 200, "horizon_days": 220}, {}, "long_silence"),
        ({}, {"seen_days": 100.0}, "history"),
        ({}, {"ended_days": np.nan}, "few_lost"),
    ],
)
def test_what_the_data_cannot_tell_is_left_out(
    frame: pd.DataFrame, label: dict[str, int], changed: dict[str, float], code: str
) -> None:
    why = unfit(frame.assign(**changed), _config(**label).learning)
    assert why is not None
    assert why.code == f"survival-left_out.{code}"
