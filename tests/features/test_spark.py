"""The same expressions on Spark give the same features as on DuckDB."""

import shutil

import pandas as pd
import pytest
from tests.companies import events as companies

from churnml import features
from churnml.config import Config
from churnml.tables import Tables

pytestmark = [
    pytest.mark.spark,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("java") is None, reason="needs a Java runtime"),
    pytest.mark.filterwarnings("default"),
]
pytest.importorskip("pyspark")


@pytest.fixture(scope="module")
def spark():
    import ibis
    from pyspark.sql import SparkSession

    session = (
        SparkSession.builder.master("local[1]")
        .appName("churnml-tests")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "1")
        .config("spark.sql.session.timeZone", "UTC")
        .getOrCreate()
    )
    yield session, ibis.pyspark.connect(session)
    session.stop()


def _on_duckdb(frames):
    return Tables.from_pandas(frames, observed_from=companies.BEGIN.date(), observed_until=companies.END.date())


def _on_spark(tables, spark):
    """Return the same tables as views of a Spark session."""
    session, connection = spark
    expressions = {}
    for name, table in tables.items():
        session.createDataFrame(table.to_pyarrow()).createOrReplaceTempView(f"canonical_{name}")
        expressions[name] = connection.table(f"canonical_{name}")
    return Tables(expressions, connection, tables.observed_from, tables.observed_until, tables.supplied)


def _both(frames, spine, config, spark):
    tables = _on_duckdb(frames)
    feature_set = features.catalogue(tables, config)
    expected = features.compute(tables, spine, feature_set, config)
    elsewhere = _on_spark(tables, spark)
    assert features.catalogue(elsewhere, config).names == feature_set.names
    return features.compute(elsewhere, spine, feature_set, config), expected


def test_every_feature_is_the_same_on_spark(spark):
    frames, spine = companies.company(2)
    config = Config.model_validate(
        {
            "name": "spark",
            "source": {"folder": "raw"},
            "label": {"churn": "silence"},
            "tables": {name: {"from": name} for name in frames},
            "features": {"windows_days": [7, 28], "attributes": ["segment"]},
        }
    ).features
    got, expected = _both(frames, spine, config, spark)
    pd.testing.assert_frame_equal(got, expected, rtol=1e-9, check_categorical=False)


def test_what_planes_make_on_duckdb_is_the_same_on_spark(spark):
    frames, _ = companies.company(3)
    events = {"events": frames["events"].drop(columns="known_at")}
    dates = pd.to_datetime(["2024-04-01", "2024-05-01"])
    spine = pd.DataFrame({"account_id": ["a", "a", "b", "b"], "as_of": [*dates, *dates]})
    config = Config.model_validate(
        {
            "name": "spark",
            "source": {"folder": "raw"},
            "label": {"churn": "silence"},
            "tables": {"events": {"from": "events"}},
            "features": {
                "windows_days": [7, 28],
                "families": ["engagement"],
                "exclude": [
                    "stick*",
                    "longest*",
                    "*slope*",
                    "*peak*",
                    "active_weeks*",
                    "value*",
                    "*login",
                    "*percentile",
                ],
            },
        }
    ).features
    got, expected = _both(events, spine, config, spark)
    pd.testing.assert_frame_equal(got, expected, rtol=1e-9)
