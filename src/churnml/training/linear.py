"""A regularised logistic regression that copes with gaps, words and heavy tails, kept as plain JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from churnml.training.logistic import fit_logistic

__all__ = ["Linear", "Strength", "fit_linear", "mixed", "standardised"]

Array = npt.NDArray[np.float64]

_FIELDS = ("median", "low", "high", "width", "mean", "scale", "coef", "missing_mean", "missing_coef")


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
            parts[:, column] = effect[_codes(X[:, column], len(effect))]
        parts[:, -1] = self.intercept
        return parts

    def log_odds(self, X: Array) -> Array:
        """Return the log-odds of each row."""
        total: Array = self.contributions(X).sum(axis=1)
        return total

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


def _codes(column: Array, size: int) -> npt.NDArray[np.intp]:
    """Word codes of a column; no word, and any code out of range, is the last one."""
    known = np.where(np.isnan(column), size - 1, column).astype(np.intp)
    return np.where((known < 0) | (known >= size), size - 1, known)


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
    k = X.shape[1]
    numeric = np.ones(k, dtype=bool)
    numeric[list(categorical)] = False
    missing = np.isnan(X)
    scaling = _scaling(X, missing, numeric)
    gaps = np.flatnonzero(numeric & missing.any(axis=0) & ~missing.all(axis=0))
    filled = np.where(missing, scaling["median"], X)
    t = np.arcsinh((filled - scaling["median"]) / scaling["width"])
    scaling["mean"] = np.where(numeric, t.mean(axis=0), 0.0)
    spread = t.std(axis=0)
    used = np.flatnonzero(numeric & (spread > 1e-12))
    scaling["scale"] = np.where(numeric & (spread > 1e-12), spread, 1.0)
    sizes = {int(c): int(np.nanmax(X[:, c])) + 2 if not missing[:, c].all() else 1 for c in categorical}
    blocks = {c: np.eye(size)[_codes(X[:, c], size)] for c, size in sizes.items()}
    centres = {c: block.mean(axis=0) for c, block in blocks.items()}
    missing_mean = missing.mean(axis=0)
    design = np.hstack(
        [
            (t[:, used] - scaling["mean"][used]) / scaling["scale"][used],
            missing[:, gaps] - missing_mean[gaps],
            *(block - centres[c] for c, block in blocks.items()),
        ]
    )
    width = design.shape[1]
    direction, centre = np.zeros(width), np.zeros(width)
    if monotone is not None:
        direction[: len(used)] = np.asarray(monotone)[used]
    if expected is not None:
        centre[: len(used)] = np.asarray(expected)[used]
    lower, upper = np.where(direction > 0, 0.0, -np.inf), np.where(direction < 0, 0.0, np.inf)
    fitted: dict[Strength, Linear] = {}
    theta, last = None, None
    # From the strongest penalty to the weakest, each starting where the one before ended.
    for strength in sorted(strengths, key=lambda one: (one.trust, one.penalty)):
        theta = fit_logistic(
            design,
            y,
            1.0 / strength.penalty,
            centre=np.clip(strength.trust * centre, lower, upper),
            lower=lower,
            upper=upper,
            weights=weights,
            start=theta if last == strength.trust else None,
        )
        last = strength.trust
        found, intercept = theta[:-1], float(theta[-1])
        coef, missing_coef = np.zeros(k), np.zeros(k)
        coef[used] = found[: len(used)]
        missing_coef[gaps] = found[len(used) : len(used) + len(gaps)]
        words, at = {}, len(used) + len(gaps)
        for c, size in sizes.items():
            effect = found[at : at + size]
            words[c] = effect - float(effect @ centres[c])
            at += size
        fitted[strength] = Linear(
            **scaling,
            coef=coef,
            missing_mean=np.where(numeric, missing_mean, 0.0),
            missing_coef=missing_coef,
            words=words,
            intercept=intercept,
            penalty=float(strength.penalty),
        )
    return [fitted[strength] for strength in strengths]


def _scaling(X: Array, missing: npt.NDArray[np.bool_], numeric: npt.NDArray[np.bool_]) -> dict[str, Array]:
    """Median, range and mean absolute deviation of each numeric column; neutral values elsewhere."""
    k = X.shape[1]
    median, low, high, width = np.zeros(k), np.zeros(k), np.zeros(k), np.ones(k)
    for column in np.flatnonzero(numeric & ~missing.all(axis=0)):
        known = X[~missing[:, column], column]
        median[column], low[column], high[column] = np.median(known), known.min(), known.max()
        deviation = float(np.abs(known - median[column]).mean())
        width[column] = deviation if deviation > 1e-12 else 1.0
    return {"median": median, "low": low, "high": high, "width": width}


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
