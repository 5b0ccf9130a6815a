"""A regularised logistic regression that copes with gaps, words and heavy tails, kept as plain JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from churnml.parallel import side_by_side
from churnml.training.design import Layout, codes_of, design_of
from churnml.training.logistic import LogisticProblem

__all__ = ["Linear", "Regressions", "Strength", "fit_linear", "mixed", "reweighed", "standardised"]

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.intp]

_FIELDS = ("median", "low", "high", "width", "mean", "scale", "coef", "missing_mean", "missing_coef")
_LEARNT = tuple(name for name in _FIELDS if name not in ("coef", "missing_coef"))
_CHUNK_ROWS = 4096
"""Rows whose contributions are held at a time where only their sum is wanted."""


class Strength(NamedTuple):
    """How strongly a regression is held, and to what.

    Parameters
    ----------
    penalty : float
        Inverse L2 strength (scikit-learn's C).
    trust : float
        Share of the expected coefficients that it is pulled to, 0–1; 0 pulls it to zero.
    """

    penalty: float
    trust: float = 0.0


@dataclass(frozen=True)
class Linear:
    """A fitted logistic regression.

    A number x becomes ``t = (asinh((clip(x) − median) / width) − mean) / scale``: linear near the median, logarithmic
    in the tails. A missing number is its median, and its absence has a coefficient of its own. A word has one
    coefficient. Every part is centred on the training rows, so a contribution is ``coef · (t − mean of t)`` and the
    intercept is the expected log-odds.

    Parameters
    ----------
    median, low, high, width, mean, scale, coef, missing_mean, missing_coef : arrays of shape (k,)
        Per column.
    words : mapping
        Column number → coefficient per word code, already centred; the last is for no word.
    intercept : float
    penalty : float
        Inverse of the L2 strength it was fitted with (scikit-learn's C).
    """

    median: Array
    low: Array
    high: Array
    width: Array
    mean: Array
    scale: Array
    coef: Array
    missing_mean: Array
    missing_coef: Array
    words: dict[int, Array]
    intercept: float
    penalty: float

    def contributions(self, X: Array) -> Array:
        """Return (n, k + 1): what each column adds to the log-odds, and the expected value last."""
        parts = np.empty((len(X), X.shape[1] + 1))
        parts[:, :-1] = standardised(self, X) * self.coef + (np.isnan(X) - self.missing_mean) * self.missing_coef
        for column, effect in self.words.items():
            parts[:, column] = effect[codes_of(X[:, column], len(effect))]
        parts[:, -1] = self.intercept
        return parts

    def log_odds(self, X: Array) -> Array:
        """Return the log-odds of each row."""
        chunks = [X[at : at + _CHUNK_ROWS] for at in range(0, max(len(X), 1), _CHUNK_ROWS)]
        return np.concatenate(side_by_side([partial(self._summed, chunk) for chunk in chunks]))

    def _summed(self, X: Array) -> Array:
        return np.asarray(self.contributions(X).sum(axis=1))

    def as_dict(self) -> dict[str, Any]:
        """Return the regression as JSON-ready data."""
        return {
            **{name: getattr(self, name).tolist() for name in _FIELDS},
            "words": {str(column): effect.tolist() for column, effect in self.words.items()},
            "intercept": self.intercept,
            "penalty": self.penalty,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Linear:
        """Rebuild the regression from `as_dict`."""
        arrays = {name: np.asarray(data[name], dtype=np.float64) for name in _FIELDS}
        words = {int(column): np.asarray(effect, dtype=np.float64) for column, effect in data["words"].items()}
        return cls(**arrays, words=words, intercept=float(data["intercept"]), penalty=float(data["penalty"]))


def standardised(model: Linear, X: Array) -> Array:
    """Return the columns as a regression reads them: gaps filled, tails drawn in, in standard deviations."""
    t = np.where(np.isnan(X), model.median, X)
    drawn = np.arcsinh((np.clip(t, model.low, model.high) - model.median) / model.width)
    return np.asarray((drawn - model.mean) / model.scale)


def fit_linear(
    X: Array,
    y: Array,
    strengths: Sequence[Strength],
    categorical: Sequence[int] = (),
    monotone: Sequence[int] | None = None,
    expected: Sequence[float] | None = None,
    weights: Array | None = None,
) -> list[Linear]:
    """Fit one L2 logistic regression per strength on the same standardised design.

    Parameters
    ----------
    X : array of shape (n, k)
        NaN where missing; word codes in the `categorical` columns.
    y : array of shape (n,)
        Outcomes, 0 or 1; both must occur.
    strengths : sequence of Strength
    categorical : sequence of int
        Columns that hold word codes.
    monotone : sequence of int of length k, optional
        Declared directions, which bound the signs of the coefficients.
    expected : sequence of float of length k, optional
        Coefficients that other companies had, per standard deviation of the transformed column; 0 where none is known.
    weights : array of shape (n,), optional
        Weight of each row.

    Returns
    -------
    list of Linear

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(500, 2))
    >>> y = (X[:, 0] + rng.normal(size=500) > 0).astype(float)
    >>> model, = fit_linear(X, y, [Strength(1.0)])
    >>> bool(model.coef[0] > 1 > abs(model.coef[1]))
    True
    """
    regressions = Regressions(X, y, categorical, expected, weights)
    return [
        _linear(regressions.layout, theta, strength.penalty)
        for strength, theta in zip(strengths, regressions.solve(strengths, monotone), strict=True)
    ]


def reweighed(
    X: Array,
    y: Array,
    strength: Strength,
    categorical: Sequence[int],
    expected: Sequence[float] | None,
    weights: Sequence[Array],
) -> list[Linear]:
    """Fit one regression per weighing of the rows, all on one design.

    Parameters
    ----------
    X, y, categorical, expected
        As for `fit_linear`.
    strength : Strength
    weights : sequence of arrays of shape (n,)
    """
    layout, design = design_of(X, categorical)
    centre, regressions, theta = strength.trust * layout.spread_out(expected), [], None
    for weight in weights:
        problem = LogisticProblem(design, y, weights=weight)
        theta = problem.solve(1.0 / strength.penalty, centre=centre, start=theta)
        regressions.append(_linear(layout, theta, strength.penalty))
    return regressions


class Regressions:
    """Logistic regressions of different strengths and bounds on the same rows, whose design is built once.

    Parameters
    ----------
    X, y, categorical, expected, weights
        As for `fit_linear`.
    rows : array of int, optional
        The rows of `X` to learn from, in rising order; all by default. `y` and `weights` are of all rows.
    """

    def __init__(
        self,
        X: Array,
        y: Array,
        categorical: Sequence[int] = (),
        expected: Sequence[float] | None = None,
        weights: Array | None = None,
        rows: Index | None = None,
    ) -> None:
        self.layout, design = design_of(X, categorical, rows)
        chosen = slice(None) if rows is None else rows
        self._problem = LogisticProblem(design, y[chosen], weights=None if weights is None else weights[chosen])
        self._expected = expected
        self._solutions: dict[Strength, Array] = {}

    def solve(self, strengths: Sequence[Strength], monotone: Sequence[int] | None = None) -> list[Array]:
        """Return the coefficients of each strength, in the columns of the design and the intercept last."""
        direction = self.layout.spread_out(monotone)
        lower, upper = np.where(direction > 0, 0.0, -np.inf), np.where(direction < 0, 0.0, np.inf)
        centre = self.layout.spread_out(self._expected)
        fitted: dict[Strength, Array] = {}
        theta, last = None, None
        # From the strongest penalty to the weakest, each starting where the one before ended, the first where the same
        # one ended under other bounds.
        for strength in sorted(strengths, key=lambda one: (one.trust, one.penalty)):
            near = theta if last == strength.trust else self._solutions.get(strength)
            theta = self._problem.solve(
                1.0 / strength.penalty,
                centre=np.clip(strength.trust * centre, lower, upper),
                lower=lower,
                upper=upper,
                start=near,
            )
            last = strength.trust
            fitted[strength] = theta
        self._solutions.update(fitted)
        return [fitted[strength] for strength in strengths]

    def log_odds(self, thetas: Sequence[Array], X: Array, rows: Index) -> Array:
        """Return (strengths, rows) log-odds of some rows, which the regressions need not have seen."""
        design = self.layout.matrix(X, rows)
        each: Array = np.array([self._problem.log_odds(theta, design) for theta in thetas])
        return each


def _linear(layout: Layout, theta: Array, penalty: float) -> Linear:
    """Return a regression in terms of the matrix's columns, from its coefficients in those of the design."""
    k = len(layout.median)
    coef, missing_coef = np.zeros(k), np.zeros(k)
    coef[layout.used] = theta[layout.used_at]
    missing_coef[layout.gaps] = theta[layout.gaps_at]
    words = {}
    for column, (place, share) in layout.words.items():
        effect = theta[place : place + len(share)]
        words[column] = effect - float(effect @ share)
    return Linear(
        **{name: getattr(layout, name) for name in _LEARNT},
        coef=coef,
        missing_coef=missing_coef,
        words=words,
        intercept=float(theta[-1]),
        penalty=float(penalty),
    )


def mixed(models: Sequence[Linear], shares: Sequence[float]) -> Linear:
    """Return the mean of regressions that were fitted to the same rows: their log-odds averaged, as one regression.

    Parameters
    ----------
    models : sequence of Linear
        Of the same rows and columns.
    shares : sequence of float
        Weights, adding up to 1.
    """
    first = models[int(np.argmax(shares))]
    if len(models) == 1:
        return first
    pairs = list(zip(models, shares, strict=True))
    return replace(
        first,
        coef=sum((share * model.coef for model, share in pairs), np.zeros_like(first.coef)),
        missing_coef=sum((share * model.missing_coef for model, share in pairs), np.zeros_like(first.coef)),
        words={c: sum((s * m.words[c] for m, s in pairs), np.zeros_like(w)) for c, w in first.words.items()},
        intercept=sum(share * model.intercept for model, share in pairs),
    )
