"""The page on all accounts says what the data says, in both languages."""

from __future__ import annotations

import json
from typing import Any

import pytest

from churnml.config import DisplayConfig
from churnml.reports import overall_page

FOUND: dict[str, Any] = {
    "as_of_from": "2025-01-01",
    "as_of_until": "2025-08-01",
    "rows": 2000,
    "accounts": 250,
    "horizon_days": 90,
    "verdict": "publishable",
    "families": [
        {"family": "commercial", "importance": 0.6, "share": 0.6},
        {"family": "engagement", "importance": 0.4, "share": 0.4},
    ],
    "features": [
        {
            "feature": "invoices_overdue",
            "family": "commercial",
            "importance": 0.6,
            "share": 0.6,
            "label_en": "overdue invoices",
            "label_ja": "支払い遅延の請求書数",
            "direction": 0.4,
        },
        {
            "feature": "nps_last",
            "family": "sentiment",
            "importance": 0.1,
            "share": 0.1,
            "label_en": "last NPS answer",
            "label_ja": "直近のNPS回答",
            "direction": None,
        },
    ],
    "segment_column": "attr_segment",
    "segments": [
        {"segment": "<SMB>", "family": "commercial", "accounts": 1200, "effect": 0.3, "difference": 0.2},
        {"segment": "enterprise", "family": "commercial", "accounts": 800, "effect": -0.2, "difference": -0.3},
    ],
    "churned": 40,
    "patterns": [
        {
            "families": ["commercial"],
            "effects": {"commercial": 0.9},
            "accounts": 30,
            "share": 0.75,
            "median_lead_days": 61.0,
            "example": "A0007",
            "example_on": "2025-06-01",
            "title_en": "Contract and payment",
            "title_ja": "契約・支払い",
            "drivers": [{"sentence_en": "2 overdue invoices", "sentence_ja": "支払い遅延の請求書数は2件"}],
        }
    ],
}


def test_the_page_tells_families_patterns_and_segments() -> None:
    page = overall_page(FOUND, language="en", title="acme", summary=b"png")
    for said in ("75 % of churned accounts (30)", "61 days", "Example: A0007, 1 June 2025", "2 overdue invoices"):
        assert said in page.replace("\u00a0", " ")
    assert "&lt;SMB&gt;" in page
    assert page.index("+0.20") > page.index("&lt;SMB&gt;")
    assert "−0.30" in page
    assert "more risk" in page
    assert "no one direction" in page
    assert page.count("<svg") == 1
    assert "caused" not in page


def test_the_page_speaks_japanese() -> None:
    page = overall_page(FOUND, language="ja", title="acme")
    assert 'lang="ja"' in page
    for said in ("解約顧客の75%（30社）", "解約の61日前", "2025年6月1日", "支払い遅延の請求書数は2件", ">契約<"):
        assert said in page
    assert "Patterns" not in page
    assert "<img" not in page


@pytest.mark.parametrize(
    ("language", "said"), [("en", "do not fall into groups"), ("ja", "グループ分けは見られません")]
)
def test_one_pattern_alone_is_no_grouping(language: Any, said: str) -> None:
    assert said in overall_page(FOUND, language=language, title="acme")
    both = {**FOUND, "patterns": [*FOUND["patterns"], {**FOUND["patterns"][0], "share": 0.25, "accounts": 10}]}
    assert said not in overall_page(both, language=language, title="acme")


def test_segments_go_by_their_display_names() -> None:
    raw = str(FOUND["segments"][0]["segment"])
    page = overall_page(FOUND, language="ja", title="acme", display=DisplayConfig(segments={raw: {"ja": "中小企業"}}))
    assert "<td>中小企業</td>" in page


@pytest.mark.parametrize("language", ["en", "ja"])
def test_what_there_is_not_is_said(language: Any) -> None:
    bare = json.loads(json.dumps({**FOUND, "patterns": [], "churned": 7, "segments": [], "verdict": "rules_only"}))
    page = overall_page(bare, language=language, title="acme")
    assert "7" in page
    assert ("at least 20" in page) == (language == "en")
    assert ("no segment" in page) == (language == "en")
    assert ("gate" in page) == (language == "en")
