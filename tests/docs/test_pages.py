"""The generated pages of docs/ are current: after a change, `make docs`."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs import generate

DOCS = Path(generate.__file__).parent


@pytest.mark.parametrize("name", sorted(generate.PAGES))
def test_a_generated_page_is_current(name):
    assert (DOCS / name).read_text(encoding="utf-8") == generate.PAGES[name](), "run `make docs`"
