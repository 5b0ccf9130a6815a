"""What matters over all accounts as one HTML page: families, features, patterns of those who left, segments."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from markupsafe import Markup

from churnml.config import DisplayConfig
from churnml.features.spec import FAMILIES
from churnml.language import Language, Section, amount, day, number, percent, phrases
from churnml.reports.page import Labels, environment, new_figure, svg

__all__ = ["overall_page"]

_CLEAR = 0.1
_STRONG = 0.15
_SHOWN = 15


def overall_page(
    found: Mapping[str, Any],
    *,
    language: Language,
    title: str,
    summary: bytes | None = None,
    display: DisplayConfig | None = None,
) -> str:
    """Return the page.

    Parameters
    ----------
    found : mapping
        JSON-ready: ``as_of_from, as_of_until, rows, accounts, horizon_days, verdict``; ``families`` and ``features``
        of `global_importance` (features with ``label_en, label_ja, direction``); ``segments`` of
        `segment_differences`; ``patterns`` of `churn_patterns` (each with ``drivers``, the example's), and
        ``churned``, the accounts they are made of.
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
        found=found,
        first=day(found["as_of_from"], language),
        last=day(found["as_of_until"], language),
        rows=number(found["rows"], language),
        accounts=number(found["accounts"], language),
        chart=_chart(found["families"], language),
        features=[_feature(row, language) for row in found["features"][:_SHOWN]],
        summary=None if summary is None else Markup(base64.b64encode(summary).decode()),
        patterns=[_pattern(pattern, language) for pattern in found["patterns"]],
        segments=_segments(found, language, display or DisplayConfig()),
    )


def _family(name: str, language: Language) -> str:
    return phrases(language).or_plain(f"family-{name}", name)


def _chart(families: Sequence[Mapping[str, Any]], language: Language) -> Markup:
    said, page = Labels(), Section(phrases(language), "overall")
    figure = new_figure(7.5, 0.32 * len(families) + 0.7)
    axes = figure.subplots()
    names = [said(_family(str(row["family"]), language)) for row in families]
    axes.barh(names, [100 * float(row["share"]) for row in families], color="#24539c", height=0.6)
    axes.invert_yaxis()
    axes.set_xlabel(said(page.share))
    axes.spines[["top", "right"]].set_visible(False)
    return svg(figure, page.families, said)


def _feature(row: Mapping[str, Any], language: Language) -> dict[str, str]:
    way = float(row["direction"] or 0.0)
    told = "more" if way >= _CLEAR else "less" if way <= -_CLEAR else "mixed"
    return {
        "name": str(row["feature"]),
        "label": str(row[f"label_{language}"]),
        "family": _family(str(row["family"]), language),
        "share": percent(float(row["share"]), language),
        "direction": phrases(language)(f"overall-{told}"),
    }


def _pattern(pattern: Mapping[str, Any], language: Language) -> dict[str, Any]:
    lead = pattern["median_lead_days"]
    return {
        "title": pattern[f"title_{language}"],
        "share": percent(pattern["share"], language),
        "accounts": number(pattern["accounts"], language),
        "lead": None if lead is None else amount(round(lead), "days", language),
        "example": pattern["example"],
        "example_on": day(pattern["example_on"], language),
        "drivers": [driver[f"sentence_{language}"] for driver in pattern["drivers"]],
    }


def _segments(found: Mapping[str, Any], language: Language, display: DisplayConfig) -> dict[str, Any]:
    """Return a table of segments by families, each cell with its difference and a tint."""
    rows: Sequence[Mapping[str, Any]] = found["segments"]
    what: Literal["plans", "segments"] = "plans" if str(found.get("segment_column")).endswith("plan") else "segments"
    families = list(dict.fromkeys(str(row["family"]) for row in rows))
    families.sort(key=list(FAMILIES).index)
    table: dict[str, dict[str, Any]] = {}
    for row in rows:
        line = table.setdefault(str(row["segment"]), {"rows": row["accounts"], "cells": {}})
        line["cells"][row["family"]] = _cell(float(row["difference"]), language)
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
