"""Score inside Spark, with the same function."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from churnml.scoring.score import score
from churnml.training.model import ChurnModel

__all__ = ["score_spark"]

_SCHEMA = "account_id string, as_of timestamp_ntz, log_odds double, {output} double, lift double"


def score_spark(model: ChurnModel, frame: Any) -> Any:
    """Score a Spark DataFrame of features where its rows are.

    The model travels to the workers as its text files; each worker rebuilds it once per partition.

    Parameters
    ----------
    model : ChurnModel
        A fitted model.
    frame : pyspark.sql.DataFrame
        account_id, as_of and the model's features.

    Returns
    -------
    pyspark.sql.DataFrame
        The columns of `churnml.scoring.score`, in no particular order of rows.
    """
    columns = ["account_id", "as_of", *model.features.names]
    longer = [f"{name} double" for name in model.horizon_columns.values()] if model.horizon_models else []
    return frame.select(*columns).mapInPandas(
        _Scorer(model.to_files()), schema=", ".join([_SCHEMA.format(output=model.output), *longer])
    )


class _Scorer:
    """What Spark sends to a worker: text only, as LightGBM's boosters are tied to their process."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self.files = dict(files)

    def __call__(self, batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        model = ChurnModel.from_files(self.files)
        for batch in batches:
            yield score(model, batch)
