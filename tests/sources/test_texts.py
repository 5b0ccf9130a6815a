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
    frames = [table.to_pandas().astype(str) for table in loaded.tables.values()]
    rows = [frame.sort_values(list(frame.columns)).values.tolist() for frame in frames]
    return loaded.fingerprint, list(map(str, loaded.notes)), loaded.checks, loaded.rejected.to_dict(), rows


FLOATS = ["7.0", "12.00", "nan"]


@pytest.mark.parametrize(
    ("users", "most_distinct"),
    [*((users, 1000) for users in (CLEAN, CLEAN + CHANGED, MANY, FLOATS, [])), (CLEAN + CHANGED, 0), (FLOATS, 0)],
)
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


PLAIN = ["2026-01-05", "2026-01-06T23:30", "2026-01-07 09:30:00", "2026-01-08 09:30:00.25"]
OTHERS = [
    ["2026-01-09T23:30:00Z"],
    ["2026-01-09T23:30:00+09:00", "2026-02-30"],
    ["令和8年1月5日", " 2026-01-05 ", "nan"],
]


@pytest.mark.parametrize("timezone", ["UTC", "Asia/Tokyo"])
@pytest.mark.parametrize("texts", [PLAIN, *(PLAIN + more for more in OTHERS)])
def test_times_of_a_large_table_are_read_as_those_of_a_small_one(
    raw: Any, monkeypatch: pytest.MonkeyPatch, texts: list[str], timezone: str
) -> None:
    lines = [f"a{n % 3},login,{texts[n % len(texts)]},{texts[-n % len(texts)]}" for n in range(60)]
    times = {name: {"column": name, "timezone": timezone} for name in ("occurred_at", "known_at")}
    raw.write("events.csv", "\n".join(["account_id,event_type,occurred_at,known_at", *lines]), columns=times)
    day = {"started_on": {"column": "on", "timezone": timezone}}
    raw.write("subscriptions.csv", "\n".join(["account_id,on", *(f"a,{text}" for text in texts)]), columns=day)
    raw.source["max_rejected_share"] = 0.9
    row_by_row = came_to(raw)
    monkeypatch.setattr("churnml.sources.raw.MOST_ROWS", 0)
    assert came_to(raw) == row_by_row


def _watched(stage: Any, queries: list[str]) -> Any:
    def watched(self: StagedTable) -> None:
        queries.append(self.mapping.select)
        stage(self)

    return watched
