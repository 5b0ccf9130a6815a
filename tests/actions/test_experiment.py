"""What a contact is worth: planted effects lie in the interval, and too little is said to be too little."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from churnml.actions.experiment import experiment_report
from churnml.config.experiments import ExperimentsConfig

UNTIL = date(2026, 6, 30)


def section(**given: object) -> ExperimentsConfig:
    return ExperimentsConfig.model_validate({"enabled": True, "share": 0.3, "arr_below": 1e6, **given})


def contacted_chance(chance: np.ndarray, planted: str) -> np.ndarray:
    """Return the chance of churn with a contact: as without, the same share for all, or for the middle alone."""
    if planted == "none":
        return chance
    if planted == "uniform":
        return 0.5 * chance
    return np.where((chance > 0.15) & (chance < 0.4), 0.3 * chance, chance)


def company(seed: int, planted: str, accounts: int = 400, share: float = 0.3) -> tuple[pd.DataFrame, float, float]:
    """Return drawn accounts with their outcomes, and the true effects on churn and ARR of exactly these accounts."""
    rng = np.random.default_rng(seed)
    chance = rng.beta(1.5, 5.0, accounts)
    arr = np.exp(rng.normal(9, 0.7, accounts))
    treated = contacted_chance(chance, planted)
    held = rng.permutation(accounts) < share * accounts
    churned = (rng.random(accounts) < np.where(held, chance, treated)).astype(float)
    shown = np.clip(chance * np.exp(rng.normal(0, 0.3, accounts)), 0.001, 0.95)
    rows = pd.DataFrame(
        {
            "arm": np.where(held, "held_out", "contacted"),
            "assigned_on": [date(2026, 1, 5) + timedelta(days=int(day)) for day in rng.integers(0, 80, accounts)],
            "churn_probability": shown,
            "arr": arr,
            "segment": np.where(rng.random(accounts) < 0.97, "smb", "enterprise"),
            "churned": churned,
        }
    )
    return rows, float((chance - treated).mean()), float(((chance - treated) * arr).mean())


@pytest.mark.slow
@pytest.mark.parametrize("planted", ["none", "uniform", "mid_risk"])
def test_a_planted_effect_lies_in_the_interval_95_times_of_100(planted: str) -> None:
    runs, of_churn, of_arr = 100, 0, 0
    for seed in range(runs):
        rows, churn, arr = company(seed, planted)
        found = experiment_report(rows, section(), days=90, until=UNTIL, by_segment=False)
        assert found.churn_avoided is not None
        assert found.arr_saved is not None
        of_churn += found.churn_avoided.low <= churn <= found.churn_avoided.high
        of_arr += found.arr_saved.low <= arr <= found.arr_saved.high
    # Three standard errors of a share of 95 % in 100 runs are 6.5 points.
    assert of_churn / runs >= 0.95 - 0.065
    assert of_arr / runs >= 0.95 - 0.065


def test_the_adjustment_narrows_the_interval() -> None:
    rows, _, _ = company(1, "uniform", accounts=2000)
    with_risk = experiment_report(rows, section(), days=90, until=UNTIL, by_segment=False).churn_avoided
    without = rows.assign(churn_probability=0.2, arr=1.0)
    bare = experiment_report(without, section(), days=90, until=UNTIL, by_segment=False).churn_avoided
    assert with_risk is not None
    assert bare is not None
    assert with_risk.high - with_risk.low < 0.97 * (bare.high - bare.low)
    held, contacted = (rows.loc[rows["arm"] == arm, "churned"].mean() for arm in ("held_out", "contacted"))
    assert bare.value == pytest.approx(held - contacted, abs=1e-6)


def test_too_little_is_said_to_be_too_little() -> None:
    rows, _, _ = company(1, "uniform", accounts=40)
    found = experiment_report(rows, section(), days=90, until=UNTIL)
    assert (found.enough, found.churn_avoided, found.arr_saved) == (False, None, None)
    assert "12 accounts of the smaller arm" in str(found.why)
    rows, _, _ = company(1, "uniform", accounts=200)
    quiet = experiment_report(rows.assign(churned=0.0), section(), days=90, until=UNTIL)
    assert "0 accounts have churned" in str(quiet.why)
    young = experiment_report(rows.assign(churned=np.nan), section(), days=90, until=UNTIL)
    assert young.contacted.followed == 0
    assert young.needed is not None
    assert young.weeks is not None
    assert young.weeks > 90 / 7


def test_each_segment_has_its_own_and_a_small_one_none() -> None:
    rows, _, _ = company(2, "uniform", accounts=600)
    found = experiment_report(rows, section(), days=90, until=UNTIL)
    assert found.segments["smb"].enough
    assert not found.segments["enterprise"].enough
    assert sum(own.contacted.accounts for own in found.segments.values()) == found.contacted.accounts


def test_the_accounts_said_to_be_needed_find_the_effect_as_often_as_asked() -> None:
    first, _, _ = company(0, "uniform", accounts=1500)
    asked = section(effect=0.5, power=0.8)
    needed = experiment_report(first, asked, days=90, until=UNTIL, by_segment=False).needed
    assert needed is not None
    runs, seen = 100, 0
    for seed in range(runs):
        rows, _, _ = company(seed + 1000, "uniform", accounts=needed)
        found = experiment_report(rows, asked, days=90, until=UNTIL, by_segment=False)
        seen += found.churn_avoided is not None and found.churn_avoided.low > 0
    # The smaller churn of the contacted makes their arm a little surer than the formula assumes.
    assert 0.68 <= seen / runs <= 0.95
