"""The small company of `tests.companies.training` as fixtures."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest
from tests.companies.training import FEATURES, make_config, make_frame, make_splits

from churnml.config import Config
from churnml.features.spec import FeatureSet
from churnml.snapshots.splits import Split


@pytest.fixture(scope="session")
def features() -> FeatureSet:
    return FEATURES


@pytest.fixture(scope="session")
def company() -> pd.DataFrame:
    return make_frame()


@pytest.fixture(scope="session")
def noise() -> pd.DataFrame:
    return make_frame(signal=0.0, seed=1)


@pytest.fixture(scope="session")
def config() -> Config:
    return make_config()


@pytest.fixture(scope="session")
def configure() -> Callable[..., Config]:
    return make_config


@pytest.fixture(scope="session")
def cut() -> Callable[..., list[Split]]:
    return make_splits
