"""What a room reads of a config: groups of sections, as protocols that the whole config fulfils."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from churnml.config.display import DisplayConfig
    from churnml.config.raw import IdentitiesConfig, RatesSource, SourceConfig, TableSource
    from churnml.config.sections import (
        CapacityConfig,
        CohortConfig,
        EngineConfig,
        FeatureConfig,
        HealthConfig,
        LabelConfig,
        MlflowConfig,
        ModelConfig,
        SnapshotConfig,
        SplitConfig,
    )
    from churnml.config.survival import SurvivalConfig

__all__ = [
    "BacktestSections",
    "CardSections",
    "ChampionSections",
    "EventSections",
    "GateSections",
    "HealthSections",
    "HorizonSections",
    "LearningSections",
    "LoadSections",
    "ModelPlace",
    "RecordedSections",
    "ReplaySections",
    "SplitSections",
    "TimelineSections",
    "TrackingSections",
]


class TimelineSections(Protocol):
    """Who is asked about, when, and what counts as the outcome."""

    @property
    def label(self) -> LabelConfig:
        """The outcome."""

    @property
    def cohort(self) -> CohortConfig:
        """Who."""

    @property
    def snapshots(self) -> SnapshotConfig:
        """When."""


class SplitSections(Protocol):
    """How the labelled history is cut into folds."""

    @property
    def label(self) -> LabelConfig:
        """How long a label takes to become known."""

    @property
    def snapshots(self) -> SnapshotConfig:
        """Whether dates are blocks of months."""

    @property
    def splits(self) -> SplitConfig:
        """The folds."""

    @property
    def model(self) -> ModelConfig:
        """How many churners a training needs."""


class LearningSections(Protocol):
    """What fitting a model reads."""

    @property
    def label(self) -> LabelConfig:
        """The question."""

    @property
    def model(self) -> ModelConfig:
        """The estimator."""

    @property
    def seed(self) -> int:
        """Of everything random."""


class BacktestSections(LearningSections, Protocol):
    """What a backtest reads: how to fit, and what the team can do with a ranking."""

    @property
    def capacity(self) -> CapacityConfig:
        """The team."""


class HorizonSections(BacktestSections, SplitSections, Protocol):
    """What backtesting each further horizon by its own folds reads."""


class HealthSections(Protocol):
    """What makes the scale of a health score."""

    @property
    def health(self) -> HealthConfig:
        """Weights, blend and bands."""

    @property
    def capacity(self) -> CapacityConfig:
        """The team that red is sized to."""

    @property
    def snapshots(self) -> SnapshotConfig:
        """How long a score is current."""

    @property
    def model(self) -> ModelConfig:
        """How many churners learned weights need."""


class ReplaySections(HealthSections, Protocol):
    """What replaying a health score over past dates reads."""

    @property
    def seed(self) -> int:
        """Of the intervals."""


class ModelPlace(Protocol):
    """Where a model lies and what it is called."""

    @property
    def bundles_dir(self) -> Path:
        """Absolute folder of the bundles."""

    @property
    def registered_model(self) -> str:
        """Its name there and in the MLflow registry."""


class ChampionSections(ModelPlace, Protocol):
    """What loading the model in use reads: its place, its question, and how amounts and names are shown."""

    @property
    def label(self) -> LabelConfig:
        """The question."""

    @property
    def currency(self) -> str:
        """ISO code of the amounts."""

    @property
    def display(self) -> DisplayConfig:
        """What raw names are called."""

    @property
    def survival(self) -> SurvivalConfig:
        """What residual values are made with."""


class GateSections(Protocol):
    """What decides between a challenger and the champion."""

    @property
    def label(self) -> LabelConfig:
        """The question."""

    @property
    def model(self) -> ModelConfig:
        """The least gain."""

    @property
    def features(self) -> FeatureConfig:
        """How to compute what the champion reads."""

    @property
    def seed(self) -> int:
        """Of the intervals."""


class RecordedSections(Protocol):
    """What goes on record with a model: everything that shapes its scores."""

    @property
    def hash(self) -> str:
        """Of all that shapes the scores."""

    @property
    def seed(self) -> int:
        """Of everything random."""

    def as_dict(self) -> dict[str, Any]:
        """Return all sections as JSON-ready data, secrets masked."""


class TrackingSections(RecordedSections, ModelPlace, Protocol):
    """What speaking to MLflow reads."""

    @property
    def name(self) -> str:
        """Of the company."""

    @property
    def language(self) -> str:
        """Of the descriptions."""

    @property
    def mlflow(self) -> MlflowConfig:
        """The experiment."""

    @property
    def tracking_uri(self) -> str:
        """The server."""

    @property
    def workspace_dir(self) -> Path:
        """Where artifacts go beside a bare database."""

    @property
    def label(self) -> LabelConfig:
        """The question."""


class CardSections(RecordedSections, ModelPlace, Protocol):
    """What a training's plots and model card tell of a config."""

    @property
    def language(self) -> str:
        """Of the card."""

    @property
    def currency(self) -> str:
        """Of its amounts."""

    @property
    def label(self) -> LabelConfig:
        """The question."""

    @property
    def splits(self) -> SplitConfig:
        """The folds that were asked for."""

    @property
    def capacity(self) -> CapacityConfig:
        """What the team can do."""


class EventSections(Protocol):
    """Where the events come from, what is made of them, and where they are kept laid out."""

    @property
    def features(self) -> FeatureConfig:
        """Windows, kinds and logins."""

    @property
    def workspace_dir(self) -> Path:
        """Where they are kept."""

    def as_dict(self) -> dict[str, Any]:
        """Return all sections as JSON-ready data, secrets masked."""


class LoadSections(Protocol):
    """What loading raw data reads."""

    @property
    def named_sources(self) -> dict[str, SourceConfig]:
        """Where it lies, by the names of the sources."""

    @property
    def tables(self) -> dict[str, TableSource]:
        """How it is mapped."""

    @property
    def label(self) -> LabelConfig:
        """Whether trials count."""

    @property
    def engine(self) -> EngineConfig:
        """What reads it."""

    @property
    def workspace_dir(self) -> Path:
        """Where the tables go."""

    @property
    def currency(self) -> str:
        """The currency of all amounts."""

    @property
    def language(self) -> str:
        """The language of the reasons in files of rejected rows."""

    @property
    def rates(self) -> RatesSource | None:
        """What converts amounts of other currencies."""

    @property
    def identities(self) -> IdentitiesConfig | None:
        """Which account each tool's records are."""

    def resolve(self, path: Path) -> Path:
        """Return a path of the config as an absolute one."""
