"""A config that predicts expansion, through the whole chain."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml
from mlflow import MlflowClient
from tests.companies.command import churnml, without_plots

pytestmark = pytest.mark.slow  # another model is trained


@pytest.fixture(scope="module")
def config(ran, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("expansion")
    (folder / "workspace").mkdir()
    shutil.copy(ran.workspace / "mlflow.db", folder / "workspace" / "mlflow.db")  # beside the churn model's
    settings = yaml.safe_load(ran.config.read_text())
    settings["source"]["folder"] = str(ran.config.parent / "raw")
    settings["tables"] = {name: settings["tables"][name] for name in ("accounts", "subscriptions", "opportunities")}
    settings["features"] = {"windows_days": [91]}
    settings["label"] = {"target": "expansion", "churn": "contractual", "horizon_days": 60, "change_share": 0.2}
    settings["splits"] = {"folds": 1, "test_snapshots": 2}
    settings["model"] = {"kind": "logistic", "seeds": 1}
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


@pytest.fixture(scope="module")
def report(config) -> dict:
    with without_plots():
        result = churnml("run", config, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_scores_are_named_and_ordered_by_the_expected_gain(config, report):
    scores = pd.read_parquet(report["scores"])
    assert list(scores.columns)[:2] == ["account_id", "as_of"]
    assert {"expansion_probability", "expected_gain"} <= set(scores.columns)
    assert "churn_probability" not in scores
    assert scores["expansion_probability"].between(0, 1).all()
    assert scores["expected_gain"].dropna().is_monotonic_decreasing
    assert report["target"] == "expansion"
    assert report["model_uri"].startswith("models:/small-expansion")
    assert Path(report["bundle"]).parent.name == "small-expansion"
    client = MlflowClient(f"sqlite:///{config.parent / 'workspace' / 'mlflow.db'}")
    assert {model.name for model in client.search_registered_models()} == {"small", "small-expansion"}
    assert "not churn, so the health score is made of rules alone" in " ".join(report["warnings"])


def test_no_output_calls_it_churn(config, report):
    workspace = config.parent / "workspace"
    for path in (Path(report["explanations"]), workspace / "model_card.md"):
        text = path.read_text().replace("something else than churn", "").replace("it is about churn", "")
        for word in ("churn_probability", "churn probability", "risk of", "解約確率", "解約リスク", "churned"):
            assert word not in text, (path.name, word)


@pytest.mark.parametrize(("lang", "words"), [("en", "expansion probability"), ("ja", "契約拡大確率")])
def test_an_account_is_explained_in_words_of_the_target(config, report, lang, words):
    told = json.loads(Path(report["explanations"]).read_text())
    account = next(item["account_id"] for item in told if item["raising"] or item["lowering"])
    shown = churnml("explain", config, account, "--lang", lang)
    assert shown.exit_code == 0, shown.stderr
    assert words in shown.stdout
    assert "risk" not in shown.stdout
    assert churnml("explain", config, account[:-1] + "x", "--json").exit_code == 1


@pytest.mark.parametrize(
    "command",
    [("serve",), ("report", "--portfolio"), ("health", "backtest"), ("explain", "acc-00001", "--set", "mrr=1")],
)
def test_what_is_about_churn_is_refused(config, report, command):
    name, *rest = command
    arguments = (name, *rest, config) if name == "health" else (name, config, *rest)
    result = churnml(*arguments)
    assert result.exit_code == 2
    assert "about the risk of churn" in result.stderr


def test_a_model_of_another_target_does_not_score(config, report):
    settings = yaml.safe_load(config.read_text())
    settings["label"]["target"] = "churn"
    settings["mlflow"] = {"registered_model": "small-expansion"}
    other = config.parent / "other.yaml"
    other.write_text(yaml.safe_dump(settings))
    result = churnml("score", other)
    assert result.exit_code == 1
    assert "predicts expansion, the config asks for churn" in result.stderr
