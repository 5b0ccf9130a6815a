"""What MLflow holds after a training, on a real PostgreSQL; `tests/pipeline` does it on SQLite."""

from __future__ import annotations

import itertools
import json
import os
import warnings
from dataclasses import replace
from datetime import date

import pytest

from churnml.config import Config
from churnml.errors import EngineError
from churnml.evaluation.tuning import Trial, Tuning
from churnml.registry import set_champion
from churnml.registry.mlflow_session import open_mlflow
from churnml.registry.promotion import Promotion
from churnml.registry.tracking import name_alias, settle, track
from churnml.training.survival_verdict import FarTest, SurvivalRole, SurvivalVerdict

PLOTS = {
    "roc",
    "precision_recall",
    "calibration",
    "lift_gain",
    "profit",
    "score_distribution",
    "backtest_over_time",
    "shap_summary",
    "shap_dependence",
}
TUNING = Tuning(
    applied=False,
    reason="The defaults stay: no other of 2 trials had a lower log loss.",
    params={"num_leaves": 4},
    trials=(Trial(0, True, "complete", {"num_leaves": 4}, 0.3), Trial(1, False, "pruned", {"num_leaves": 7}, 0.31)),
)


HEADLINE = {"roc_auc", "average_precision", "log_loss", "brier_score", "calibration_error", "lift_at_10_percent"}


@pytest.fixture
def mlflow():
    """MLflow, its tracking URI put back afterwards."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow

        before = mlflow.get_tracking_uri()
        yield mlflow
        mlflow.set_tracking_uri(before)


def _with_tracking(config: Config, uri: str, folder) -> Config:
    data = config.model_dump(by_alias=True)
    return Config.model_validate({**data, "mlflow": {"tracking_uri": uri}, "workspace": str(folder / "w")})


@pytest.mark.slow
@pytest.mark.postgres
def test_a_run_holds_all_that_a_reader_needs(company, tmp_path, monkeypatch, postgres_database, mlflow):
    monkeypatch.chdir(tmp_path)
    # MLflow never closes its pool; a connection left in it would be collected in the middle of another test.
    monkeypatch.setenv("MLFLOW_SQLALCHEMYSTORE_POOLCLASS", "NullPool")
    config = _with_tracking(company.config, postgres_database, tmp_path)
    before = mlflow.get_tracking_uri()
    card = tmp_path / "w" / "model_card.md"
    card.parent.mkdir(exist_ok=True)
    card.write_text("# the card", encoding="utf-8")
    far = FarTest(date(2025, 1, 1), 214, 61, {"hazard": 0.0739, "kaplan_meier": 0.0782}, {}, True)
    curves = SurvivalVerdict(SurvivalRole.SERVES, "served", far=far)
    tracked = track(
        config,
        replace(company.bundle, survival=curves),
        company.frame,
        plots=dict.fromkeys(PLOTS, b"\x89PNG"),
        documents=[card],
        tuning=TUNING,
    )
    assert mlflow.get_tracking_uri() == before
    assert name_alias(config, "champion", company.bundle.version) == "models:/acme@champion"

    mlflow.set_tracking_uri(config.tracking_uri.replace("postgresql://", "postgresql+psycopg://"))
    client = mlflow.MlflowClient()
    run = client.get_run(tracked.run_id)
    assert {file.path for file in client.list_artifacts(run.info.run_id, "plots")} == {
        f"plots/{name}.png" for name in PLOTS
    }
    files = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert {"model_card.md", "config.json", "backtest.json", "plots"} <= files
    assert mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/model_card.md") == "# the card"
    metrics = run.data.metrics
    assert metrics["detail/interval/roc_auc_low"] < metrics["roc_auc"]
    assert {name for name in metrics if "/" not in name} == HEADLINE
    assert metrics["detail/recency/roc_auc"] == company.tested.report().pooled.baselines["recency"].roc_auc
    assert metrics["detail/survival/integrated_brier/kaplan_meier"] == 0.0782
    assert run.data.tags["churnml.survival"] == "serves"
    assert run.data.tags["mlflow.note.content"] == str(company.bundle.manifest.verdict_reason)
    assert run.inputs.dataset_inputs
    children = client.search_runs(
        [run.info.experiment_id], filter_string=f"tags.mlflow.parentRunId = '{run.info.run_id}'"
    )
    by_name = {child.info.run_name: child.data for child in children}
    assert set(by_name) == {"fold 1", "fold 2", "trial 0", "trial 1"}
    assert by_name["trial 1"].params == {"num_leaves": "7"}
    assert by_name["trial 1"].metrics == {"log_loss": 0.31}
    assert by_name["trial 1"].tags["churnml.trial_state"] == "pruned"
    assert run.data.tags["churnml.tuning"] == "defaults"
    assert run.data.tags["churnml.scored_by"] in ("model", "recency", "reference", "rfm", "base_rate")
    assert run.data.tags["churnml.beside.logistic"] in ("beats", "level", "loses")
    model = mlflow.pyfunc.load_model("models:/acme@champion")
    rows = company.frame.head(20).assign(plan=company.frame["plan"].head(20).astype("object"))
    own = company.bundle.model
    predicted = model.predict(rows[own.features.names])["churn_probability"]
    assert predicted.tolist() == own.probability(own.matrix(rows)).tolist()
    version = client.get_model_version("acme", tracked.model_version)
    for told in ("1,760 labelled rows of 160 accounts", "as of 2024-01-01 to 2024-11-01", "Verdict: ", "f" * 12):
        assert told in version.description
    logged = client.get_logged_model(version.source.removeprefix("models:/"))
    assert {metric.key for metric in logged.metrics if "/" not in metric.key} == HEADLINE
    assert json.loads(logged.tags["mlflow.modelVersions"]) == [{"name": "acme", "version": "1"}]
    experiment = client.get_experiment(run.info.experiment_id)
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"
    # Beside a bare database, artifacts go to the workspace and not to wherever the command was run.
    assert {path.name for path in tmp_path.iterdir()} == {"w"}


def test_the_surroundings_do_not_overrule_the_config(company, tmp_path, monkeypatch, mlflow):
    monkeypatch.setenv("MLFLOW_SQLALCHEMYSTORE_POOLCLASS", "NullPool")
    monkeypatch.setenv("MLFLOW_RUN_ID", "0" * 32)
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "another")
    monkeypatch.chdir(tmp_path)
    config = company.config.model_copy(update={"workspace": tmp_path / "why? 100 % 会社#1"})
    tracked = track(config, company.bundle, company.frame, plots={})
    assert os.environ["MLFLOW_RUN_ID"] == "0" * 32
    assert os.environ["MLFLOW_REGISTRY_URI"] == "http://127.0.0.1:9"
    entry = Promotion(company.bundle.version, None, "2026-01-02T00:00:00+00:00", "It is better.", by="ann")
    name_alias(config, "champion", company.bundle.version, entry)
    with open_mlflow(config):
        version = mlflow.MlflowClient().get_model_version_by_alias("acme", "champion")
        assert version.run_id == tracked.run_id
        assert version.description.endswith("Champion since 2026-01-02T00:00:00+00:00, by ann: It is better.")
    assert [path.name for path in tmp_path.iterdir()] == ["why? 100 % 会社#1"]
    # A promotion that was killed before MLflow heard of it is finished by the next training.
    with open_mlflow(config):
        mlflow.MlflowClient().delete_registered_model_alias("acme", "champion")
    models = company.config.bundles_dir
    set_champion(models, "acme", company.bundle.version)
    settle(config.model_copy(update={"models_dir": models}))
    with open_mlflow(config):
        assert mlflow.MlflowClient().get_model_version_by_alias("acme", "champion").run_id == tracked.run_id


@pytest.mark.slow
def test_a_moved_workspace_takes_its_artifacts_along(company, tmp_path, monkeypatch, mlflow):
    monkeypatch.setenv("MLFLOW_SQLALCHEMYSTORE_POOLCLASS", "NullPool")
    config = company.config.model_copy(update={"workspace": tmp_path / "old"})
    first = track(config, company.bundle, company.frame, plots={"roc": b"PNG"})
    (tmp_path / "old").rename(tmp_path / "new")
    moved = config.model_copy(update={"workspace": tmp_path / "new"})
    second = track(moved, company.bundle, company.frame, plots={"roc": b"PNG"})
    assert not (tmp_path / "old").exists()
    with open_mlflow(moved):
        for tracked in (first, second):
            rows = company.frame.head(3).assign(plan=company.frame["plan"].head(3).astype("object"))
            model = mlflow.pyfunc.load_model(tracked.model_uri)
            assert len(model.predict(rows[company.bundle.model.features.names])) == 3
            assert mlflow.MlflowClient().list_artifacts(tracked.run_id, "plots")


def test_a_server_that_does_not_answer_is_named(company, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    config = _with_tracking(company.config, "http://127.0.0.1:9", tmp_path)
    with pytest.raises(EngineError, match="MLflow refused") as caught:
        name_alias(config, "champion", "x")
    assert "127.0.0.1:9" in str(caught.value)
    assert len(list(itertools.islice(tmp_path.rglob("*"), 2))) == 1
