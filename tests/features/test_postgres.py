"""The same expressions on PostgreSQL give the same features as on DuckDB."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from tests.companies import events as companies
from tests.companies.command import churnml

from churnml import features
from churnml.config import Config, EngineConfig, load_config
from churnml.engine import connect
from churnml.pipeline.preparation import prepare
from churnml.tables import Tables

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


@pytest.fixture
def engine(postgres_database: str) -> dict[str, Any]:
    """Return the ``engine`` section for an empty PostgreSQL database."""
    address, host = postgres_database.split("?host=")
    options = {"host": host, "user": "churnml", "database": address.rsplit("/", 1)[1]}
    return {"backend": "postgres", "options": options}


def test_every_feature_is_the_same_on_postgresql(engine: dict[str, Any]) -> None:
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
    connection = connect(EngineConfig.model_validate(engine))
    expressions = {
        name: connection.create_table(f"canonical_{name}", table.to_pyarrow(), temp=True)
        for name, table in tables.items()
    }
    there = Tables(expressions, connection, tables.observed_from, tables.observed_until, tables.supplied)
    feature_set = features.catalogue(tables, config)
    assert features.catalogue(there, config).names == feature_set.names
    got, expected = (features.compute(each, spine, feature_set, config) for each in (there, tables))
    connection.disconnect()
    pd.testing.assert_frame_equal(got, expected, rtol=1e-9, check_categorical=False)


def test_a_training_frame_is_the_same_when_the_config_names_postgresql(engine: dict[str, Any], tmp_path: Path) -> None:
    assert churnml("simulate", tmp_path / "raw", "--accounts", 60, "--months", 9, "--seed", 3).exit_code == 0
    frames = []
    for name, section in (("duckdb", {}), ("postgres", engine)):
        file = tmp_path / f"{name}.yaml"
        tables = ("accounts", "subscriptions", "events", "tickets", "invoices", "surveys", "contacts")
        settings = {
            "name": name,
            "source": {"folder": "raw"},
            "workspace": str(tmp_path / name),
            "tables": {table: {"from": f"{table}.parquet"} for table in tables},
            "label": {"churn": "contractual"},
            "engine": section,
            "features": {"windows_days": [28]},
        }
        file.write_text(yaml.safe_dump(settings), encoding="utf-8")
        prepared = prepare(load_config(file))
        prepared.loaded.tables.connection.disconnect()
        frames.append(prepared.frame)
    expected, got = frames
    assert len(expected) > 200
    pd.testing.assert_frame_equal(got, expected, rtol=1e-9, check_categorical=False)
