"""The command line's contract: exit codes, one JSON document, messages instead of tracebacks."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest
import yaml
from tests.companies.command import typed

BASE = {
    "name": "t",
    "source": {"folder": "raw"},
    "tables": {"events": {"from": "events.csv"}},
    "label": {"churn": "silence", "horizon_days": 30},
}


def started(*arguments) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from churnml.cli import main; main()", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def config(tmp_path):
    def write(**changes):
        path = tmp_path / "t.yaml"
        path.write_text(yaml.safe_dump({**BASE, **changes}))
        return path

    return write


@pytest.mark.alone
def test_help_is_quick_and_lists_the_commands():
    best = 9.0
    for _ in range(4):
        begun = time.perf_counter()
        told = started("--help")
        best = min(best, time.perf_counter() - begun)
        assert told.returncode == 0
    for command in ("demo", "simulate", "check", "features", "train", "score", "explain", "run", "serve", "config"):
        assert command in told.stdout
    assert best < 0.5


def test_help_imports_nothing_heavy():
    heavy = ("pandas", "mlflow", "shap", "bentoml", "ibis", "pydantic", "churnml.language")
    code = f"import sys, churnml.cli.app; print([m for m in {heavy} if m in sys.modules])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


@pytest.mark.parametrize("arguments", [["nonsense"], ["run"], ["score", "x.yaml", "--as-of", "yesterday"]])
def test_wrong_usage_exits_with_2(arguments):
    told = typed(*arguments)
    assert told.returncode == 2
    assert "Traceback" not in told.stderr
    assert told.stdout == ""
    as_json = typed(*arguments, "--json")
    assert as_json.returncode == 2
    assert json.loads(as_json.stdout)["error"]["code"] == "usage"


def test_bytes_that_are_no_text_are_wrong_usage(config):
    told = started("explain", config(), "\udc8a\udc94\udc8e\udcae")  # what Shift JIS leaves in a UTF-8 terminal
    assert told.returncode == 2
    assert "An argument is not text" in told.stderr


def test_wrong_language_is_wrong_usage(config):
    assert typed("explain", config(), "a", "--lang", "fr").returncode == 2


def test_a_missing_config_names_its_neighbours(tmp_path, config):
    config()
    told = typed("check", tmp_path / "s.yaml")
    assert told.returncode == 1
    assert "t.yaml" in told.stderr
    assert "Traceback" not in told.stderr


def test_a_misspelt_key_names_the_right_one(config):
    told = typed("check", config(label={"churn": "silence", "horizon_day": 30}))
    assert told.returncode == 1
    assert "horizon_days" in told.stderr


def test_errors_are_one_json_document_too(config):
    told = typed("check", config(), "--json")
    assert told.returncode == 1
    error = json.loads(told.stdout)["error"]
    assert error["code"]
    assert error["what"]
    assert "raw" in json.dumps(error)


def test_config_show_prints_defaults_and_hash(config):
    told = typed("config", "show", config(), "--json")
    shown = json.loads(told.stdout)
    assert shown["config"]["label"]["grace_days"] == 14
    assert len(shown["hash"]) == 12
    assert "grace_days: 14" in typed("config", "show", config()).stdout


def test_scoring_before_training_says_what_to_do(config):
    told = typed("score", config())
    assert told.returncode == 1
    assert "churnml train" in told.stderr


def test_an_unforeseen_error_leaves_a_log_and_no_traceback(monkeypatch, capsys):
    from churnml.cli.session import report_failure

    code = report_failure(ZeroDivisionError("by nought"), as_json=False)
    told = capsys.readouterr().err
    assert code == 1
    assert "ZeroDivisionError" in told
    assert "Traceback" not in told
