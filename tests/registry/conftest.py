"""One training of a small company, for all tests of the room."""

from __future__ import annotations

import pytest
from tests.companies.tracked import Company


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory) -> Company:
    return Company(tmp_path_factory.mktemp("registry"))
