"""The reasons on an account's page, with the data behind each: the series, the peers, the rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from markupsafe import Markup

from churnml.explain.series import series_of
from churnml.language import Language, Quantity, amount, day, month, number, percent, phrases
from churnml.reports import charts

__all__ = ["Reason", "Series", "reasons", "series"]

_TABLES = {
    "support": ("tickets",), "sentiment": ("surveys",), "relationship": ("contacts", "touchpoints"),
    "commercial": ("subscriptions", "invoices"), "onboarding": ("milestones",),
}  # fmt: skip


@dataclass(frozen=True)
class Series:
    """One number a week: a chart, and the table behind it as (week ending, value)."""

    name: str
    picture: Markup
    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Reason:
    """One reason.

    Parameters
    ----------
    feature : str
        The measure that leads it.
    family, sentence, comparison, effect : str
        In words.
    facts : tuple of (str, str)
        The account's value and its peers', each with its name.
    series : Series or None
    rows : tuple of (str, str)
        Day and words of what happened that it is about.
    value : float or None
        The account's value, where it is a number.
    """

    feature: str
    family: str
    sentence: str
    comparison: str
    effect: str
    facts: tuple[tuple[str, str], ...]
    series: Series | None
    rows: tuple[tuple[str, str], ...]
    value: float | None


def reasons(explanation: Mapping[str, Any], drivers: Sequence[Mapping[str, Any]], language: Language) -> list[Reason]:
    """Return drivers of a stored explanation as reasons.

    Parameters
    ----------
    explanation : mapping
        The explanation, in words of the language.
    drivers : sequence of mapping
        Its ``raising`` or ``lowering``.
    language : str
    """
    say, as_of = phrases(language), date.fromisoformat(str(explanation["as_of"])[:10])
    listed = []
    for driver in drivers:
        name = series_of(str(driver.get("topic") or ""))
        values = (explanation.get("weekly") or {}).get(name) if name else None
        tables = _TABLES.get(str(driver["family"]), ())
        rows = [one for one in explanation.get("happenings") or () if one["kind"] in tables]
        value = driver["value"]
        listed.append(
            Reason(
                feature=str(driver["feature"]),
                family=say.or_plain(f"family-{driver['family']}", str(driver["family"])),
                sentence=str(driver[f"sentence_{language}"]),
                comparison=str(driver.get(f"comparison_{language}") or ""),
                effect=_effect(driver, language),
                facts=tuple(_facts(driver, language)),
                series=series(str(name), values, as_of, language) if values else None,
                rows=tuple((day(str(one["on"]), language), say.stored(one["text"])) for one in rows[:8]),
                value=float(value) if isinstance(value, int | float) else None,
            )
        )
    return listed


def series(name: str, values: Sequence[float], as_of: date, language: Language) -> Series:
    """Return a weekly series as a chart with its table, see `churnml.explain.series.weekly`."""
    say = phrases(language)
    ends = [as_of - timedelta(days=1 + 7 * (len(values) - 1 - place)) for place in range(len(values))]
    ticks = ["" for _ in values]
    for place in {0, len(values) // 2, len(values) - 1}:
        ticks[place] = month(ends[place].isoformat(), language)
    label = say("account-series", what=say(f"account-series_{name}"), n=len(values))
    picture = charts.bars(values, ticks, label, width=520, height=130)
    rows = zip(ends, values, strict=True)
    return Series(
        name, picture, tuple((day(end.isoformat(), language), number(value, language)) for end, value in rows)
    )


def _facts(driver: Mapping[str, Any], language: Language) -> list[tuple[str, str]]:
    say, unit = phrases(language), str(driver["unit"])

    def said(value: Any) -> str:
        return amount(float(value), unit, language) if isinstance(value, int | float) else str(value)

    names = ("value", "previous", "typical", "low", "middle", "high")
    facts = [(say(f"account-fact_{name}"), said(driver[name])) for name in names if driver.get(name) is not None]
    if driver.get("percentile") is not None:
        facts.append((say("account-fact_percentile"), percent(float(driver["percentile"]), language)))
    return facts


def _effect(driver: Mapping[str, Any], language: Language) -> str:
    unit = "probability" if driver["effect_log_odds"] is not None else "health"
    return phrases(language)(f"page-effect-{unit}", n=Quantity(value=driver["effect_points"], digits=1))
