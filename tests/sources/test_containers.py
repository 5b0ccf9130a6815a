"""Archives and databases are folders of tables; what only a person knows is asked, or marked."""

from __future__ import annotations

import sqlite3
import zipfile
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from tests.companies.command import churnml

from churnml import pipeline
from churnml.config import load_config
from churnml.errors import DataError
from churnml.sources import load
from churnml.sources.discovery import Question

CONTRACTS = "contract_id,account_id,start_date,end_date,mrr\n" + "".join(
    f"k{n},a{n},2025-01-{n + 1:02d},2026-01-{n + 1:02d},{100 + n}\n" for n in range(9)
)
USAGE = "account_id,event_type,occurred_at\n" + "".join(
    f"a{n % 9},login,2025-0{1 + n // 28}-{1 + n % 28:02d} 09:00:00\n" for n in range(200)
)


def written(folder: Path) -> dict[str, Path]:
    """The same two tables in every container there is."""
    folder.mkdir()
    files = {name: folder / name for name in ("x.zip", "y.sqlite", "z.duckdb", "usage.csv.zst")}
    with zipfile.ZipFile(files["x.zip"], "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("export/contracts.csv", CONTRACTS)
        archive.writestr("export/usage.csv", USAGE)
        archive.writestr("__MACOSX/._usage.csv", "x")
        archive.writestr("readme.md", "x")
    rows = [line.split(",") for line in CONTRACTS.splitlines()]
    with sqlite3.connect(files["y.sqlite"]) as db:
        db.execute(f"CREATE TABLE contracts ({', '.join(rows[0])})")
        db.executemany("INSERT INTO contracts VALUES (?, ?, ?, ?, ?)", [(*row[:4], int(row[4])) for row in rows[1:]])
    db.close()
    (folder / "usage.csv").write_text(USAGE)
    with duckdb.connect(str(files["z.duckdb"])) as duck:
        duck.execute(f"CREATE TABLE usage AS FROM read_csv('{folder / 'usage.csv'}')")
        duck.execute("CREATE SCHEMA sales; CREATE TABLE sales.empty (a INTEGER)")
    (folder / "usage.csv").unlink()
    with pa.output_stream(str(files["usage.csv.zst"]), compression="zstd") as out:
        out.write(USAGE.encode())
    return files


def config(folder: Path, contracts: str, usage: str) -> Any:
    text = (
        f"name: x\nworkspace: ws\nsource: {{folder: {folder.name}}}\nlabel: {{churn: contractual}}\n"
        f"tables:\n  events: {{from: {usage}}}\n"
        f"  subscriptions:\n    from: {contracts}\n"
        "    columns: {subscription_id: contract_id, started_on: start_date, ends_on: end_date}\n"
    )
    file = folder.parent / "x.yaml"
    file.write_text(text)
    return load_config(file)


@pytest.mark.parametrize(
    ("contracts", "usage"),
    [
        ("x.zip/export/contracts.csv", "x.zip/*/usage.csv"),
        ("y.sqlite", "z.duckdb/usage"),
        ("y.sqlite/contracts", "usage.csv.zst"),
    ],
)
def test_a_table_inside_is_read_as_if_it_lay_alone(tmp_path: Path, contracts: str, usage: str) -> None:
    written(tmp_path / "raw")
    loaded = load(config(tmp_path / "raw", contracts, usage))
    assert loaded.counts["subscriptions"] == 9
    assert loaded.counts["events"] == 200
    assert loaded.tables["subscriptions"].to_pandas()["mrr"].sum() == 936


def test_a_container_of_several_tables_asks_which_and_a_missing_one_is_named(tmp_path: Path) -> None:
    written(tmp_path / "raw")
    with pytest.raises(DataError, match=r"holds 2 tables") as fault:
        load(config(tmp_path / "raw", "y.sqlite", "z.duckdb"))
    assert "z.duckdb/" in str(fault.value)
    with pytest.raises(DataError, match="No file matches"):
        load(config(tmp_path / "raw", "y.sqlite/contracs", "usage.csv.zst"))


def test_a_damaged_archive_is_told_and_a_workbook_is_none(tmp_path: Path) -> None:
    files = written(tmp_path / "raw")
    whole = files["x.zip"].read_bytes()
    files["x.zip"].write_bytes(whole[:60] + b"\x00" * 40 + whole[100:])
    with pytest.raises(DataError, match="cannot be read"):
        load(config(tmp_path / "raw", "x.zip/export/contracts.csv", "usage.csv.zst"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["x.zip", "raw"])
def test_init_looks_into_containers_and_its_config_passes_check(tmp_path: Path, name: str) -> None:
    files = written(tmp_path / "raw")
    place = files.get(name, tmp_path / "raw")
    made = churnml("init", place, "--out", tmp_path / "acme.yaml", "--json")
    assert made.exit_code == 0, made.stderr
    text = (tmp_path / "acme.yaml").read_text()
    assert "x.zip/export/contracts.csv" in text
    assert load(load_config(tmp_path / "acme.yaml")).counts["subscriptions"] == 9


def test_what_is_unsure_is_asked_once_and_the_answer_stands_in_the_config(tmp_path: Path) -> None:
    folder = tmp_path / "raw"
    folder.mkdir()
    ends = ("01-31", "02-28", "03-31", "04-30", "05-31", "06-30", "07-31", "08-31", "09-30")
    rows = [f"k{n},a{n},0{n + 1}/02/2025,2026-{end},100" for n, end in enumerate(ends)]
    body = "\n".join(["contract_id,account_id,start_date,end_date,mrr", *rows])
    (folder / "contracts.csv").write_text(body + "\n")
    asked: list[Question] = []

    def answer(question: Question) -> str | None:
        asked.append(question)
        return question.options[-1]

    pipeline.init([folder], tmp_path / "asked.yaml", ask=answer)
    assert {question.key for question in asked} == {"started_on", "ends_on"}
    assert all(not question.takes("whatever") for question in asked)
    written_ = (tmp_path / "asked.yaml").read_text()
    assert "inclusive: true" in written_
    assert f"'{asked[0].options[-1] if asked[0].key == 'started_on' else asked[1].options[-1]}'" in written_
    assert "CHECK started_on" not in written_
    pipeline.init([folder], tmp_path / "marked.yaml")
    assert "CHECK" in (tmp_path / "marked.yaml").read_text()
