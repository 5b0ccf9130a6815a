from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from churnml.training import ChurnClassifier
from churnml.training.folds import temporal_folds
from churnml.training.level import Timeline, find_level, offsets

HORIZON = 90


def history(level: np.ndarray, accounts: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return scores that rank alike at every date, outcomes at a level per date, and the dates: one a month."""
    rng = np.random.default_rng(seed)
    dates = np.repeat(pd.date_range("2022-01-01", periods=len(level), freq="MS").to_numpy(), accounts)
    z = rng.normal(size=len(dates))
    y = (rng.random(len(dates)) < expit(z + np.repeat(level, accounts))).astype(float)
    return z, y, dates


def own_level(z: np.ndarray, y: np.ndarray) -> float:
    """Return the intercept that a regression on these rows would have."""
    return float(offsets(z, y, np.zeros(len(y), dtype=int), np.ones(len(y)))[0][0])


def learnt(level: np.ndarray, **more: int) -> tuple[float, float, object]:
    """Return slope, drift and season of a model that ranks well, is blind to time and has the level of its own rows."""
    z, y, dates = history(level, **more)
    folds = temporal_folds(dates, y, HORIZON)
    scores = np.concatenate([z[fold.valid] + own_level(z[fold.train], y[fold.train]) for fold in folds])
    fitted = z + own_level(z, y)
    found = find_level(scores, fitted, y, folds, Timeline.of(dates, HORIZON), np.ones(len(y)))
    return found.slope, found.drift, found.season


def test_a_steady_level_stays_where_the_training_rows_have_it() -> None:
    for seed in range(5):
        slope, drift, season = learnt(np.full(18, -2.5), seed=seed)
        assert slope == pytest.approx(1.0, abs=0.15)
        assert abs(drift) < 0.15
        assert season is None  # a year and a half shows no month twice


def test_a_rising_level_is_followed_within_the_cap_and_a_falling_one_too() -> None:
    _, up, _ = learnt(np.linspace(-3.2, -1.6, 18))
    _, down, _ = learnt(np.linspace(-1.6, -3.2, 18))
    assert 0.1 < up <= 0.25
    assert -0.25 <= down < -0.1


def test_a_rise_within_a_single_year_may_be_the_time_of_year_and_is_not_carried_on() -> None:
    # Nine dates and the last one's label window are less than a year, eleven are more.
    assert learnt(np.linspace(-3.2, -1.6, 9))[1] == 0.0
    assert learnt(np.linspace(-3.2, -1.6, 11))[1] > 0.1


def test_where_churn_has_turned_the_newest_labels_bound_the_drift() -> None:
    # Up for a year, then back: the periods together still say up, the newest label window does not.
    turned = np.concatenate([np.linspace(-3.4, -1.4, 15), [-2.6, -3.2, -3.2]])
    assert learnt(turned)[1] == 0.0
    still = np.concatenate([np.linspace(-3.4, -1.4, 15), [-1.4, -1.4, -1.4]])
    assert learnt(still)[1] > 0.1


def test_a_drift_that_the_final_model_knows_already_is_not_counted_again() -> None:
    z, y, dates = history(np.linspace(-3.2, -1.6, 18))
    folds = temporal_folds(dates, y, HORIZON)
    scores = np.concatenate([z[fold.valid] + own_level(z[fold.train], y[fold.train]) for fold in folds])
    month = np.unique(dates, return_inverse=True)[1]
    knows = z + offsets(z, y, month, np.ones(len(y)))[0][month]
    timeline, ones = Timeline.of(dates, HORIZON), np.ones(len(y))
    assert find_level(scores, z + own_level(z, y), y, folds, timeline, ones).drift > 0.2
    assert abs(find_level(scores, knows, y, folds, timeline, ones).drift) < 0.08


def test_periods_that_disagree_move_nothing() -> None:
    zigzag = np.where(np.arange(18) // 3 % 2, -1.9, -3.1)
    assert abs(learnt(zigzag)[1]) < 0.12


def test_a_drift_of_the_level_is_no_slope() -> None:
    # Scores that say nothing within a date, over dates whose rate doubles twice.
    rng = np.random.default_rng(1)
    _, y, dates = history(np.linspace(-3.5, -1.5, 18))
    month = np.unique(dates, return_inverse=True)[1]
    z = rng.normal(size=len(y)) * 0.1 + month / 6.0
    noise = (rng.random(len(y)) < expit(-3.5 + month / 9.0)).astype(float)
    folds = temporal_folds(dates, noise, HORIZON)
    scores = np.concatenate([z[fold.valid] for fold in folds])
    found = find_level(scores, z, noise, folds, Timeline.of(dates, HORIZON), np.ones(len(y)))
    # The prior of a slope of 1 is worth a handful of churners; pooled over the dates the slope would be about 0.7.
    assert found.slope < 0.9


def test_a_season_is_learnt_from_two_years_and_told_in_its_months() -> None:
    months = np.arange(30) % 12
    found = learnt(np.where(months >= 9, -1.6, -2.7))[2]
    assert found is not None
    autumn = found.months[10]  # type: ignore[attr-defined]
    summer = found.months[6]  # type: ignore[attr-defined]
    assert autumn - summer > 0.6
    assert abs(np.mean(found.months)) < 1e-9  # type: ignore[attr-defined]


def test_a_seasonal_model_needs_the_date_and_stays_additive() -> None:
    z, y, dates = history(np.where(np.arange(30) % 12 >= 9, -1.6, -2.9), accounts=150)
    X = np.column_stack([z, np.random.default_rng(2).normal(size=len(z))])
    model = ChurnClassifier(kind="logistic", purge_days=HORIZON).fit(X, y, dates=dates)
    rows = X[:50]
    p = {
        month: model.predict_proba(rows, dates=np.full(50, np.datetime64(f"2025-{month}-01")))[:, 1]
        for month in ("07", "11")
    }
    assert p["11"].mean() > 1.3 * p["07"].mean()
    assert model.contributions(rows).sum(axis=1) == pytest.approx(model.decision_function(rows), abs=1e-9)


@pytest.mark.slow
def test_rows_balanced_on_purpose_are_told_at_the_populations_rate() -> None:
    rng = np.random.default_rng(3)
    z = rng.normal(size=60_000)
    y = (rng.random(60_000) < expit(z - 4.4)).astype(int)
    churned = np.flatnonzero(y == 1)
    balanced = np.concatenate([churned, rng.choice(np.flatnonzero(y == 0), len(churned), replace=False)])
    X = np.column_stack([z, rng.normal(size=len(z))])
    raw = ChurnClassifier(kind="logistic").fit(X[balanced], y[balanced]).predict_proba(X)[:, 1]
    told = ChurnClassifier(kind="logistic", prior=y.mean()).fit(X[balanced], y[balanced]).predict_proba(X)[:, 1]
    assert raw.mean() > 0.4
    assert told.mean() == pytest.approx(y.mean(), rel=0.15)
    # Rows that stand for many say the same.
    weight = np.where(y[balanced] == 1, 1.0, (1 - y.mean()) / y.mean())
    weighted = ChurnClassifier(kind="logistic").fit(X[balanced], y[balanced], sample_weight=weight)
    assert weighted.predict_proba(X)[:, 1].mean() == pytest.approx(y.mean(), rel=0.15)


def test_rows_without_weight_are_as_if_they_were_not_there() -> None:
    rng = np.random.default_rng(4)
    X = rng.normal(size=(500, 3))
    y = (X[:, 0] + rng.normal(size=500) > 1).astype(int)
    weight = np.ones(500)
    weight[400:] = 0.0
    some = ChurnClassifier(seeds=1).fit(X, y, sample_weight=weight).predict_proba(X)
    fewer = ChurnClassifier(seeds=1).fit(X[:400], y[:400], sample_weight=np.ones(400)).predict_proba(X)
    assert np.array_equal(some, fewer)


def test_a_prior_that_is_no_share_is_refused() -> None:
    with pytest.raises(ValueError, match="prior is 2"):
        ChurnClassifier(prior=2.0).fit(np.eye(4), [0, 1, 0, 1])
