"""MLflow opened where the config says, whatever the surroundings say, and kept from chattering."""

from __future__ import annotations

import logging
import os
import sqlite3
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from churnml.config.needs import TrackingSections
from churnml.config.secrets import mask_text, mask_url
from churnml.errors import EngineError
from churnml.files import sqlite_path
from churnml.language import Text

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["experiment_name", "open_mlflow"]

_DATABASES = {"sqlite", "postgresql", "mysql", "mssql"}
_ARTIFACTS = "mlartifacts"
_SURROUNDINGS = (
    "MLFLOW_TRACKING_URI",
    "MLFLOW_REGISTRY_URI",
    "MLFLOW_RUN_ID",
    "MLFLOW_EXPERIMENT_ID",
    "MLFLOW_EXPERIMENT_NAME",
    "MLFLOW_ACTIVE_MODEL_ID",
)
"""Variables that would send a run, or the model, elsewhere than the config says."""

_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
_KIND = ("mlflow.experimentKind", "custom_model_development")
"""MLflow 3's tag for experiments whose pages are about models rather than about prompts and traces."""

_PLACES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
    ("model_versions", "source"),
)
"""Where MLflow's database keeps absolute locations of artifacts."""


def experiment_name(config: TrackingSections) -> str:
    """Return the name of a config's experiment."""
    return config.mlflow.experiment or config.name


@contextmanager
def open_mlflow(config: TrackingSections) -> Iterator[ModuleType]:
    """Give mlflow, pointed at the config's server for runs and models alike; afterwards all is as it was.

    Raises
    ------
    EngineError
        The tracking server cannot be reached or refuses.
    """
    config.workspace_dir.mkdir(parents=True, exist_ok=True)
    _follow_the_workspace(config)
    with _surroundings(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in ("mlflow", "alembic", "sqlalchemy"):
            logging.getLogger(name).setLevel(logging.ERROR)
        import mlflow
        import sqlalchemy

        for name in ("mlflow", "alembic", "sqlalchemy"):  # importing it sets its own level
            logging.getLogger(name).setLevel(logging.ERROR)
        # It writes the whole statement and a traceback of what it raises, too, and what the user is told in our words.
        logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
        shown = mask_url(config.tracking_uri)
        before, registry_before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
        uri = _with_driver(config.tracking_uri)
        mlflow.set_tracking_uri(uri)
        mlflow.set_registry_uri(uri)
        try:
            _open_experiment(mlflow, config)
            yield mlflow
        except mlflow.exceptions.MlflowException as error:
            raise EngineError(
                Text.of("fault-mlflow"),
                where=shown,
                got=mask_text(_first_line(error), [config.tracking_uri]),
                code="mlflow",
            ) from error
        except sqlalchemy.exc.SQLAlchemyError as error:
            raise EngineError(
                Text.of("fault-mlflow_database"),
                where=shown,
                got=mask_text(_first_line(getattr(error, "orig", None) or error), [config.tracking_uri]),
                code="mlflow.database",
            ) from error
        finally:
            mlflow.set_tracking_uri(before)
            mlflow.set_registry_uri("" if registry_before == before else registry_before)
            _remove_misread_folder(uri)


def _first_line(error: BaseException) -> str:
    """Return the first line of a message that is not SQLAlchemy's remark about when it happened."""
    lines = str(error).splitlines()
    return next((line for line in lines if not line.startswith("(raised as a result of")), "")


def _open_experiment(mlflow: ModuleType, config: TrackingSections) -> None:
    name = experiment_name(config)
    experiment = mlflow.get_experiment_by_name(name)
    if experiment is None:
        # A server says itself where artifacts go; beside a bare database they go to the workspace.
        bare = urlsplit(config.tracking_uri).scheme.partition("+")[0] in _DATABASES
        where = (config.workspace_dir / _ARTIFACTS).as_uri() if bare else None
        mlflow.create_experiment(name, artifact_location=where, tags=dict([_KIND]))
    elif _KIND[0] not in experiment.tags:
        mlflow.MlflowClient().set_experiment_tag(experiment.experiment_id, *_KIND)


@contextmanager
def _surroundings() -> Iterator[None]:
    """Set aside the variables that would overrule the config, and ask MLflow for silence."""
    changed = (*_SURROUNDINGS, *_QUIET)
    before = {name: os.environ.get(name) for name in changed}
    for name in _SURROUNDINGS:
        os.environ.pop(name, None)
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    try:
        yield
    finally:
        for name, held in before.items():
            if held is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = held


def _follow_the_workspace(config: TrackingSections) -> None:
    """Point MLflow's database to the artifacts beside it after the workspace was moved.

    MLflow keeps absolute locations: it would go on writing to the old place, and find no older model at the new one.
    """
    database = sqlite_path(config.tracking_uri)
    here = config.workspace_dir / _ARTIFACTS
    if database is None or not database.is_file():
        return
    with closing(sqlite3.connect(database)) as connection, suppress(sqlite3.Error), connection:
        # A damaged database is MLflow's to report.
        row = connection.execute(
            "SELECT artifact_location FROM experiments WHERE name = ?", [experiment_name(config)]
        ).fetchone()
        old = str(row[0] or "") if row else ""
        new = here.as_uri()
        if not old.startswith("file:") or old.rstrip("/").rsplit("/", 1)[-1] != _ARTIFACTS or old == new:
            return
        inside = database.resolve().is_relative_to(config.workspace_dir)
        moved = here.is_dir() and not Path(unquote(urlsplit(old).path)).is_dir()
        if not inside and not moved:
            return  # a database that several workspaces share
        for table, column in _PLACES:
            connection.execute(
                f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",
                [new, len(old) + 1, len(old), old],
            )


def _remove_misread_folder(uri: str) -> None:
    """Remove the empty folder that MLflow makes of a SQLite URL whose path had to be escaped."""
    written = uri.removeprefix("sqlite:///")
    if written == uri or unquote(written) == written:
        return
    folder = Path(written).parent
    while folder.is_dir() and "%" in folder.name:
        with suppress(OSError):
            folder.rmdir()
        folder = folder.parent


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
