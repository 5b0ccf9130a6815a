"""The same function inside Spark gives the same digits."""

from __future__ import annotations

import importlib.util
import shutil
import sys

import pandas as pd
import pytest
from tests.companies import frames

from churnml.evaluation.horizon_models import fit_horizons
from churnml.scoring import score, score_spark
from churnml.training import fit

pytestmark = [
    pytest.mark.spark,
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("pyspark") is None or shutil.which("java") is None, reason="no pyspark or no Java"
    ),
    pytest.mark.filterwarnings("ignore"),  # pyspark warns about its own imports
]


def test_spark_equals_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    from pyspark.sql import SparkSession

    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    frame = frames.make_frame(accounts=60, months=8)
    config = frames.make_config(kind="lightgbm")
    label = config.label.model_copy(update={"further_horizons_days": (30,), "silence_days": 30})
    config = config.model_copy(update={"label": label})
    frame = frame.assign(churned_30d=frame["churned"])
    model = fit_horizons(frame, frames.FEATURES, config, fit(frame, frames.FEATURES, config.learning))
    session = (
        SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.shuffle.partitions", "1")
        .getOrCreate()
    )
    try:
        rows = frame.assign(plan=frame["plan"].astype("object")).drop(columns=["churn_on"])
        scored = score_spark(model, session.createDataFrame(rows)).toPandas()
    finally:
        session.stop()
    keys = ["account_id", "as_of"]
    expected = score(model, frame).sort_values(keys).reset_index(drop=True)
    scored = scored.sort_values(keys).reset_index(drop=True)
    assert pd.to_datetime(scored["as_of"]).tolist() == expected["as_of"].tolist()
    assert scored["account_id"].tolist() == expected["account_id"].tolist()
    assert {"churn_probability_30d", "churn_probability_60d"} <= set(scored.columns)
    for name in expected.columns.drop(keys):
        assert scored[name].tolist() == expected[name].tolist()
