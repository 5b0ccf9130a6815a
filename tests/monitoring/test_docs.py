"""Whoever gets an alarm finds what it means."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from churnml.language import catalogue
from churnml.monitoring import ALARMS

PAGE = (Path(__file__).parents[2] / "docs" / "monitoring.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("code", [*ALARMS, "MON401", "MON402", "MON403"])
def test_each_code_has_a_section_on_what_to_do(code: str) -> None:
    section = re.search(rf"^## {code}: .+\n\n(?P<body>[^#]+)", PAGE, re.MULTILINE)
    assert section is not None
    assert section["body"].strip()


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize("code", ALARMS)
def test_each_alarm_has_words(code: str, language: str) -> None:
    assert any(known.split(".")[0] == f"alarm-{code}" for known in catalogue(language).codes)
