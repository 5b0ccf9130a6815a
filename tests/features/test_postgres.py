"""The same expressions on PostgreSQL give the same features as on DuckDB."""

from __future__ import annotations

import pandas as pd
import pytest
from tests.companies import events as companies

from churnml import features
from churnml.config import Config, EngineConfig
from churnml.engine import connect
from churnml.tables import Tables

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


def test_every_feature_is_the_same_on_postgresql(postgres_database):
    frames, spine = companies.company(2)
    config = Config.model_validate(
        {
            "name": "postgres",
            "source": {"folder": "raw"},
            "label": {"churn": "silence"},
            "tables": {name: {"from": name} for name in frames},
            "features": {"windows_days": [7, 28], "attributes": ["segment"]},
        }
    ).features
    tables = Tables.from_pandas(frames, observed_from=companies.BEGIN.date(), observed_until=companies.END.date())
    host = postgres_database.split("?host=")
    connection = connect(
        EngineConfig(
            backend="postgres",
            options={"host": host[1], "user": "churnml", "database": host[0].rsplit("/", 1)[1]},
        )
    )
    expressions = {
        name: connection.create_table(f"canonical_{name}", table.to_pyarrow(), temp=True) for name, table in tables.items()
    }
    there = Tables(expressions, connection, tables.observed_from, tables.observed_until, tables.supplied)
    feature_set = features.catalogue(tables, config)
    assert features.catalogue(there, config).names == feature_set.names
    got, expected = (features.compute(each, spine, feature_set, config) for each in (there, tables))
    connection.disconnect()
    pd.testing.assert_frame_equal(got, expected, rtol=1e-9, check_categorical=False)
