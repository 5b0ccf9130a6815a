"""The command, against a server on this machine: what it prints, how it exits, and what `init` makes of what landed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from benchmarks.pull_kills import desk
from tests.companies.command import churnml

from churnml.config import load_config
from churnml.errors import ConfigError
from churnml.sources.discovery import profile_files


def config(folder: Path, url: str, *, token: str = "${DESK_TOKEN}", more: str = "") -> Path:
    file = folder / "acme.yaml"
    file.write_text(
        "name: acme\nworkspace: ws\n" + more + "sources:\n  desk:\n"
        f'    pull: {{zendesk: {{url: "{url}", user: a@b.c, api_token: "{token}", objects: [tickets]}}}}\n'
        "tables:\n  tickets: {preset: zendesk/tickets, from: tickets}\n  events: {from: tickets}\n"
        "label: {churn: silence}\n"
    )
    return file


@pytest.mark.slow
def test_a_pull_is_shown_then_done_then_has_nothing_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESK_TOKEN", "c4nary-token")
    with desk(tickets=30) as (kind, url):
        file = config(tmp_path, url)
        planned = churnml("pull", file, "--dry-run")
        assert planned.exit_code == 0, planned.stderr
        assert "everything" in planned.stdout
        assert "GET http://127.0.0.1" in planned.stdout
        assert kind.pages == 0
        assert not (tmp_path / "ws" / "landing" / "desk.duckdb").exists()
        done = churnml("pull", file)
        assert done.exit_code == 0, done.stderr
        assert "tickets" in done.stdout
        assert "30" in done.stdout
        assert "c4nary" not in done.stdout + done.stderr + planned.stdout
    unreachable = churnml("pull", file, "nobody")
    assert unreachable.exit_code == 2
    found = profile_files(tmp_path / "ws" / "landing")
    assert [(one.path, one.known.name if one.known else "", one.known.rows if one.known else 0) for one in found] == [
        ("desk.duckdb/tickets", "zendesk/tickets", 30)
    ]


def test_secrets_stand_in_the_environment_or_a_file_of_their_own(tmp_path: Path) -> None:
    file = config(tmp_path, "https://example.zendesk.com")
    assert load_config(file).sources["desk"].pull is not None  # whoever only trains needs no secret
    missing = churnml("pull", file, "--json")
    assert missing.exit_code == 1
    assert json.loads(missing.stdout)["error"]["code"] == "config.environment"
    with pytest.raises(ConfigError, match="A secret stands in the config"):
        load_config(config(tmp_path, "https://example.zendesk.com", token="c4nary"))
    secrets = tmp_path / "secrets.env"
    secrets.write_text("# the desk\nexport DESK_TOKEN='c4nary'\n")
    secrets.chmod(0o644)
    file = config(tmp_path, "https://example.zendesk.com", more="secrets_file: secrets.env\n")
    with pytest.raises(ConfigError, match="Others may read"):
        load_config(file)
    secrets.chmod(0o600)
    loaded = load_config(file).sources["desk"].pull
    assert loaded is not None
    assert loaded.zendesk is not None
    assert loaded.zendesk.api_token.get_secret_value() == "c4nary"
    secrets.write_text("DESK_TOKEN c4nary\n")
    with pytest.raises(ConfigError) as fault:
        load_config(file)
    assert "c4nary" not in str(fault.value)


def test_a_config_without_a_tool_is_told_how_one_looks(tmp_path: Path) -> None:
    file = tmp_path / "plain.yaml"
    file.write_text(
        "name: x\nsource: {folder: .}\ntables: {events: {from: e.csv}}\nlabel: {churn: silence}\n", encoding="utf-8"
    )
    done = churnml("pull", file)
    assert done.exit_code == 2
    assert "pull" in done.stderr
