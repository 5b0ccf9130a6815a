from __future__ import annotations

import pytest

from churnml.simulate import Company, simulate


@pytest.fixture(scope="session")
def company() -> Company:
    """A company large enough for rates, small enough for seconds."""
    return simulate(accounts=700, months=18, seed=3)


@pytest.fixture(scope="session")
def small() -> Company:
    return simulate(accounts=120, months=9, seed=5)
