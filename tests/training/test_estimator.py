from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.utils.estimator_checks import check_estimator

from churnml.errors import ConfigError
from churnml.metrics.predictions import roc_auc
from churnml.training import ChurnClassifier
from churnml.training.blending import blend_weight
from churnml.training.choice import choose
from churnml.training.folds import grouped_folds, temporal_folds
from churnml.training.judging import Judge
from churnml.training.linear import Strength, fit_linear, mixed
from churnml.training.trees import BinnedRows, Trees, validation_curve


def rows(n: int = 600, k: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, k))
    y = (X[:, 0] - 0.5 * X[:, 1] + rng.normal(size=n) > 1.0).astype(int)
    return X, y


@pytest.mark.slow
def test_scikit_learn_accepts_it() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the checks warn on purpose
        # A row of weight 2 is not drawn like two rows: bagging and folds draw rows.
        drawn = {"check_sample_weight_equivalence_on_dense_data": "rows are drawn at random"}
        outcomes = check_estimator(
            ChurnClassifier(seeds=1, params={"n_estimators": 20}), on_fail=None, expected_failed_checks=drawn
        )
    assert [found["check_name"] for found in outcomes if found["status"] == "failed"] == []
    assert len(outcomes) > 40


@pytest.mark.parametrize("kind", ["lightgbm", "logistic", "auto"])
def test_contributions_add_up_to_the_log_odds(kind: str) -> None:
    X, y = rows()
    X[::7, 1] = np.nan
    fitted = ChurnClassifier(kind=kind, seeds=2).fit(X, y)
    assert fitted.contributions(X).shape == (600, 5)
    assert fitted.contributions(X).sum(axis=1) == pytest.approx(fitted.decision_function(X), abs=1e-9)


def test_the_same_seed_gives_the_same_digits_and_another_seed_others() -> None:
    X, y = rows()
    first, again, other = (ChurnClassifier(kind="lightgbm", random_state=s).fit(X, y) for s in (1, 1, 2))
    assert np.array_equal(first.predict_proba(X), again.predict_proba(X))
    assert not np.array_equal(first.predict_proba(X), other.predict_proba(X))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["lightgbm", "logistic", "auto"])
def test_declared_directions_hold(kind: str) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(900, 3))
    # The data say that more of column 0 lowers the risk; the declaration says that it never does.
    y = (-X[:, 0] + X[:, 1] + 0.5 * rng.normal(size=900) > 1.0).astype(int)
    fitted = ChurnClassifier(kind=kind, seeds=1, monotone=[1, 0, 0]).fit(X, y)
    grid = np.tile(X[:20], (9, 1, 1))
    grid[:, :, 0] = np.linspace(-3, 3, 9)[:, None]
    p = np.array([fitted.predict_proba(step)[:, 1] for step in grid])
    assert (np.diff(p, axis=0) >= -1e-12).all()


def test_words_and_gaps_are_native() -> None:
    rng = np.random.default_rng(0)
    plan = rng.choice(["basic", "pro", "max"], 900)
    usage = np.where(rng.random(900) < 0.3, np.nan, rng.normal(size=900))
    y = (rng.random(900) < np.where(plan == "basic", 0.6, 0.1)).astype(int)
    frame = pd.DataFrame({"usage": usage, "plan": pd.Categorical(plan)})
    for kind in ("lightgbm", "logistic"):
        fitted = ChurnClassifier(kind=kind, seeds=1).fit(frame, y)
        new = pd.DataFrame({"usage": [0.0] * 4, "plan": ["basic", "pro", "never seen", None]})
        p = fitted.predict_proba(new)[:, 1]
        assert p[0] > 0.4 > 0.25 > p[1]
        assert p[2] == p[3]


def test_few_churners_get_a_logistic_regression_and_the_reason_is_told() -> None:
    X, y = rows(n=150, k=3)
    y[:] = 0
    y[:15] = 1
    fitted = ChurnClassifier().fit(X, y)
    assert fitted.kind_ == "logistic"
    assert "15 churners for 3 features" in str(fitted.reason_)
    enough = ChurnClassifier().fit(*rows())
    assert enough.kind_ == "blend"
    assert f"the regression weighs {100 * enough.ensemble_.linear_weight:.0f} %" in str(enough.reason_)


@pytest.mark.slow
def test_a_blend_leans_to_the_part_that_later_rows_favour_as_far_as_they_can_tell() -> None:
    def weight(n: int, *, additive: bool) -> float:
        rng = np.random.default_rng(5)
        X = rng.normal(size=(n, 6))
        signal = X.sum(axis=1) if additive else 4.0 * (np.abs(X[:, 0]) > 1.0)
        y = (signal + rng.logistic(size=n) > 2.0).astype(int)
        return ChurnClassifier(seeds=1).fit(X, y).ensemble_.linear_weight

    many = weight(2500, additive=True)
    assert many > 0.6
    assert weight(2500, additive=False) < 0.33
    # With few rows the prior (a third) holds it back.
    assert weight(100, additive=True) < many


def test_the_blend_is_weighed_on_accounts_left_out_by_parts_of_all_the_others() -> None:
    month, account = np.repeat(np.arange(9), 80), np.tile(np.arange(80), 9)
    X, y = rows(n=720)
    dates = pd.date_range("2024-01-01", periods=9, freq="MS").to_numpy()[month]
    classifier = ChurnClassifier(seeds=1, purge_days=92)
    plan = classifier.plan(X, y, dates=dates, groups=account)
    assert [len(set(account[fold.train]) & set(account[fold.valid])) for fold in plan.left_out] == [0] * 4

    by_date = choose(X, plan.outcome, plan.folds, plan.recipe, plan.timeline)
    chosen = choose(X, plan.outcome, plan.folds, plan.recipe, plan.timeline, left_out=plan.left_out)
    trees, linear, curve = [], [], np.zeros(chosen.shape.max_trees)
    for fold in plan.left_out:
        learnt, target = X[fold.train], plan.outcome[fold.train]
        binned = BinnedRows(learnt, target, (), chosen.shape)
        fitted = Trees.fit(binned, settings=chosen.shape, seeds=plan.recipe.seeds, trees=chosen.count)
        trees.append(fitted.log_odds(X[fold.valid]))
        both = BinnedRows(X, plan.outcome, (), chosen.shape).fold(fold.train, fold.valid)
        curve += len(fold.valid) * validation_curve(*both, settings=chosen.shape, seed=7)[1]
        regressions = fit_linear(learnt, target, [strength for strength, _ in chosen.strengths])
        linear.append(mixed(regressions, [share for _, share in chosen.strengths]).log_odds(X[fold.valid]))
    assert chosen.count == round(np.sqrt(by_date.count * (curve.argmin() + 1)))
    judge = Judge(plan.outcome, plan.left_out, plan.timeline, None)
    weight = blend_weight(judge, np.concatenate(trees), np.concatenate(linear), plan.recipe.weight_prior)
    assert chosen.linear_weight == weight != by_date.linear_weight

    fitted = classifier.fit(X, y, dates=dates, groups=account)
    assert fitted.ensemble_.linear_weight == weight
    assert "judged on other accounts" in str(fitted.reason_)


def test_a_fit_on_known_accounts_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(1)
    X = rng.normal(size=(720, 4)).round(0)  # so few values that trees run out of splits
    y = (X[:, 0] + rng.normal(size=720) > 1.5).astype(int)
    dates = pd.date_range("2024-01-01", periods=9, freq="MS").to_numpy()[np.repeat(np.arange(9), 80)]
    ChurnClassifier(seeds=1, purge_days=92).fit(X, y, dates=dates, groups=np.tile(np.arange(80), 9))
    assert capfd.readouterr() == ("", "")


def test_rows_of_one_account_count_as_one_churner() -> None:
    X, y = rows(n=600)
    fitted = ChurnClassifier().fit(X, y, groups=np.arange(600) // 40)
    assert fitted.kind_ == "logistic"


@pytest.mark.parametrize("name", ["objective", "scale_pos_weight", "num_threads", "deterministic"])
def test_promises_cannot_be_overridden(name: str) -> None:
    X, y = rows()
    with pytest.raises(ConfigError, match=name):
        ChurnClassifier(params={name: 1}).fit(X, y)


def test_inner_folds_never_look_ahead_and_keep_the_purge() -> None:
    dates = np.repeat(pd.date_range("2022-01-01", periods=18, freq="MS").to_numpy(), 10)
    y = np.tile([0, 1], 90)
    folds = temporal_folds(dates, y, purge_days=90)
    assert len(folds) == 3
    for fold in folds:
        assert dates[fold.train].max() + np.timedelta64(90, "D") <= dates[fold.valid].min()
    valid = np.concatenate([fold.valid for fold in folds])
    assert len(valid) == len(set(valid.tolist()))
    assert dates[valid].max() == dates.max()


def test_a_history_too_short_for_inner_folds_falls_back_on_other_accounts() -> None:
    X, y = rows()
    dates = np.repeat(np.array(["2024-01-01", "2024-02-01"], "datetime64[D]"), 300)
    fitted = ChurnClassifier(seeds=1, purge_days=90).fit(X, y, dates=dates)
    assert fitted.judged_on_ == "other accounts"
    assert fitted.ensemble_.calibrator.churners > 0
    for fold in grouped_folds(y, np.arange(600) % 100):
        assert not set((fold.train % 100).tolist()) & set((fold.valid % 100).tolist())


def test_calibration_learns_from_rows_the_trees_did_not_see() -> None:
    # Pure noise that trees can memorise: judged on its own rows the level would look certain.
    rng = np.random.default_rng(0)
    X = rng.normal(size=(800, 30))
    y = (rng.random(800) < 0.2).astype(int)
    greedy = {"num_leaves": 64, "min_data_in_leaf": 1, "min_sum_hessian_in_leaf": 0.0, "lambda_l2": 0.0}
    fitted = ChurnClassifier(kind="lightgbm", params=greedy, seeds=1).fit(X, y)
    new = rng.normal(size=(400, 30))
    p = fitted.predict_proba(new)[:, 1]
    assert abs(p.mean() - 0.2) < 0.05
    assert p.std() < 0.1


def test_the_logistic_part_copes_with_empty_and_constant_columns() -> None:
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=300), np.full(300, np.nan), np.full(300, 3.0), rng.lognormal(3, 2, 300)])
    y = (X[:, 0] > 0.5).astype(float)
    (model,) = fit_linear(X, y, [Strength(0.1)])
    assert np.isfinite(model.log_odds(X)).all()
    assert model.coef[[1, 2]].tolist() == [0.0, 0.0]
    extreme = X[:1].copy()
    extreme[0, 3] = 1e12
    assert np.isfinite(model.log_odds(extreme)).all()
    assert roc_auc(y, model.log_odds(X)) > 0.95


@pytest.mark.slow
def test_directions_are_kept_to_unless_the_data_speak_against_them() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1500, 4))
    y = (X[:, 0] + 0.6 * X[:, 1] + rng.logistic(size=1500) > 2.0).astype(int)
    kind = "logistic"
    free = ChurnClassifier(kind=kind).fit(X, y)
    # Column 3 is noise: a direction costs nothing, whatever its sign came out as.
    wished = -1 if free.ensemble_.linear.coef[3] > 0 else 1
    held = ChurnClassifier(kind=kind, directions=[1, 1, 0, wished]).fit(X, y)
    assert held.ensemble_.linear.coef[3] * wished >= 0
    # Column 0 raises the risk: what says otherwise is not believed.
    wrong = ChurnClassifier(kind=kind, directions=[-1, 1, 0, 0]).fit(X, y)
    assert wrong.ensemble_.linear.coef[0] > 0.5


@pytest.mark.parametrize(
    ("n", "churners", "rate"), [(2_000, 200, None), (30_000, 900, 0.08), (20_000, 1_000, 0.08), (30_000, 1_000, 0.12)]
)
def test_trees_take_larger_steps_where_more_accounts_churned_and_the_largest_only_among_many_rows(
    n: int, churners: int, rate: float | None
) -> None:
    account = np.arange(n) % 1_500
    y = (np.arange(n) < churners).astype(int)
    plan = ChurnClassifier().plan(np.random.default_rng(0).normal(size=(n, 1)), y, groups=account)
    assert plan.recipe.trees[0].params.get("learning_rate") == rate
    assert len(plan.recipe.trees) == (1 if rate is None else 2)
