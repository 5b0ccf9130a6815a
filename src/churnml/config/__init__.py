"""The config of one company: where its data is, what churn means, how to model, how to score.

A config is a YAML file. It is read into frozen pydantic models that refuse unknown keys and name the near one.
Paths in it are relative to the file's own folder. ``${NAME}`` stands for an environment variable.
"""

from churnml.config.company import Config
from churnml.config.daily import DailyConfig, SummaryConfig
from churnml.config.deliveries import DeliveriesConfig
from churnml.config.display import DisplayConfig
from churnml.config.raw import (
    ColumnSource,
    IdentitiesConfig,
    IdentityKeys,
    LookupSource,
    RatesSource,
    SourceConfig,
    TableSource,
    VersionSource,
)
from churnml.config.reading import alerts_section, load_config
from churnml.config.reference import config_markdown
from churnml.config.secrets import mask_secrets, mask_text, mask_url
from churnml.config.sections import (
    ApiLimits,
    CapacityConfig,
    CohortConfig,
    EngineConfig,
    FeatureConfig,
    FixedSplit,
    HealthConfig,
    LabelConfig,
    LearningConfig,
    MeasureConfig,
    MlflowConfig,
    ModelConfig,
    RetentionConfig,
    ServingConfig,
    SnapshotConfig,
    SplitConfig,
    StoreConfig,
    TargetWords,
    target_words,
)
from churnml.config.survival import SurvivalConfig

__all__ = [
    "ApiLimits",
    "CapacityConfig",
    "CohortConfig",
    "ColumnSource",
    "DailyConfig",
    "DeliveriesConfig",
    "DisplayConfig",
    "Config",
    "EngineConfig",
    "FeatureConfig",
    "FixedSplit",
    "HealthConfig",
    "IdentitiesConfig",
    "IdentityKeys",
    "LabelConfig",
    "LookupSource",
    "LearningConfig",
    "MeasureConfig",
    "MlflowConfig",
    "ModelConfig",
    "ServingConfig",
    "SnapshotConfig",
    "SourceConfig",
    "SplitConfig",
    "RatesSource",
    "RetentionConfig",
    "StoreConfig",
    "SummaryConfig",
    "SurvivalConfig",
    "TableSource",
    "TargetWords",
    "VersionSource",
    "config_markdown",
    "alerts_section",
    "load_config",
    "mask_secrets",
    "mask_text",
    "mask_url",
    "target_words",
]
