"""The generated pages of docs/ are current: after a change, `make docs`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs import generate

DOCS = Path(generate.__file__).parent


@pytest.mark.parametrize("name", sorted(generate.PAGES))
def test_a_generated_page_is_current(name):
    assert (DOCS / name).read_text(encoding="utf-8") == generate.PAGES[name](), "run `make docs`"


def test_every_path_that_contributing_names_exists():
    text = (DOCS.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    quoted = [path for path in re.findall(r"`([\w./-]+)`", prose) if "/" in path or path.endswith((".toml", ".md"))]
    linked = [target for target in re.findall(r"\]\(([^)#]+)", prose) if "://" not in target]
    assert len(quoted) > 15
    assert len(linked) > 5
    assert [path for path in quoted + linked if not (DOCS.parent / path).exists()] == []
