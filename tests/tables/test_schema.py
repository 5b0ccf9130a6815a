"""The schema is consistent with itself, its checks, and the docs."""

from __future__ import annotations

import pytest

from churnml.tables import CHECKS, TABLES, checks_markdown
from churnml.tables.row_rules import ENDS, row_rules


def test_the_eleven_tables_exist():
    assert list(TABLES) == [
        "accounts",
        "subscriptions",
        "events",
        "tickets",
        "surveys",
        "contacts",
        "touchpoints",
        "invoices",
        "campaign_events",
        "milestones",
        "opportunities",
    ]


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_a_table_is_consistent(table):
    assert ": one row per " in table.grain
    assert len(set(table.column_names)) == len(table.columns)
    assert {"account_id", "known_at"} <= set(table.column_names)
    assert set(table.key) <= set(table.column_names)
    assert table.occurred_at is None or table.occurred_at in table.required
    assert {*table.revealed, *(time for times in table.revealed.values() for time in times)} <= set(table.column_names)
    assert {column for pair in ENDS.get(table.name, ()) for column in pair} <= set(table.column_names)
    for column in table.columns:
        assert column.description
        assert not column.values or column.dtype == "string"
        assert column.default is None or not column.values or column.default in column.values
        if column.name.endswith("_on"):
            assert column.dtype == "date"
        if column.name.endswith("_at"):
            assert column.dtype == "timestamp"


def test_every_table_gets_its_rules_from_the_schema():
    for table in TABLES.values():
        rules = row_rules(table, table.column_names, tomorrow="2026-01-01")
        assert {rule.code for rule in rules} <= set(CHECKS)
        assert {rule.column for rule in rules if rule.code == "CHK010"} == {
            column.name for column in table.columns if column.required and column.default is None
        }
        # Of an optional column only the value is lost, not the row.
        assert {rule.column for rule in rules if rule.code == "CHK014"} == {
            column.name
            for column in table.columns
            if (column.minimum is not None or column.maximum is not None)
            and ((column.required and column.default is None) or column.name == table.occurred_at)
        }
        future = [rule for rule in rules if rule.code == "CHK017"]
        assert len(future) == (table.occurred_at is not None and not table.may_lie_ahead)


def test_rules_speak_only_of_what_is_mapped():
    rules = row_rules(TABLES["subscriptions"], ["account_id", "started_on"], tomorrow="2026-01-01")
    assert {rule.column for rule in rules} == {"account_id", "started_on"}


def test_codes_are_stable_and_every_check_has_a_line():
    assert list(CHECKS) == sorted(CHECKS)
    assert all(code.startswith("CHK0") and len(code) == 6 for code in CHECKS)
    page = checks_markdown()
    for check in CHECKS.values():
        assert f"| {check.code} | {check.name} |" in page
        assert check.error.startswith("data.")
        assert "|" not in f"{check.meaning}{check.remedy}"
