"""One simulated company, exported by four tools with their traps, comes back as its own canonical tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tests.companies.command import churnml

from churnml.config import Config, load_config
from churnml.errors import UsageError
from churnml.simulate import Company, simulate
from churnml.simulate.exports import account_key, write_exports
from churnml.sources import load
from churnml.sources.discovery import profile_files, propose

pytestmark = pytest.mark.slow  # a company is exported, and read twice


@pytest.fixture(scope="module")
def company() -> Company:
    return simulate(accounts=40, months=10, seed=5)


@pytest.fixture(scope="module")
def both(company: Company, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    """The company loaded from its exports, and from its canonical tables."""
    folder = tmp_path_factory.mktemp("company")
    config = load_config(write_exports(company, folder / "exports", ["salesforce", "zendesk", "stripe", "segment"]))
    (folder / "raw").mkdir()
    for name, frame in company.tables.items():
        frame.to_parquet(folder / "raw" / f"{name}.parquet", index=False)
    canonical = Config.model_validate(
        {
            "name": "canonical",
            "workspace": folder / "ws",
            "source": {"folder": folder / "raw", "observed_until": company.end},
            "tables": {name: {"from": f"{name}.parquet"} for name in company.tables},
            "label": {"churn": "contractual"},
        }
    )
    return load(config, today=company.end), load(canonical, today=company.end)


def ordered(loaded: Any, table: str, names: dict[str, str]) -> pd.DataFrame:
    frame = loaded.tables[table].to_pandas()
    frame["account_id"] = frame["account_id"].map(lambda one: names.get(one, one))
    return frame.sort_values(list(frame.columns), ignore_index=True)[sorted(frame.columns)]


@pytest.mark.parametrize(
    "table",
    ["accounts", "subscriptions", "events", "tickets", "contacts", "touchpoints", "invoices", "surveys", "milestones"],
)
def test_a_table_from_the_exports_is_the_canonical_one(company: Company, both: tuple[Any, Any], table: str) -> None:
    names = {account_key(one): one for one in set(company.tables["accounts"]["account_id"])}
    exported, canonical = (ordered(loaded, table, names) for loaded in both)
    pd.testing.assert_frame_equal(exported, canonical, check_dtype=False)


def test_both_cover_the_same_period_and_every_record_is_known(both: tuple[Any, Any]) -> None:
    exported, canonical = both
    assert exported.tables.observed_from == canonical.tables.observed_from
    assert exported.tables.observed_until == canonical.tables.observed_until
    assert {tool.tool: tool.unmatched + tool.ambiguous for tool in exported.coverage} == {
        "rest": 0, "segment": 0, "stripe": 0, "zendesk": 0,
    }  # fmt: skip


def test_init_knows_what_each_file_of_the_exports_is_for(company: Company, tmp_path: Path) -> None:
    write_exports(company, tmp_path / "exports", ["salesforce", "zendesk", "stripe", "segment"])
    matches = propose("exports", profile_files(tmp_path / "exports")).matches
    assert {match.table for match in matches if match.table} == {*company.tables}
    roles = {match.path: match.role for match in matches if not match.table}
    assert roles == {
        "config.json": "", "stripe/customers.csv": "identities", "zendesk/comments.csv": "beside",
        "zendesk/history.csv": "beside", "zendesk/organizations.csv": "identities", "zendesk/users.csv": "beside",
    }  # fmt: skip


def test_the_command_writes_exports_and_a_config_that_passes_check(tmp_path: Path) -> None:
    folder = tmp_path / "exports"
    sizes = ("--accounts", 20, "--months", 6, "--seed", 2)
    made = churnml("simulate", folder, "--as", "salesforce,segment", *sizes, "--json")
    assert made.exit_code == 0, made.stderr
    assert {path.name for path in folder.iterdir()} == {"salesforce", "segment", "rest", "config.json"}
    checked = churnml("check", folder / "config.json", "--json")
    assert checked.exit_code == 0, checked.stderr


def test_a_tool_that_is_not_known_and_a_full_folder_are_refused(company: Company, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Not a tool"):
        write_exports(company, tmp_path / "x", ["salesforce", "sap"])
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="not empty"):
        write_exports(company, tmp_path, ["stripe"])
