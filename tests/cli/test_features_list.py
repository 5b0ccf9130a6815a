"""`churnml features list`: short by default, the features that are asked for otherwise."""

import json

import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from churnml.cli.app import app


@pytest.fixture
def config(tmp_path):
    days = pd.date_range("2026-01-01", periods=90)
    (tmp_path / "raw").mkdir()
    pd.DataFrame({"account_id": [f"a{n % 5}" for n in range(90)], "event_type": "report", "occurred_at": days}).to_csv(
        tmp_path / "raw" / "events.csv", index=False
    )
    path = tmp_path / "t.yaml"
    columns = {name: name for name in ("account_id", "event_type", "occurred_at")}
    path.write_text(
        yaml.safe_dump(
            {
                "name": "t",
                "source": {"folder": "raw"},
                "workspace": "workspace",
                "label": {"churn": "silence", "horizon_days": 30},
                "tables": {"events": {"from": "events.csv", "columns": columns}},
            }
        ),
        encoding="utf-8",
    )
    return path


def _list(config, *options):
    done = CliRunner().invoke(app, ["features", "list", str(config), *options], env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_few_lines_by_default_and_filters_on_request(config):
    short = _list(config)
    assert len(short.splitlines()) < 30
    assert "engagement" in short
    assert "events_of_report" not in _list(config, "--name", "active_*")
    assert "active_days_{7,28,91,182}d" in _list(config, "--family", "engagement", "--kind", "level")
    assert "longest_silence" in _list(config, "--all")


def test_json_holds_what_was_asked_for(config):
    chosen = json.loads(_list(config, "--json", "--kind", "trend"))["features"]
    assert {spec["kind"] for spec in chosen} == {"trend"}
    assert {spec["risk_direction"] for spec in chosen} == {-1, 0, 1}
    assert len(json.loads(_list(config, "--json"))["features"]) > len(chosen)


@pytest.mark.parametrize(
    ("options", "says"),
    [(("--family", "engagment"), "engagement"), (("--kind", "trends"), "trend"), (("--name", "event"), "events_")],
)
def test_what_does_not_exist_is_refused_with_the_near_name(config, options, says):
    done = CliRunner().invoke(app, ["features", "list", str(config), *options])
    assert done.exit_code != 0
    assert says in done.output + str(done.exception)
