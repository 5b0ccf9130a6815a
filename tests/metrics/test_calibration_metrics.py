from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from churnml.metrics import beyond_noise, calibration_error, calibration_slope, ece, expected_over_observed, risk_levels


def company(seed: int, accounts: int, shift: float = 0.0, stretch: float = 1.0) -> tuple[np.ndarray, ...]:
    """Accounts asked about four times whose fate is drawn once; what is told is off by a shift and a stretch."""
    rng = np.random.default_rng(seed)
    risk = rng.normal(size=accounts) - 1.8
    churned = rng.random(accounts) < expit(risk)
    return (
        np.repeat(churned, 4).astype(float),
        np.repeat(expit(stretch * risk + shift), 4),
        np.repeat(np.arange(accounts), 4),
    )


@pytest.mark.slow
@pytest.mark.parametrize("accounts", [60, 150])
@pytest.mark.parametrize("shift", [0.0, 0.7])
def test_the_interval_of_the_calibration_error_covers_where_the_plain_one_is_too_high(
    accounts: int, shift: float
) -> None:
    risk = np.random.default_rng(9).normal(size=100_000) - 1.8
    truth = float(np.abs(expit(risk + shift) - expit(risk)).mean())
    found = [calibration_error(*company(seed, accounts, shift)) for seed in range(30)]
    assert np.mean([one.low <= truth <= one.high for one in found]) >= 0.9
    plain = np.mean([ece(*company(seed, accounts, shift)[:2]) for seed in range(30)])
    assert abs(np.mean([one.value for one in found]) - truth) < abs(plain - truth)


def test_ratio_and_slope_name_what_is_wrong() -> None:
    y, p, account = company(0, 4000, shift=0.5)
    ratio = expected_over_observed(y, p, account)
    assert ratio.value == pytest.approx(p.sum() / y.sum())
    assert ratio.low > 1.2
    slope = calibration_slope(y, p, account)
    assert slope.low < 1.0 < slope.high
    stretched = calibration_slope(*company(1, 4000, stretch=2.0))
    assert stretched.low < 0.5 < stretched.high
    assert stretched.high < 0.7


def test_the_intervals_of_ratio_and_slope_cover() -> None:
    for measure in (expected_over_observed, calibration_slope):
        found = [measure(*company(seed, 150)) for seed in range(100)]
        truth = 1.0
        assert 0.88 <= np.mean([one.low <= truth <= one.high for one in found]) <= 1.0


def test_levels_of_risk_hold_every_row_once_and_take_bands() -> None:
    y, p, account = company(2, 300)
    tenths = risk_levels(y, p, account)
    assert sum(level.n for level in tenths) == len(y)
    assert [level.told for level in tenths] == sorted(level.told for level in tenths)
    band = np.where(p > 0.4, "red", np.where(p > 0.2, "yellow", "green"))
    assert [level.name for level in risk_levels(y, p, account, band)] == ["green", "yellow", "red"]
    red = risk_levels(y, p, account, band)[-1]
    assert red.happened == pytest.approx(y[p > 0.4].mean())


def test_nothing_churned_is_undefined_not_a_number() -> None:
    y, p, account = np.zeros(20), np.full(20, 0.1), np.arange(20)
    assert expected_over_observed(y, p, account).value is None
    assert calibration_slope(y, p, account).value is None
    assert calibration_error([], [], []).value is None


def test_calibrated_tenths_are_seldom_called_off_and_a_wrong_one_is() -> None:
    rng = np.random.default_rng(8)
    called = 0
    for _ in range(40):
        chance = rng.beta(1, 12, 2000)
        outcome = (rng.random(2000) < chance).astype(float)
        called += bool(beyond_noise(risk_levels(outcome, chance, np.arange(2000))))
    assert called <= 6  # 5 % of 40 are 2
    told = np.where(chance > np.quantile(chance, 0.9), chance / 2, chance)
    gaps = beyond_noise(risk_levels(outcome, told, np.arange(2000), names=np.where(told < chance, "off", "right")))
    assert [level.name for level in gaps] == ["off"]
