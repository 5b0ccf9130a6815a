"""What each health score is made of: the score and weight of every group of measures, and the model's part."""

from __future__ import annotations

import numpy as np
import pandas as pd

from churnml.health.recipe import HealthRecipe
from churnml.scorecard import MeasureScores

__all__ = ["compositions"]


def compositions(frame: pd.DataFrame, health: pd.DataFrame, scale: HealthRecipe) -> pd.DataFrame:
    """Return what the health scores of a frame are made of.

    Parameters
    ----------
    frame : DataFrame
        Feature frame, keyed (account_id, as_of).
    health : DataFrame
        As `score_health` returned it for the same rows, in the same order.
    scale : HealthRecipe
        The recipe.

    Returns
    -------
    DataFrame
        One row per row of `frame`: ``account_id, as_of, alpha, rules_score, model_score``, and for each group of
        measures ``score:<group>`` (0–100, NaN where nothing of it is known) and ``weight:<group>`` (its share of the
        rules score, 0–1, after what is missing has handed its share on). ``rules_score`` is the sum of score × weight.

    See Also
    --------
    churnml.explain.composition.moved : What moved a score between two of these.
    """
    parts = MeasureScores(frame, scale)
    out: dict[str, np.ndarray] = {}
    weighted = parts.effective * np.nan_to_num(parts.scores)
    for group in dict.fromkeys(measure.group for measure in scale.measures):
        own = np.array([measure.group == group for measure in scale.measures])
        weight = parts.effective[:, own].sum(axis=1)
        total = weighted[:, own].sum(axis=1)
        out[f"score:{group}"] = np.divide(total, weight, out=np.full(len(frame), np.nan), where=weight > 0)
        out[f"weight:{group}"] = weight
    head = health[["account_id", "as_of", "alpha", "rules_score", "model_score"]].reset_index(drop=True)
    return pd.concat([head, pd.DataFrame(out)], axis=1)
