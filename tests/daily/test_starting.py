"""What docs/operations.md says of cron and systemd is what starts a run: taken from the page, and run."""

from __future__ import annotations

import configparser
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from churnml.config import load_config
from churnml.pipeline.daily import list_runs

pytestmark = pytest.mark.slow  # processes are started

_ROOT = Path(__file__).parents[2]
_PAGE = (_ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
_SRV = "/srv/churnml"


def block(language: str, title: str) -> str:
    """Return the fenced block of a language that holds a title."""
    found = re.findall(rf"```{language}\n(.*?)```", _PAGE, re.DOTALL)
    return next(text for text in found if title in text)


@pytest.fixture
def srv(tmp_path: Path) -> Path:
    """Return a folder as the page assumes it: a config, and churnml in ``.venv/bin``. There is no champion yet."""
    (tmp_path / "raw").mkdir()
    days = pd.date_range("2026-01-01", periods=40, freq="D")
    rows = [{"account_id": f"a{n}", "event_type": "login", "occurred_at": day} for day in days for n in range(20)]
    pd.DataFrame(rows).to_csv(tmp_path / "raw" / "events.csv", index=False)
    settings = {
        "name": "acme",
        "source": {"folder": "raw"},
        "tables": {"events": {"from": "events.csv"}},
        "label": {"churn": "silence"},
        "daily": {"retrain": False},
    }
    (tmp_path / "acme.yaml").write_text(yaml.safe_dump(settings))
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    program = tmp_path / ".venv" / "bin" / "churnml"
    program.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(_ROOT / 'src')!r})\n"
        "from churnml.cli import main\nmain()\n"
    )
    program.chmod(0o755)
    (tmp_path / "secrets.env").write_text("export OPS_SLACK_HOOK=https://hooks.slack.example/x\n")
    return tmp_path


def _recorded(folder: Path) -> None:
    """Check that a run was made and recorded: the data is read, and without a champion there is no score."""
    (run,) = list_runs(load_config(folder / "acme.yaml"))
    outcomes = {one.name: one.outcome for one in run.stages}
    assert outcomes["check"] == "done"
    assert outcomes["score"] == "failed"
    assert outcomes["alerts"] == "skipped"


def test_the_cron_line_runs_with_an_empty_environment(srv: Path) -> None:
    line = block("cron", "churnml daily").strip()
    schedule, command = line.split(maxsplit=5)[:5], line.split(maxsplit=5)[5]
    assert all(re.fullmatch(r"[\d*,/-]+", field) for field in schedule)
    done = subprocess.run(
        ["/bin/sh", "-c", command.replace(_SRV, str(srv))], env={}, cwd="/", check=False, capture_output=True
    )
    assert done.returncode == 1, done.stderr
    assert "score" in (srv / "daily.log").read_text()
    _recorded(srv)


def test_the_unit_of_systemd_starts_it(srv: Path, tmp_path: Path) -> None:
    units = {
        name: block("ini", name).partition("\n")[2].replace(_SRV, str(srv))
        for name in ("churnml-daily.service", "churnml-daily.timer")
    }
    if shutil.which("systemd-analyze"):
        for name, text in units.items():
            (tmp_path / name).write_text(text.replace("User=churnml\n", ""))
        subprocess.run(["systemd-analyze", "verify", *(str(tmp_path / name) for name in units)], check=True)
    unit = configparser.ConfigParser(strict=True, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(units["churnml-daily.service"])
    timer = configparser.ConfigParser(strict=True, interpolation=None)
    timer.read_string(units["churnml-daily.timer"])
    assert timer["Timer"]["oncalendar"].endswith("UTC")
    assert unit["Service"]["SuccessExitStatus"] == "3"
    command = shlex.split(unit["Service"]["ExecStart"])
    done = subprocess.run(command, cwd=unit["Service"]["WorkingDirectory"], env={}, check=False, capture_output=True)
    assert done.returncode == 1, done.stderr
    _recorded(srv)
