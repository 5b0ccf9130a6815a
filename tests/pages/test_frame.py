"""The frame of the pages: errors with a way back, languages, what a browser may load."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.parametrize(("lang", "title"), [("en", "There is no such page"), ("ja", "ページが見つかりません")])
def test_an_error_is_a_page_with_a_way_back(nothing_scored: Any, lang: str, title: str) -> None:
    answer = nothing_scored.get(f"/nowhere?lang={lang}")
    assert answer.status_code == 404
    assert f"<h1>{title}</h1>" in answer.text
    assert 'href="/"' in answer.text
    assert f'<html lang="{lang}">' in answer.text


def test_a_program_gets_a_problem(nothing_scored: Any) -> None:
    answer = nothing_scored.get("/nowhere", headers={"Accept": "application/json"})
    assert answer.json()["code"] == "path.unknown"
    assert nothing_scored.get("/v1/nowhere").json()["code"] == "path.unknown"


def test_a_page_loads_its_own_files_only(nothing_scored: Any) -> None:
    answer = nothing_scored.get("/nowhere")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "style=" not in answer.text
    for name in ("pages.css", "pages.js"):
        address = answer.text.split(f'"/static/{name}')[1].split('"')[0]
        file = nothing_scored.get(f"/static/{name}{address}")
        assert file.status_code == 200
        assert "immutable" in file.headers["cache-control"]
    assert nothing_scored.get("/static/other.css").status_code == 404
