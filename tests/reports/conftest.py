"""A small trained model that explains, and one training with its backtest."""

from __future__ import annotations

import pytest
from tests.companies.explained import World, make_world
from tests.companies.tracked import Company


@pytest.fixture(scope="session")
def world() -> World:
    return make_world()


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory) -> Company:
    return Company(tmp_path_factory.mktemp("reports"))
