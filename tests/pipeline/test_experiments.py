"""An experiment from end to end: drawn by a scoring of the past, kept from everybody, and reported."""

from __future__ import annotations

import json
from datetime import date, timedelta

import pytest
import yaml
from tests.companies.command import churnml

pytestmark = pytest.mark.slow  # the past is scored


@pytest.fixture(scope="module")
def config(ran):
    """The company's config with a store of its own, scored long enough ago for the outcomes to be known."""
    settings = yaml.safe_load(ran.config.read_text())
    rules = {name: {"enabled": False} for name in ("renewal_near", "onboarding_stalled", "invoice_overdue")}
    changed = {
        "store": {"url": f"sqlite:///{ran.config.parent / 'experiment.db'}"},
        "alerts": {"weekly_budget": 500, "rules": {**rules, "silence": {"threshold": 2}}},
        "experiments": {"enabled": True, "share": 0.5, "arr_below": 10_000_000, "days": 60},
    }
    path = ran.config.with_name("experiment.yaml")
    path.write_text(yaml.safe_dump({**settings, **changed}))
    until = date.fromisoformat(ran.report["as_of"]) - timedelta(days=120)
    done = churnml("score", path, "--as-of", until.isoformat(), "--json")
    assert done.exit_code == 0, done.stderr
    return path


def test_the_held_out_are_in_no_list_and_the_report_compares_them(config):
    found = json.loads(churnml("experiments", "report", config, "--json").stdout)
    held, contacted = found["held_out"], found["contacted"]
    assert 0.25 < held["accounts"] / (held["accounts"] + contacted["accounts"]) < 0.75
    assert held["accounts"] > 5
    assert (held["followed"], contacted["followed"]) == (held["accounts"], contacted["accounts"])
    assert sum(own["held_out"]["accounts"] for own in found["segments"].values()) == held["accounts"]
    assert found["needed"] > 100
    assert found["enough"] == (found["churn_avoided"] is not None) == (found["why"] == "")
    said = churnml("experiments", "report", config).stdout
    assert "50 % held out, each account followed for 60 days" in said
    listed = json.loads(churnml("alerts", "list", config, "--limit", 1000, "--json").stdout)["alerts"]
    assert not [alert for alert in listed if alert["held_out"]]
    assert {alert["arm"] for alert in listed} <= {"contacted", None}


def test_without_an_experiment_there_is_a_message(ran):
    done = churnml("experiments", "report", ran.config)
    assert done.exit_code != 0
    assert "No account has been drawn yet" in done.stderr
