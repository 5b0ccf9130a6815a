from __future__ import annotations

import numpy as np
import pytest

from churnml.features.spec import FeatureSet, FeatureSpec
from churnml.training import ChurnClassifier
from churnml.training.experience import expected_coefficients
from churnml.training.linear import Strength, fit_linear, mixed


def spec(name: str, days: int | None = None, **fields: object) -> FeatureSpec:
    text = ("",) * 4
    return FeatureSpec(name, "engagement", *text, "events", days, **fields)  # type: ignore[arg-type]


def test_the_nearest_window_stands_in_and_what_is_unknown_has_none() -> None:
    features = FeatureSet(
        [
            spec("active_days_28d", 28),
            spec("active_days_30d", 30),
            spec("astrology_28d", 28),
            spec("plan", categorical=True),
            spec("events_exported_28d", 28, event_kind="exported"),
        ]
    )
    known, near, unknown, words, own_kind = expected_coefficients(features)
    assert known != 0
    assert near == known
    assert unknown == words == own_kind == 0


@pytest.mark.slow
def test_experience_helps_few_churners_and_is_left_aside_where_the_data_contradict_it() -> None:
    rng = np.random.default_rng(0)

    def company(n: int) -> tuple[np.ndarray, np.ndarray]:
        X = rng.normal(size=(n, 30))
        return X, (X[:, :6].sum(axis=1) + 2.0 * rng.logistic(size=n) > 5.5).astype(int)

    few, many = company(250), company(2000)
    later, happened = company(4000)
    right = [0.5] * 6 + [0.0] * 24
    wrong = [0.0] * 24 + [0.5] * 6

    def auc(rows: tuple[np.ndarray, np.ndarray], expected: list[float] | None) -> float:
        p = ChurnClassifier(kind="logistic", expected=expected).fit(*rows).predict_proba(later)[:, 1]
        order = np.argsort(np.argsort(p)) + 1.0
        churned = happened == 1
        return float((order[churned].mean() - (churned.sum() + 1) / 2) / (~churned).sum())

    assert auc(few, right) > auc(few, None) + 0.02
    assert auc(many, wrong) > auc(many, None) - 0.01


def test_a_mean_of_regressions_is_the_mean_of_their_log_odds() -> None:
    rng = np.random.default_rng(1)
    X = np.column_stack([rng.normal(size=300), rng.integers(0, 3, 300).astype(float)])
    X[::5, 0] = np.nan
    y = (rng.random(300) < 0.3).astype(float)
    models = fit_linear(X, y, [Strength(0.01), Strength(1.0, 1.0)], categorical=[1], expected=[0.4, 0.0])
    both = mixed(models, [0.25, 0.75])
    assert np.allclose(both.log_odds(X), 0.25 * models[0].log_odds(X) + 0.75 * models[1].log_odds(X))
