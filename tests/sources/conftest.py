"""A company's raw files, small enough to read at a glance."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from churnml.config import Config, EngineConfig
from churnml.engine import connect
from churnml.sources import Loaded, load

EVENTS = "account_id,event_type,occurred_at\n" + "".join(
    f"{account},login,2026-01-{day:02d} 09:00:00\n" for account in ("a", "b", "c") for day in range(1, 15)
)


class Raw:
    """Writes raw files and loads them with a mapping."""

    def __init__(self, folder: Path, engine: Any = None) -> None:
        self.engine = engine
        self.folder = folder / "raw"
        self.folder.mkdir()
        self.workspace = folder / "ws"
        self.tables: dict[str, dict[str, Any]] = {}
        self.source: dict[str, Any] = {"folder": self.folder}

    def write(self, name: str, text: str | bytes, **mapping: Any) -> Raw:
        data = text if isinstance(text, bytes) else text.encode()
        (self.folder / name).write_bytes(data)
        self.tables[name.split(".")[0]] = {"from": name, **mapping}
        return self

    def config(self) -> Config:
        tables = {"events": {"from": "events.csv"}} | self.tables
        if "events" not in self.tables and "folder" in self.source:
            (self.folder / "events.csv").write_text(EVENTS)
        return Config.model_validate(
            {
                "name": "test",
                "workspace": self.workspace,
                "source": self.source,
                "label": {"churn": "silence"},
                "tables": tables,
                "engine": {"threads": 1, "memory_limit": "500MB"},
            }
        )

    def load(self, **arguments: Any) -> Loaded:
        return load(self.config(), **{"today": date(2026, 6, 1), "connection": self.engine, **arguments})


@pytest.fixture(scope="session")
def engine() -> Iterator[Any]:
    """One DuckDB for all small loads: to start it takes as long as to read a table."""
    connection = connect(EngineConfig(threads=1, memory_limit="500MB"))
    yield connection
    connection.disconnect()


@pytest.fixture
def raw(tmp_path: Path, engine: Any) -> Raw:
    return Raw(tmp_path, engine)


@pytest.fixture
def rows() -> Callable[..., list[dict[str, Any]]]:
    """Return a canonical table's rows as dicts, in the order of some columns."""

    def fetch(loaded: Loaded, table: str, *columns: str) -> list[dict[str, Any]]:
        frame = loaded.tables[table].select(*columns).to_pandas() if columns else loaded.tables[table].to_pandas()
        frame = frame.sort_values(list(frame.columns)).astype(object)
        return frame.where(frame.notna(), None).to_dict("records")

    return fetch
