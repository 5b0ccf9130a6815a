"""`churnml check` says what each table offers and what adding something would unlock."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
import yaml
from tests.companies.command import churnml

from churnml.config import FeatureConfig
from churnml.features import families_use

EVENTS = "account_id,event_type,occurred_at,user_id\n" + "".join(
    f"{account},login,2026-01-{day:02d},u\n" for account in ("a", "b", "c", "d") for day in range(1, 29)
)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "events.csv").write_text(EVENTS)
    (tmp_path / "tickets.csv").write_text(
        "account_id,ticket_id,opened_at\na,1,2026-01-03\na,2,2026-01-05\nb,3,2026-01-10\n"
    )
    tables = {"events": {"from": "events.csv"}, "tickets": {"from": "tickets.csv"}}
    document = {"name": "t", "workspace": "ws", "source": {"folder": "."}, "label": {"churn": "silence"}}
    file = tmp_path / "c.yaml"
    file.write_text(yaml.safe_dump({**document, "tables": tables}))
    return file


def test_history_coverage_freshness_and_what_is_missing_are_told_per_table(config: Path) -> None:
    report = json.loads(churnml("check", config, "--json").stdout)
    tickets = next(use for use in report["use"] if use["table"] == "tickets")
    assert tickets["accounts"] == 2
    assert tickets["covered"] == 0.5
    assert (tickets["first"], tickets["last"], tickets["history_days"]) == ("2026-01-03", "2026-01-10", 8)
    assert tickets["behind_days"] == 18
    assert {"priority", "solved_at", "csat_score"} <= {*tickets["absent"]}
    assert "opened_at" not in tickets["absent"]


def test_a_family_says_what_adding_a_column_or_a_table_would_turn_on(config: Path) -> None:
    from churnml.config import load_config
    from churnml.sources import load

    tables = load(load_config(config), today=date(2026, 6, 1)).tables
    uses = {use.family: use for use in families_use(tables, FeatureConfig())}
    support = uses["support"]
    assert support.on > 0
    assert support.unlocks["tickets.solved_at"] >= 1
    assert next(iter(uses["commercial"].unlocks)) == "subscriptions"
    assert uses["commercial"].unlocks["subscriptions"] >= 1


def test_the_page_stands_alone_and_says_the_same(config: Path, tmp_path: Path) -> None:
    page = tmp_path / "usable.html"
    shown = churnml("check", config, "--html", page)
    assert shown.exit_code == 0, shown.stderr
    text = page.read_text()
    assert text.lstrip().startswith("<!DOCTYPE html>")
    for word in ("tickets", "subscriptions", "18 days"):
        assert word in text
    assert "How usable the tables are" in shown.stdout
