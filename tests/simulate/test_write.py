"""Writing a company to a folder."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from churnml.errors import UsageError
from churnml.simulate import Company, simulate, true_probability, write
from churnml.simulate import folder as module


def test_a_company_round_trips(small: Company, tmp_path: Path) -> None:
    folder = write(small, tmp_path / "company")
    for name, frame in small.tables.items():
        back = pd.read_parquet(folder / f"{name}.parquet")
        assert list(back.columns) == list(frame.columns)
        assert len(back) == len(frame)
    schema = pq.read_schema(folder / "subscriptions.parquet")
    assert str(schema.field("started_on").type) == "date32[day]"
    assert str(schema.field("notice_at").type) == "timestamp[us]"
    facts = json.loads((folder / "company.json").read_text(encoding="utf-8"))
    assert facts["parameters"]["seed"] == 5
    assert facts["rows"]["events"] == len(small.tables["events"])
    truth = {path.stem: pd.read_parquet(path) for path in (folder / "truth").glob("*.parquet")}
    assert set(truth) == set(small.truth)
    there = true_probability(truth, pd.Timestamp("2024-05-01"), 90)
    here = true_probability(small.truth, pd.Timestamp("2024-05-01"), 90)
    pd.testing.assert_frame_equal(there, here, check_dtype=False)


def test_the_same_company_is_the_same_bytes(tmp_path: Path) -> None:
    folders = [write(simulate(accounts=30, months=4, seed=8), tmp_path / name) for name in ("one", "two")]
    for path in sorted(folders[0].rglob("*.parquet")):
        assert path.read_bytes() == (folders[1] / path.relative_to(folders[0])).read_bytes()


def test_an_earlier_company_is_replaced_whole(small: Company, tmp_path: Path) -> None:
    folder = write(small, tmp_path / "company")
    (folder / "stale.parquet").write_bytes(b"")
    write(simulate(accounts=30, months=4, seed=8), folder)
    assert not (folder / "stale.parquet").exists()
    assert json.loads((folder / "company.json").read_text(encoding="utf-8"))["parameters"]["seed"] == 8
    assert [path.name for path in tmp_path.iterdir()] == ["company"]


def test_something_else_is_not_overwritten(small: Company, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match="something else"):
        write(small, tmp_path)
    assert (tmp_path / "notes.txt").read_text(encoding="utf-8") == "mine"


def test_a_broken_write_leaves_nothing_behind(small: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(small, tmp_path / "company")
    before = (folder / "company.json").read_bytes()

    def broken(frame: pd.DataFrame, path: Path) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(module, "_write_truth", broken)
    with pytest.raises(OSError, match="disk full"):
        write(simulate(accounts=30, months=4, seed=8), folder)
    assert (folder / "company.json").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["company"]
