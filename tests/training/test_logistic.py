"""The logistic solver against a general one, where bounds hold, columns repeat and outcomes separate."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit

from churnml.training.design import design_of
from churnml.training.linear import Regressions, Strength, fit_linear
from churnml.training.logistic import LogisticProblem, fit_logistic


def _rows(seed: int, n: int = 400, k: int = 12) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, k)) @ (np.eye(k) + 0.3 * rng.normal(size=(k, k)))
    y = (rng.random(n) < expit(x @ rng.normal(size=k) * 0.3 - 2.0)).astype(float)
    return x, y


def _loss(theta, x, y, precision, centre, weights):
    margin = (2 * y - 1) * (x @ theta[:-1] + theta[-1])
    return weights @ np.logaddexp(0.0, -margin) + 0.5 * precision * ((theta[:-1] - centre) ** 2).sum()


@pytest.mark.parametrize("seed", range(4))
def test_bounds_centres_and_weights_lead_where_a_general_solver_ends(seed):
    x, y = _rows(seed)
    rng = np.random.default_rng(seed + 100)
    side = rng.integers(-1, 2, size=x.shape[1])
    lower, upper = np.where(side > 0, 0.0, -np.inf), np.where(side < 0, 0.0, np.inf)
    centre = np.clip(rng.normal(size=x.shape[1]) * 0.2, lower, upper)
    weights = rng.uniform(0.5, 2.0, size=len(y))
    found = fit_logistic(x, y, 3.0, centre=centre, lower=lower, upper=upper, weights=weights)
    general = minimize(
        _loss,
        np.zeros(len(found)),
        (x, y, 3.0, centre, weights),
        method="L-BFGS-B",
        bounds=[*zip(lower, upper, strict=True), (None, None)],
        options={"ftol": 1e-14, "gtol": 1e-8, "maxiter": 5000, "maxfun": 10**6},
    )
    assert _loss(found, x, y, 3.0, centre, weights) <= general.fun + 1e-6
    assert (found[:-1] >= lower).all()
    assert (found[:-1] <= upper).all()
    assert ((found[:-1] == 0.0) & (side != 0)).any()  # a bound holds, or the test tells nothing


@pytest.mark.parametrize("seed", range(3))
def test_many_bounds_on_columns_that_move_together_take_few_steps(seed, monkeypatch):
    """Rounds that each undid the last one once sent the solver up and down for its 200 steps."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(3000, 4)) @ rng.normal(size=(4, 80)) + 0.2 * rng.normal(size=(3000, 80))
    x = (x / x.std(axis=0)).astype(np.float32)
    y = (rng.random(3000) < expit(x[:, 0] - x[:, 1] - 3.0)).astype(float)
    side = rng.integers(-1, 2, size=80)
    lower, upper = np.where(side > 0, 0.0, -np.inf), np.where(side < 0, 0.0, np.inf)
    looks = []
    curvature = LogisticProblem._curvature_at
    monkeypatch.setattr(LogisticProblem, "_curvature_at", lambda self, odds: looks.append(1) or curvature(self, odds))
    problem = LogisticProblem(x, y)
    solved = {precision: problem.solve(precision, lower=lower, upper=upper) for precision in (300.0, 30.0, 3.0, 0.3)}
    assert len(looks) < 20
    for precision, theta in solved.items():
        precise = fit_logistic(x.astype(np.float64), y, precision, lower=lower, upper=upper, start=theta)
        losses = [_loss(one, x, y, precision, 0.0, np.ones(3000)) for one in (theta, precise)]
        assert losses[0] <= losses[1] + 1e-3  # of a sum over 3,000 rows


def test_a_start_and_what_was_solved_before_do_not_move_the_end():
    x, y = _rows(7)
    alone = fit_logistic(x, y, 2.0, lower=np.zeros(x.shape[1]))
    problem = LogisticProblem(x, y)
    problem.solve(50.0)
    again = problem.solve(2.0, lower=np.zeros(x.shape[1]), start=np.full(x.shape[1] + 1, 3.0))
    assert np.abs(x @ (again - alone)[:-1] + (again - alone)[-1]).max() < 2e-3


def test_single_precision_gives_the_same_log_odds():
    x, y = _rows(9)
    double = LogisticProblem(x, y)
    single = LogisticProblem(x.astype(np.float32), y)
    apart = double.log_odds(double.solve(1.0)) - single.log_odds(single.solve(1.0))
    assert np.abs(apart).max() < 2e-3


def test_columns_that_say_the_same_and_outcomes_that_separate_are_no_trouble():
    x = np.repeat(np.linspace(-1.0, 1.0, 60)[:, None], 3, axis=1)
    y = (x[:, 0] > 0).astype(float)
    theta = fit_logistic(x, y, 1e-4)
    assert np.isfinite(theta).all()
    assert np.ptp(theta[:3]) < 1e-3
    assert ((x @ theta[:3] + theta[3] > 0) == (y == 1)).all()


def test_a_design_of_some_rows_is_that_of_a_copy_of_them():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(200, 40))
    X[rng.random(X.shape) < 0.1] = np.nan
    X[:, 5], X[:, 7] = 3.0, np.nan  # never varies; never known
    X[:, 39] = rng.integers(0, 3, size=200)
    rows = np.flatnonzero(rng.random(200) < 0.5)
    layout, design = design_of(X, [39], rows)
    own, copied = design_of(X[rows], [39])
    np.testing.assert_array_equal(design, copied)
    np.testing.assert_array_equal(layout.matrix(X, rows), copied)
    np.testing.assert_array_equal(own.matrix(X)[rows], copied)
    assert not set(layout.used) & {5, 7, 39}


def test_regressions_tell_the_same_log_odds_of_rows_as_their_coefficients_do():
    rng = np.random.default_rng(2)
    X = rng.normal(size=(300, 5))
    X[rng.random(X.shape) < 0.1] = np.nan
    y = (np.nan_to_num(X[:, 0]) + rng.normal(size=300) > 1.0).astype(float)
    train, later = np.arange(200), np.arange(200, 300)
    regressions = Regressions(X, y, rows=train)
    strengths = [Strength(0.01), Strength(1.0)]
    thetas = regressions.solve(strengths)
    told = regressions.log_odds(thetas, X, later)
    for row, model in zip(told, fit_linear(X[train], y[train], strengths), strict=True):
        np.testing.assert_allclose(row, model.log_odds(X[later]), atol=1e-3)
