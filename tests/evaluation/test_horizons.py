from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import isotonic_regression

from churnml.config import Config
from churnml.errors import BundleError, TrainingError
from churnml.evaluation.horizon_models import backtest_horizons, fit_horizons
from churnml.evaluation.report import HorizonVerdict
from churnml.features.spec import FeatureSet
from churnml.scoring import score
from churnml.training import ChurnModel, Publication, fit
from churnml.training.horizons import anchored, coherent


def test_equals_isotonic_regression_row_by_row() -> None:
    p = np.random.default_rng(0).random((200, 4))
    expected = np.array([isotonic_regression(row).x for row in p])
    assert np.allclose(coherent(p), expected)
    assert (np.diff(coherent(p), axis=1) >= 0).all()


def test_what_agrees_is_left_to_the_last_digit() -> None:
    p = np.sort(np.random.default_rng(1).random((50, 3)), axis=1)
    assert np.array_equal(coherent(p), p)
    assert np.array_equal(coherent(coherent(p[:, ::-1])), coherent(p[:, ::-1]))


@settings(max_examples=60, deadline=None)
@given(
    p=arrays(np.float64, st.tuples(st.integers(1, 8), st.integers(1, 5)), elements=st.floats(0, 1)),
    place=st.integers(0, 4),
)
def test_anchored_never_falls_and_keeps_its_anchor(p: np.ndarray, place: int) -> None:
    fixed = place % p.shape[1]
    found = anchored(p, fixed)
    assert (np.diff(found, axis=1) >= 0).all()
    assert np.array_equal(found[:, fixed], p[:, fixed])
    assert ((found >= 0) & (found <= 1)).all()
    # A row depends on itself alone, and what is coherent already is left alone.
    assert np.array_equal(np.concatenate([anchored(row[None], fixed) for row in p]), found)
    assert np.array_equal(anchored(found, fixed), found)


def test_nothing_coherent_with_the_anchor_lies_closer() -> None:
    rng = np.random.default_rng(2)
    p = rng.random((40, 4))
    found = anchored(p, 2)
    for _ in range(200):
        other = np.sort(rng.random((40, 4)), axis=1)
        other[:, :2] = np.minimum(other[:, :2], p[:, 2:3])
        other[:, 3:] = np.maximum(other[:, 3:], p[:, 2:3])
        other[:, 2] = p[:, 2]
        assert (((found - p) ** 2).sum(axis=1) <= ((other - p) ** 2).sum(axis=1) + 1e-12).all()


@pytest.fixture(scope="module")
def asked(company: pd.DataFrame, configure: Callable[..., Config]) -> tuple[pd.DataFrame, Config]:
    """Return a company whose accounts churn within 30 and 120 days besides 60, and a config that asks for all."""
    rng = np.random.default_rng(5)
    frame = company.drop(columns=[name for name in company if name.startswith("churned_")])
    soon = np.where(rng.random(len(frame)) < 0.5, frame["churned"], 0.0)
    late = np.where(rng.random(len(frame)) < 0.1, 1.0, frame["churned"])
    frame = frame.assign(churned_30d=soon, churned_120d=late)
    conf = configure(kind="logistic")
    label = conf.label.model_copy(update={"further_horizons_days": (30, 120), "silence_days": 30})
    splits = conf.splits.model_copy(update={"folds": 1})
    return frame, conf.model_copy(update={"label": label, "splits": splits})


@pytest.fixture(scope="module")
def model(asked: tuple[pd.DataFrame, Config], features: FeatureSet) -> ChurnModel:
    frame, config = asked
    return fit_horizons(frame, features, config, fit(frame, features, config.learning))


def test_scores_of_every_horizon_are_coherent_and_the_primary_stays(
    model: ChurnModel, asked: tuple[pd.DataFrame, Config]
) -> None:
    frame, _ = asked
    alone, scores = score(replace(model, horizon_models={}), frame), score(model, frame)
    pd.testing.assert_frame_equal(scores[alone.columns], alone, check_exact=True)
    columns = ["churn_probability_30d", "churn_probability_60d", "churn_probability_120d"]
    assert list(scores.columns) == [*alone.columns, *columns]
    assert (np.diff(scores[columns].to_numpy(), axis=1) >= 0).all()
    assert (scores["churn_probability_60d"] == scores["churn_probability"]).all()
    assert scores["churn_probability_30d"].mean() == pytest.approx(frame["churned_30d"].mean(), abs=0.02)
    assert scores["churn_probability_120d"].mean() == pytest.approx(frame["churned_120d"].mean(), abs=0.03)
    pd.testing.assert_frame_equal(score(model, frame.iloc[[7]]), scores.iloc[[7]].reset_index(drop=True))


def test_a_horizon_whose_own_backtest_failed_is_scored_by_its_best_rule(
    asked: tuple[pd.DataFrame, Config], features: FeatureSet, model: ChurnModel
) -> None:
    frame, config = asked

    def evidence(verdict: Publication, *rules: str) -> SimpleNamespace:
        return SimpleNamespace(
            verdict=HorizonVerdict(verdict, "because"), rules_by_loss=rules, estimator="model", linear_weights=()
        )

    failed = evidence(Publication.RULES_ONLY, "recency", "base_rate")
    passed = evidence(Publication.PUBLISHABLE, "recency")
    publishable = replace(model.with_info(verdict="publishable"), horizon_models={})
    found = fit_horizons(frame, features, config, publishable, {30: failed, 120: passed})
    assert found.rule is None
    assert found.horizon_models[30].rule is not None
    assert found.horizon_models[30].rule.name == "recency"
    assert found.horizon_models[120].rule is None
    ruled = found.horizon_models[30].probability(found.matrix(frame))
    assert ruled.mean() == pytest.approx(frame["churned_30d"].mean(), abs=0.01)


def test_files_hold_every_horizon_and_older_files_still_load(
    model: ChurnModel, asked: tuple[pd.DataFrame, Config]
) -> None:
    files = model.to_files()
    assert {"horizon-30-model.json", "horizon-120-model.json"} <= set(files)
    again = ChurnModel.from_files(files)
    pd.testing.assert_frame_equal(score(again, asked[0]), score(model, asked[0]), check_exact=True)
    assert again.to_files() == files
    older = {name: text for name, text in files.items() if not name.startswith("horizon-")}
    kept = json.loads(older["model.json"])
    del kept["further_horizons_days"]
    assert ChurnModel.from_files({**older, "model.json": json.dumps(kept)}).horizons == (60,)
    with pytest.raises(BundleError, match=r"no file model\.json"):
        ChurnModel.from_files(older)


@pytest.mark.slow
def test_each_horizon_is_backtested_on_folds_of_its_own(
    asked: tuple[pd.DataFrame, Config], features: FeatureSet
) -> None:
    frame, config = asked
    final = frame["as_of"] <= "2023-12-01"
    frame = frame.assign(churned_120d=frame["churned_120d"].where(final))
    found = backtest_horizons(frame, features, config)
    assert list(found) == [30, 120]
    assert f"{found[30].folds[-1].test_until}" == "2024-02-01"
    assert f"{found[120].folds[-1].test_until}" == "2023-12-01"
    for days, report in found.items():
        fold = report.folds[0]
        room = fold.test_from - fold.train_until
        assert room >= pd.Timedelta(days=days)
        assert report.pooled.model.positives > 0
        assert report.verdict.verdict in ("publishable", "rules_only")
        json.dumps(report.as_dict(), allow_nan=False)


def test_a_horizon_without_enough_churners_is_named(asked: tuple[pd.DataFrame, Config], features: FeatureSet) -> None:
    frame, config = asked
    with pytest.raises(TrainingError, match="horizon of 30 days") as caught:
        fit_horizons(frame.assign(churned_30d=0.0), features, config, fit(frame, features, config.learning))
    assert "Leave 30 out of label.further_horizons_days" in str(caught.value)
