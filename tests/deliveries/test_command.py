"""``churnml deliver``: what a person sees of it, without a traceback and without a secret."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from churnml.cli.app import app
from churnml.store import Store

from .conftest import World, scored

CONFIG = """\
name: acme
source: {folder: raw}
label: {churn: silence}
tables: {events: {from: e.csv}}
deliveries:
  page_url: https://churnml.example/accounts/{account_id}
  tables: {bi: {folder: bi, format: csv}}
  slack: {cs: {webhook_url: "${TEST_SLACK_URL}"}}
  hubspot: {token: "${TEST_HUBSPOT}", url: "http://127.0.0.1:9", fields: {churnml_health: health_score}, enabled: false}
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TEST_SLACK_URL", "http://127.0.0.1:9/services/T0/B0/s3cret-hook")
    path = tmp_path / "acme.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    (tmp_path / "workspace").mkdir()
    with Store(f"sqlite:///{tmp_path / 'workspace' / 'store.db'}") as store:
        store.publish(scored())
        World(store).alert()
    return path


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["deliver", *arguments])
    return done.exit_code, done.output


def test_a_dry_run_prints_requests_and_sends_nothing(config, tmp_path):
    code, told = run(str(config), "--dry-run")
    assert code == 0
    assert "# tables.bi: 1 record is due" in told
    assert "POST ***" in told, "the hook's address is itself the secret"
    assert "Company 1: No use for 30 days" in told
    assert "s3cret-hook" not in told
    assert not (tmp_path / "workspace" / "bi").exists()


def test_a_run_delivers_what_it_can_and_says_what_it_could_not(config, tmp_path, monkeypatch):
    from churnml.deliveries import running

    monkeypatch.setattr(running.time, "sleep", lambda seconds: None)
    code, told = run(str(config), "--target", "tables.bi", "--json")
    assert code == 0
    (target,) = json.loads(told)["targets"]
    assert (target["target"], target["accepted"]) == ("tables.bi", 1)
    assert (tmp_path / "workspace" / "bi" / "churnml_scores.csv").read_text(encoding="utf-8").count("\n") == 4
    code, told = run("list", str(config), "--all", "--json")
    assert [one["state"] for one in json.loads(told)["deliveries"] if one["target"] == "tables.bi"] == ["accepted"]
    assert run("list", str(config))[1].strip() == "No dead letters."
    assert run("resend", str(config), "--target", "slack.cs") == (0, "0 wait for the next `churnml deliver`.\n")


def test_a_number_that_is_no_dead_letters_is_refused(config):
    code, output = run("resend", str(config), "4711")
    assert code == 2
    assert "No dead letter has this number" in output
    assert "4711" in output


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--target", "slack.sc"), "There is no such target"),
        (("resend",), "Nothing is named that is to be sent again"),
    ],
)
def test_a_wrong_call_is_told_in_words(config, arguments, told):
    command = (*arguments, str(config)) if arguments[0] == "resend" else (str(config), *arguments)
    code, output = run(*command)
    assert code == 2
    assert told in output


def test_the_check_says_what_is_missing_and_fails(config, monkeypatch):
    text = config.read_text(encoding="utf-8").replace("enabled: false", "timeout_seconds: 1")
    config.write_text(text, encoding="utf-8")
    monkeypatch.setenv("TEST_HUBSPOT", "pat-s3cret")
    code, told = run("check", str(config), "--target", "hubspot")
    assert code == 1
    assert "MISSING hubspot: unreachable" in told
    assert "pat-s3cret" not in told


def test_every_target_has_a_page_and_every_page_a_config_that_is_read(tmp_path, monkeypatch):
    import os
    import re

    from churnml.config import load_config

    pages = Path(__file__).parents[2] / "docs" / "deliveries"
    seen = set()
    for page in sorted(pages.glob("*.md")):
        blocks = re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        assert blocks, page.name
        for block in blocks:
            lines = block.splitlines()
            indent = min(len(line) - len(line.lstrip()) for line in lines if line.strip())
            body = "\n".join(line[indent:] for line in lines)
            for name in re.findall(r"\$\{([A-Z_]+)\}", body):
                monkeypatch.setenv(name, os.environ.get(name, "x-secret"))
            path = tmp_path / f"{page.stem}.yaml"
            head = "name: acme\nsource: {folder: raw}\nlabel: {churn: silence}\ntables: {events: {from: e.csv}}\n"
            path.write_text(head + body + "\n", encoding="utf-8")
            seen |= {name.partition(".")[0] for name in load_config(path).deliveries.targets()}
    assert seen == {page.stem for page in pages.glob("*.md")}
