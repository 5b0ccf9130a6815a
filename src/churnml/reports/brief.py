"""The brief: what a CSM takes into a call about one account, on one page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from churnml.explain.happenings import Happening
from churnml.explain.lifetime import Lifetime
from churnml.explain.movement import change_of
from churnml.explain.notices import level_gaps
from churnml.explain.plays import Play
from churnml.features.spec import FAMILIES
from churnml.language import Day, Language, Quantity, Section, amount, day, month, number, phrases, render
from churnml.reports.changes import change_sentence
from churnml.reports.charts import line
from churnml.reports.curve import shown_curve
from churnml.reports.figures import loss, percent_or_dash, score
from churnml.reports.page import environment

__all__ = ["account_brief"]

_DAYS_SHOWN_AS_DAYS = 75
"""Over a shorter time the months alone would stand there twice."""


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
    history : DataFrame, optional
        ``as_of, health_score`` of this account; two readings or more make a chart. With ``model_version`` it is marked
        where another model took over: a step there may be the model's alone.
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
    known = history.dropna(subset=["health_score"]).sort_values("as_of") if history is not None else None
    drawn = known is not None and len(known) > 1
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
        arr=None if arr is None or np.isnan(arr) else amount(arr, "currency", language, currency=currency),
        expected_loss=loss(explanation["churn_probability"], arr, language, currency),
        chart=_chart(known, page.health, red_below, green_from, language) if drawn and known is not None else None,
        curve=shown_curve(curve, date.fromisoformat(str(explanation["as_of"])[:10]), language, currency)
        if curve is not None and not explanation.get("frozen")
        else None,
        families={name: say.or_plain(f"family-{name}", name) for name in FAMILIES},
        breaks=[say("page-new_model", on=Day(on=f"{known['as_of'].iloc[place]:%Y-%m-%d}")) for place in _breaks(known)]
        if drawn and known is not None
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


def _breaks(history: pd.DataFrame) -> list[int]:
    """Return the places of the first readings by another model than the reading before."""
    if "model_version" not in history:
        return []
    version = history["model_version"]
    changed = (version != version.shift()) & version.shift().notna()
    return [int(place) for place in np.flatnonzero(changed)]


def _chart(history: pd.DataFrame, label: str, red_below: float, green_from: float, language: Language) -> Markup:
    on = pd.to_datetime(history["as_of"])
    first, last = on.iloc[0], on.iloc[-1]
    span = max(last - first, pd.Timedelta(days=1))
    worded = month if span.days > _DAYS_SHOWN_AS_DAYS else day
    return line(
        history["health_score"].tolist(),
        [worded(f"{tick:%Y-%m-%d}", language) for tick in (first, first + span / 2, last)],
        label,
        high=100.0,
        levels=[(level, number(level, language, 0)) for level in (0.0, red_below, green_from, 100.0)],
        marks=_breaks(history),
        zones=[(0.0, red_below, "red"), (red_below, green_from, "yellow"), (green_from, 100.0, "green")],
        at=((on - first) / span).tolist(),
        height=150,
    )


def _effect(driver: Mapping[str, Any], language: Language) -> str:
    unit = "probability" if driver["effect_log_odds"] is not None else "health"
    return phrases(language)(f"page-effect-{unit}", n=Quantity(value=driver["effect_points"], digits=1))


def _lift(explanation: Mapping[str, Any], language: Language) -> str:
    probability = explanation["churn_probability"]
    return "" if probability is None else number(probability / explanation["base_rate"], language, 1)
