"""An erased account or person is in no file and no table of the workspace any more, and does not come back."""

from __future__ import annotations

import json
import re
import sqlite3
import zipfile
import zlib
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
from tests.companies.command import churnml
from tests.privacy.conftest import ACCOUNTS, NOW

from churnml.config import Config
from churnml.pipeline import check
from churnml.pipeline.monitoring import monitor
from churnml.store import Store


def texts(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield everything that a folder holds as text, whatever the format, read by other means than the eraser's."""
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        name = path.relative_to(folder).as_posix()
        yield name, name
        yield name, path.read_bytes().decode("utf-8", "ignore")
        if path.suffix == ".parquet":
            yield name, pd.read_parquet(path).to_csv()
        elif path.suffix == ".duckdb":
            with duckdb.connect(str(path), read_only=True) as db:
                for (table,) in db.execute("SELECT table_name FROM duckdb_tables()").fetchall():
                    yield name, db.execute(f"SELECT * FROM {table}").df().to_csv()
        elif path.suffix == ".db":
            with sqlite3.connect(path) as db:
                for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                    for row in db.execute(f"SELECT * FROM {table}"):
                        yield f"{name}: {table}", "\n".join(map(_opened, row))


def _opened(cell: Any) -> str:
    if isinstance(cell, bytes):
        # Numbers that are not a document are not compressed.
        return (zlib.decompress(cell) if cell[:1] == b"\x78" else cell).decode("utf-8", "ignore")
    return str(cell)


def naming(folder: Path, word: str) -> set[str]:
    """Return where a word stands in a folder."""
    pattern = re.compile(rf"(?<![\w-]){re.escape(word)}(?![\w])")
    return {name for name, text in texts(folder) if pattern.search(text)}


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRM_TOKEN", "t0ken-of-the-firm")
    monkeypatch.setenv("FIRM_HOOK", "https://hooks.slack.example/services/T0/B0/x")


@pytest.mark.slow
def test_an_account_is_gone_everywhere_and_stays_away(firm: Config) -> None:
    file, workspace, gone = firm._base / "firm.yaml", firm.workspace_dir, "acc-103"
    before = naming(workspace, gone)
    assert {"tables/events.parquet", "scores.parquet", "landing/crm.duckdb", "store.db: scores"} <= before
    assert {"store.db: alerts", "store.db: curves"} <= before
    others = {one: naming(workspace, one) for one in ACCOUNTS if one != gone}
    dry = churnml("erase", file, "--account", gone, "--dry-run", "--json")
    assert dry.exit_code == 0, dry.stderr
    assert naming(workspace, gone) == before
    done = churnml("erase", file, "--account", gone, "--json")
    assert done.exit_code == 0, done.stdout + done.stderr
    certificate = json.loads(done.stdout)
    assert certificate["left"] == []
    assert certificate["told"] == ["zendesk"]
    assert certificate["by_hand"] == ["slack.cs"]
    own = {Path(path).name: rows for path, rows in certificate["own_files"].items()}
    assert own["accounts.csv"] == [5]
    assert len(own["events.csv"]) == 59 * 2
    # The target is still to be told, under the account's id; once it has answered, that goes, too.
    assert naming(workspace, gone) == {"store.db", "store.db: deliveries"}
    _answered(firm)
    for word in (gone, "person-acc-103-1", "user-acc-103-2", "1@acc-103.example"):
        assert naming(workspace, word) == set(), word
    for one, places in others.items():
        left = {place for place in naming(workspace, one) if place != "suppressed.json"}
        made_again = {place for place in places if place.startswith(("events/", "reports/portfolio"))}
        assert places - made_again <= left, one
    # The customer's files still hold it; what is loaded from them does not.
    check(firm)
    assert naming(workspace, gone) == set()
    assert "tables/events.parquet" in naming(workspace, "acc-104")
    audit = _audit(firm)
    assert audit.action == "subjects.erase"
    assert audit.subject == certificate["subject"]


@pytest.mark.slow
def test_rows_that_were_erased_are_not_missed_by_the_next_load(firm: Config) -> None:
    def missed(on: date) -> list[str]:
        return [alarm.subject for alarm in monitor(firm, as_of=on).alarms if alarm.code == "MON109"]

    first = check(firm).loaded.tables.observed_until
    assert [missed(first + timedelta(days=day)) for day in (0, 1)] == [[], []]
    assert churnml("erase", firm._base / "firm.yaml", "--account", "acc-103").exit_code == 0
    assert missed(first + timedelta(days=2)) == []
    # Rows that nobody erased are.
    raw = firm._base / "raw" / "events.csv"
    events = pd.read_csv(raw, dtype=str)
    events[events["account_id"] != "acc-104"].to_csv(raw, index=False)
    assert missed(first + timedelta(days=3)) == ["events"]


@pytest.mark.slow
def test_a_person_is_gone_and_the_acts_stay_with_the_account(firm: Config) -> None:
    file, workspace = firm._base / "firm.yaml", firm.workspace_dir
    events = len(pd.read_parquet(workspace / "tables" / "events.parquet"))
    done = churnml("erase", file, "--contact", "person-acc-103-1", "--json")
    assert done.exit_code == 0, done.stdout + done.stderr
    for word in ("person-acc-103-1", "user-acc-103-1", "1@acc-103.example"):
        assert naming(workspace, word) == set(), word
    assert "tables/contacts.parquet" in naming(workspace, "person-acc-104-1")
    for _ in range(2):
        left = pd.read_parquet(workspace / "tables" / "events.parquet")
        assert len(left) == events
        nameless = left[left["account_id"] == "acc-103"]["user_id"].isna()
        assert nameless.sum() == 59
        check(firm)
    assert naming(workspace, "user-acc-103-1") == set()
    with Store(firm.store_url) as store:
        note = store.notes("firm").find(account_id="acc-103")[0]
    assert note.text == "Spoke to [erased] of acc-103."


def test_who_is_not_known_is_an_error(firm: Config) -> None:
    done = churnml("erase", firm._base / "firm.yaml", "--account", "acc-999", "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["error"]["code"] == "erase.unknown"
    assert churnml("erase", firm._base / "firm.yaml").exit_code == 2


def test_what_there_is_of_a_subject_is_handed_out(firm: Config, tmp_path: Path) -> None:
    file = firm._base / "firm.yaml"
    for option, name in (("--account", "acc-103"), ("--contact", "person-acc-103-1")):
        done = churnml("export", file, option, name, "--to", tmp_path / "x.zip", "--json")
        assert done.exit_code == 0, done.stderr
        with zipfile.ZipFile(tmp_path / "x.zip") as made:
            parts = {one: json.loads(made.read(one)) for one in made.namelist()}
        assert len(parts["tables/events.json"]) == (118 if option == "--account" else 59)
        assert parts["store/notes.json"][0]["text"] == "Spoke to person-acc-103-1 of acc-103."
        assert len(parts["store/explanations.json"]) == 2
        assert len(parts.get("store/curves.json", ())) == (2 if option == "--account" else 0)
        assert "acc-104" not in json.dumps(parts)


def _answered(config: Config) -> None:
    """Have the target accept what it is asked."""
    from churnml.store import DeliveryOutcome, TargetState

    with Store(config.store_url) as store:
        kept = store.deliveries("firm")
        asked = [
            one for one in kept.due("zendesk", "score", NOW.replace(year=2099), 100) if one.key.startswith("erasure:")
        ]
        assert [dict(one.wanted) for one in asked] == [{"health": None}]
        kept.end([(one, DeliveryOutcome("accepted")) for one in kept.begin(asked, NOW)], "zendesk", TargetState(), NOW)
        assert kept.forget_answered() == 1
        from churnml.store import Traces

        store.erasure("firm", Traces(None, ())).settle()


def _audit(config: Config) -> Any:
    with Store(config.store_url) as store:
        return store.audit(1)[0]
