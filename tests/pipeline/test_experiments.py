"""An experiment from end to end: drawn by a scoring of the past, kept from everybody, and reported."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import pytest
import yaml
from tests.companies.command import churnml

from churnml.config import load_config
from churnml.pipeline import preview_alerts
from churnml.pipeline.experiments import uplift_in_force
from churnml.store import Actor, Store
from churnml.training.uplift_model import RISK, UpliftModel

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


def test_the_budget_goes_by_uplift_once_that_was_decided_and_is_wanted(config):
    found = json.loads(churnml("experiments", "rank", config, "--json").stdout)
    assert found["ranked_by"] == "risk"
    assert found["ranking_decided_at"] is not None
    assert found["uplift"]["accounts"] == found["contacted"]["followed"] + found["held_out"]["followed"]
    assert not found["uplift"]["beats"]
    assert "The alert budget goes by risk (decided on 20" in churnml("experiments", "report", config).stdout
    settings = load_config(config)
    wanted = settings.model_copy(
        update={"experiments": settings.experiments.model_copy(update={"rank_by_uplift": True})}
    )
    assert preview_alerts(wanted)[1].summary["ranked_by"] == "risk"
    with Store(settings.store_url) as store:
        assert {lot.share for lot in store.evaluations(settings.name).assignments()} == {0.5}
        assert any(lot.covariates.get("tenure_days", 0) > 0 for lot in store.evaluations(settings.name).assignments())
        kept = store.rankings(settings.name).newest("contact")
        assert kept is not None
        won = {"by": "uplift", "model": UpliftModel(columns=(RISK,), slope=0.9)}
        store.rankings(settings.name).keep(kept.model_copy(update=won), Actor("test", datetime.now(UTC)))
    as_of, decided = preview_alerts(wanted)
    assert decided.summary["ranked_by"] == "uplift"
    assert preview_alerts(settings)[1].summary["ranked_by"] == "risk"
    # The decision grows old: from the day after its days the budget goes by risk again.
    with Store(settings.store_url) as store:
        last = kept.until + timedelta(days=180)
        assert uplift_in_force(wanted, store, last) is not None
        assert uplift_in_force(wanted, store, last + timedelta(days=1)) is None
        assert uplift_in_force(settings, store, last) is None
    said = churnml("experiments", "report", config).stdout
    assert f"holds until {last.isoformat()}, and only with experiments.rank_by_uplift" in said
    by_risk = {alert.key: alert.avoidable_loss for alert in preview_alerts(settings)[1].alerts if alert.avoidable_loss}
    for alert in decided.alerts:
        if alert.key in by_risk and alert.updated_on == as_of and alert.state != "closed":
            # 0.9 of the risk in place of the assumed 0.3.
            assert alert.avoidable_loss == pytest.approx(3 * by_risk[alert.key], abs=0.05)
    assert by_risk


def test_without_an_experiment_there_is_a_message(ran):
    done = churnml("experiments", "report", ran.config)
    assert done.exit_code != 0
    assert "No account has been drawn yet" in done.stderr
