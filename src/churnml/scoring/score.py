"""The one function that applies a model to rows."""

from __future__ import annotations

import pandas as pd

from churnml.errors import DataError
from churnml.language import Text
from churnml.training.model import ChurnModel

__all__ = ["score"]


def score(model: ChurnModel, frame: pd.DataFrame) -> pd.DataFrame:
    """Score rows of features.

    A row's score depends on that row alone: any batch gives the digits that single rows give.

    Parameters
    ----------
    model : ChurnModel
        A fitted model.
    frame : DataFrame
        account_id, as_of and the model's features, in any order; other columns are ignored.

    Returns
    -------
    DataFrame
        account_id, as_of, log_odds (raw), churn_probability (calibrated, 0–1) and lift (probability ÷ the model's
        base rate), in the rows' order with a fresh index. A model of another target has expansion_probability or
        contraction_probability instead. Where the model failed its gate they are its rule's. A model of several
        horizons adds ``churn_probability_30d`` and so on for each, the model's own among them; a longer horizon never
        has a smaller probability.

    Raises
    ------
    DataError
        A key or a feature is missing, or a numeric feature holds words.
    """
    for key in ("account_id", "as_of"):
        if key not in frame.columns:
            raise DataError(Text.of("fault-rows_key", key=key), where=key, code="data.key_missing")
    log_odds, probability = model.scores_of(frame)
    scores = pd.DataFrame(
        {
            "account_id": frame["account_id"].to_numpy(),
            "as_of": frame["as_of"].to_numpy(),
            "log_odds": log_odds,
            model.output: probability,
            "lift": probability / model.base_rate,
        }
    )
    if model.horizon_models:
        names, by_horizon = model.horizon_columns, model.by_horizon(frame, probability)
        scores = scores.assign(**{names[days]: p for days, p in by_horizon.items()})
    return scores
