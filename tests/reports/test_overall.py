"""The page on all accounts says what the data says, in both languages."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from churnml.assessment import FamilyShare, FeatureShare, Overall, PatternFound, SegmentEffect
from churnml.config import DisplayConfig
from churnml.explain import Driver, Pattern
from churnml.language import Text, words
from churnml.reports import overall_page
from churnml.training import Publication


def own(en: str, ja: str) -> Text:
    return Text.of("words", words=words({"en": en, "ja": ja}))


PATTERN = Pattern(
    families=("commercial",),
    effects={"commercial": 0.9},
    accounts=30,
    share=0.75,
    median_lead_days=61.0,
    example="A0007",
    example_on="2025-06-01",
    title=own("Contract and payment", "契約・支払い"),
)
DRIVER = Driver.model_construct(sentence=own("2 overdue invoices", "支払い遅延の請求書数は2件"))
FOUND = Overall(
    as_of_from=date(2025, 1, 1),
    as_of_until=date(2025, 8, 1),
    rows=2000,
    accounts=250,
    horizon_days=90,
    verdict=Publication.PUBLISHABLE,
    model_version="0" * 12,
    families=[FamilyShare("commercial", 0.6, 0.6), FamilyShare("engagement", 0.4, 0.4)],
    features=[
        FeatureShare("invoices_overdue", "commercial", 0.6, 0.6, own("overdue invoices", "支払い遅延の請求書数"), 0.4),
        FeatureShare("nps_last", "sentiment", 0.1, 0.1, own("last NPS answer", "直近のNPS回答"), None),
    ],
    segment_column="attr_segment",
    segments=[
        SegmentEffect("<SMB>", "commercial", 1200, 0.3, 0.2),
        SegmentEffect("enterprise", "commercial", 800, -0.2, -0.3),
    ],
    churned=40,
    patterns=[PatternFound(PATTERN, (DRIVER,))],
)


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
    other = PatternFound(replace(PATTERN, share=0.25, accounts=10), ())
    both = replace(FOUND, patterns=[*FOUND.patterns, other])
    assert said not in overall_page(both, language=language, title="acme")


def test_segments_go_by_their_display_names() -> None:
    raw = FOUND.segments[0].segment
    page = overall_page(FOUND, language="ja", title="acme", display=DisplayConfig(segments={raw: {"ja": "中小企業"}}))
    assert "<td>中小企業</td>" in page


@pytest.mark.parametrize("language", ["en", "ja"])
def test_what_there_is_not_is_said(language: Any) -> None:
    bare = replace(FOUND, patterns=[], churned=7, segments=[], verdict=Publication.RULES_ONLY)
    page = overall_page(bare, language=language, title="acme")
    assert "7" in page
    assert ("at least 20" in page) == (language == "en")
    assert ("no segment" in page) == (language == "en")
    assert ("gate" in page) == (language == "en")
