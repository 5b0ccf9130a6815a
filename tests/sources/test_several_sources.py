"""Several sources by name, and several raw tables that feed one canonical table."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
from pydantic import ValidationError

from churnml.config import Config, load_config
from churnml.errors import ConfigError, DataError
from churnml.sources import load

EVENTS = "account_id,event_type,occurred_at\n" + "".join(
    f"{account},login,2026-01-{day:02d} 09:00:00\n" for account in ("a", "b") for day in range(1, 15)
)


@pytest.fixture
def company(tmp_path: Path) -> Any:
    """Two folders and a database; returns a function that makes the config."""
    for tool in ("crm", "desk"):
        (tmp_path / tool).mkdir()
    (tmp_path / "crm" / "events.csv").write_text(EVENTS)
    (tmp_path / "crm" / "tasks.csv").write_text(
        "Id,AccountId,When,Kind\n1,a,2026-01-03,Call\n2,b,2026-01-04,Mail\n2,b,2026-01-05,Mail\n"
    )
    (tmp_path / "desk" / "engagements.csv").write_text(
        "engagement,company,at\n1,a,2026-01-06 10:00\n7,b,2026-01-07 11:00\n"
    )
    with duckdb.connect(str(tmp_path / "notes.duckdb")) as db:
        db.execute("CREATE TABLE notes AS SELECT 'b' AS account_id, TIMESTAMP '2026-01-08 12:00' AS occurred_at")
        db.execute("INSERT INTO notes SELECT * FROM notes")

    def config(touchpoints: Any, **more: Any) -> Config:
        return Config.model_validate(
            {
                "name": "test",
                "workspace": tmp_path / "ws",
                "sources": {
                    "crm": {"folder": tmp_path / "crm", "max_rejected_share": 0.5},
                    "desk": {"folder": tmp_path / "desk", "max_rejected_share": 0.5},
                    "notes": {"duckdb": tmp_path / "notes.duckdb", "max_rejected_share": 0.5},
                },
                "label": {"churn": "silence"},
                "tables": {"events": {"source": "crm", "from": "events.csv"}, "touchpoints": touchpoints},
                "engine": {"threads": 1, "memory_limit": "500MB"},
                **more,
            }
        )

    return config


TASKS = {
    "source": "crm",
    "from": "tasks.csv",
    "columns": {
        "touchpoint_id": "Id",
        "account_id": "AccountId",
        "occurred_at": "When",
        "channel": {"column": "Kind", "words": {"Mail": "email", "Call": "call"}},
    },
}
ENGAGEMENTS = {
    "source": "desk",
    "from": "engagements.csv",
    "columns": {"touchpoint_id": "engagement", "account_id": "company", "occurred_at": {"column": "at"}},
}
NOTES = {"source": "notes", "from": "notes"}


def loaded(config: Config) -> Any:
    return load(config, today=date(2026, 6, 1))


def test_several_raw_tables_feed_one_and_the_same_id_in_two_tools_is_two_records(company: Any, rows: Any) -> None:
    out = loaded(company([TASKS, ENGAGEMENTS]))
    found = rows(out, "touchpoints", "touchpoint_id", "account_id", "channel", "occurred_at")
    assert [(row["touchpoint_id"], row["account_id"], row["channel"], str(row["occurred_at"])) for row in found] == [
        ("1", "a", "call", "2026-01-03 00:00:00"),
        ("2", "b", "email", "2026-01-05 00:00:00"),  # the later of the two that share an id within their own tool
        ("desk:1", "a", None, "2026-01-06 10:00:00"),
        ("desk:7", "b", None, "2026-01-07 11:00:00"),
    ]
    assert out.rejected["reason"].str.startswith("CHK021").tolist() == [True]
    assert out.counts["touchpoints"] + int(out.rejected["rows"].sum()) == 5


def test_a_part_without_ids_has_them_made_and_its_equal_rows_are_told(company: Any, rows: Any) -> None:
    out = loaded(company([TASKS, NOTES]))
    made = [row["touchpoint_id"] for row in rows(out, "touchpoints") if len(row["touchpoint_id"]) == 32]
    assert len(set(made)) == 2
    assert any(note.startswith("CHK024 touchpoints: 1 rows equal another one") for note in map(str, out.notes))
    once = loaded(company([TASKS, {**NOTES, "equal_rows": "merge"}]))
    assert once.counts["touchpoints"] == 3


def test_the_same_data_gives_the_same_whatever_source_style(company: Any, tmp_path: Path, rows: Any) -> None:
    several = loaded(company(TASKS))
    single = company(TASKS).model_dump(by_alias=True)
    for key in ("sources", "source"):
        single.pop(key)
    for table in single["tables"].values():
        table.pop("source")
    alone = loaded(Config.model_validate({**single, "source": {"folder": tmp_path / "crm", "max_rejected_share": 0.5}}))
    assert rows(several, "touchpoints") == rows(alone, "touchpoints")


def test_a_fault_names_the_part(company: Any) -> None:
    broken = {**ENGAGEMENTS, "columns": {**ENGAGEMENTS["columns"], "occurred_at": "att"}}
    with pytest.raises(DataError) as error:
        loaded(company([TASKS, broken]))
    assert error.value.where == "tables.touchpoints[1].columns.occurred_at"
    with pytest.raises(DataError) as error:
        loaded(company([TASKS, {**ENGAGEMENTS, "from": "engagement.csv"}]))
    assert error.value.where is not None
    assert error.value.where.startswith("tables.touchpoints[1].from in")


def test_a_table_says_which_source(company: Any) -> None:
    with pytest.raises(ValidationError, match=r"tables.touchpoints\[1\].source: say which source it is: crm, desk"):
        company([TASKS, {"from": "engagements.csv"}])
    with pytest.raises(ValidationError, match=r"tables.touchpoints.source: unknown name 'crn'; did you mean 'crm'"):
        company({**TASKS, "source": "crn"})
    with pytest.raises(ValidationError, match="either `source` or `sources`"):
        company(TASKS, source={"folder": "x"})


def test_a_misspelt_key_of_a_later_part_is_named(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(
        "name: x\nsource: {folder: raw}\nlabel: {churn: silence}\ntables:\n  events:\n"
        "    - {from: a.csv}\n    - {from: b.csv, colums: {value: v}}\n"
    )
    with pytest.raises(ConfigError, match=r"tables.events\[1\].colums: there is no such key. Did you mean 'columns'"):
        load_config(file)


def test_the_latest_version_of_a_record_counts(company: Any, rows: Any) -> None:
    out = loaded(company({**TASKS, "versions": {"of": "Id", "by": "When"}}))
    assert out.counts["touchpoints"] == 2
    assert out.rejected.empty
    assert "touchpoints: 1 rows are earlier versions or repeats of others (Id)" in map(str, out.notes)
    assert [str(row["occurred_at"]) for row in rows(out, "touchpoints")] == [
        "2026-01-03 00:00:00",
        "2026-01-05 00:00:00",
    ]
