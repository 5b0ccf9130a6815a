from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, logit

from churnml.errors import BundleError
from churnml.metrics.predictions import log_loss
from churnml.metrics.reliability import ece
from churnml.training.calibration import Calibrator, calibrate

METHODS = ("platt", "beta", "isotonic")


def distorted(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Log-odds that are twice too steep and too high by one, and outcomes."""
    rng = np.random.default_rng(seed)
    true = rng.normal(-2.0, 1.0, n)
    return 2.0 * true + 1.0, (rng.random(n) < expit(true)).astype(float)


@pytest.mark.parametrize("method", METHODS)
def test_repairs_a_distorted_score_on_new_rows(method: str) -> None:
    fitted = calibrate(*distorted(6000), method)
    z, y = distorted(6000, seed=1)
    assert ece(y, fitted(z)) < 0.02 < ece(y, expit(z))
    assert log_loss(y, fitted(z)) < log_loss(y, expit(z))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("seed", range(5))
def test_never_reverses_the_ranking(method: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    # Outcomes that fall with the score: the map may flatten, never turn, and never tie.
    z = rng.normal(size=300)
    y = (rng.random(300) < expit(-2.0 * z)).astype(float)
    grid = np.linspace(-8, 8, 500)
    p = calibrate(z, y, method)(grid)
    assert (np.diff(p) > 0).all()
    assert ((p > 0) & (p < 1)).all()


@pytest.mark.parametrize("method", METHODS)
def test_survives_json_to_the_last_digit(method: str) -> None:
    fitted = calibrate(*distorted(900), method)
    again = Calibrator.from_dict(json.loads(json.dumps(fitted.as_dict())))
    grid = np.linspace(-6, 6, 101)
    assert np.array_equal(again(grid), fitted(grid))


@pytest.mark.parametrize(("rows", "chosen"), [(400, "platt"), (4000, "beta"), (40_000, "isotonic")])
def test_flexibility_follows_the_number_of_churners(rows: int, chosen: str) -> None:
    fitted = calibrate(*distorted(rows))
    assert fitted.method == chosen
    assert fitted.churners > 0


def test_few_churners_move_the_level_not_the_ranking() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=60)
    y = np.zeros(60)
    y[:4] = 1
    slope, _ = calibrate(z, y).state
    assert 0.4 < slope < 1.6


@pytest.mark.parametrize("outcome", [0.0, 1.0])
def test_one_class_is_left_alone(outcome: float) -> None:
    assert calibrate([0.0, 1.0], [outcome] * 2).method == "none"


def test_a_population_with_another_base_rate_shifts_every_odds_alike() -> None:
    fitted = Calibrator("platt", (1.0, 0.0), 40)
    shifted = replace(fitted, prior_shift=float(logit(0.02) - logit(0.5)))
    p, q = fitted([-1.0, 0.0, 2.0]), shifted([-1.0, 0.0, 2.0])
    assert q[1] == pytest.approx(0.02)
    assert (q / (1 - q)) / (p / (1 - p)) == pytest.approx(np.full(3, 0.02 / 0.98))
    assert np.array_equal(Calibrator.from_dict(json.loads(json.dumps(shifted.as_dict())))([0.3]), shifted([0.3]))


def test_a_broken_state_is_refused() -> None:
    with pytest.raises(BundleError, match="calibration"):
        Calibrator.from_dict({"method": "platt", "state": [1.0]})
    with pytest.raises(BundleError, match="calibration"):
        Calibrator.from_dict({"method": "spline", "state": []})
