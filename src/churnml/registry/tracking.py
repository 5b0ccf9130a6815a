"""MLflow: one run per training, a child per fold and per trial, plots, card, model."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from pydantic_core import to_jsonable_python

from churnml.config.needs import TrackingSections
from churnml.errors import BundleError
from churnml.language import Argument, phrases, render
from churnml.registry.bundle import Bundle, read_pointer
from churnml.registry.manifest import recorded
from churnml.registry.mlflow_session import experiment_name, open_mlflow
from churnml.registry.promotion import Promotion
from churnml.registry.run_facts import describe, details, flat, headline, survival_figures, tags

if TYPE_CHECKING:
    from types import ModuleType

    from churnml.evaluation import Tuning

__all__ = ["Tracked", "name_alias", "settle", "tag_run", "track", "track_moved"]


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
    config: TrackingSections,
    bundle: Bundle,
    frame: pd.DataFrame,
    *,
    plots: Mapping[str, bytes],
    documents: Sequence[Path] = (),
    tuning: Tuning | None = None,
) -> Tracked:
    """Record a training: parameters, metrics, lineage, plots, documents, the model; register it.

    Parameters
    ----------
    config : Config
        The resolved config; its hash and seed are tags.
    bundle : Bundle
        The saved bundle; it is what the registered model consists of, and its manifest says how it came about.
    frame : DataFrame
        The training frame; its first rows are the input example.
    plots : mapping of str to bytes
        Name → PNG, kept under ``plots/``.
    documents : sequence of Path
        Files to keep beside, such as the model card.
    tuning : Tuning, optional
        A search for parameters: a child run per trial.

    Raises
    ------
    EngineError
        The tracking server cannot be reached or refuses.
    """
    manifest, backtest = bundle.manifest, bundle.manifest.backtest
    with open_mlflow(config) as mlflow:
        experiment = mlflow.get_experiment_by_name(experiment_name(config))
        with mlflow.start_run(
            experiment_id=experiment.experiment_id,
            run_name=f"{config.name} {bundle.version}",
            description=render(manifest.verdict_reason, config.language),
            nested=mlflow.active_run() is not None,
        ) as run:
            mlflow.set_tags(tags(bundle))
            settings = recorded(config)
            mlflow.log_params(flat(settings))
            mlflow.log_dict(settings, "config.json")
            mlflow.log_dict(dict(backtest), "backtest.json")
            dataset = _log_dataset(mlflow, frame, config, manifest.fingerprint)
            _log_files(mlflow, plots, documents)
            model = _log_model(mlflow, bundle, frame)
            # The few on the model's own page as well, beside the data they were measured on.
            mlflow.log_metrics(headline(backtest["pooled"]), model_id=model.model_id, dataset=dataset)
            mlflow.log_metrics(details(backtest["pooled"]))
            for days, longer in backtest.get("horizons", {}).items():
                own = {**headline(longer["pooled"]), **details(longer["pooled"], "")}
                mlflow.log_metrics({f"detail/horizon_{days}d/{name}": value for name, value in own.items()})
            if bundle.survival is not None:
                mlflow.set_tag("churnml.survival", bundle.survival.role.value)
                mlflow.log_metrics(survival_figures(bundle.survival))
            for fold in backtest["folds"]:
                _log_fold(mlflow, fold)
            if tuning is not None:
                _log_tuning(mlflow, tuning)
        version = _register(mlflow, config, bundle, frame, model, run.info.run_id)
    uri = f"models:/{config.registered_model}/{version}"
    return Tracked(run_id=run.info.run_id, model_version=version, model_uri=uri)


def track_moved(
    config: TrackingSections, bundle: Bundle, example: pd.DataFrame, *, before: str, reason: Argument
) -> Tracked:
    """Record a version that is an earlier one moved to a new churn rate: a run with the reason, the model, registered.

    Parameters
    ----------
    config : Config
    bundle : Bundle
        The moved version.
    example : DataFrame
        Some rows of its features.
    before : str
        The version that it was made of.
    reason : Text or str
        Why.

    Raises
    ------
    EngineError
        The tracking server cannot be reached or refuses.
    """
    description = render(reason, config.language)
    with open_mlflow(config) as mlflow:
        experiment = mlflow.get_experiment_by_name(experiment_name(config))
        with mlflow.start_run(
            experiment_id=experiment.experiment_id,
            run_name=f"{config.name} {bundle.version}",
            description=description,
            nested=mlflow.active_run() is not None,
        ) as run:
            mlflow.set_tags({**tags(bundle), "churnml.moved_from": before, "churnml.because": description[:5000]})
            model = _log_model(mlflow, bundle, example)
        client = mlflow.MlflowClient()
        version = client.create_model_version(
            config.registered_model,
            source=model.model_uri,
            run_id=run.info.run_id,
            model_id=model.model_id,
            description=description,
            tags={"churnml.bundle_version": bundle.version, "churnml.verdict": str(bundle.manifest.verdict)},
        )
    uri = f"models:/{config.registered_model}/{version.version}"
    return Tracked(run_id=run.info.run_id, model_version=int(version.version), model_uri=uri)


def tag_run(config: TrackingSections, run_id: str, tags: Mapping[str, str]) -> None:
    """Add tags to a run that has ended, such as why the training was due."""
    with open_mlflow(config) as mlflow:
        for name, value in tags.items():
            mlflow.MlflowClient().set_tag(run_id, name, value[:5000])


def settle(config: TrackingSections) -> None:
    """Find out before a long run whether MLflow answers, and let its alias follow the champion in use.

    A promotion that was cut off between the pointer on disk and MLflow is finished so.

    Raises
    ------
    EngineError
        The tracking server cannot be reached or refuses.
    """
    name = config.registered_model
    with suppress(BundleError):  # there may be no champion yet, or a damaged pointer, which scoring will tell
        champion = (read_pointer(config.bundles_dir, name) or {}).get("version")
        with open_mlflow(config) as mlflow:
            client = mlflow.MlflowClient()
            version = _registered(client, name, champion) if champion else None
            if version is not None and version.aliases is not None and "champion" not in version.aliases:
                client.set_registered_model_alias(name, "champion", version.version)


def _registered(client: Any, name: str, bundle_version: str) -> Any:
    """Return the newest registered version that holds a bundle; None where this server does not know it."""
    registered = [
        version
        for version in client.search_model_versions(f"name = '{name}'")
        if version.tags.get("churnml.bundle_version") == bundle_version
    ]
    newest = max(registered, key=lambda version: int(version.version), default=None)
    return None if newest is None else client.get_model_version(name, newest.version)


def name_alias(
    config: TrackingSections, alias: str, bundle_version: str, promotion: Promotion | None = None
) -> str | None:
    """Give the registered version that holds a bundle an alias such as ``champion``; return its ``models:/`` URI.

    Parameters
    ----------
    config : Config
    alias : str
    bundle_version : str
    promotion : Promotion, optional
        Who promoted the version and why is added to its description.

    Returns
    -------
    str or None
        None where this tracking server does not know the bundle (it was trained against another one).
    """
    name = config.registered_model
    with open_mlflow(config) as mlflow:
        client = mlflow.MlflowClient()
        newest = _registered(client, name, bundle_version)
        if newest is None:
            return None
        client.set_registered_model_alias(name, alias, newest.version)
        if promotion is not None:
            sentence = phrases(config.language)(
                "mlflow-champion", at=promotion.at, by=promotion.by, reason=promotion.reason
            )
            description = f"{newest.description or ''}\n\n{sentence}".strip()
            client.update_model_version(name, newest.version, description=description)
    return f"models:/{name}@{alias}"


def _child(mlflow: ModuleType, name: str) -> Any:
    """Open a child run in the experiment of the open run, whichever one the process uses otherwise."""
    return mlflow.start_run(experiment_id=mlflow.active_run().info.experiment_id, run_name=name, nested=True)


def _log_fold(mlflow: ModuleType, fold: Mapping[str, Any]) -> None:
    """Log a fold of the backtest as a child run: its dates, and its metrics under the same names."""
    with _child(mlflow, str(fold["name"])):
        mlflow.log_params({key: value for key, value in fold.items() if key.startswith(("train_", "test_"))})
        mlflow.log_metrics({**headline(fold), **details(fold)})


def _log_tuning(mlflow: ModuleType, tuning: Tuning) -> None:
    """Log what the search found to the open run, and each trial as a child run."""
    mlflow.set_tags({"churnml.tuning": "applied" if tuning.applied else "defaults"})
    mlflow.set_tag("churnml.tuning_reason", str(tuning.reason))
    mlflow.log_dict(to_jsonable_python(tuning), "tuning.json")
    mlflow.log_params({f"tuned.{name}": value for name, value in tuning.params.items() if tuning.applied})
    if tuning.gain is not None:
        gain = {name: value for name, value in asdict(tuning.gain).items() if value is not None}
        mlflow.log_metrics({f"detail/tuning/log_loss_gain_{name}": value for name, value in gain.items()})
    for trial in tuning.trials:
        with _child(mlflow, f"trial {trial.number}"):
            mlflow.set_tags({"churnml.trial_state": trial.state, "churnml.trial_defaults": trial.defaults})
            mlflow.log_params(dict(trial.params))
            if trial.log_loss is not None:
                mlflow.log_metric("log_loss", trial.log_loss)


def _log_files(mlflow: ModuleType, plots: Mapping[str, bytes], documents: Sequence[Path]) -> None:
    """Log the plots under ``plots/`` and the documents beside."""
    with tempfile.TemporaryDirectory(prefix="churnml-plots-") as folder:
        for name, image in plots.items():
            (Path(folder) / f"{name}.png").write_bytes(image)
        mlflow.log_artifacts(folder, "plots")
    for document in documents:
        mlflow.log_artifact(str(document))


def _log_model(mlflow: ModuleType, bundle: Bundle, frame: pd.DataFrame) -> Any:
    """Log the bundle as a model and return what MLflow made of it."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    model, manifest = bundle.model, bundle.manifest
    example = frame[model.features.names].head(5)
    example = example.assign(**{name: example[name].astype("object") for name in model.features.categorical})
    inputs = [ColSpec("string" if spec.categorical else "double", spec.name, required=False) for spec in model.features]
    outputs = dict.fromkeys([model.output, *model.horizon_columns.values()])
    return mlflow.pyfunc.log_model(
        name="model",
        loader_module="churnml.registry.pyfunc",
        data_path=str(bundle.path),
        signature=ModelSignature(Schema(inputs), Schema([ColSpec("double", name) for name in outputs])),
        input_example=example,
        pip_requirements=[f"{package}=={version}" for package, version in manifest.packages.items()],
        model_type=f"{model.target} within {model.horizon_days} days",
        params={"kind": model.info.kind, "features": len(model.features), "base_rate": round(model.base_rate, 6)},
        tags={"churnml.verdict": str(manifest.verdict), "churnml.bundle_version": bundle.version},
    )


def _register(
    mlflow: ModuleType, config: TrackingSections, bundle: Bundle, frame: pd.DataFrame, model: Any, run_id: str
) -> int:
    """Register the logged model as the next version, described; MLflow's own function would print as it goes."""
    name, client = config.registered_model, mlflow.MlflowClient()
    try:
        client.get_registered_model(name)
    except mlflow.exceptions.MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        client.create_registered_model(name)
    client.update_registered_model(name, description=f"{bundle.model.target.capitalize()} model of {config.name!r}.")
    version = client.create_model_version(
        name,
        source=model.model_uri,
        run_id=run_id,
        model_id=model.model_id,
        description=describe(bundle, frame, config.language),
        tags={"churnml.bundle_version": bundle.version, "churnml.verdict": str(bundle.manifest.verdict)},
    )
    # What links the model's page to its registered version.
    client.set_logged_model_tags(
        model.model_id, {"mlflow.modelVersions": json.dumps([{"name": name, "version": str(version.version)}])}
    )
    return int(version.version)


def _log_dataset(mlflow: ModuleType, frame: pd.DataFrame, config: TrackingSections, fingerprint: str) -> Any:
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
    return dataset
