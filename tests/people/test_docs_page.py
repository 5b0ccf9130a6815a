"""``/docs``: the whole API on a page of our own."""

from __future__ import annotations

import gzip
import re
from typing import Any

import pytest

from churnml.api.problems import CODES
from churnml.serving.app import create_api


@pytest.fixture
def page(serve: Any) -> Any:
    return serve().get("/docs")


def test_every_operation_field_and_code_stands_there(page: Any) -> None:
    schema = create_api().openapi()
    assert page.status_code == 200
    for path, methods in schema["paths"].items():
        for method in methods:
            assert f"<code>{method.upper()} {path}</code>" in page.text
    for name, model in schema["components"]["schemas"].items():
        for field in model.get("properties", ()):
            assert f"<code>{field}</code>" in page.text, (name, field)
    for code in CODES:
        assert code in page.text


def test_every_link_inside_leads_somewhere(page: Any) -> None:
    ids = re.findall(r'id="([^"]+)"', page.text)
    assert len(ids) == len(set(ids))
    wanted = set(re.findall(r'href="#([^"]+)"', page.text))
    assert len(wanted) > 40
    assert wanted <= set(ids)


def test_it_loads_nothing_from_elsewhere_and_is_light(page: Any) -> None:
    assert "unsafe" not in page.headers["content-security-policy"]
    assert re.findall(r'(?:src|href)="(?!/|#|data:)[^"]*"', page.text) == []
    assert len(gzip.compress(page.text.encode(), 5)) < 100_000


def test_a_call_can_be_copied(page: Any) -> None:
    call = re.search(r"<pre[^>]*><code>(curl -s [^<]*?/v1/predict .*?)</code>", page.text)
    assert call is not None
    assert "Content-Type: application/json" in call[1]
    assert "curl -s http://127.0.0.1/v1/accounts -H" in page.text
    assert "-X DELETE" in page.text


def test_it_opens_without_a_key_and_in_japanese(serve: Any) -> None:
    page = serve().get("/docs?lang=ja")
    assert page.status_code == 200
    assert "エラーコード" in page.text
