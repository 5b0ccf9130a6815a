"""The brief: what a CSM takes into a call about one account, on one page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from churnml.explain.plays import Play
from churnml.explain.timeline import Happening
from churnml.features.spec import FAMILIES
from churnml.language import amount, day, render
from churnml.reports.figures import loss, percent_or_dash, score
from churnml.reports.page import BAND_COLOURS, environment, new_figure, svg
from churnml.reports.wording import WORDS, Language

__all__ = ["account_brief", "change_told"]


def account_brief(
    explanation: Mapping[str, Any],
    *,
    language: Language,
    name: str = "",
    arr: float | None = None,
    currency: str = "USD",
    history: pd.DataFrame | None = None,
    happenings: Sequence[Happening] = (),
    plays: Sequence[Play] = (),
    red_below: float = 40.0,
    green_from: float = 70.0,
) -> str:
    """Return the brief a CSM takes into a call, as one HTML page that prints on one sheet.

    Parameters
    ----------
    explanation : mapping
        `Explanation.as_dict()`.
    language : {"en", "ja"}
        Of the page.
    name : str
        Display name of the account; its id stands beside it.
    arr : float, optional
        Annual contract value, currency.
    currency : str
        ISO code.
    history : DataFrame, optional
        ``as_of, health_score`` of this account; two readings or more make a chart.
    happenings : sequence of Happening
        From `timeline`.
    plays : sequence of Play
        From `suggest_plays`.
    red_below, green_from : float
        Bands of the chart.
    """
    words = WORDS[language]
    known = history.dropna(subset=["health_score"]).sort_values("as_of") if history is not None else None
    drawn = known is not None and len(known) > 1
    template = environment().get_template("brief.html.j2")
    return template.render(
        told=explanation,
        language=language,
        t=words,
        name=name or explanation["account_id"],
        as_of=day(str(explanation["as_of"])[:10], language),
        probability=percent_or_dash(explanation["churn_probability"], language),
        lift=_lift(explanation),
        health=score(explanation["health_score"], language),
        coverage=percent_or_dash(explanation["coverage"], language),
        arr=None if arr is None or np.isnan(arr) else amount(arr, "currency", language, currency=currency),
        expected_loss=loss(explanation["churn_probability"], arr, language, currency),
        chart=_chart(known, words["health"], red_below, green_from) if drawn and known is not None else None,
        families=_families(language),
        change=change_told(explanation.get("change"), language),
        happenings=[{"on": day(item.on, language), "text": render(item.text, language)} for item in happenings],
        plays=[
            {
                "title": play.title_ja if language == "ja" else play.title_en,
                "owner": words["owners"].get(play.owner, play.owner),
                "due": day(play.due_on, language),
                "steps": play.steps_ja if language == "ja" else play.steps_en,
            }
            for play in plays
        ],
        effect=lambda driver: _effect(driver, language),
        comparison=lambda driver: driver[f"comparison_{language}"],
    )


def change_told(change: Mapping[str, Any] | None, language: Language) -> str:
    """Return in words by how much the health score moved, and what moved it; empty where nothing is known.

    Parameters
    ----------
    change : mapping, optional
        ``since, change, data, weights, model`` and ``largest`` (``label_en, label_ja, points``), points of health.
    language : {"en", "ja"}

    Examples
    --------
    >>> change_told({"since": "2026-03-01", "change": -5.8, "data": -5.8, "weights": 0.0, "model": 0.0,
    ...              "largest": [{"label_en": "login frequency", "points": -4.1}]}, "en")
    'Health −5.8 since 1 March 2026 (facts −5.8, weights 0.0, model 0.0). Largest parts: login frequency −4.1.'
    """
    if not change or change["change"] is None:
        return ""
    words = WORDS[language]
    shares = {name: _signed(change[name]) for name in ("change", "data", "weights", "model")}
    text = str(words["moved"]).format(since=day(change["since"], language), **shares)
    parts = [f"{part[f'label_{language}']} {_signed(part['points'])}" for part in change.get("largest", [])]
    return text + (str(words["largest"]).format(parts=words["joint"].join(parts)) if parts else "")


def _signed(points: float) -> str:
    text = f"{abs(points):.1f}"
    return text if text == "0.0" else f"{'+' if points > 0 else '−'}{text}"


def _chart(history: pd.DataFrame, label: str, red_below: float, green_from: float) -> Markup:
    figure = new_figure(7.6, 1.6)
    axes = figure.subplots()
    for low, high, band in ((0, red_below, "red"), (red_below, green_from, "yellow"), (green_from, 100, "green")):
        axes.axhspan(low, high, color=BAND_COLOURS[band], alpha=0.12, linewidth=0)
    axes.plot(history["as_of"], history["health_score"], color="#1f2430", marker="o", markersize=3, linewidth=1.6)
    axes.set_ylim(0, 100)
    axes.set_yticks([0, red_below, green_from, 100])
    from matplotlib.dates import AutoDateLocator, DateFormatter

    axes.xaxis.set_major_locator(AutoDateLocator(minticks=2, maxticks=7))
    axes.xaxis.set_major_formatter(DateFormatter("%Y-%m"))
    axes.spines[["top", "right"]].set_visible(False)
    return svg(figure, label)


def _effect(driver: Mapping[str, Any], language: Language) -> str:
    words = WORDS[language]
    unit = words["probability_points"] if driver["effect_log_odds"] is not None else words["health_points"]
    value = driver["effect_points"]
    if abs(value) < 0.05:
        return f"±0 {unit}" if language == "en" else f"±0{unit}"
    text = f"{'+' if value > 0 else '−'}{abs(value):.1f}"
    return f"{text} {unit}" if language == "en" else f"{text}{unit}"


def _lift(explanation: Mapping[str, Any]) -> str:
    probability = explanation["churn_probability"]
    return "" if probability is None else f"{probability / explanation['base_rate']:.1f}"


def _families(language: Language) -> dict[str, str]:
    return {name: japanese if language == "ja" else name for name, japanese in FAMILIES.items()}
