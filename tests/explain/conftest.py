"""A small trained model, for all tests of the room."""

from __future__ import annotations

import pytest
from tests.companies.explained import World, make_world


@pytest.fixture(scope="session")
def world() -> World:
    return make_world()
