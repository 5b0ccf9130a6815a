"""Publishing snapshots and reading them back, on SQLite and on PostgreSQL."""

from __future__ import annotations

import math
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import text, update

from churnml.errors import DataError
from churnml.store import Actor, Documents, ScoreFilter, Snapshot, Store, publishing
from churnml.store.schema import ScoreRow, SnapshotRow
from churnml.store.writes import changing

Make = Callable[..., Snapshot]
Wide = Callable[[str], Snapshot]
_CHUNK = 100
"""Rows that are written at a time here, of a snapshot that has as few accounts to be seen, or killed, half-way."""
_WIDE = 3 * _CHUNK


def test_an_empty_store_has_no_snapshot(store: Store) -> None:
    assert store.latest("acme") is None


def test_what_is_published_is_read_back_to_the_last_digit(store: Store, snapshot: Make, now: datetime) -> None:
    third = 1 / 3
    made = snapshot(accounts=2)
    made.scores.loc[0, ["churn_probability", "health_score"]] = [third, 200 / 3]
    made.features.loc[0, "events_28d"] = math.pi
    number = store.publish(made)
    info = store.latest("acme")
    assert info is not None
    assert (info.id, info.as_of, info.scored_at, info.accounts) == (number, date(2024, 3, 1), now, 2)
    assert info.coverage == 0.8
    assert info.info == {"horizon_days": 90}
    account = store.account(number, "a0")
    assert account is not None
    assert (account.churn_probability, account.health_score) == (third, 200 / 3)
    assert account.expected_loss == third * 1000
    assert account.details == {"trend_7d": None}
    assert store.features(number, "a0") == {"events_28d": math.pi, "plan": "pro"}
    assert store.explanation(number, "a0") == {
        "account_id": "a0",
        "drivers": [{"feature": "events_28d", "effect": 0.25}],
    }
    assert store.account(number, "nobody") is None


def test_packed_explanations_are_stored_as_they_are(store: Store, snapshot: Make) -> None:
    documents = Documents()
    for account, events in (("a1", math.nan), ("a0", 3.0)):
        documents.add(account, {"account_id": account, "weekly": {"events": [events]}})
    number = store.publish(replace(snapshot(accounts=2), explanations=documents))
    stored = store.explanations(number, ["a0", "a1"])
    assert {account: one["weekly"]["events"] for account, one in stored.items()} == {"a0": [3.0], "a1": [None]}
    assert [one["account_id"] for one in documents.values()] == ["a1", "a0"]


def test_the_newest_as_of_is_in_force_and_of_those_the_last_published(store: Store, snapshot: Make) -> None:
    store.publish(snapshot(date(2024, 3, 1), version="1"))
    store.publish(snapshot(date(2024, 1, 1), version="2"))  # a backfill does not take over
    assert store.latest("acme").model_version == "1"
    store.publish(snapshot(date(2024, 3, 1), version="3"))
    assert store.latest("acme").model_version == "3"
    assert store.latest("other") is None


def test_ids_near_a_misspelt_one_are_few_and_hold_the_right_one(store: Store, snapshot: Make) -> None:
    rows = pd.concat([snapshot().scores.iloc[:1]] * 3000, ignore_index=True)
    number = store.publish(
        snapshot(scores=rows.assign(account_id=[f"acc-{number:05d}" for number in range(3000)]), features=None)
    )
    for wrong, right in [("acc-0123", "acc-01230"), ("ACC-02999", "acc-02999"), (" acc-00000", "acc-00000")]:
        near = store.near_ids(number, wrong)
        assert right in near
        assert len(near) <= 360
    assert store.near_ids(number + 1, "acc-0123") == []
    found = store.account_scores(number, [f"acc-{number:05d}" for number in range(2000, 4000)])
    assert sorted(found) == [f"acc-{number:05d}" for number in range(2000, 3000)]


def test_history_has_one_score_per_as_of(store: Store, snapshot: Make) -> None:
    for version, month in (("1", 1), ("2", 2), ("3", 2), ("4", 3)):
        store.publish(snapshot(date(2024, month, 1), version=version))
    history = store.history("acme", "a1")
    assert [(info.as_of.month, info.model_version) for info, _ in history] == [(3, "4"), (2, "3"), (1, "1")]
    assert len(store.history("acme", "a1", limit=2)) == 2
    assert store.history("acme", "nobody") == []


def test_features_are_kept_for_the_newest_snapshots_only(store: Store, snapshot: Make) -> None:
    numbers = [store.publish(snapshot(date(2024, month, 1))) for month in (1, 2, 3)]
    assert [store.features(number, "a1") is not None for number in numbers] == [False, True, True]
    assert all(store.explanation(number, "a1") for number in numbers)


def test_pages_follow_expected_loss_and_cover_each_account_once(store: Store, snapshot: Make) -> None:
    number = store.publish(snapshot())
    seen, after = [], -1
    while True:
        page = store.accounts(number, after=after, limit=2)
        assert page.total == 5
        seen += [account.account_id for account in page.accounts]
        if page.next_position is None:
            break
        after = page.next_position
    assert seen == ["a4", "a3", "a2", "a1", "a0"]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (ScoreFilter(band="yellow"), ["a3", "a2"]),
        (ScoreFilter(owner="bob"), ["a3", "a1"]),
        (ScoreFilter(segment="smb", renewal_within_days=20), ["a2", "a1", "a0"]),
        (ScoreFilter(text="A4"), ["a4"]),
        (ScoreFilter(text="%"), []),
        (ScoreFilter(segment="enterprise"), []),
    ],
)
def test_filters(store: Store, where: ScoreFilter, expected: list[str], snapshot: Make) -> None:
    page = store.accounts(store.publish(snapshot()), where)
    assert [account.account_id for account in page.accounts] == expected
    assert page.total == len(expected)


def test_an_override_in_force_moves_an_account_to_its_band(
    store: Store, actor: Actor, snapshot: Make, now: datetime
) -> None:
    number = store.publish(snapshot())
    store.judgements("acme").override("a4", "green", "They just renewed.", "ann", actor)
    red = ScoreFilter(band="red")
    green = ScoreFilter(band="green")
    assert store.accounts(number, red, now=now).accounts == ()
    assert [found.account_id for found in store.accounts(number, green, now=now).accounts] == ["a4", "a1", "a0"]
    assert store.bands(number, now=now) == {**store.bands(number), "red": 0, "green": 3}
    later = now + timedelta(days=31)
    assert store.bands(number, now=later) == store.bands(number)
    assert [found.account_id for found in store.accounts(number, red, now=later).accounts] == ["a4"]


@pytest.mark.parametrize(
    ("column", "value", "code"),
    [
        ("churn_probability", [0.1, 1.2], "store.value"),
        ("churn_probability", [0.1, float("nan")], "store.value"),
        ("band", ["red", "purple"], "data"),
        ("account_id", ["a", "a"], "store.duplicate_account"),
    ],
)
def test_a_wrong_snapshot_is_refused(column: str, value: list[object], code: str, snapshot: Make) -> None:
    scores = snapshot(accounts=2).scores.drop(columns=column).assign(**{column: value})
    with pytest.raises(DataError) as caught:
        snapshot(scores=scores)
    assert caught.value.code == code


def test_a_missing_column_is_named_with_the_near_one(snapshot: Make) -> None:
    scores = snapshot().scores.rename(columns={"health_score": "health_scores"})
    with pytest.raises(DataError, match="health_score"):
        snapshot(scores=scores)


def test_accounts_without_arr_are_ordered_by_probability(store: Store, snapshot: Make) -> None:
    scores = snapshot().scores.drop(columns="arr")
    page = store.accounts(store.publish(snapshot(scores=scores)))
    assert [account.account_id for account in page.accounts] == ["a4", "a3", "a2", "a1", "a0"]
    assert page.accounts[0].expected_loss is None


@pytest.fixture
def wide(snapshot: Make, monkeypatch: pytest.MonkeyPatch) -> Wide:
    """Make a snapshot whose every row carries its version, to see a mix if there is one."""
    monkeypatch.setattr(publishing, "_CHUNK", _CHUNK)

    def make(version: str) -> Snapshot:
        rows = pd.concat([snapshot().scores.iloc[:1]] * _WIDE, ignore_index=True)
        rows["account_id"] = [f"x{number}" for number in range(_WIDE)]
        return snapshot(version=version, scores=rows.assign(by=version), features=None, explanations=())

    return make


def test_readers_see_one_whole_snapshot_while_another_is_published(store: Store, wide: Wide) -> None:
    store.publish(wide("0"))
    faults: list[str] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            info = store.latest("acme")
            assert info is not None
            page = store.accounts(info.id, limit=5000)
            versions = {account.details["by"] for account in page.accounts}
            if versions != {info.model_version} or page.total != _WIDE:
                faults.append(f"{info.model_version}: {versions}, {page.total}")

    reader = threading.Thread(target=read)
    reader.start()
    for version in range(1, 4):
        store.publish(wide(str(version)))
    done.set()
    reader.join()
    assert faults == []


_PUBLISH_FOR_EVER = f"""
import pickle, sys
from dataclasses import replace
from churnml.store import Store, publishing
publishing._CHUNK = {_CHUNK}
with open(sys.argv[2], "rb") as file:
    snapshot = pickle.load(file)
with Store(sys.argv[1]) as store:
    for version in range(1, 1_000_000):
        store.publish(replace(snapshot, model_version=str(version), scores=snapshot.scores.assign(by=str(version))))
        print(version, flush=True)
"""


@pytest.mark.slow
def test_a_killed_publisher_leaves_whole_snapshots(url: str, wide: Wide, tmp_path: Path) -> None:
    with Store(url) as store:
        store.publish(wide("0"))
    with (tmp_path / "snapshot").open("wb") as file:
        pickle.dump(wide("0"), file)
    command = [sys.executable, "-c", _PUBLISH_FOR_EVER, url, str(tmp_path / "snapshot")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"1\n"
        time.sleep(0.05)  # into the second one
        process.kill()
    with Store(url) as store:
        info = store.latest("acme")
        assert info is not None
        page = store.accounts(info.id, limit=5000)
        assert page.total == info.accounts == _WIDE
        assert {account.details["by"] for account in page.accounts} == {info.model_version}
        store.publish(wide("after"))
        latest = store.latest("acme")
        assert latest is not None
        assert latest.model_version == "after"


def _rows_of(store: Store) -> dict[str, int]:
    tables = ("snapshots", "scores", "features", "explanations")
    with store._engine.connect() as connection:
        return {name: connection.execute(text(f"SELECT count(*) FROM {name}")).scalar_one() for name in tables}


def _reasons(count: int) -> Iterator[dict[str, object]]:
    for number in range(count):
        yield {"account_id": f"x{number}", "drivers": ["a" * 200]}


def test_what_fails_half_way_is_never_seen_and_leaves_nothing(store: Store, wide: Wide) -> None:
    first = store.publish(replace(wide("0"), explanations=_reasons(_WIDE)))
    before = _rows_of(store)

    def failing() -> Iterator[dict[str, object]]:
        yield from _reasons(_WIDE - _CHUNK // 2)
        assert store.latest("acme").id == first
        assert store.history("acme", "x1")[0][0].id == first
        assert len(store.readings("acme", before=date(2024, 4, 1))) == _WIDE
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError):
        store.publish(replace(wide("1"), explanations=failing()))
    assert store.latest("acme").id == first
    assert _rows_of(store) == before


def test_explanations_are_written_as_they_come(store: Store, wide: Wide) -> None:
    ahead = []

    def streamed() -> Iterator[dict[str, object]]:
        for number, item in enumerate(_reasons(_WIDE)):
            yield item
            if number % _CHUNK == _CHUNK - 1:
                ahead.append(number + 1 - _rows_of(store)["explanations"])

    number = store.publish(replace(wide("0"), explanations=streamed()))
    assert max(ahead) <= 2 * _CHUNK
    assert store.explanation(number, f"x{_WIDE - 1}") == {"account_id": f"x{_WIDE - 1}", "drivers": ["a" * 200]}


def test_what_a_dead_publisher_left_is_removed_by_a_later_one(store: Store, wide: Wide, snapshot: Make) -> None:
    made = publishing._begin(store._engine, wide("0"))
    for rows in wide("0").score_chunks(_CHUNK):
        publishing._write_chunk(store._engine, made, ScoreRow, rows)
    store.publish(snapshot())
    assert _rows_of(store)["snapshots"] == 2, "it may still be at work"
    with changing(store._engine) as connection:
        long_ago = {"published_at": datetime.now(UTC) - timedelta(hours=1)}
        connection.execute(update(SnapshotRow).where(SnapshotRow.id == made).values(**long_ago))
    store.publish(snapshot())
    assert _rows_of(store)["snapshots"] == 2
    assert store.account_scores(made, ["x1"]) == {}


@pytest.mark.slow
def test_others_write_and_read_while_a_snapshot_is_published(url: str, wide: Wide, actor: Actor) -> None:
    with Store(url) as store, Store(url, patience_seconds=2.0) as other:
        store.publish(wide("0"))
        waits: list[float] = []

        def slow() -> Iterator[dict[str, object]]:
            # A publish of many seconds, as of a hundred thousand accounts.
            for item in _reasons(_WIDE):
                time.sleep(0.005)
                yield item

        publisher = threading.Thread(target=lambda: store.publish(replace(wide("1"), explanations=slow())))
        publisher.start()
        while publisher.is_alive():
            began = time.monotonic()
            other.judgements("acme").override("x1", "red", "Silent sponsor.", "ann", actor)
            assert other.latest("acme") is not None
            waits.append(time.monotonic() - began)
            time.sleep(0.01)
        publisher.join()
        assert len(waits) > 10
        assert sorted(waits)[len(waits) // 2] < 0.5


def test_ids_that_no_store_can_hold_are_left_out(store: Store, snapshot: Make, actor: Actor) -> None:
    whole = snapshot()
    wrong = ["x" * 256, "nul\0", "tab\t", "half\ud800"]
    ids = pd.Series(["a0", *wrong], dtype=object)
    name = pd.Series(["N\0 \udfff"] * 5, dtype=object)
    scores = whole.scores.drop(columns="account_id").assign(account_id=ids, name=name, segment="s\0")
    features = whole.features.drop(columns="account_id").assign(account_id=ids)
    reasons = [{"account_id": name, "text": "\ud800 \0"} for name in ids]
    made = snapshot(scores=scores, features=features, explanations=reasons)
    assert made.unstorable == set(wrong)
    number = store.publish(made)
    info = store.latest("acme")
    assert info is not None
    assert (info.accounts, store.accounts(number).total) == (1, 1)
    account = store.account(number, "a0")
    assert account is not None
    assert (account.name, account.segment) == ("N ?", "s")
    assert store.features(number, "a0") is not None
    assert store.explanation(number, "a0") is not None
    assert store.audit()[0].detail["not_stored"] == 4
