"""The gate between champion and challenger, on predictions whose worth is known."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from churnml.assessment import challenge
from churnml.config import Config

CONFIG = Config.model_validate(
    {
        "name": "acme",
        "source": {"folder": "raw"},
        "label": {"churn": "silence", "horizon_days": 60, "silence_days": 60},
        "tables": {"events": {"from": "events.csv"}},
    }
)


def bundle(version: str, verdict: str = "publishable", until: date = date(2024, 1, 1), rule: str | None = None):
    """Return what the gate reads of a bundle."""
    scores = SimpleNamespace(name=rule) if rule else None
    model = SimpleNamespace(info=SimpleNamespace(as_of_until=until), rule=scores)
    manifest = SimpleNamespace(verdict=verdict, config=CONFIG.as_dict())
    return SimpleNamespace(version=version, manifest=manifest, model=model)


@pytest.fixture
def tested() -> pd.DataFrame:
    """Four snapshots of 300 accounts; the model knows the risk, the rule a little of it, in two folds."""
    rng = np.random.default_rng(0)
    account, month = np.tile(np.arange(300), 4), np.repeat(np.arange(4), 300)
    risk = rng.normal(size=300)[account]
    chance = expit(1.2 * risk - 2.5)
    return pd.DataFrame(
        {
            "account_id": [f"a{number}" for number in account],
            "as_of": pd.Timestamp("2024-01-01") + pd.to_timedelta(30 * month, unit="D"),
            "fold": np.where(month < 2, "fold 1", "fold 2"),
            "churned": (rng.random(len(risk)) < chance).astype(float),
            "p_model": chance,
            "p_base_rate": 0.12,
            "p_recency": expit(0.4 * risk + 0.6 * rng.normal(size=len(risk)) - 2.2),
        }
    )


def decide(champion, challenger, tested: pd.DataFrame, before: pd.DataFrame):
    return challenge(CONFIG, champion, challenger, tested=tested, champion_tested=before, tables=None)


def test_equal_predictions_let_a_fresher_model_in_and_no_other(tested: pd.DataFrame) -> None:
    """Its newest fold knows no more than the champion: a gain of exactly nought says nothing of the served model."""
    old, new = bundle("old"), bundle("new", until=date(2024, 3, 1))
    assert decide(old, new, tested, tested).promote is True
    assert "not worse" in str(decide(old, new, tested, tested).reason)
    assert decide(new, bundle("third", until=date(2024, 3, 1)), tested, tested).promote is False


def test_a_fresher_model_that_is_worse_stays_out(tested: pd.DataFrame) -> None:
    rng = np.random.default_rng(1)
    worse = tested.assign(p_model=np.clip(tested["p_model"] + rng.normal(0, 0.2, len(tested)), 0.02, 0.98))
    decision = decide(bundle("old"), bundle("new", until=date(2024, 3, 1)), worse, tested)
    assert decision.promote is False
    assert "may be worse" in str(decision.reason)


def test_a_champion_that_no_longer_tells_churners_apart_goes(tested: pd.DataFrame) -> None:
    rng = np.random.default_rng(2)
    tired = tested.assign(p_model=rng.permutation(tested["p_model"].to_numpy()))
    rules = bundle("new", "rules_only", date(2024, 3, 1), rule="recency")
    decision = decide(bundle("old"), rules, tested, tired)
    assert decision.promote is True
    assert "judged again" in str(decision.reason)
    assert decision.evidence.champion_verdict == "rules_only"


def test_a_champion_that_still_does_stays_before_rules(tested: pd.DataFrame) -> None:
    decision = decide(bundle("old"), bundle("new", "rules_only", rule="recency"), tested, tested)
    assert decision.promote is False
    assert "still does" in str(decision.reason)


def test_what_is_published_is_what_is_judged(tested: pd.DataFrame) -> None:
    """Where rules score on both sides, their probabilities are compared, not those of models that failed."""
    old = bundle("old", "rules_only", rule="base_rate")
    new = bundle("new", "rules_only", until=date(2024, 3, 1), rule="recency")
    decision = decide(old, new, tested.assign(p_model=0.5), tested)
    gain = decision.evidence.log_loss_gain.value
    rows = tested[tested["fold"] == "fold 2"]
    y = rows["churned"].to_numpy()

    def loss(p: pd.Series) -> float:
        return float(-(y * np.log(p) + (1 - y) * np.log1p(-p)).mean())

    assert gain == pytest.approx(loss(rows["p_base_rate"]) - loss(rows["p_recency"]))


def test_without_rows_that_the_champion_had_not_seen_it_stays(tested: pd.DataFrame) -> None:
    decision = decide(bundle("old", until=date(2025, 1, 1)), bundle("new", until=date(2025, 2, 1)), tested, None)
    assert decision.promote is False
    assert "nothing fair" in str(decision.reason)
