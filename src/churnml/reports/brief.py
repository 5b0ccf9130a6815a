"""The brief: what a CSM takes into a call about one account, on one page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import Any, NamedTuple

from markupsafe import Markup

from churnml.explain.happening import Happening
from churnml.explain.lifetime import Lifetime
from churnml.explain.movement import change_of
from churnml.explain.notices import level_gaps
from churnml.explain.play import Play
from churnml.features.spec import FAMILIES
from churnml.language import Day, Language, Quantity, Section, amount, day, month, number, phrases, render
from churnml.reports.changes import change_sentence
from churnml.reports.charts import line
from churnml.reports.curve import shown_curve
from churnml.reports.figures import loss, percent_or_dash, score
from churnml.reports.page import environment

__all__ = ["Reading", "account_brief"]

_DAYS_SHOWN_AS_DAYS = 75
"""Over a shorter time the months alone would stand there twice."""


class Reading(NamedTuple):
    """An earlier health score.

    Parameters
    ----------
    as_of : date
    health_score : float or None
    model_version : str, optional
    """

    as_of: date
    health_score: float | None
    model_version: str | None = None


def account_brief(
    explanation: Mapping[str, Any],
    *,
    language: Language,
    name: str = "",
    arr: float | None = None,
    currency: str = "USD",
    history: Sequence[Reading] = (),
    happenings: Sequence[Happening] = (),
    plays: Sequence[Play] = (),
    red_below: float = 40.0,
    green_from: float = 70.0,
    gaps: Sequence[Mapping[str, Any]] = (),
    curve: Lifetime | None = None,
) -> str:
    """Return the brief a CSM takes into a call, as one HTML page that prints on one sheet.

    Parameters
    ----------
    explanation : mapping
        `explain.published`.
    language : str
        Of the page.
    name : str
        Display name of the account; its id stands beside it.
    arr : float, optional
        Annual contract value, currency.
    currency : str
        ISO code.
    history : sequence of Reading
        Earlier scores; two that are known make a chart. It is marked where another model took over: a step there may be
        the model's alone.
    happenings : sequence of Happening
        From `timeline`.
    plays : sequence of Play
        From `suggest_plays`.
    red_below, green_from : float
        Bands of the chart.
    gaps : sequence of mapping
        Levels of risk that were off in the backtest, as the snapshot's ``level_gaps``.
    curve : Lifetime, optional
        When it may be lost; of an account that has left it is not shown.
    """
    say = phrases(language)
    page = Section(say, "page")
    known = sorted((reading for reading in history if reading.health_score is not None), key=lambda one: one.as_of)
    drawn = len(known) > 1
    template = environment().get_template("brief.html.j2")
    return template.render(
        explanation=explanation,
        gaps=level_gaps(gaps)[f"text_{language}"],
        language=language,
        t=page,
        say=say,
        name=name or explanation["account_id"],
        as_of=day(str(explanation["as_of"])[:10], language),
        probability=percent_or_dash(explanation["churn_probability"], language),
        lift=_lift(explanation, language),
        health=score(explanation["health_score"], language),
        coverage=percent_or_dash(explanation["coverage"], language),
        arr=None if arr is None or math.isnan(arr) else amount(arr, "currency", language, currency=currency),
        expected_loss=loss(explanation["churn_probability"], arr, language, currency),
        chart=_chart(known, page.health, red_below, green_from, language) if drawn else None,
        curve=shown_curve(curve, date.fromisoformat(str(explanation["as_of"])[:10]), language, currency)
        if curve is not None and not explanation.get("frozen")
        else None,
        families={name: say.or_plain(f"family-{name}", name) for name in FAMILIES},
        breaks=[say("page-new_model", on=Day(on=known[place].as_of.isoformat())) for place in _breaks(known)]
        if drawn
        else [],
        change=change_sentence(change_of(explanation), language),
        happenings=[{"on": day(item.on, language), "text": render(item.text, language)} for item in happenings],
        plays=[
            {
                "title": play.title.spoken(language),
                "owner": say.or_plain(f"owner-{play.owner}", play.owner),
                "due": day(play.due_on, language),
                "steps": [step.spoken(language) for step in play.steps],
            }
            for play in plays
        ],
        effect=lambda driver: _effect(driver, language),
        comparison=lambda driver: driver[f"comparison_{language}"],
    )


def _breaks(history: Sequence[Reading]) -> list[int]:
    """Return the places of the first readings by another model than the reading before."""
    return [
        place
        for place, (before, reading) in enumerate(pairwise(history), start=1)
        if before.model_version is not None and reading.model_version != before.model_version
    ]


def _chart(history: Sequence[Reading], label: str, red_below: float, green_from: float, language: Language) -> Markup:
    first, last = history[0].as_of, history[-1].as_of
    span = max(last - first, timedelta(days=1))
    worded = month if span.days > _DAYS_SHOWN_AS_DAYS else day
    return line(
        [reading.health_score for reading in history],
        [worded(tick.isoformat(), language) for tick in (first, first + span / 2, last)],
        label,
        high=100.0,
        levels=[(level, number(level, language, 0)) for level in (0.0, red_below, green_from, 100.0)],
        marks=_breaks(history),
        zones=[(0.0, red_below, "red"), (red_below, green_from, "yellow"), (green_from, 100.0, "green")],
        at=[(reading.as_of - first) / span for reading in history],
        height=150,
    )


def _effect(driver: Mapping[str, Any], language: Language) -> str:
    unit = "probability" if driver["effect_log_odds"] is not None else "health"
    return phrases(language)(f"page-effect-{unit}", n=Quantity(value=driver["effect_points"], digits=1))


def _lift(explanation: Mapping[str, Any], language: Language) -> str:
    probability = explanation["churn_probability"]
    return "" if probability is None else number(probability / explanation["base_rate"], language, 1)
