"""The chain from raw files to a scored, tracked, explained snapshot, and the promises it makes."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import anyio
import httpx
import pandas as pd
import pytest
from tests.companies.command import churnml

from churnml.config import load_config
from churnml.serving.app import create_app
from churnml.serving.settings import Settings
from churnml.serving.state import ServingState
from churnml.store import Store

METRICS = {"n", "positives", "roc_auc", "average_precision", "log_loss", "brier", "ece", "lift_at_10"}


SCORES = [
    "account_id",
    "as_of",
    "name",
    "owner",
    "arr",
    "churn_probability",
    "churn_probability_60d",
    "churn_probability_120d",
    "expected_loss",
    "health_score",
    "band",
    "coverage",
    "reasons",
    "drivers",
    "verdict",
    "model_version",
    "config_hash",
    "scored_at",
]


def test_the_report_has_what_other_programs_rely_on(ran):
    report = ran.report
    assert report["verdict"] in ("publishable", "rules_only")
    pooled = report["backtest"]["pooled"]
    assert set(pooled["model"]) >= METRICS
    # Of the configured model and the regression on all features one is told, and the other stands beside it.
    beside = {"model": "logistic", "logistic": "blend"}[report["backtest"]["estimator"]]
    assert set(pooled["baselines"]) >= {"base_rate", "recency", "reference", beside}
    assert len({"logistic", "blend"} & set(pooled["baselines"])) == 1
    for values in pooled["baselines"].values():
        assert set(values) >= METRICS
    assert len(report["backtest"]["folds"]) == 2
    for fold in report["backtest"]["folds"]:
        assert {"train_from", "train_until", "test_from", "test_until", "model", "baselines"} <= set(fold)
        gap = pd.Timestamp(fold["test_from"]) - pd.Timestamp(fold["train_until"])
        assert gap >= pd.Timedelta(days=60)
    assert report["model_uri"] == "models:/small@champion"
    assert Path(report["bundle"]).is_dir()
    assert Path(report["scores"]).is_file()
    assert isinstance(report["rejected"], dict)
    assert set(report["seconds"]) >= {"check", "features", "backtest", "fit", "track", "score"}
    assert report["peak_rss_mb"] > 50


def test_scores_have_one_row_per_account(ran):
    scores = pd.read_parquet(ran.report["scores"])
    assert list(scores.columns) == SCORES
    assert scores["account_id"].is_unique
    assert scores["churn_probability"].between(0, 1).all()
    assert scores["health_score"].dropna().between(0, 100).all()
    assert set(scores["band"]) <= {"green", "yellow", "red", "unknown"}
    assert scores["as_of"].nunique() == 1
    assert scores["name"].notna().all()
    assert scores["owner"].notna().any()
    worth = scores["churn_probability"] * scores["arr"]
    pd.testing.assert_series_equal(scores["expected_loss"], worth, check_names=False)
    told = json.loads((Path(ran.report["scores"]).parent / "explanations.json").read_text(encoding="utf-8"))
    assert [list(reasons) for reasons in scores["reasons"]] == [item["in_words"]["reasons"] for item in told]
    assert any(item["in_words"]["reasons"] for item in told)
    assert all("summary_en" not in item and item["summary"]["code"] for item in told)


def test_a_longer_horizon_never_has_a_smaller_probability(ran):
    scores = pd.read_parquet(ran.report["scores"])
    columns = [f"churn_probability_{days}d" for days in (60, 120)]
    assert (scores[columns].diff(axis=1).iloc[:, 1:] >= 0).all(axis=None)
    assert (scores["churn_probability_60d"] == scores["churn_probability"]).all()
    assert (scores["churn_probability_60d"] < scores["churn_probability_120d"]).mean() > 0.5


def test_every_horizon_is_judged_and_kept_where_readers_look(ran):
    horizons = ran.report["backtest"]["horizons"]
    assert list(horizons) == ["120"]
    for days, report in horizons.items():
        assert set(report["pooled"]["model"]) >= METRICS
        for fold in report["folds"]:
            room = pd.Timestamp(fold["test_from"]) - pd.Timestamp(fold["train_until"])
            assert room >= pd.Timedelta(days=int(days))
        assert f"| {days} | {len(report['folds'])} |" in (ran.workspace / "model_card.md").read_text()
    assert "Further horizons" in (ran.workspace / "model_card.html").read_text()
    manifest = json.loads((Path(ran.report["bundle"]) / "manifest.json").read_text())
    assert "model/horizon-120-model.json" in manifest["files"]
    scores = pd.read_parquet(ran.report["scores"]).set_index("account_id")
    with Store(f"sqlite:///{ran.workspace / 'store.db'}") as store:
        snapshot = store.latest("small")
        for account in scores.index[:5]:
            kept = store.account(snapshot.id, account).details["horizons"]
            assert kept == {str(days): scores.loc[account, f"churn_probability_{days}d"] for days in (60, 120)}


def test_every_output_lies_in_the_workspace(ran):
    beside = {path.name for path in ran.config.parent.iterdir()}
    assert beside == {"raw", "small.yaml", "workspace"}
    assert not list(ran.workspace.rglob("*.part"))


def test_a_wrong_budget_is_told_before_anything_is_read(ran):
    refused = churnml("train", ran.config, "--budget", "soon")
    assert refused.exit_code == 2
    assert "300s" in refused.stderr
    assert "✓" not in refused.stderr


def test_nothing_is_pickled(ran):
    assert not [path for path in ran.workspace.rglob("*") if path.suffix in {".pkl", ".pickle", ".joblib"}]


def test_mlflow_predicts_what_was_scored(ran, made):
    import mlflow

    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{ran.workspace / 'mlflow.db'}")
    try:
        model = mlflow.pyfunc.load_model(ran.report["model_uri"])
        run = mlflow.get_run(ran.report["run_id"])
        card = mlflow.artifacts.load_text(f"runs:/{ran.report['run_id']}/model_card.md")
        children = mlflow.search_runs(
            experiment_names=["small"], filter_string=f"tags.mlflow.parentRunId = '{ran.report['run_id']}'"
        )
    finally:
        mlflow.set_tracking_uri(before)
    features = pd.read_parquet(made.path)
    scores = pd.read_parquet(ran.report["scores"]).set_index("account_id")["churn_probability"]
    same_day = features[features["as_of"] == features["as_of"].max()].reset_index(drop=True)
    words = dict.fromkeys(same_day.select_dtypes("category"), "object")
    rows = same_day[model.metadata.get_input_schema().input_names()].astype(words)
    predicted = model.predict(rows)["churn_probability"]
    expected = scores.reindex(same_day["account_id"]).to_numpy()
    assert len(predicted) > 50
    assert predicted.to_numpy() == pytest.approx(expected, abs=1e-12)
    assert run.data.tags["churnml.config_hash"]
    assert run.data.tags["churnml.data_fingerprint"]
    assert run.data.tags["churnml.seed"] == "7"
    assert run.data.tags["churnml.package.lightgbm"]
    assert run.data.params["label.horizon_days"] == "60"
    assert run.inputs.dataset_inputs
    assert len(children) == 2
    assert card == (ran.workspace / "model_card.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_second_run_gives_the_same_model_and_scores_to_the_last_digit(ran, tmp_path):
    shutil.copytree(ran.config.parent, tmp_path / "company")
    again = churnml("run", tmp_path / "company" / "small.yaml", "--json")
    assert again.exit_code == 0, again.stderr
    report = json.loads(again.stdout)
    left, right = (pd.read_parquet(r["scores"]).drop(columns="scored_at") for r in (ran.report, report))
    pd.testing.assert_frame_equal(left, right, check_exact=True)
    assert report["model_version"] == ran.report["model_version"]
    assert report["promotion"]["promote"] is False
    assert report["model_uri"] == "models:/small@champion"
    assert Path(report["bundle"]).name == Path(ran.report["bundle"]).name


@pytest.mark.slow
def test_scoring_an_older_date_needs_no_newer_data_and_the_newest_again_changes_no_alert(ran):
    # What others have closed since the last scoring makes room for held-back alerts; that is not what is asked here.
    assert churnml("score", ran.config, "--json").exit_code == 0
    alerts = churnml("alerts", "list", ran.config, "--json").stdout
    old = churnml("score", ran.config, "--as-of", "2025-02-01", "--json")
    assert old.exit_code == 0, old.stderr
    assert json.loads(old.stdout)["as_of"] == "2025-02-01"
    newest = churnml("score", ran.config, "--json")
    assert json.loads(newest.stdout)["as_of"] == ran.report["as_of"]
    assert churnml("alerts", "list", ran.config, "--json").stdout == alerts


def test_an_account_is_explained_with_its_numbers(ran):
    account = pd.read_parquet(ran.report["scores"])["account_id"].iloc[0]
    told = json.loads(churnml("explain", ran.config, account, "--json").stdout)
    assert told["account_id"] == account
    assert {"raising", "lowering", "churn_probability", "health_score", "band"} <= set(told)
    for driver in told["raising"] + told["lowering"]:
        assert driver["sentence_en"]
        assert driver["sentence_ja"]
        # Where the model did not pass, the reasons are the health measures': they have no effect on log-odds.
        assert told["source"] == "rules" or math.isfinite(driver["effect_log_odds"])
    assert churnml("explain", ran.config, account, "--lang", "ja").stdout


def test_the_service_answers_what_was_scored_for_every_account_to_the_last_digit(ran):
    settings = Settings.from_config(load_config(ran.config), insecure=True)
    scores = pd.read_parquet(ran.report["scores"]).set_index("account_id")
    state = ServingState(settings)
    state.start()
    transport = httpx.ASGITransport(create_app(state))

    async def ask():
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            for account, row in scores.iterrows():
                held = state.store.features(state.view.snapshot.id, account)
                by_id = await http.post("/v1/predict", json={"account_id": account})
                computed = await http.post("/v1/predict", json={"features": held, "as_of": f"{row['as_of']:%Y-%m-%d}"})
                told = await http.get(f"/v1/accounts/{account}/explanation")
                yield row, by_id.json(), computed.json(), told.json()

    async def compare():
        seen = 0
        async for row, by_id, computed, told in ask():
            for name in ("churn_probability", "health_score", "band", "coverage", "model_version"):
                expected = None if pd.isna(row[name]) else row[name]
                assert (by_id[name], computed[name], told[name]) == (expected,) * 3, (row.name, name)
            assert by_id["horizons"] == computed["horizons"]
            assert by_id["as_of"] == computed["as_of"] == f"{row['as_of']:%Y-%m-%d}"
            drivers = [*told["explanation"]["raising"], *told["explanation"]["lowering"]]
            assert [driver["sentence"] for driver in drivers] == list(row["drivers"])
            seen += 1
        return seen

    try:
        assert anyio.run(compare) == len(scores) > 100
    finally:
        state.stop()
