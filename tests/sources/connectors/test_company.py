"""A simulated company, pulled from its tools, comes back as its canonical tables; what changes keeps its past."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from churnml import pipeline
from churnml.config import Config
from churnml.pipeline import PullReport
from churnml.simulate import Company, simulate
from churnml.simulate.exports import account_key
from churnml.sources import load
from churnml.tables.knowledge import frame_known_before

from .company import FIRST, PULLED, tools_of
from .world import counts

pytestmark = pytest.mark.slow  # a company is pulled from all its tools


@dataclass
class Pulled:
    """The company, its config, what two pulls came to, and tables: all after the first, accounts after the second."""

    company: Company
    config: Config
    folder: Path
    owner: tuple[str, str]
    reports: list[PullReport]
    coverage: dict[str, int]
    tables: dict[str, pd.DataFrame]
    accounts: pd.DataFrame


@pytest.fixture(scope="module")
def pulled(tmp_path_factory: pytest.TempPathFactory) -> Pulled:
    folder = tmp_path_factory.mktemp("pulled")
    company = simulate(accounts=25, months=8, seed=5)
    settings, org, ways = tools_of(company, folder / "x")
    first = pipeline.pull(settings, clock=lambda: FIRST, transports=ways)
    loaded = load(settings, today=FIRST.date())
    frames = {name: loaded.tables[name].to_pandas() for name in PULLED}
    changed = org.records["Account"][0]
    owner = (changed["OwnerId"], "somebody new")
    changed |= {"OwnerId": owner[1], "SystemModstamp": "2026-06-01T12:00:00.000+0000"}
    second = pipeline.pull(settings, ["salesforce"], clock=lambda: FIRST + timedelta(days=1), transports=ways)
    few = settings.model_copy(
        update={"tables": {name: settings.tables[name] for name in ("accounts", "subscriptions")}}
    )
    accounts = load(few, today=FIRST.date() + timedelta(days=1)).tables["accounts"].to_pandas()
    coverage = {tool.tool: tool.unmatched + tool.ambiguous for tool in loaded.coverage}
    return Pulled(company, settings, folder, owner, [first, second], coverage, frames, accounts)


def test_every_row_is_counted_and_nothing_is_left(pulled: Pulled) -> None:
    first, second = pulled.reports
    assert first.ok
    assert first.complete
    found = {source.source: counts(source) for source in first.sources}
    expected = {name: len(frame) for name, frame in pulled.company.tables.items()}
    assert found["salesforce"]["contracts"][1] == expected["subscriptions"] + 2  # a draft and a deleted one
    assert found["zendesk"]["tickets"][1] == expected["tickets"] + 2  # an old version and a deleted one
    assert found["stripe"]["invoices"][1] == expected["invoices"] + 2  # a draft and one of test mode
    assert counts(second.sources[0])["accounts"] == (1, 1, 0, 0)


@pytest.mark.parametrize("table", ["subscriptions", "tickets", "contacts", "touchpoints", "invoices", "opportunities"])
def test_a_pulled_table_is_the_canonical_one(pulled: Pulled, table: str) -> None:
    names = {account_key(one): one for one in set(pulled.company.tables["accounts"]["account_id"])}
    found = pulled.tables[table].assign(
        account_id=lambda frame: frame["account_id"].map(lambda one: names.get(one, one))
    )
    wanted = pulled.company.tables[table]
    columns = sorted({*found.columns} & {*wanted.columns} - {"known_at"})
    sorts = [f"{table[:-1]}_id" if f"{table[:-1]}_id" in columns else columns[0]]
    both = [frame.sort_values(sorts, ignore_index=True)[columns] for frame in (found, wanted)]
    for frame in both:  # days of a Parquet file and of the simulator count in other units
        for column in frame.select_dtypes("datetime"):
            frame[column] = frame[column].astype("datetime64[us]")
    pd.testing.assert_frame_equal(*both, check_dtype=False)


def test_the_newest_version_of_every_account_is_the_canonical_one(pulled: Pulled) -> None:
    found = pulled.tables["accounts"].sort_values("known_at").groupby("account_id").last()
    wanted = pulled.company.tables["accounts"].sort_values("known_at").groupby("account_id").last()
    wanted.index = wanted.index.map(account_key)
    for column in ("name", "industry", "country", "segment", "owner", "plan", "employees", "touch_model", "phase"):
        assert found[column].to_dict() == wanted[column].to_dict(), column


def test_every_tools_records_are_matched(pulled: Pulled) -> None:
    assert pulled.coverage == {"stripe": 0, "zendesk": 0}


def test_an_owner_that_was_overwritten_keeps_its_past(pulled: Pulled) -> None:
    before, after = pulled.owner
    frame = pulled.accounts
    changed = frame.loc[frame["owner"] == after, "account_id"]
    own = frame[frame["account_id"].isin(changed)].sort_values("known_at")
    arrived = [FIRST.replace(tzinfo=None), (FIRST + timedelta(days=1)).replace(tzinfo=None)]
    assert own["known_at"].tolist()[1:] == arrived
    assert own["owner"].tolist()[1:] == [before, after]
    assert pd.isna(own["owner"].tolist()[0])  # before the first pull nobody knew
    assert own["name"].nunique() == 1  # what holds since the record came to be is known throughout

    def seen(day: date) -> Any:
        known = frame_known_before(own, "accounts", pd.Timestamp(day))
        return known.sort_values("known_at")["owner"].tolist()[-1]

    assert seen(FIRST.date() + timedelta(days=1)) == before  # midnight between the two pulls
    assert seen(FIRST.date() + timedelta(days=2)) == after
    assert pd.isna(seen(FIRST.date()))


def test_a_secret_stands_nowhere(pulled: Pulled, capsys: pytest.CaptureFixture[str]) -> None:
    shown = str(pulled.reports) + str(pulled.config.as_dict()) + repr(pulled.config)
    assert "c4nary" not in shown
    found = [
        file for file in pulled.folder.rglob("*")
        if file.is_file() and file.name != "secrets.env" and b"c4nary" in file.read_bytes()
    ]  # fmt: skip
    assert found == []
    planned = pipeline.preview_pull(pulled.config)
    assert "c4nary" not in str(planned)
    assert planned[0].since["accounts"] == FIRST + timedelta(days=1) - timedelta(minutes=65)
    assert planned[0].request is not None


def test_what_lands_is_for_its_owner_only(pulled: Pulled) -> None:
    workspace = pulled.config.workspace_dir
    assert [(workspace / name).stat().st_mode & 0o077 for name in ("landing", "pulls", "pulls/history.jsonl")] == [
        0
    ] * 3
    lines = (workspace / "pulls" / "history.jsonl").read_text().splitlines()
    assert [json.loads(line)["source"] for line in lines] == ["salesforce", "zendesk", "stripe", "salesforce"]
