"""MLflow: one run per training, a child per fold and per trial, plots, card, model. Only this module imports mlflow."""

from __future__ import annotations

import json
import logging
import os
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pandas as pd

from churnml.config import Config
from churnml.errors import EngineError
from churnml.registry.bundle import Bundle

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["Tracked", "name_alias", "track"]

_DATABASES = {"sqlite", "postgresql", "mysql", "mssql"}


@dataclass(frozen=True)
class Tracked:
    """What MLflow made of a training.

    Parameters
    ----------
    run_id : str
        The parent run.
    model_version : int
        Version in the registry.
    model_uri : str
        ``models:/<name>/<version>``.
    """

    run_id: str
    model_version: int
    model_uri: str


def track(
    config: Config,
    bundle: Bundle,
    frame: pd.DataFrame,
    *,
    plots: Mapping[str, bytes],
    documents: Sequence[Path] = (),
    tuning: Mapping[str, Any] | None = None,
) -> Tracked:
    """Record a training: parameters, metrics, lineage, plots, documents, the model; register it.

    Parameters
    ----------
    config : Config
        The resolved config; its hash and seed are tags.
    bundle : Bundle
        The saved bundle; it is what the registered model consists of, and its manifest says how it came about.
    frame : DataFrame
        The training frame; its digest is the dataset's lineage, its first rows the input example.
    plots : mapping of str to bytes
        Name → PNG, kept under ``plots/``.
    documents : sequence of Path
        Files to keep beside, such as the model card.
    tuning : mapping, optional
        `churnml.training.Tuning.as_dict`: a child run per trial.

    Raises
    ------
    EngineError
        The tracking server cannot be reached or refuses.
    """
    manifest, backtest = bundle.manifest, bundle.manifest.backtest
    with _mlflow(config) as mlflow:
        experiment = mlflow.set_experiment(config.mlflow.experiment or config.name)
        with mlflow.start_run(
            experiment_id=experiment.experiment_id,
            run_name=f"{config.name} {bundle.version}",
            description=manifest.verdict_reason,
        ) as run:
            mlflow.set_tags(
                {
                    "churnml.config_hash": config.hash,
                    "churnml.data_fingerprint": manifest.fingerprint,
                    "churnml.seed": config.seed,
                    "churnml.verdict": manifest.verdict,
                    "churnml.target": bundle.model.target,
                    "churnml.scored_by": "model" if bundle.model.rule is None else bundle.model.rule.name,
                    **{f"churnml.beside.{name}": one["outcome"] for name, one in _beside(backtest).items()},
                    "churnml.bundle_version": bundle.version,
                    **{f"churnml.package.{name}": version for name, version in manifest.packages.items()},
                }
            )
            mlflow.log_params(_flat(config.as_dict()))
            mlflow.log_dict(config.as_dict(), "config.json")
            mlflow.log_dict(dict(backtest), "backtest.json")
            mlflow.log_metrics(_metrics(backtest["pooled"]))
            for days, further in backtest.get("horizons", {}).items():
                # model_roc_auc_30d: the same names, the horizon last.
                mlflow.log_metrics({f"{name}_{days}d": value for name, value in _metrics(further["pooled"]).items()})
            _log_dataset(mlflow, frame, config, manifest.fingerprint)
            _log_files(mlflow, plots, documents)
            for fold in backtest["folds"]:
                with mlflow.start_run(run_name=str(fold["name"]), nested=True):
                    mlflow.log_params(
                        {key: value for key, value in fold.items() if key.startswith(("train_", "test_"))}
                    )
                    mlflow.log_metrics(_metrics(fold))
            if tuning is not None:
                _log_tuning(mlflow, tuning)
            version = _log_model(mlflow, config, bundle, frame)
        name = config.registered_model
        client = mlflow.MlflowClient()
        client.set_model_version_tag(name, str(version), "churnml.bundle_version", bundle.version)
        client.set_model_version_tag(name, str(version), "churnml.verdict", manifest.verdict)
    return Tracked(run_id=run.info.run_id, model_version=version, model_uri=f"models:/{name}/{version}")


def name_alias(config: Config, alias: str, bundle_version: str) -> str | None:
    """Give the registered version that holds a bundle an alias such as ``champion``; return its ``models:/`` URI.

    Returns None where this tracking server does not know the bundle (it was trained against another one).
    """
    name = config.registered_model
    with _mlflow(config) as mlflow:
        client = mlflow.MlflowClient()
        found = [
            int(version.version)
            for version in client.search_model_versions(f"name = '{name}'")
            if version.tags.get("churnml.bundle_version") == bundle_version
        ]
        if not found:
            return None
        client.set_registered_model_alias(name, alias, str(max(found)))
    return f"models:/{name}@{alias}"


@contextmanager
def _mlflow(config: Config) -> Iterator[ModuleType]:
    """Give mlflow, pointed at the config's tracking server and kept from chattering on stderr."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    config.workspace_dir.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow

        for name in ("mlflow", "alembic", "sqlalchemy"):
            logging.getLogger(name).setLevel(logging.ERROR)
        before = mlflow.get_tracking_uri()
        mlflow.set_tracking_uri(_with_driver(config.tracking_uri))
        try:
            if mlflow.get_experiment_by_name(config.mlflow.experiment or config.name) is None:
                # A server says itself where artifacts go; beside a bare database they go to the workspace.
                bare = urlsplit(config.tracking_uri).scheme.partition("+")[0] in _DATABASES
                where = (config.workspace_dir / "mlartifacts").as_uri() if bare else None
                mlflow.create_experiment(config.mlflow.experiment or config.name, artifact_location=where)
            yield mlflow
        except mlflow.exceptions.MlflowException as error:
            raise EngineError(
                "MLflow refused",
                where=str(config.as_dict()["mlflow"]["tracking_uri"] or config.tracking_uri),
                got=str(error).splitlines()[0],
                remedy="Check mlflow.tracking_uri in the config and that its server answers.",
                code="mlflow",
            ) from error
        finally:
            mlflow.set_tracking_uri(before)


def _with_driver(uri: str) -> str:
    """Name the PostgreSQL driver that churnml brings where a URI names none, as the store does.

    Examples
    --------
    >>> _with_driver("postgresql://mlflow@db/mlflow")
    'postgresql+psycopg://mlflow@db/mlflow'
    >>> _with_driver("http://mlflow:5000")
    'http://mlflow:5000'
    """
    scheme, mark, rest = uri.partition("://")
    return f"postgresql+psycopg://{rest}" if mark and scheme in ("postgresql", "postgres") else uri


def _beside(backtest: Mapping[str, Any]) -> Mapping[str, Mapping[str, str]]:
    found: Mapping[str, Mapping[str, str]] = backtest["verdict"].get("beside", {})
    return found


def _log_tuning(mlflow: ModuleType, tuning: Mapping[str, Any]) -> None:
    """Log what the search found to the open run, and each trial as a child run."""
    mlflow.set_tags({"churnml.tuning": "applied" if tuning["applied"] else "defaults"})
    mlflow.set_tag("churnml.tuning_reason", tuning["reason"])
    mlflow.log_dict(dict(tuning), "tuning.json")
    mlflow.log_params({f"tuned.{name}": value for name, value in tuning["params"].items() if tuning["applied"]})
    if tuning["gain"] is not None:
        mlflow.log_metrics({f"tuning_log_loss_gain_{name}": value for name, value in tuning["gain"].items()})
    for trial in tuning["trials"]:
        with mlflow.start_run(run_name=f"trial {trial['number']}", nested=True):
            mlflow.set_tags({"churnml.trial_state": trial["state"], "churnml.trial_defaults": trial["defaults"]})
            mlflow.log_params(trial["params"])
            if trial["log_loss"] is not None:
                mlflow.log_metric("log_loss", trial["log_loss"])


def _log_files(mlflow: ModuleType, plots: Mapping[str, bytes], documents: Sequence[Path]) -> None:
    """Log the plots under ``plots/`` and the documents beside."""
    with tempfile.TemporaryDirectory(prefix="churnml-plots-") as folder:
        for name, image in plots.items():
            (Path(folder) / f"{name}.png").write_bytes(image)
        mlflow.log_artifacts(folder, "plots")
    for document in documents:
        mlflow.log_artifact(str(document))


def _log_model(mlflow: ModuleType, config: Config, bundle: Bundle, frame: pd.DataFrame) -> int:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    example = frame[bundle.model.features.names].head(5)
    example = example.assign(**{name: example[name].astype("object") for name in bundle.model.features.categorical})
    inputs = [
        ColSpec("string" if spec.categorical else "double", spec.name, required=False) for spec in bundle.model.features
    ]
    outputs = dict.fromkeys([bundle.model.output, *bundle.model.horizon_columns.values()])
    logged = mlflow.pyfunc.log_model(
        name="model",
        loader_module="churnml.registry.pyfunc",
        data_path=str(bundle.path),
        signature=ModelSignature(Schema(inputs), Schema([ColSpec("double", name) for name in outputs])),
        input_example=example,
        registered_model_name=config.registered_model,
        pip_requirements=[f"{package}=={version}" for package, version in bundle.manifest.packages.items()],
    )
    return int(logged.registered_model_version)


def _log_dataset(mlflow: ModuleType, frame: pd.DataFrame, config: Config, fingerprint: str) -> None:
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.data.pandas_dataset import PandasDataset

    labelled = frame[frame["churned"].notna()]
    dataset = mlflow.data.from_pandas(
        labelled[["account_id", "as_of", "churned"]].assign(account_id=labelled["account_id"].astype("object")),
        name=config.name,
        targets="churned",
        digest=fingerprint[:36],
        source=CodeDatasetSource(tags={"fingerprint": fingerprint}),
    )
    assert isinstance(dataset, PandasDataset)
    mlflow.log_input(dataset, context="training")


def _metrics(scores: Mapping[str, Any]) -> dict[str, float]:
    """Return ``model_roc_auc``, ``model_roc_auc_low``, ``recency_roc_auc`` …, undefined ones left out."""
    flat = {f"model_{name}": value for name, value in scores["model"].items()}
    for baseline, values in scores["baselines"].items():
        flat |= {f"{baseline}_{name}": value for name, value in values.items()}
    for name, interval in scores.get("intervals", {}).items():
        flat |= {f"model_{name}_{bound}": interval[bound] for bound in ("low", "high")}
    return {name: float(value) for name, value in flat.items() if isinstance(value, int | float)}


def _flat(data: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return nested settings as dotted names; MLflow cuts values at 6,000 characters, so do we."""
    out: dict[str, str] = {}
    for name, value in data.items():
        if isinstance(value, dict) and value and prefix.count(".") < 2:
            out |= _flat(value, f"{prefix}{name}.")
        else:
            out[f"{prefix}{name}"] = (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))[:6000]
    return out
