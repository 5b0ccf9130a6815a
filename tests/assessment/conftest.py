"""The champion of a made-up company whose causes are known."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from tests.companies.explained import World, make_world

from churnml.assessment import Champion
from churnml.registry import Bundle, Provenance, load_bundle, save_bundle


@pytest.fixture(scope="session")
def world() -> World:
    return make_world()


@pytest.fixture(scope="session")
def bundle(world: World, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    path = save_bundle(
        tmp_path_factory.mktemp("models"),
        name="acme",
        model=world.model,
        health=world.scale.as_dict(),
        explain=world.reference.as_dict(),
        provenance=Provenance.of(world.config, created_at=datetime(2026, 1, 1, tzinfo=UTC)),
    )
    return load_bundle(path)


@pytest.fixture(scope="session")
def champion(bundle: Bundle) -> Champion:
    return Champion.of(bundle, currency="EUR")
