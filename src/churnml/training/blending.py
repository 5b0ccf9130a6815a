"""How much the regression weighs beside the trees, by rows that neither had seen."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from churnml.training.judging import Judge

__all__ = ["blend_weight"]

Array = npt.NDArray[np.float64]

_WEIGHTS = np.linspace(0.0, 1.0, 21)[1:-1]
"""Weights of the logistic part that are weighed against each other; at 0 and 1 the prior has no mass."""


def blend_weight(judge: Judge, trees: Array, linear: Array, prior: tuple[float, float]) -> float:
    """Return the weight of the logistic part: its posterior mean given the loss of every weight on unseen rows.

    Parameters
    ----------
    judge : Judge
    trees, linear : array of shape (judged rows,)
        Log-odds of the judged rows by parts that had not seen them.
    prior : pair of float
        Exponents of a Beta prior on the weight.
    """
    losses = [judge.losses((1 - weight) * trees + weight * linear) for weight in _WEIGHTS]
    belief = judge.belief(losses, prior[0] * np.log(_WEIGHTS) + prior[1] * np.log1p(-_WEIGHTS))
    return round(float(belief @ _WEIGHTS), 2)
