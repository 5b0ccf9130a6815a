"""The config of one company: where its data is, what churn means, how to model, how to score.

A config is a YAML file. It is read into frozen pydantic models that refuse unknown keys and name the near one.
Paths in it are relative to the file's own folder. ``${NAME}`` stands for an environment variable.
"""

from __future__ import annotations

import codecs
import hashlib
import json
import os
import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args
from zoneinfo import available_timezones

import yaml
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo

from churnml.errors import ConfigError, near_name

__all__ = [
    "ApiLimits",
    "CapacityConfig",
    "CohortConfig",
    "ColumnSource",
    "Config",
    "EngineConfig",
    "FeatureConfig",
    "FixedSplit",
    "HealthConfig",
    "LabelConfig",
    "MeasureConfig",
    "MlflowConfig",
    "ModelConfig",
    "ServingConfig",
    "SnapshotConfig",
    "SourceConfig",
    "SplitConfig",
    "StoreConfig",
    "TableSource",
    "load_config",
]

Share = Annotated[float, Field(ge=0, le=1)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class SourceConfig(_Section):
    """Where the raw tables are: a folder of files, a DuckDB file, or any Ibis connection. Exactly one."""

    folder: Path | None = Field(None, description="Folder of CSV or Parquet files")
    duckdb: Path | None = Field(None, description="A DuckDB database file, opened read-only")
    connection: str | None = Field(None, description="Any Ibis connection URL, e.g. `postgres://user:${PW}@host/db`")
    observed_until: date | None = Field(
        None, description="First day the data does not cover; by default the day after the last plausible event"
    )
    max_rejected_share: Share = Field(
        0.05, description="A table of which more than this share of rows must be set aside is refused"
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [name for name in ("folder", "duckdb", "connection") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError("name exactly one of folder, duckdb, connection")
        return self


class ColumnSource(_Section):
    """Where a canonical column comes from. A bare string in YAML means `column`."""

    column: str | None = Field(None, description="Raw column to rename")
    value: str | int | float | bool | None = Field(None, description="The same constant in every row")
    expr: str | None = Field(None, description="SQL expression over the raw columns, in DuckDB's dialect")
    format: str | None = Field(None, description="strptime format of a raw text date, e.g. `%d.%m.%Y %H:%M`")
    timezone: str = Field("UTC", description="Zone of raw times that do not carry one; stored as UTC")
    decimal: Literal[".", ","] = Field(
        ".", description="Decimal sign of a raw text number; the other sign then groups thousands"
    )
    words: dict[str, str] | None = Field(
        None, description='Raw word → canonical word, for enumerations and yes/no; `"*"` stands for every other word'
    )

    @model_validator(mode="before")
    @classmethod
    def _from_string(cls, value: Any) -> Any:
        return {"column": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [name for name in ("column", "value", "expr") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError("name exactly one of column, value, expr")
        return self

    @field_validator("timezone")
    @classmethod
    def _zone_exists(cls, name: str) -> str:
        zones = available_timezones()
        if name not in zones:
            near = near_name(name, zones)
            raise ValueError(f"there is no time zone {name!r}" + (f"; did you mean {near!r}?" if near else ""))
        return name


class TableSource(_Section):
    """Where a canonical table comes from."""

    from_: str = Field(alias="from", description="Raw table or file, e.g. `account.csv`; a glob is allowed")
    columns: dict[str, ColumnSource | None] = Field(
        default_factory=dict,
        description="Canonical column → raw column. Raw columns that already have the canonical name need no line; "
        "`null` leaves one out",
    )
    attributes: dict[str, ColumnSource] = Field(
        default_factory=dict, description="Further account attributes to keep (accounts only)"
    )
    where: str | None = Field(None, description="SQL condition on the raw columns: rows that count")
    encoding: str = Field("utf-8", description="CSV: text encoding, e.g. `cp932`, `latin-1`, `utf-16`")
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = Field(
        None, description="CSV: field separator; by default told from the header line"
    )

    @field_validator("encoding")
    @classmethod
    def _encoding_exists(cls, name: str) -> str:
        try:
            return codecs.lookup(name).name
        except LookupError:
            raise ValueError(f"there is no text encoding {name!r}; for example cp932, latin-1, utf-16") from None


class LabelConfig(_Section):
    """What churn is and how far ahead to predict it."""

    churn: Literal["contractual", "silence"] = Field(
        description="`contractual`: subscriptions end and none follows. `silence`: no activity for `silence_days`"
    )
    horizon_days: int = Field(90, ge=1, description="Length of the label window, days")
    gap_days: int = Field(0, ge=0, description="Days between `as_of` and the label window: time to act")
    grace_days: int = Field(14, ge=0, description="Contractual: a renewal this many days late is still a renewal")
    silence_days: int | None = Field(None, ge=1, description="Silence: days without activity; default `horizon_days`")
    settle_days: int = Field(0, ge=0, description="Further days to wait for late facts before a label counts as final")
    activity: tuple[str, ...] = Field((), description="Silence: event types that count as activity; empty = all")

    @property
    def silence(self) -> int:
        """Days without activity that make a silence churn."""
        return self.silence_days if self.silence_days is not None else self.horizon_days

    @model_validator(mode="after")
    def _silence_fits(self) -> Self:
        if self.churn == "silence" and self.silence > self.horizon_days:
            raise ValueError(
                f"silence_days ({self.silence}) is longer than horizon_days ({self.horizon_days}): "
                "no silence could ever be seen inside the label window"
            )
        return self


class CohortConfig(_Section):
    """Which accounts a snapshot asks about, from facts known before its `as_of`."""

    min_tenure_days: int = Field(0, ge=0, description="Days since the account's first known fact")
    active_within_days: int | None = Field(
        None, ge=1, description="An event in so many days before `as_of`; silence churn defaults to `silence_days`"
    )
    min_events: int = Field(0, ge=0, description="Events known before `as_of`")
    min_users: int = Field(0, ge=0, description="Distinct users known before `as_of`")


class SnapshotConfig(_Section):
    """The as-of dates."""

    every: Literal["month", "week"] | Annotated[int, Field(ge=1)] = Field(
        "month", description="First day of each month, each Monday, or every N days counted back from the end"
    )
    before_renewal_days: tuple[int, ...] = Field(
        (), description="Instead of `every`: so many days before each account's own renewals"
    )
    first: date | None = Field(None, description="First `as_of`; default: 28 days after the data starts")
    last: date | None = Field(None, description="Last `as_of`; default: the end of the data")


class FixedSplit(_Section):
    """One train/test split by date; all bounds are `as_of` dates, inclusive."""

    train_from: date | None = None
    train_until: date
    test_from: date
    test_until: date


class SplitConfig(_Section):
    """How the backtest splits time."""

    folds: int = Field(3, ge=1, description="Rolling-origin folds")
    test_snapshots: int = Field(2, ge=1, description="Consecutive as-of dates a fold tests on")
    fixed: tuple[FixedSplit, ...] = Field((), description="Explicit splits instead of rolling ones")


class FeatureConfig(_Section):
    """Which features to make."""

    windows_days: tuple[Annotated[int, Field(ge=1)], ...] = Field((7, 28, 91, 182), description="Windows, days")
    families: tuple[str, ...] = Field((), description="Families to make; empty = all that the tables allow")
    event_types: tuple[str, ...] = Field((), description="Kinds counted one by one; empty = the most frequent ones")
    max_event_types: int = Field(12, ge=0, description="How many kinds to count one by one when none are named")
    core_features: tuple[str, ...] = Field((), description="Event types that show the product's core use")
    login_events: tuple[str, ...] = Field((), description="Event types that are logins; empty = `login` if it exists")
    attributes: tuple[str, ...] = Field((), description="Account attributes used as categorical features")
    peer_by: str | None = Field(None, description="Attribute that makes the peer group; default plan, then size")
    exclude: tuple[str, ...] = Field((), description="Feature names, or globs, to leave out")
    modules: tuple[str, ...] = Field((), description="Python modules or files with your own features")


class ModelConfig(_Section):
    """The estimator."""

    kind: Literal["auto", "lightgbm", "logistic"] = Field("auto", description="auto: by the number of churners")
    params: dict[str, float | int | str | bool] = Field(
        default_factory=dict, description="LightGBM parameters that override churnml's defaults"
    )
    seeds: int = Field(3, ge=1, le=50, description="Models that are averaged, each with its own seed")
    calibration: Literal["auto", "platt", "isotonic", "beta", "none"] = Field(
        "auto", description="auto: by the number of churners in the calibration slice"
    )
    budget_seconds: int = Field(0, ge=0, description="Time for tuning; 0 = the defaults")
    min_churners: int = Field(20, ge=2, description="Fewer churners than this in training is an error")


class MeasureConfig(_Section):
    """One measure of the health score."""

    feature: str = Field(description="Feature that carries the measure")
    group: str = Field(description="Group whose weight it shares")
    weight: float = Field(ge=0, description="Weight inside the group")
    points: tuple[tuple[float, float], ...] = Field(
        min_length=2, description="(value, score 0–100) pairs of a piecewise-linear scale, in order of value"
    )
    valid_days: int | None = Field(None, ge=1, description="Older facts count as missing")
    age_feature: str | None = Field(None, description="Feature that tells the age of the fact, days")


class HealthConfig(_Section):
    """The health score."""

    preset: Literal["reference", "balanced", "fitted"] = Field("reference", description="Starting weights")
    alpha: Share | Literal["fitted"] = Field(0.5, description="Share of the model in the blend")
    weights: dict[str, float] = Field(default_factory=dict, description="Group → weight, replacing the preset's")
    measures: dict[str, MeasureConfig] = Field(default_factory=dict, description="Measures added or replaced")
    by_segment: dict[str, dict[str, float]] = Field(
        default_factory=dict, description="Segment → group → weight, where segments weigh otherwise"
    )
    by_phase: dict[str, dict[str, float]] = Field(
        default_factory=dict, description="Phase → group → weight, where phases weigh otherwise"
    )
    red_below: float = Field(40.0, ge=0, le=100, description="Red under this score")
    green_from: float = Field(70.0, ge=0, le=100, description="Green from this score")
    min_coverage: Share = Field(0.5, description="Less covered weight than this: band unknown")

    @model_validator(mode="after")
    def _bands_in_order(self) -> Self:
        if self.red_below >= self.green_from:
            raise ValueError(f"red_below ({self.red_below}) must be under green_from ({self.green_from})")
        return self


class CapacityConfig(_Section):
    """How many accounts the team can look after, and what a call costs and saves."""

    share: Share = Field(0.1, description="Share of accounts the team can contact per snapshot")
    csms: int | None = Field(None, ge=1, description="Number of CSMs")
    calls_per_week: int | None = Field(None, ge=1, description="Calls a CSM can make in a week")
    contact_cost: float = Field(50.0, ge=0, description="Cost of one contact, currency")
    offer_cost: float = Field(0.0, ge=0, description="Cost of the offer to one account that takes it, currency")
    save_rate: Share = Field(0.15, description="Assumed share of contacted churners that stay; an assumption")


class EngineConfig(_Section):
    """What runs the analytics."""

    backend: str = Field("duckdb", description="duckdb, pyspark, or any other Ibis backend")
    memory_limit: str = Field("2GB", description="DuckDB: memory before it spills to disk")
    threads: int | None = Field(None, ge=1, description="DuckDB: threads; default all cores")
    options: dict[str, str | int | bool] = Field(default_factory=dict, description="Passed to the backend's connect")


class MlflowConfig(_Section):
    """Where experiments are tracked."""

    tracking_uri: str | None = Field(None, description="Default: SQLite in the workspace")
    experiment: str | None = Field(None, description="Default: the config's name")
    registered_model: str | None = Field(None, description="Default: the config's name")


class StoreConfig(_Section):
    """The operational store."""

    url: str | None = Field(None, description="SQLAlchemy URL; default: SQLite in the workspace")


class ApiLimits(_Section):
    """Limits of the API."""

    max_batch: int = Field(1000, ge=1, description="Items in one batch request")
    max_body_bytes: int = Field(2_000_000, ge=1000, description="Size of a request body")
    requests_per_minute: int = Field(6000, ge=1, description="Per API key")


class ServingConfig(_Section):
    """The API."""

    host: str = Field("127.0.0.1", description="Address to bind")
    port: int = Field(3000, ge=1, le=65535, description="Port to bind")
    limits: ApiLimits = ApiLimits()


class Config(_Section):
    """The whole config.

    Examples
    --------
    >>> config = Config.model_validate({
    ...     "name": "acme", "source": {"folder": "raw"}, "label": {"churn": "silence"},
    ...     "tables": {"events": {"from": "events.csv"}}})
    >>> config.label.horizon_days
    90
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")] = Field(
        description="Name of the company or product; names the experiment and the registered model"
    )
    workspace: Path = Field(Path("workspace"), description="Folder of all outputs")
    models_dir: Path | None = Field(None, description="Folder of the model bundles; default `<workspace>/models`")
    seed: int = Field(7, ge=0, description="The seed of everything random")
    currency: str = Field("USD", description="Currency of all amounts, for display")
    language: Literal["en", "ja"] = Field("en", description="Language of sentences shown by default")
    source: SourceConfig
    tables: dict[str, TableSource] = Field(min_length=1, description="Canonical table → where it comes from")
    label: LabelConfig
    cohort: CohortConfig = CohortConfig()
    snapshots: SnapshotConfig = SnapshotConfig()
    splits: SplitConfig = SplitConfig()
    features: FeatureConfig = FeatureConfig()
    model: ModelConfig = ModelConfig()
    health: HealthConfig = HealthConfig()
    capacity: CapacityConfig = CapacityConfig()
    engine: EngineConfig = EngineConfig()
    mlflow: MlflowConfig = MlflowConfig()
    store: StoreConfig = StoreConfig()
    serving: ServingConfig = ServingConfig()

    _base: Path = PrivateAttr(default_factory=Path.cwd)

    @model_validator(mode="after")
    def _known_tables(self) -> Self:
        from churnml.tables.schema import TABLES

        for name, table in self.tables.items():
            if name not in TABLES:
                raise ValueError(_unknown(f"tables.{name}", name, TABLES))
            for column in table.columns:
                if column not in TABLES[name].column_names:
                    raise ValueError(_unknown(f"tables.{name}.columns.{column}", column, TABLES[name].column_names))
            if table.attributes and name != "accounts":
                raise ValueError(f"tables.{name}.attributes: only accounts may carry further attributes")
        if self.label.churn == "contractual" and "subscriptions" not in self.tables:
            raise ValueError("label.churn is contractual, but no `subscriptions` table is mapped")
        if self.label.churn == "silence" and "events" not in self.tables:
            raise ValueError("label.churn is silence, but no `events` table is mapped")
        return self

    def resolve(self, path: Path) -> Path:
        """Return a path of the config as an absolute one."""
        path = path.expanduser()
        return path if path.is_absolute() else (self._base / path).resolve()

    @property
    def workspace_dir(self) -> Path:
        """Absolute folder of all outputs."""
        return self.resolve(self.workspace)

    @property
    def bundles_dir(self) -> Path:
        """Absolute folder of the model bundles."""
        return self.resolve(self.models_dir) if self.models_dir is not None else self.workspace_dir / "models"

    @property
    def tracking_uri(self) -> str:
        """MLflow tracking URI; SQLite in the workspace unless the config names one."""
        return self.mlflow.tracking_uri or f"sqlite:///{self.workspace_dir / 'mlflow.db'}"

    @property
    def registered_model(self) -> str:
        """Name of the model in the MLflow registry."""
        return self.mlflow.registered_model or self.name

    @property
    def store_url(self) -> str:
        """SQLAlchemy URL of the operational store; SQLite in the workspace unless the config names one."""
        return self.store.url or f"sqlite:///{self.workspace_dir / 'store.db'}"

    def as_dict(self) -> dict[str, Any]:
        """Return the resolved config, defaults included, as JSON-ready data with secrets masked."""
        data: dict[str, Any] = self.model_dump(mode="json", by_alias=True)
        if data["source"]["connection"]:
            data["source"]["connection"] = _masked(data["source"]["connection"])
        if data["store"]["url"]:
            data["store"]["url"] = _masked(data["store"]["url"])
        if data["mlflow"]["tracking_uri"]:
            data["mlflow"]["tracking_uri"] = _masked(data["mlflow"]["tracking_uri"])
        return data

    @property
    def hash(self) -> str:
        """Twelve hex digits that change when anything that shapes the scores changes.

        Where outputs land, how the API listens and what runs the analytics do not count.
        """
        data = self.as_dict()
        for key in ("workspace", "models_dir", "serving", "engine", "mlflow", "store"):
            data.pop(key)
        text = json.dumps(data, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def load_config(path: str | Path, overrides: Mapping[str, Any] | None = None) -> Config:
    """Read a config file.

    Parameters
    ----------
    path : str or Path
        A YAML file.
    overrides : mapping, optional
        Top-level keys to replace, e.g. ``{"seed": 11}``.

    Raises
    ------
    ConfigError
        The file is missing, is not YAML, or a key or value is wrong; the message names the near key.
    """
    file = Path(path)
    if not file.is_file():
        others = sorted(str(other) for other in file.parent.glob("*.y*ml")) if file.parent.is_dir() else []
        raise ConfigError(
            f"There is no config file {str(file)!r}",
            where=str(file),
            expected=f"one of {', '.join(others)}" if others else "a YAML file",
            remedy="Copy configs/demo.yaml and adapt it.",
            code="config.missing",
        )
    try:
        data = yaml.safe_load(_expanded(file.read_text(encoding="utf-8"), file))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(
            "The config is not valid YAML", where=str(file), got=str(error), code="config.yaml"
        ) from error
    if not isinstance(data, dict):
        raise ConfigError("The config is empty", where=str(file), expected="a mapping of keys", code="config.yaml")
    try:
        config = Config.model_validate({**data, **(overrides or {})})
    except ValidationError as error:
        raise _readable(error, file) from error
    config._base = file.resolve().parent
    return config


_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def _expanded(text: str, file: Path) -> str:
    """Replace ``${NAME}`` by the environment, outside comment lines."""

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in os.environ:
            raise ConfigError(
                f"The environment has no variable {name}",
                where=str(file),
                remedy=f"Set it: export {name}=…",
                code="config.environment",
            )
        return os.environ[name]

    lines = (line if line.lstrip().startswith("#") else _VARIABLE.sub(value, line) for line in text.splitlines())
    return "\n".join(lines)


def _masked(url: str) -> str:
    return re.sub(r"(://[^:/@]+):[^@]+@", r"\1:***@", url)


def _unknown(where: str, name: str, known: Any) -> str:
    near = near_name(name, known)
    hint = f"did you mean {near!r}? " if near else ""
    return f"{where}: unknown name {name!r}; {hint}known: {', '.join(known)}"


def _readable(error: ValidationError, file: Path) -> ConfigError:
    """Turn pydantic's list of faults into one message that names each key and the near one."""
    lines: list[str] = []
    for fault in error.errors():
        path = [str(part) for part in fault["loc"]]
        where = ".".join(path)
        if fault["type"] == "extra_forbidden":
            known = _keys_at(path[:-1])
            near = near_name(path[-1], known)
            hint = f" Did you mean {near!r}?" if near else f" Known: {', '.join(known)}." if known else ""
            lines.append(f"{where}: there is no such key.{hint}")
        elif fault["type"] == "missing":
            lines.append(f"{where}: the key is missing.")
        else:
            message = fault["msg"].removeprefix("Value error, ")
            got = (
                ""
                if isinstance(fault["input"], dict) or fault["type"] == "value_error"
                else f" (got {fault['input']!r})"
            )
            lines.append(f"{where}: {message}{got}" if where else message)
    return ConfigError(
        "The config is wrong:\n  - " + "\n  - ".join(lines),
        where=str(file),
        remedy="`churnml config show` prints every key with its default; docs/config.md explains them.",
        code="config.invalid",
    )


def _keys_at(path: list[str]) -> list[str]:
    """Return the keys that the config allows at a path, following the models' annotations."""
    annotation: Any = Config
    for part in path:
        model = _model_in(annotation)
        if model is annotation and model is not None:
            info = _fields(model).get(part)
            annotation = info.annotation if info is not None else None
        else:  # a mapping or tuple of models, or an optional one: the part is its key or index
            annotation = model
    model = _model_in(annotation)
    return list(_fields(model)) if model is not None else []


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    return {info.alias or name: info for name, info in model.model_fields.items()}


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """Return the model an annotation is made of: ``dict[str, Model | None]`` → ``Model``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for arg in get_args(annotation) if (found := _model_in(arg)) is not None), None)
