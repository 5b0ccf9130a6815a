"""``churnml survival`` on a small simulated company: table and JSON, in two languages, ranked as asked."""

from __future__ import annotations

import json

import pytest
import yaml
from tests.companies.command import churnml

from churnml.config import load_config
from churnml.pipeline import survival as told_by
from churnml.pipeline.survival import survival

pytestmark = pytest.mark.slow  # a model of the hazard is fitted


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp("survival")
    made = churnml("simulate", folder / "raw", "--accounts", 80, "--months", 15, "--seed", 4, "--json")
    assert made.exit_code == 0
    path = folder / "small.yaml"
    tables = {name: {"from": f"{name}.parquet"} for name in ("accounts", "subscriptions", "tickets")}
    settings = {"name": "small", "source": {"folder": "raw"}, "tables": tables, "workspace": "workspace"}
    model = {"kind": "logistic", "seeds": 1}
    path.write_text(yaml.safe_dump({**settings, "label": {"churn": "contractual"}, "model": model, "currency": "EUR"}))
    return path


@pytest.fixture(scope="module")
def report(config):
    return survival(load_config(config), rank_by="residual_value", refits=2)


@pytest.fixture
def fitted_once(monkeypatch, report):
    """The command finds the report made already; what it asks for is noted."""
    asked = {}
    monkeypatch.setattr(told_by, "survival", lambda config, stages, **more: asked.update(more) or report)
    return asked


@pytest.fixture
def told(config, fitted_once):
    shown = churnml("survival", config, "--refits", 2, "--rank-by", "residual_value", "--json")
    assert shown.exit_code == 0, shown.output
    assert fitted_once["refits"] == 2
    assert fitted_once["rank_by"] == "residual_value"
    return json.loads(shown.stdout)


def test_every_account_has_one_coherent_curve(told):
    assert told["as_of"] == "2025-04-01"
    assert told["currency"] == "EUR"
    assert sum(told["lost"].values()) >= 7
    assert any(one["renewal_drivers"] for one in told["accounts"])
    for one in told["accounts"]:
        assert all(later <= now for now, later in zip(one["survival"], one["survival"][1:], strict=False))
        within = one["lost_within"]
        assert within["30"] <= within["90"] <= within["180"] <= within["360"] <= within["720"]
        assert within["720"] == pytest.approx(1 - one["survival"][-1])
        bounds = zip(one["survival_low"], one["survival"], one["survival_high"], strict=True)
        assert all(low <= point <= high for low, point, high in bounds)
        if one["expected_end"] is not None:
            assert one["survival"][-1] <= 0.5
        assert one["residual_value"]["low"] <= one["residual_value"]["value"] <= one["residual_value"]["high"]
        assert all(driver["label"] and driver["log_odds"] > 0 for driver in one["renewal_drivers"])
        assert one["expected_loss"] == pytest.approx(within["90"] * 12 * one["mrr"])


def test_the_accounts_come_in_the_order_asked_for(told):
    values = [one["residual_value"]["value"] for one in told["accounts"]]
    assert values == sorted(values, reverse=True)
    assert [one["avoidable_loss"] for one in told["accounts"]] != sorted(values, reverse=True)


def test_the_sentence_claims_no_more_than_the_bounds(told):
    for one in told["accounts"]:
        text = one["sentence"]
        if one["earliest"] is None:
            assert "More than half" in text
        elif one["latest"] is None:
            assert "not lost before" in text
        else:
            assert text.startswith("Half of such accounts are lost by")


@pytest.mark.usefixtures("fitted_once")
def test_the_table_speaks_the_language_that_is_asked_for(config):
    shown = churnml("survival", config, "--top", 3, "--lang", "ja")
    assert shown.exit_code == 0, shown.output
    assert "解約時期の見通し" in shown.stdout


def test_a_wrong_date_is_told(config):
    shown = churnml("survival", config, "--as-of", "soon")
    assert shown.exit_code == 2
    assert "This is no date" in shown.stderr
