"""MLflow: one run per training, a child per fold, the model registered. The only module that imports mlflow."""

from __future__ import annotations

import json
import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from churnml.config import Config
from churnml.errors import EngineError
from churnml.registry.bundle import Bundle

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["Tracked", "name_alias", "track"]


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
    backtest: Mapping[str, Any],
    frame: pd.DataFrame,
    *,
    fingerprint: str,
    packages: Mapping[str, str],
    artifacts: Mapping[str, Path] | None = None,
) -> Tracked:
    """Record a training: parameters, metrics, lineage, artifacts, the model; register it.

    Parameters
    ----------
    config : Config
        The resolved config; its hash and seed are tags.
    bundle : Bundle
        The saved bundle; it is what the registered model consists of.
    backtest : mapping
        ``pooled`` and ``folds`` as `churnml.training.Backtest.as_dict` gives them.
    frame : DataFrame
        The training frame; its digest is the dataset's lineage, its first rows the input example.
    fingerprint : str
        Fingerprint of the raw data.
    packages : mapping of str to str
        Package → version.
    artifacts : mapping of str to Path, optional
        Artifact folder → file to log.

    Raises
    ------
    EngineError
        The tracking server cannot be reached or refuses.
    """
    with _mlflow(config) as mlflow:
        experiment = mlflow.set_experiment(config.mlflow.experiment or config.name)
        with mlflow.start_run(
            experiment_id=experiment.experiment_id, run_name=f"{config.name} {bundle.version}"
        ) as run:
            mlflow.set_tags(
                {
                    "churnml.config_hash": config.hash,
                    "churnml.data_fingerprint": fingerprint,
                    "churnml.seed": config.seed,
                    "churnml.verdict": bundle.manifest["verdict"],
                    "churnml.bundle_version": bundle.version,
                    **{f"churnml.package.{name}": version for name, version in packages.items()},
                }
            )
            mlflow.log_params(_flat(config.as_dict()))
            mlflow.log_dict(config.as_dict(), "config.json")
            mlflow.log_dict(dict(backtest), "backtest.json")
            mlflow.log_metrics(_metrics(backtest["pooled"]))
            _log_dataset(mlflow, frame, config, fingerprint)
            for folder, path in (artifacts or {}).items():
                mlflow.log_artifact(str(path), folder)
            for fold in backtest["folds"]:
                with mlflow.start_run(run_name=str(fold["name"]), nested=True):
                    mlflow.log_params(
                        {key: value for key, value in fold.items() if key.startswith(("train_", "test_"))}
                    )
                    mlflow.log_metrics(_metrics(fold))
            version = _log_model(mlflow, config, bundle, frame)
        name = config.registered_model
        client = mlflow.MlflowClient()
        client.set_model_version_tag(name, str(version), "churnml.bundle_version", bundle.version)
        client.set_model_version_tag(name, str(version), "churnml.verdict", str(bundle.manifest["verdict"]))
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
        mlflow.set_tracking_uri(config.tracking_uri)
        try:
            if mlflow.get_experiment_by_name(config.mlflow.experiment or config.name) is None:
                where = (config.workspace_dir / "mlartifacts").as_uri() if config.mlflow.tracking_uri is None else None
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


def _log_model(mlflow: ModuleType, config: Config, bundle: Bundle, frame: pd.DataFrame) -> int:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    example = frame[bundle.model.features.names].head(5)
    example = example.assign(**{name: example[name].astype("object") for name in bundle.model.features.categorical})
    inputs = [
        ColSpec("string" if spec.categorical else "double", spec.name, required=False) for spec in bundle.model.features
    ]
    logged = mlflow.pyfunc.log_model(
        name="model",
        loader_module="churnml.registry.pyfunc",
        data_path=str(bundle.path),
        signature=ModelSignature(Schema(inputs), Schema([ColSpec("double", "churn_probability")])),
        input_example=example,
        registered_model_name=config.registered_model,
        pip_requirements=[f"{package}=={version}" for package, version in bundle.manifest["packages"].items()],
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
    """Return ``model_roc_auc``, ``recency_roc_auc`` …, undefined ones left out."""
    flat = {f"model_{name}": value for name, value in scores["model"].items()}
    for baseline, values in scores["baselines"].items():
        flat |= {f"{baseline}_{name}": value for name, value in values.items()}
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
