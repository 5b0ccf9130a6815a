"""`ChurnClassifier`: the estimator, as scikit-learn knows estimators."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import logit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, column_or_1d, validate_data

from churnml.language import Quantity, Text
from churnml.training.encoding import categories_of, encode
from churnml.training.ensemble import Ensemble, fit_ensemble
from churnml.training.folds import InnerFold, grouped_folds, temporal_folds
from churnml.training.level import Timeline
from churnml.training.recipe import Recipe
from churnml.training.trees import tree_settings

__all__ = ["ChurnClassifier", "Plan"]

Array = npt.NDArray[np.float64]

_FEW_CHURNERS = 20
_MANY_CHURNERS = 300
"""Fewer churned accounts cannot tell a richer shape of tree from the simplest one, so it is not tried."""

_LEFT_OUT = 4
"""Parts that the accounts are cut into to judge the blend, each left out once; of many churners half of them do."""
_ONE_PART_CHURNERS = 1000
"""With so many churned accounts one part holds enough of them to judge by."""
_MANY_ROWS = 30_000
"""Of so many rows the time counts: with a thousand churned accounts among them the trees take larger steps still."""


@dataclass(frozen=True)
class Plan:
    """What a classifier is about to fit.

    Parameters
    ----------
    matrix : array of shape (n, k)
    outcome : array of shape (n,)
        0 or 1.
    folds : list of InnerFold
        What it tunes and calibrates on.
    recipe : Recipe
    timeline : Timeline or None
        When the rows are, where the folds are cut by date.
    weights : array of shape (n,) or None
    leaving_out : callable
        Cuts what `left_out` returns.
    """

    matrix: Array
    outcome: Array
    folds: list[InnerFold]
    recipe: Recipe
    timeline: Timeline | None = None
    weights: Array | None = None
    leaving_out: Callable[[], Sequence[InnerFold]] = tuple

    @cached_property
    def left_out(self) -> Sequence[InnerFold]:
        """Accounts that judge the number of trees and the blend, where folds are cut by date and accounts are known.

        Cut when they are first asked for: of ten thousand accounts that takes a second.
        """
        return self.leaving_out()


class ChurnClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Calibrated churn classifier: LightGBM averaged over seeds, blended with a logistic regression.

    With `dates`, the number of trees, the penalty and the calibration are chosen on later rows than the models judged
    were trained on, with `purge_days` between; without, on accounts they were not trained on. Where `groups` tell
    accounts apart, some left out say how the blend is weighed, and have half a say in the number of trees. Then
    everything is refitted on all rows. Classes are never weighted: the probability is calibrated instead.

    Parameters
    ----------
    kind : {"auto", "lightgbm", "logistic"}
        ``"auto"`` averages trees with a logistic regression, weighed by what each says of rows it had not seen, or
        fits the logistic regression alone where fewer than 20 accounts churned.
    params : mapping, optional
        LightGBM parameters that override the defaults.
    seeds : int
        Boosters to average.
    calibration : {"auto", "platt", "isotonic", "beta", "none"}
        ``"auto"`` by the number of churners that can be calibrated on.
    purge_days : int
        Gap + horizon of the label; used with `dates`.
    categorical : sequence of int or "auto"
        Columns of an array that hold word codes; ``"auto"`` takes the word columns of a DataFrame.
    monotone : sequence of int, optional
        −1, 0 or 1 per column.
    random_state : int
        Seed.
    prior : float, optional
        Share of churners in the population, where the training rows were balanced on purpose: probabilities are told
        for it. Left out, the training rows are the population.
    expected : sequence of float, optional
        Other companies' coefficients per column (`churnml.training.experience`), which the logistic regression is
        pulled to where few accounts churned.
    directions : sequence of int, optional
        What domain knowledge says of each column, −1, 0 or 1. Unlike `monotone` it binds the regression alone, and only
        where that loses at most .003 of its concordance by it on rows that it had not seen.

    Attributes
    ----------
    classes_ : array of shape (2,)
    n_features_in_ : int
    kind_ : str
        What was fitted: ``"lightgbm"``, ``"logistic"`` or ``"blend"``.
    reason_ : Text
        Why, in words.
    ensemble_ : Ensemble
    categories_ : dict
        Words of each word column of a DataFrame, in code order.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(400, 3))
    >>> y = (X[:, 0] + rng.normal(size=400) > 1).astype(int)
    >>> ChurnClassifier(seeds=1).fit(X, y).predict_proba(X).shape
    (400, 2)
    """

    def __init__(
        self,
        kind: Literal["auto", "lightgbm", "logistic"] = "auto",
        params: Mapping[str, float | int | str | bool] | None = None,
        seeds: int = 3,
        calibration: Literal["auto", "platt", "isotonic", "beta", "none"] = "auto",
        purge_days: int = 0,
        categorical: Sequence[int] | Literal["auto"] = "auto",
        monotone: Sequence[int] | None = None,
        random_state: int = 7,
        prior: float | None = None,
        expected: Sequence[float] | None = None,
        directions: Sequence[int] | None = None,
    ) -> None:
        self.kind = kind
        self.params = params
        self.seeds = seeds
        self.calibration = calibration
        self.purge_days = purge_days
        self.categorical = categorical
        self.monotone = monotone
        self.random_state = random_state
        self.prior = prior
        self.expected = expected
        self.directions = directions

    def plan(
        self,
        X: npt.ArrayLike | pd.DataFrame,
        y: npt.ArrayLike,
        dates: npt.ArrayLike | None = None,
        groups: npt.ArrayLike | None = None,
        sample_weight: npt.ArrayLike | None = None,
    ) -> Plan:
        """Return what `fit` would fit, and by which inner folds it would choose, without fitting.

        Parameters
        ----------
        X, y, dates, groups, sample_weight
            As for `fit`.
        """
        matrix = self._matrix(X, y)
        target = column_or_1d(y, warn=True)
        weights = (
            None if sample_weight is None else _check_sample_weight(sample_weight, matrix, ensure_non_negative=True)
        )
        if weights is not None and not (weights > 0).all():
            rows = weights > 0
            matrix, target, weights = matrix[rows], target[rows], weights[rows]
            dates, groups = (None if one is None else np.asarray(one)[rows] for one in (dates, groups))
        check_classification_targets(target)
        if type_of_target(target) != "binary":
            raise ValueError(f"Only binary classification is supported. The type of the target is {type_of_target(y)}.")
        if self.prior is not None and not 0.0 < self.prior < 1.0:
            raise ValueError(f"prior is {self.prior!r}; it is the population's share of churners, between 0 and 1")
        self.classes_ = np.unique(target)
        if len(self.classes_) < 2:
            raise ValueError("y holds 1 class; churn needs both outcomes")
        outcome = (target == self.classes_[1]).astype(np.float64)
        account = np.arange(len(outcome)) if groups is None else np.asarray(groups)
        churners = len(np.unique(account[outcome == 1]))
        self.kind_: Literal["lightgbm", "logistic", "blend"]
        self.reason_: Text
        self.kind_, self.reason_ = self._choose(churners, matrix)
        folds = temporal_folds(dates, outcome, self.purge_days) if dates is not None else []
        self.judged_on_: str = "later dates" if folds else "other accounts"
        timeline = Timeline.of(dates, self.purge_days) if folds and dates is not None else None
        if not folds:
            folds = grouped_folds(outcome, account, seed=self.random_state)
        few = churners < _MANY_CHURNERS
        parts = 0
        if timeline is not None and groups is not None and self.kind_ != "logistic":
            parts = _LEFT_OUT if few else _LEFT_OUT // 2 if churners < _ONE_PART_CHURNERS else 1
        steps = 1 if few else 2 if churners < _ONE_PART_CHURNERS or len(outcome) < _MANY_ROWS else 3
        recipe = Recipe(
            kind=self.kind_,
            trees=tree_settings(self.params or {}, steps=steps)[: 1 if few else None],
            seeds=tuple(self.random_state + number for number in range(self.seeds)),
            calibration=self.calibration,
            categorical=self._categorical,
            monotone=tuple(self.monotone) if self.monotone is not None else None,
            expected=tuple(self.expected) if self.expected is not None and few else None,
            directions=tuple(self.directions) if self.directions is not None else None,
        )
        leaving_out = partial(_left_out, outcome, account, parts, self.random_state)
        return Plan(matrix, outcome, folds, recipe, timeline, weights, leaving_out)

    def fit(
        self,
        X: npt.ArrayLike | pd.DataFrame,
        y: npt.ArrayLike,
        dates: npt.ArrayLike | None = None,
        groups: npt.ArrayLike | None = None,
        sample_weight: npt.ArrayLike | None = None,
    ) -> Self:
        """Fit to rows.

        Parameters
        ----------
        X : array or DataFrame of shape (n, k)
            NaN where missing. Word columns of a DataFrame are coded here.
        y : array of shape (n,)
            Two classes; the greater one is churn.
        dates : array of datetime64, optional
            ``as_of`` of each row.
        groups : array, optional
            Account of each row.
        sample_weight : array, optional
            Weight of each row, 0 or more: of a row that stands for many, say.
        """
        plan = self.plan(X, y, dates, groups, sample_weight)
        self.ensemble_: Ensemble = fit_ensemble(
            plan.matrix, plan.outcome, plan.folds, plan.recipe, plan.timeline, plan.weights, plan.left_out
        )
        if self.prior is not None:
            shift = float(logit(self.prior) - logit(np.average(plan.outcome, weights=plan.weights)))
            calibrator = replace(self.ensemble_.calibrator, prior_shift=shift)
            self.ensemble_ = replace(self.ensemble_, calibrator=calibrator)
        if self.kind_ == "blend":
            weighed_on = "other accounts" if plan.left_out else self.judged_on_
            self.reason_ = self.reason_.saying(
                judged_on=Text.of("kind-judged_on." + weighed_on.replace(" ", "_")),
                weight=Quantity(value=self.ensemble_.linear_weight, unit="share", digits=0),
            )
        return self

    def _matrix(self, X: Any, y: Any) -> Array:
        """Check and code the training rows; learn words and widths."""
        self.categories_: dict[str, list[str]] = {}
        self._categorical = () if self.categorical == "auto" else tuple(int(column) for column in self.categorical)
        if isinstance(X, pd.DataFrame):
            words = [str(name) for name in X.columns if not pd.api.types.is_numeric_dtype(X[name].dtype)]
            if words:
                self.categories_ = categories_of(X, words)
                self._categorical = tuple(list(X.columns).index(name) for name in words)
                X = pd.DataFrame(encode(X, [str(name) for name in X.columns], self.categories_), columns=X.columns)
        checked, _ = validate_data(self, X, y, dtype=np.float64, ensure_all_finite="allow-nan", ensure_min_samples=2)
        return np.ascontiguousarray(checked)

    def _choose(self, churners: int, matrix: Array) -> tuple[Literal["lightgbm", "logistic", "blend"], Text]:
        features = max(int((~np.isnan(matrix)).any(axis=0).sum()), 1)
        if self.kind != "auto":
            return self.kind, Text.of("kind-configured", kind=str(self.kind))
        counts = {"churners": churners, "features": features, "many": Text.of("card-many.churn")}
        if churners < _FEW_CHURNERS:
            return "logistic", Text.of("kind-few", **counts)
        return "blend", Text.of("kind-blend", **counts)

    def _rows(self, X: Any) -> Array:
        check_is_fitted(self)
        if isinstance(X, pd.DataFrame) and self.categories_:
            X = pd.DataFrame(encode(X, [str(name) for name in X.columns], self.categories_), columns=X.columns)
        checked = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=False)
        return np.ascontiguousarray(checked)

    def decision_function(self, X: npt.ArrayLike | pd.DataFrame, dates: npt.ArrayLike | None = None) -> Array:
        """Return raw log-odds of churn, before calibration, of shape (n,).

        Parameters
        ----------
        X : array or DataFrame of shape (n, k)
        dates : array of datetime64, optional
            ``as_of`` of each row: where the model knows a season, the time of year is counted in.
        """
        rows = self._rows(X)
        season = 0.0 if dates is None else self.ensemble_.seasonal(dates)
        return self.ensemble_.log_odds(rows) + season

    def predict_proba(self, X: npt.ArrayLike | pd.DataFrame, dates: npt.ArrayLike | None = None) -> Array:
        """Return calibrated probabilities of staying and of churn, of shape (n, 2).

        Parameters
        ----------
        X, dates
            As for `decision_function`.
        """
        log_odds = self.decision_function(X, dates)
        churn = self.ensemble_.calibrator(log_odds)
        return np.column_stack([1.0 - churn, churn])

    def predict(self, X: npt.ArrayLike | pd.DataFrame) -> npt.NDArray[Any]:
        """Return the likelier class of each row."""
        likelier = (self.predict_proba(X)[:, 1] > 0.5).astype(int)
        chosen: npt.NDArray[Any] = self.classes_[likelier]
        return chosen

    def contributions(self, X: npt.ArrayLike | pd.DataFrame) -> Array:
        """Return SHAP values of the log-odds, of shape (n, k + 1), the expected value last."""
        rows = self._rows(X)
        return self.ensemble_.contributions(rows)

    def __sklearn_tags__(self) -> Any:
        """Return what scikit-learn may expect of this estimator: two classes, missing values allowed."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.allow_nan = True
        return tags


def _left_out(outcome: Array, account: npt.NDArray[Any], parts: int, seed: int) -> list[InnerFold]:
    """Return the first so many of the parts that the accounts are cut into."""
    return grouped_folds(outcome, account, folds=_LEFT_OUT, seed=seed)[:parts] if parts else []
