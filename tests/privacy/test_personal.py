"""Columns that look personal are named; none becomes a feature, an event type or a line of the terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from tests.companies.command import churnml

MAIL = "ann.lee@acme.example"


def company(folder: Path, *, event_type: str = "login", **accounts: Any) -> Path:
    """Return the config of a company; `accounts` are further raw columns, each an attribute."""
    (folder / "raw").mkdir()
    ids = [f"a{number}" for number in range(30)]
    frame = pd.DataFrame({"account_id": ids, "name": [f"Firm {one}" for one in ids], "created_on": "2025-06-01"})
    for name, values in accounts.items():
        frame[name] = values
    frame.to_csv(folder / "raw" / "accounts.csv", index=False)
    days = pd.date_range("2026-01-01", periods=40, freq="D").astype(str)
    events = pd.DataFrame(
        [
            {
                "account_id": one,
                "user_id": f"{one}@mail.example",
                "event_type": event_type.format(one=one),
                "occurred_at": day,
            }
            for one in ids
            for day in days
        ]
    )
    events.loc[0, "occurred_at"] = MAIL  # as a shifted column is
    events.to_csv(folder / "raw" / "events.csv", index=False)
    attributes = {"attributes": {name: name for name in accounts}} if accounts else {}
    settings = {
        "name": "acme",
        "source": {"folder": "raw"},
        "tables": {"accounts": {"from": "accounts.csv", **attributes}, "events": {"from": "events.csv"}},
        "label": {"churn": "silence"},
    }
    (folder / "acme.yaml").write_text(yaml.safe_dump(settings))
    return folder / "acme.yaml"


def test_columns_that_look_personal_are_named_and_no_value_is_printed(tmp_path: Path) -> None:
    config = company(tmp_path)
    for arguments in (("check", config, "--json"), ("check", config)):
        done = churnml(*arguments)
        assert done.exit_code == 0, done.stderr
        assert "user_id (e-mail address, by its values)" in " ".join(done.stdout.split())
        assert MAIL not in done.stdout + done.stderr
        assert "mail.example" not in done.stdout + done.stderr
    listed = churnml("features", "list", config, "--all", "--json")
    assert listed.exit_code == 0, listed.stderr
    assert "mail.example" not in listed.stdout


@pytest.mark.parametrize(
    ("event_type", "accounts", "where"),
    [
        ("opened by {one}@mail.example", {}, "tables.events.columns.event_type"),
        ("{one}@mail.example", {}, "tables.events.columns.event_type"),
        ("login", {"reached_at": [f"+49 89 12345{n:02d}" for n in range(30)]}, "tables.accounts.attributes.reached_at"),
        ("login", {"contact_name": [f"Person {n}" for n in range(30)]}, "tables.accounts.attributes.contact_name"),
        ("login", {"email_verified": ["yes", "no"] * 15}, None),
        ("login", {"region": ["north", "south"] * 15}, None),
    ],
)
def test_personal_words_never_become_features(
    tmp_path: Path, event_type: str, accounts: dict[str, list[str]], where: str | None
) -> None:
    done = churnml("check", company(tmp_path, event_type=event_type, **accounts), "--json")
    if where is None:
        assert done.exit_code == 0, done.stderr
        return
    error = json.loads(done.stdout)["error"]
    assert error["code"] == "data.personal"
    assert error["where"] == where
    assert "@mail" not in done.stdout
    assert "+49" not in done.stdout
