"""A parent and its children, over several levels: accounts of their own, rolled up to the top, never added twice."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnml.config import Config
from churnml.engine import connect
from churnml.errors import DataError
from churnml.pipeline.background import families
from churnml.retention import KpiReport, kpi_report
from churnml.sources import Loaded, load
from churnml.tables.parents import chain_of, circles, top_of

ACCOUNTS = """Id,ParentId,Name,Since
acme,,Acme,
acme-de,acme,Acme Germany,
plant,acme-de,Acme Plant,
acme-jp,acme,Acme Japan,
solo,solo,Solo,
late,,Late,2025-01-01
late,acme-jp,Late,2025-04-15
"""
TERMS = """subscription_id,account_id,started_on,ends_on,mrr
1,acme,2025-01-01,2026-06-01,100
2,acme-de,2025-01-01,2026-06-01,20
3,acme-jp,2025-01-01,2025-04-10,30
4,solo,2025-01-01,2026-06-01,7
5,plant,2025-01-01,2026-06-01,3
6,late,2025-01-01,2026-06-01,1000
"""


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Load a company of which only the accounts differ, and tell its KPIs by parent."""
    folder = tmp_path_factory.mktemp("parents")
    (folder / "terms.csv").write_text(TERMS)

    def told(accounts: str, then: Callable[[Loaded], Any]) -> Any:
        (folder / "accounts.csv").write_text(accounts)
        columns = {"account_id": "Id", "name": "Name", "parent_id": "ParentId", "known_at": "Since"}
        config = Config.model_validate(
            {
                "name": "parents",
                "workspace": folder / "ws",
                "source": {"folder": folder, "observed_until": "2025-07-01"},
                "tables": {
                    "accounts": {"from": "accounts.csv", "columns": columns},
                    "subscriptions": {"from": "terms.csv"},
                },
                "label": {"churn": "contractual"},
            }
        )
        engine = connect(config.engine.model_copy(update={"threads": 1}))
        try:
            return then(load(config, today=date(2025, 7, 1), connection=engine))
        finally:
            engine.disconnect()

    return told


@pytest.fixture(scope="module")
def report(company: Any) -> KpiReport:
    made: KpiReport = company(ACCOUNTS, lambda loaded: kpi_report(loaded.tables, currency="EUR", group_by=["parent"]))
    return made


def test_the_top_shows_all_levels_below_it_and_the_groups_add_up_to_the_whole(report: KpiReport) -> None:
    months = {row.month_on: row for row in report.of()}
    groups = {(row.month_on, row.group): row for row in report.of("parent")}
    before, after = date(2025, 3, 1), date(2025, 5, 1)
    assert (groups[before, "acme"].accounts, groups[before, "acme"].mrr) == (4, 153.0)
    assert (groups[before, "~"].accounts, groups[before, "~"].mrr) == (2, 1007.0)
    # A child of a child that has left counts on, under the same top.
    assert (groups[after, "acme"].accounts, groups[after, "acme"].mrr) == (4, 1123.0)
    assert {name for _, name in groups} == {"acme", "~"}
    for month, whole in months.items():
        own = [row for (on, _), row in groups.items() if on == month]
        assert sum(row.accounts for row in own) == whole.accounts
        assert sum(row.mrr for row in own) == whole.mrr
    assert report.group_names == {"acme": "Acme"}


def test_a_child_that_leaves_is_churn_of_the_group_and_not_of_its_parent(report: KpiReport) -> None:
    groups = {(row.month_on, row.group): row for row in report.of("parent")}
    april = groups[date(2025, 4, 1), "acme"]
    assert april.logo_churn_rate == pytest.approx(1 / 4)
    assert april.grr == pytest.approx(123 / 153)
    assert groups[date(2025, 4, 1), "~"].logo_churn_rate == 0.0


def test_accounts_that_are_part_of_each_other_are_refused_with_the_way_round(company: Any) -> None:
    around = ACCOUNTS.replace("acme,,Acme,\n", "acme,plant,Acme,\n")
    with pytest.raises(DataError, match="CHK052") as refused:
        company(around, lambda loaded: None)
    assert refused.value.got == "'acme' → 'plant' → 'acme-de' → 'acme'"
    assert refused.value.where == "tables.accounts.columns.parent_id"


def test_a_parent_that_is_no_account_is_noted_and_is_the_top_of_its_children(company: Any) -> None:
    def told(loaded: Loaded) -> tuple[list[str], KpiReport]:
        notes = [str(note) for note in loaded.notes if "CHK053" in str(note)]
        return notes, kpi_report(loaded.tables, currency="EUR", group_by=["parent"])

    notes, report = company(ACCOUNTS.replace("acme,,Acme,\n", "acme,holding,Acme,\n"), told)
    assert len(notes) == 1
    assert "'holding'" in notes[0]
    assert {row.group for row in report.of("parent")} == {"holding", "~"}


def test_a_scoring_keeps_who_stands_above_and_below_as_it_was_known_then(company: Any) -> None:
    def told(loaded: Loaded) -> list[dict[str, dict[str, list[str]]]]:
        days = map(pd.Timestamp, ("2025-04-01", "2025-05-01"))
        return [families(loaded.tables, day).set_index("account_id").T.to_dict() for day in days]

    before, after = company(ACCOUNTS, told)
    assert before == {
        "acme": {"above": [], "below": ["acme-de", "acme-jp", "plant"]},
        "acme-de": {"above": ["acme"], "below": ["plant"]},
        "acme-jp": {"above": ["acme"], "below": []},
        "plant": {"above": ["acme-de", "acme"], "below": []},
    }
    assert after["late"] == {"above": ["acme-jp", "acme"], "below": []}
    assert after["acme"]["below"] == ["acme-de", "acme-jp", "late", "plant"]


Forest = st.lists(st.one_of(st.none(), st.integers(0, 11)), min_size=1, max_size=10)


@given(Forest)
def test_the_top_is_where_one_comes_to_by_going_up_one_at_a_time(above: list[int | None]) -> None:
    """Ids without an account and circles among them."""
    parents = pd.Series(
        {f"{n:02d}": None if one is None else f"{one:02d}" for n, one in enumerate(above)}, dtype=object
    )
    tops, around = top_of(parents), circles(parents)
    for account in parents.index:
        chain = (account, *chain_of(parents, account))
        circle = next((one for one in around if chain[-1] in one), None)
        assert tops[account] == (chain[-1] if circle is None else circle[0])
        assert len(set(chain)) == len(chain)
