"""Champion and challengers on a real small company."""

from __future__ import annotations

import json

import pytest
import yaml
from tests.companies.command import churnml, without_plots

from churnml.assessment import Champion
from churnml.config import load_config

pytestmark = pytest.mark.slow  # another model is trained


def answer(*arguments):
    result = churnml(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def contest(ran, tmp_path_factory):
    """A second, hobbled model beside the champion, in a workspace of its own."""
    folder = tmp_path_factory.mktemp("contest")
    settings = yaml.safe_load(ran.config.read_text())
    settings["source"]["folder"] = str(ran.config.parent / "raw")
    del settings["label"]["further_horizons_days"]  # one horizon: the contest goes by the primary one
    config = folder / "contest.yaml"
    config.write_text(yaml.safe_dump(settings))
    with without_plots():
        first = answer("train", config)
    settings["features"] = {"families": ["sentiment"], "windows_days": [28]}
    config.write_text(yaml.safe_dump(settings))
    with without_plots():
        second = answer("train", config)
    return config, first, second


def test_the_first_model_becomes_the_champion(contest):
    _, first, _ = contest
    assert first["promotion"]["promote"] is True
    assert first["model_uri"] == "models:/small@champion"


def test_a_worse_challenger_is_kept_out_with_a_reason(contest):
    config, first, second = contest
    assert second["promotion"]["promote"] is False
    assert second["promotion"]["reason"]
    assert second["model_uri"] == "models:/small/2"
    listed = answer("models", "list", config)
    assert listed["champion"] == first["model_version"]
    assert {found["version"] for found in listed["versions"]} == {first["model_version"], second["model_version"]}
    assert Champion.load(load_config(config)).version == first["model_version"]


def test_two_versions_are_compared_on_the_rows_both_were_tested_on(contest):
    config, first, second = contest
    report = answer("models", "compare", config, first["model_version"], second["model_version"])
    assert report["paired"]["evidence"]["rows"] > 100
    assert report["paired"]["promote"] is False


def test_promotion_by_hand_needs_force_and_a_reason_and_can_be_rolled_back(contest):
    config, first, second = contest
    assert churnml("models", "promote", config, second["model_version"]).exit_code == 2
    assert churnml("models", "promote", config, "nonsense", "--force", "--reason", "x").exit_code == 1
    answer("models", "promote", config, second["model_version"], "--force", "--reason", "a try")
    listed = answer("models", "list", config)
    assert listed["champion"] == second["model_version"]
    assert listed["promotions"][-1]["reason"] == "a try"
    assert listed["promotions"][-1]["forced"] is True
    answer("models", "rollback", config)
    assert answer("models", "list", config)["champion"] == first["model_version"]
