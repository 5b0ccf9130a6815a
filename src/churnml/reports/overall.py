"""What matters over all accounts as one HTML page: families, features, patterns of those who left, segments."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from churnml.features.spec import FAMILIES
from churnml.language import amount, day, number, percent
from churnml.reports.page import Labels, environment, new_figure, svg

__all__ = ["overall_page"]

Language = str
_CLEAR = 0.1
_STRONG = 0.15
_SHOWN = 15


def overall_page(found: Mapping[str, Any], *, language: Language, title: str, summary: bytes | None = None) -> str:
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
    """
    words = _WORDS[language]
    template = environment().get_template("overall.html.j2")
    return template.render(
        title=title,
        language=language,
        t=words,
        found=found,
        first=day(found["as_of_from"], language),
        last=day(found["as_of_until"], language),
        rows=number(found["rows"], language),
        accounts=number(found["accounts"], language),
        chart=_chart(found["families"], language),
        features=[_feature(row, language) for row in found["features"][:_SHOWN]],
        summary=None if summary is None else Markup(base64.b64encode(summary).decode()),
        patterns=[_pattern(pattern, language) for pattern in found["patterns"]],
        segments=_segments(found["segments"], language),
    )


def _family(name: str, language: Language) -> str:
    return FAMILIES.get(name, name) if language == "ja" else name


def _chart(families: Sequence[Mapping[str, Any]], language: Language) -> Markup:
    said, words = Labels(), _WORDS[language]
    figure = new_figure(7.5, 0.32 * len(families) + 0.7)
    axes = figure.subplots()
    names = [said(_family(str(row["family"]), language)) for row in families]
    axes.barh(names, [100 * float(row["share"]) for row in families], color="#24539c", height=0.6)
    axes.invert_yaxis()
    axes.set_xlabel(said(words["share"]))
    axes.spines[["top", "right"]].set_visible(False)
    return svg(figure, words["families"], said)


def _feature(row: Mapping[str, Any], language: Language) -> dict[str, str]:
    way = float(row["direction"] or 0.0)
    told = "more" if way >= _CLEAR else "less" if way <= -_CLEAR else "mixed"
    return {
        "name": str(row["feature"]),
        "label": str(row[f"label_{language}"]),
        "family": _family(str(row["family"]), language),
        "share": percent(float(row["share"]), language),
        "direction": str(_WORDS[language][told]),
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


def _segments(rows: Sequence[Mapping[str, Any]], language: Language) -> dict[str, Any]:
    """Return a table of segments by families, each cell with its difference and a tint."""
    families = list(dict.fromkeys(str(row["family"]) for row in rows))
    families.sort(key=list(FAMILIES).index)
    table: dict[str, dict[str, Any]] = {}
    for row in rows:
        line = table.setdefault(str(row["segment"]), {"rows": row["accounts"], "cells": {}})
        line["cells"][row["family"]] = _cell(float(row["difference"]))
    lines = [
        {
            "name": name,
            "rows": number(line["rows"], language),
            "cells": [line["cells"][family] for family in families],
        }
        for name, line in sorted(table.items())
    ]
    return {"families": [_family(name, language) for name in families], "lines": lines}


def _cell(difference: float) -> dict[str, str]:
    tint = "#f7dcd8" if difference >= _STRONG else "#dcefe3" if difference <= -_STRONG else "transparent"
    sign = "+" if difference >= 0.005 else "−" if difference <= -0.005 else ""
    return {"text": f"{sign}{abs(difference):.2f}", "tint": tint}


_WORDS: dict[Language, dict[str, str]] = {
    "en": {
        "heading": "What goes with churn at {company}",
        "intro": "{rows} readings of {accounts} accounts from {first} to {last}, explained by the model in force "
        "(horizon {horizon} days).",
        "rules_only": "The model did not pass its gate: health rests on rules alone. This page tells what the model "
        "has learned all the same.",
        "families": "What moves the risk, by family",
        "families_note": "Mean absolute effect on the log-odds of churn; the features of a family are added up first.",
        "share": "share of the effect, %",
        "feature": "Feature",
        "family": "Family",
        "part": "Share",
        "direction": "More of it goes with",
        "more": "more risk",
        "less": "less risk",
        "mixed": "no one direction",
        "features": "Strongest features",
        "summary": "SHAP summary",
        "summary_note": "One dot per reading: to the right the feature raises the risk there; the colour is its value.",
        "patterns": "Patterns among churned accounts",
        "patterns_note": "{churned} churned accounts, grouped by what raised their risk at the last reading before "
        "they left.",
        "too_few": "Patterns need at least 20 churned accounts; there are {churned}.",
        "of_churned": "{share} of churned accounts ({accounts})",
        "lead": "typically visible {lead} before they left",
        "no_lead": "no reading showed it before",
        "example": "Example: {account}, {on}",
        "segments": "Where segments differ",
        "segments_note": "How much more (+) or less (−) a family raises the log-odds of churn in a segment than over "
        "all readings. Differences of {strong} and more are tinted.",
        "segment": "Segment",
        "rows": "Readings",
        "no_segments": "The data has no segment or plan to compare.",
        "note": "Associations in past data, not causes.",
    },
    "ja": {
        "heading": "{company}：解約と関連する要因",
        "intro": "{first}から{last}までの{accounts}社・{rows}件の判定を、現在のモデル（予測期間{horizon}日）で説明して"
        "います。",
        "rules_only": "モデルは検証基準を満たさず、ヘルススコアはルールのみで算出しています。このページは参考として"
        "モデルの学習内容を示します。",
        "families": "リスクを動かす要因（分類別）",
        "families_note": "解約の対数オッズに対する効果の絶対値の平均。分類内の特徴量は合算してから集計しています。",
        "share": "効果に占める割合（%）",
        "feature": "特徴量",
        "family": "分類",
        "part": "割合",
        "direction": "値が大きいほど",
        "more": "リスクが高い",
        "less": "リスクが低い",
        "mixed": "一方向ではない",
        "features": "影響の大きい特徴量",
        "summary": "SHAPサマリー",
        "summary_note": "点は1件の判定。右にあるほどその特徴量がリスクを高めており、色は値の大小を表します。",
        "patterns": "解約顧客のパターン",
        "patterns_note": "解約顧客{churned}社を、解約前の最後の判定でリスクを高めていた要因によって分類しました。",
        "too_few": "パターンの抽出には解約顧客20社以上が必要です（現在{churned}社）。",
        "of_churned": "解約顧客の{share}（{accounts}社）",
        "lead": "通常、解約の{lead}前から表れる",
        "no_lead": "事前の判定には表れず",
        "example": "例：{account}（{on}）",
        "segments": "セグメントによる違い",
        "segments_note": "各分類が解約の対数オッズを押し上げる度合いの、全体平均との差。差が{strong}以上のセルに色を"
        "付けています。",
        "segment": "セグメント",
        "rows": "件数",
        "no_segments": "比較できるセグメントやプランがデータにありません。",
        "note": "過去データにおける関連であり、因果関係を示すものではありません。",
    },
}
