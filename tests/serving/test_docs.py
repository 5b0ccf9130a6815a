"""The pages on the API say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from churnml.api.problems import CODES
from churnml.serving import settings, workers
from churnml.serving.reference import api_markdown

_DOCS = Path(__file__).parents[2] / "docs"


def test_the_reference_page_is_current() -> None:
    assert (_DOCS / "api.md").read_text(encoding="utf-8") == api_markdown(), "run `make docs`"


def test_every_code_and_field_is_in_the_reference() -> None:
    page = api_markdown()
    assert all(f"`{code}`" in page for code in CODES)
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]*) \|$", page, flags=re.M)
    assert len(rows) > 100
    assert not [name for name, meaning in rows if not meaning.strip()]


def test_every_environment_variable_is_in_the_deploy_page() -> None:
    page = (_DOCS / "deploy.md").read_text(encoding="utf-8")
    for name in (settings.CONFIG, settings.STORE_URL, settings.INSECURE, workers.WORKERS):
        assert f"`{name}`" in page


def test_every_warning_code_is_explained() -> None:
    page = (_DOCS / "integrations.md").read_text(encoding="utf-8")
    source = Path(settings.__file__).with_name("mappers.py").read_text(encoding="utf-8")
    for code in set(re.findall(r'code="(\w+)"', source)) - {"no_snapshot"}:
        assert f"`{code}`" in page, code
