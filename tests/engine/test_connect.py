"""The engine is the one that the config names, in UTC, or the error says what to install."""

from __future__ import annotations

import builtins
import shutil

import pytest

from churnml.config import EngineConfig
from churnml.engine import connect, give_back, memory_limit
from churnml.errors import EngineError


def test_duckdb_keeps_to_its_memory_and_spills_where_it_is_told(tmp_path):
    backend = connect(EngineConfig(memory_limit="256MB", threads=1), temp_dir=tmp_path / "spill")
    row = backend.con.execute(
        "SELECT current_setting('memory_limit'), current_setting('threads'), current_setting('temp_directory'), "
        "current_setting('preserve_insertion_order'), current_setting('TimeZone')"
    ).fetchone()
    assert row == ("244.1 MiB", 1, str(tmp_path / "spill"), False, "UTC")
    backend.disconnect()


def test_giving_memory_back_leaves_the_limit_as_it_was():
    for config in (EngineConfig(memory_limit="300MB"), EngineConfig(options={"memory_limit": "200MB"})):
        backend = connect(config)
        before = memory_limit(backend)
        backend.con.execute("CREATE TABLE kept AS SELECT range AS n FROM range(1000)")
        give_back(backend, config)
        assert memory_limit(backend) == before
        assert backend.con.execute("SELECT sum(n) FROM kept").fetchone() == (499500,)
        backend.disconnect()


def test_options_go_to_duckdb():
    backend = connect(EngineConfig(options={"max_expression_depth": 77}))
    assert backend.con.execute("SELECT current_setting('max_expression_depth')").fetchone() == (77,)
    backend.disconnect()


@pytest.mark.parametrize("config", [{"memory_limit": "much"}, {"options": {"no_such_setting": 1}}])
def test_duckdb_that_refuses_its_settings(config):
    with pytest.raises(EngineError) as caught:
        connect(EngineConfig(**config))
    assert "engine" in (caught.value.remedy or "")


def test_an_unknown_engine_names_the_near_one():
    with pytest.raises(EngineError) as caught:
        connect(EngineConfig(backend="postgre"))
    assert "postgres" in (caught.value.expected or "")


def test_an_engine_that_is_not_installed_names_the_extra(monkeypatch):
    real = builtins.__import__

    def without_spark(name, *args, **kwargs):
        if name.startswith("pyspark"):
            raise ModuleNotFoundError("No module named 'pyspark'")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_spark)
    with pytest.raises(EngineError) as caught:
        connect(EngineConfig(backend="pyspark"))
    assert caught.value.remedy == "Run: pip install 'churnml[spark]'"


def test_another_backend_gets_its_options(tmp_path):
    backend = connect(EngineConfig(backend="sqlite", options={"database": str(tmp_path / "x.db")}))
    assert backend.name == "sqlite"
    backend.disconnect()
    with pytest.raises(EngineError) as caught:
        connect(EngineConfig(backend="sqlite", options={"database": str(tmp_path / "none" / "x.db")}))
    assert "ibis.sqlite.connect" in (caught.value.remedy or "")


@pytest.mark.spark
@pytest.mark.slow
def test_spark_reads_the_canonical_tables_in_utc_and_hands_over_answers_up_to_the_limit(tmp_path):
    if shutil.which("java") is None:
        pytest.skip("no Java runtime")
    pytest.importorskip("pyspark")
    import duckdb
    import pandas as pd

    file = tmp_path / "events.parquet"
    duckdb.connect().execute(
        f"COPY (SELECT TIMESTAMP '2026-03-29 02:30:00' AS at, DATE '2026-03-29' AS day) TO '{file}'"
    )
    backend = connect(EngineConfig(backend="pyspark", threads=1, memory_limit="1536MB"), temp_dir=tmp_path)
    try:
        assert backend._session.conf.get("spark.driver.maxResultSize") == "1536m"
        frame = backend.read_parquet(str(file)).to_pandas()
    finally:
        backend._session.stop()
    assert pd.Timestamp(frame["at"][0]) == pd.Timestamp("2026-03-29 02:30:00")
    assert pd.Timestamp(frame["day"][0]) == pd.Timestamp("2026-03-29")
