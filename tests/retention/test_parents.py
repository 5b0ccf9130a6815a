"""A parent and its children: accounts of their own, rolled up by an attribute, and never added twice."""

from __future__ import annotations

from datetime import date

import pytest

from churnml.config import Config
from churnml.engine import connect
from churnml.retention import KpiReport, kpi_report
from churnml.sources import load

ACCOUNTS = """Id,ParentId,Name
acme,,Acme
acme-de,acme,Acme Germany
acme-jp,acme,Acme Japan
solo,,Solo
"""
TERMS = """subscription_id,account_id,started_on,ends_on,mrr
1,acme,2025-01-01,2026-06-01,100
2,acme-de,2025-01-01,2026-06-01,20
3,acme-jp,2025-01-01,2025-04-10,30
4,solo,2025-01-01,2026-06-01,7
"""
GROUP = {"expr": 'coalesce("ParentId", "Id")'}
"""As docs/sources.md has it: whoever has no parent is its own."""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> KpiReport:
    folder = tmp_path_factory.mktemp("parents")
    (folder / "accounts.csv").write_text(ACCOUNTS)
    (folder / "terms.csv").write_text(TERMS)
    config = Config.model_validate(
        {
            "name": "parents",
            "workspace": folder / "ws",
            "source": {"folder": folder, "observed_until": "2025-07-01"},
            "tables": {
                "accounts": {
                    "from": "accounts.csv",
                    "columns": {"account_id": "Id", "name": "Name"},
                    "attributes": {"parent": GROUP},
                },
                "subscriptions": {"from": "terms.csv"},
            },
            "label": {"churn": "contractual"},
        }
    )
    engine = connect(config.engine.model_copy(update={"threads": 1}))
    try:
        tables = load(config, today=date(2025, 7, 1), connection=engine).tables
        return kpi_report(tables, currency="EUR", group_by=["parent"])
    finally:
        engine.disconnect()


def test_a_parent_shows_itself_and_its_children_and_the_groups_add_up_to_the_whole(report: KpiReport) -> None:
    months = {row.month_on: row for row in report.of()}
    groups = {(row.month_on, row.group): row for row in report.of("parent")}
    before, after = date(2025, 3, 1), date(2025, 5, 1)
    assert (groups[before, "acme"].accounts, groups[before, "acme"].mrr) == (3, 150.0)
    assert (groups[after, "acme"].accounts, groups[after, "acme"].mrr) == (2, 120.0)
    assert {name for _, name in groups} == {"acme", "solo"}
    for month, whole in months.items():
        own = [row for (on, _), row in groups.items() if on == month]
        assert sum(row.accounts for row in own) == whole.accounts
        assert sum(row.mrr for row in own) == whole.mrr


def test_a_child_that_leaves_is_churn_of_the_group_and_not_of_its_parent(report: KpiReport) -> None:
    groups = {(row.month_on, row.group): row for row in report.of("parent")}
    april = groups[date(2025, 4, 1), "acme"]
    assert april.logo_churn_rate == pytest.approx(1 / 3)
    assert april.grr == pytest.approx(120 / 150)
    assert groups[date(2025, 4, 1), "solo"].logo_churn_rate == 0.0
