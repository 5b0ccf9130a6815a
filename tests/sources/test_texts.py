"""Texts of a large table are looked at once each; what becomes of them is the same as row by row."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest

from churnml.sources.staged import StagedTable

CLEAN = ["u-1", "u-2", "日本", "é"]
CHANGED = [" u-1", "u-2\u3000", '="007"', "None", "n/a", "", "e\u0301", "it's "]
MANY = [f"{blank}u-{number}" for blank in ("", " ") for number in range(40)]


def lay(raw: Any, users: list[str]) -> Any:
    """Write 400 events, their users one after the other, some of them none."""
    duckdb.execute(
        "COPY (SELECT 'a' || n % 3 AS account_id, CAST(list_extract(?, 1 + n % (len(?) + 1)) AS VARCHAR) AS user_id, "
        "'login' AS event_type, TIMESTAMP '2026-01-01' + INTERVAL (n % 40) DAY AS occurred_at FROM range(400) AS r(n)) "
        f"TO '{raw.folder / 'events.parquet'}' (FORMAT parquet)",
        [users, users],
    )
    raw.tables["events"] = {"from": "events.parquet"}
    return raw


def came_to(raw: Any) -> tuple[Any, ...]:
    loaded = raw.load()
    rows = loaded.tables["events"].to_pandas().astype(str)
    sorted_rows = rows.sort_values(list(rows.columns)).values.tolist()
    return loaded.fingerprint, list(map(str, loaded.notes)), loaded.checks, loaded.rejected.to_dict(), sorted_rows


@pytest.mark.parametrize("most_distinct", [0, 1_000_000])
@pytest.mark.parametrize("users", [CLEAN, CLEAN + CHANGED, MANY, ["7.0", "12.00", "nan"], ["7.0", "x"], []])
def test_a_large_table_comes_to_what_a_small_one_comes_to(
    raw: Any, monkeypatch: pytest.MonkeyPatch, users: list[str], most_distinct: int
) -> None:
    row_by_row = came_to(lay(raw, users))
    monkeypatch.setattr("churnml.sources.raw.MOST_ROWS", 0)
    monkeypatch.setattr("churnml.sources.texts._MOST_DISTINCT", most_distinct)
    assert came_to(raw) == row_by_row


@pytest.mark.parametrize(("users", "trims"), [(CLEAN, False), (CLEAN + CHANGED, False), (MANY, True)])
def test_only_a_column_that_many_texts_change_in_is_cleaned_row_by_row(
    raw: Any, monkeypatch: pytest.MonkeyPatch, users: list[str], *, trims: bool
) -> None:
    queries = []
    monkeypatch.setattr("churnml.sources.raw.MOST_ROWS", 0)
    monkeypatch.setattr(StagedTable, "_stage", _watched(StagedTable._stage, queries))
    lay(raw, users).load()
    assert ["nfc_normalize" in query for query in queries] == [trims]


def _watched(stage: Any, queries: list[str]) -> Any:
    def watched(self: StagedTable) -> None:
        queries.append(self.mapping.select)
        stage(self)

    return watched
