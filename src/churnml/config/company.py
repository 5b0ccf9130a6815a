"""The whole config of one company."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, PrivateAttr, model_validator

from churnml.config.alerts import AlertsConfig
from churnml.config.daily import DailyConfig
from churnml.config.deliveries import DeliveriesConfig
from churnml.config.display import DisplayConfig
from churnml.config.experiments import ExperimentsConfig
from churnml.config.loops import read_back
from churnml.config.monitoring import MonitoringConfig
from churnml.config.pulls import landing_file
from churnml.config.raw import IdentitiesConfig, RatesSource, SourceConfig, TableSource
from churnml.config.secrets import mask_secrets
from churnml.config.section import Section
from churnml.config.sections import (
    CapacityConfig,
    CohortConfig,
    EngineConfig,
    FeatureConfig,
    HealthConfig,
    LabelConfig,
    LearningConfig,
    MlflowConfig,
    ModelConfig,
    ServingConfig,
    SnapshotConfig,
    SplitConfig,
    StoreConfig,
)
from churnml.config.survival import SurvivalConfig
from churnml.errors import UsageError, near_name
from churnml.files import sqlite_path, sqlite_url
from churnml.language import Language, Several, Text, WrongValueError

__all__ = ["Config"]


class Config(Section):
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
    currency: str = Field("USD", description="Currency of all amounts; others are converted with `rates`, or refused")
    language: Language = Field("en", description="Language of sentences shown by default: `en` or `ja`")
    display: DisplayConfig = DisplayConfig()
    secrets_file: Path | None = Field(
        None,
        description="File of lines `NAME=value` that only its owner may read (mode 0600): where `${NAME}` is looked up "
        "when the environment has none, e.g. `secrets.env`",
    )
    playbooks: Path | None = Field(None, description="YAML file of playbooks to suggest, e.g. `playbooks.yaml`")
    source: SourceConfig | None = Field(None, description="The one source; or `sources`")
    sources: dict[Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")], SourceConfig] = Field(
        default_factory=dict, description="Name → source, where the raw tables lie in several tools"
    )
    tables: dict[str, TableSource] = Field(min_length=1, description="Canonical table → where it comes from")
    rates: RatesSource | None = None
    identities: IdentitiesConfig | None = None
    label: LabelConfig
    cohort: CohortConfig = CohortConfig()
    snapshots: SnapshotConfig = SnapshotConfig()
    splits: SplitConfig = SplitConfig()
    features: FeatureConfig = FeatureConfig()
    model: ModelConfig = ModelConfig()
    survival: SurvivalConfig = SurvivalConfig()
    health: HealthConfig = HealthConfig()
    capacity: CapacityConfig = CapacityConfig()
    alerts: AlertsConfig = AlertsConfig()
    deliveries: DeliveriesConfig = DeliveriesConfig()
    daily: DailyConfig = DailyConfig()
    experiments: ExperimentsConfig = ExperimentsConfig()
    monitoring: MonitoringConfig = MonitoringConfig()
    engine: EngineConfig = EngineConfig()
    mlflow: MlflowConfig = MlflowConfig()
    store: StoreConfig = StoreConfig()
    serving: ServingConfig = ServingConfig()

    _base: Path = PrivateAttr(default_factory=Path.cwd)

    @model_validator(mode="after")
    def _known_sources(self) -> Self:
        if (self.source is None) == (not self.sources):
            raise WrongValueError(Text.of("wrong-source_or_sources"))
        if self.identities is not None:
            named = [self.identities.leading, *(keys.source or name for name, keys in self.identities.keys.items())]
            for source in named:
                if source is not None and source not in self.sources:
                    raise WrongValueError(_unknown("identities", source, self.sources))
        for name, table in self.tables.items():
            for number, part in enumerate(table.parts):
                place = f"tables.{name}" if len(table.parts) == 1 else f"tables.{name}[{number}]"
                named = [part.source, *([part.via.source] if part.via is not None else [])]
                for source in named:
                    if source is not None and source not in self.sources:
                        raise WrongValueError(_unknown(f"{place}.source", source, self.sources))
                if part.with_ and part.preset is None:
                    raise WrongValueError(Text.of("wrong-with", place=place))
                if part.source is None and len(self.sources) > 1:
                    raise WrongValueError(Text.of("wrong-which_source", place=place, names=", ".join(self.sources)))
        return self

    @model_validator(mode="after")
    def _known_tables(self) -> Self:
        from churnml.tables.schema import TABLES

        for name, table in self.tables.items():
            if name not in TABLES:
                raise WrongValueError(_unknown(f"tables.{name}", name, TABLES))
            for column in (column for part in table.parts for column in part.columns):
                if column not in TABLES[name].column_names:
                    raise WrongValueError(
                        _unknown(f"tables.{name}.columns.{column}", column, TABLES[name].column_names)
                    )
            if any(part.attributes for part in table.parts) and name != "accounts":
                raise WrongValueError(Text.of("wrong-attributes", table=name))
        if self.label.churn == "contractual" and "subscriptions" not in self.tables:
            raise WrongValueError(Text.of("wrong-label_table", churn="contractual", table="subscriptions"))
        if self.label.target == "expansion":
            needed = {"deals": "opportunities", "mrr": "subscriptions", "seats": "subscriptions"}
            wanted = dict.fromkeys(needed[sign] for sign in self.label.expansion_by)
            if not any(table in self.tables for table in wanted):
                signs = ", ".join(self.label.expansion_by)
                raise WrongValueError(Text.of("wrong-expansion_table", tables=", ".join(wanted), signs=signs))
        if self.label.target != "churn" and "fitted" in (self.health.preset, self.health.alpha):
            raise WrongValueError(Text.of("wrong-fitted_health", target=self.label.target))
        if self.label.churn == "silence" and "events" not in self.tables:
            raise WrongValueError(Text.of("wrong-label_table", churn="silence", table="events"))
        return self

    @model_validator(mode="after")
    def _no_loop(self) -> Self:
        from churnml.tables.schema import TABLES

        read = read_back(self.deliveries, self.tables, {name: tuple(TABLES[name].column_names) for name in self.tables})
        if read:
            raise WrongValueError(Text.of("wrong-loop", loops=Several(parts=tuple(read))))
        return self

    def require_churn(self, what: str) -> None:
        """Refuse another target where only the risk of churn makes sense.

        Parameters
        ----------
        what : str
            What needs it, as the catalogue names it: ``alerts``, ``health`` …

        Raises
        ------
        UsageError
            The target is another one.
        """
        target = self.label.target
        if target != "churn":
            raise UsageError(
                Text.of(f"fault-churn_only.{what}", target=target),
                where="label.target",
                got=target,
                expected="churn",
                remedy=Text.of("fault-churn_only.remedy", target=target),
                code="usage.target",
            )

    def resolve(self, path: Path) -> Path:
        """Return a path of the config as an absolute one."""
        path = path.expanduser()
        return path if path.is_absolute() else (self._base / path).resolve()

    @property
    def named_sources(self) -> dict[str, SourceConfig]:
        """The sources by name; the only one of `source` has the empty name. A pulled one reads where it landed."""
        named = {"": self.source} if self.source is not None else dict(self.sources)
        return {
            name: source.model_copy(update={"duckdb": landing_file(self.workspace_dir, name)})
            if source.pull is not None and source.duckdb is None and source.connection is None
            else source
            for name, source in named.items()
        }

    @property
    def learning(self) -> LearningConfig:
        """The sections that fitting a model reads."""
        return LearningConfig.of(self)

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
        return self._database(self.mlflow.tracking_uri) or sqlite_url(self.workspace_dir / "mlflow.db")

    @property
    def registered_model(self) -> str:
        """Name of the model in the MLflow registry and of its bundle folder; another target has another model."""
        own = self.name if self.label.target == "churn" else f"{self.name}-{self.label.target}"
        return self.mlflow.registered_model or own

    @property
    def store_url(self) -> str:
        """SQLAlchemy URL of the operational store; SQLite in the workspace unless the config names one."""
        return self._database(self.store.url) or sqlite_url(self.workspace_dir / "store.db")

    def _database(self, url: str | None) -> str | None:
        """Return a URL whose relative SQLite file lies where the config does, not wherever a command runs."""
        path = None if url is None else sqlite_path(url)
        if url is None or path is None or path.is_absolute():
            return url
        scheme, _, rest = url.partition(":///")
        query = f"?{rest.partition('?')[2]}" if "?" in rest else ""
        return sqlite_url(self.resolve(path), scheme) + query

    def as_dict(self) -> dict[str, Any]:
        """Return the resolved config, defaults included, as JSON-ready data with secrets masked."""
        data: dict[str, Any] = self.model_dump(mode="json", by_alias=True)
        # The mapping holds names of columns and words of the data, which are no keys of secrets.
        return {name: section if name == "tables" else mask_secrets(section) for name, section in data.items()}

    @property
    def hash(self) -> str:
        """Twelve hex digits that change when anything that shapes the scores changes.

        Where outputs land, what is done about a score, how the API listens and what runs the analytics do not count.
        """
        data = self.as_dict()
        for key in (
            "workspace",
            "models_dir",
            "secrets_file",
            "playbooks",
            "alerts",
            "experiments",
            "monitoring",
            "serving",
            "engine",
            "mlflow",
            "store",
            "display",
            "deliveries",
            "daily",
        ):
            data.pop(key)
        for source in (data["source"] or {}, *data["sources"].values()):
            source.pop("pull", None)  # how its rows are fetched; what they are stands in the tables
        text = json.dumps(data, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def _unknown(where: str, name: str, known: Any) -> Text:
    near = near_name(name, known)
    code = "wrong-unknown_name.near" if near else "wrong-unknown_name.far"
    return Text.of(code, place=where, name=repr(name), near=repr(near), known=", ".join(known))
