"""What matters over all accounts as one HTML page: families, features, patterns of those who left, segments."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any, Literal

from markupsafe import Markup

from churnml.assessment import FamilyShare, FeatureShare, Overall, PatternFound
from churnml.config import DisplayConfig
from churnml.features.spec import FAMILIES
from churnml.language import Language, Section, amount, day, number, percent, phrases, render
from churnml.reports.page import Labels, environment, new_figure, svg

__all__ = ["overall_page"]

_CLEAR = 0.1
_STRONG = 0.15
_SHOWN = 15


def overall_page(
    report: Overall,
    *,
    language: Language,
    title: str,
    summary: bytes | None = None,
    display: DisplayConfig | None = None,
) -> str:
    """Return the page.

    Parameters
    ----------
    report : Overall
        What matters over all accounts.
    language, title
        Language of the page, name of the company.
    summary : bytes, optional
        PNG of `shap_summary`.
    display : DisplayConfig, optional
        What segments and plans are called.
    """
    say = phrases(language)
    page = Section(say, "overall")
    template = environment().get_template("overall.html.j2")
    return template.render(
        title=title,
        language=language,
        t=page,
        say=say,
        strong=number(_STRONG, language, 2),
        report=report,
        first=day(report.as_of_from.isoformat(), language),
        last=day(report.as_of_until.isoformat(), language),
        rows=number(report.rows, language),
        accounts=number(report.accounts, language),
        chart=_chart(report.families, language),
        features=[_feature(row, language) for row in report.features[:_SHOWN]],
        summary=None if summary is None else Markup(base64.b64encode(summary).decode()),
        patterns=[_pattern(pattern, language) for pattern in report.patterns],
        segments=_segments(report, language, display or DisplayConfig()),
    )


def _family(name: str, language: Language) -> str:
    return phrases(language).or_plain(f"family-{name}", name)


def _chart(families: Sequence[FamilyShare], language: Language) -> Markup:
    said, page = Labels(), Section(phrases(language), "overall")
    figure = new_figure(7.5, 0.32 * len(families) + 0.7)
    axes = figure.subplots()
    names = [said(_family(row.family, language)) for row in families]
    axes.barh(names, [100 * row.share for row in families], color="#24539c", height=0.6)
    axes.invert_yaxis()
    axes.set_xlabel(said(page.share))
    axes.spines[["top", "right"]].set_visible(False)
    return svg(figure, page.families, said)


def _feature(row: FeatureShare, language: Language) -> dict[str, str]:
    way = row.direction or 0.0
    direction = "more" if way >= _CLEAR else "less" if way <= -_CLEAR else "mixed"
    return {
        "name": row.feature,
        "label": render(row.label, language),
        "family": _family(row.family, language),
        "share": percent(row.share, language),
        "direction": phrases(language)(f"overall-{direction}"),
    }


def _pattern(pattern_found: PatternFound, language: Language) -> dict[str, Any]:
    pattern, lead = pattern_found.pattern, pattern_found.pattern.median_lead_days
    return {
        "title": render(pattern.title, language),
        "share": percent(pattern.share, language),
        "accounts": number(pattern.accounts, language),
        "lead": None if lead is None else amount(round(lead), "days", language),
        "example": pattern.example,
        "example_on": day(pattern.example_on, language),
        "drivers": [render(driver.sentence, language) for driver in pattern_found.drivers],
    }


def _segments(report: Overall, language: Language, display: DisplayConfig) -> dict[str, Any]:
    """Return a table of segments by families, each cell with its difference and a tint."""
    rows = report.segments
    what: Literal["plans", "segments"] = "plans" if str(report.segment_column).endswith("plan") else "segments"
    families = list(dict.fromkeys(row.family for row in rows))
    families.sort(key=list(FAMILIES).index)
    table: dict[str, dict[str, Any]] = {}
    for row in rows:
        line = table.setdefault(row.segment, {"rows": row.accounts, "cells": {}})
        line["cells"][row.family] = _cell(row.difference, language)
    lines = [
        {
            "name": display.spoken(what, name, language),
            "rows": number(line["rows"], language),
            "cells": [line["cells"][family] for family in families],
        }
        for name, line in sorted(table.items())
    ]
    return {"families": [_family(name, language) for name in families], "lines": lines}


def _cell(difference: float, language: Language) -> dict[str, str]:
    tint = "#f7dcd8" if difference >= _STRONG else "#dcefe3" if difference <= -_STRONG else "transparent"
    sign = "+" if difference >= 0.005 else "−" if difference <= -0.005 else ""
    return {"text": f"{sign}{number(abs(difference), language, 2)}", "tint": tint}
