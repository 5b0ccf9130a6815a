"""When an account may be lost, on its page and its brief: sentences, a drawing beside its peers, the numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from markupsafe import Markup

from churnml.explain.lifetime import Lifetime
from churnml.language import Language, amount, day, month, percent, phrases, render
from churnml.reports import charts

__all__ = ["ShownCurve", "curve_numbers", "shown_curve"]

_MONTH_DAYS = 30
_STEP = 12
_LEVELS = (0.0, 0.5, 1.0)


@dataclass(frozen=True)
class ShownCurve:
    """What stands on the page.

    Parameters
    ----------
    sentences : tuple of str
        What the curve says, in words.
    picture : Markup
    legend : tuple of str
        What its lines are.
    rows : tuple
        Of the table: the day, still there, bounds, peers.
    raising : tuple of str
        What raises the risk at the renewal.
    worth : str or None
        What the account is still worth.
    """

    sentences: tuple[str, ...]
    picture: Markup
    legend: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    raising: tuple[str, ...]
    worth: str | None


def shown_curve(curve: Lifetime, as_of: date, language: Language, currency: str) -> ShownCurve:
    """Return what to show of a curve.

    Parameters
    ----------
    curve : Lifetime
    as_of : date
    language : str
    currency : str
        Of its worth.
    """
    say = phrases(language)
    legend = [say("account-survival_own")]
    if curve.peers is not None:
        legend.append(say("account-survival_peers", who=say.text(curve.peers.sentence)))
    if curve.next_decision_on is not None:
        legend.append(say("account-survival_renewal", day=day(curve.next_decision_on.isoformat(), language)))
    worth = curve.residual_value
    return ShownCurve(
        sentences=tuple(render(text, language) for text in curve.sentences),
        picture=_picture(curve, as_of, language),
        legend=tuple(legend),
        rows=tuple(
            (
                day(on.isoformat(), language),
                *("–" if share is None else percent(share, language, 0) for share in shares),
            )
            for _, on, *shares in curve_numbers(curve, as_of)
        ),
        raising=tuple(render(one.label, language) for one in curve.renewal_drivers),
        worth=None
        if worth is None
        else say(
            "account-survival_worth",
            value=amount(worth.value, "currency", language, currency=currency),
            low=amount(worth.low, "currency", language, currency=currency),
            high=amount(worth.high, "currency", language, currency=currency),
        ),
    )


def curve_numbers(curve: Lifetime, as_of: date) -> Iterator[tuple[int, date, float, float, float, float | None]]:
    """Yield month, its last day, chance of being there still, bounds of it, and its peers' mean."""
    peers = curve.peers.survival if curve.peers is not None else (None,) * len(curve.survival)
    points = zip(curve.survival, curve.survival_low, curve.survival_high, peers, strict=True)
    for number, (point, low, high, others) in enumerate(points, 1):
        yield number, as_of + timedelta(days=_MONTH_DAYS * number), point, low, high, others


def _picture(curve: Lifetime, as_of: date, language: Language) -> Markup:
    months = len(curve.survival)
    ticks = ["" for _ in range(months + 1)]
    for at in range(0, months + 1, _STEP):
        ticks[at] = month((as_of + timedelta(days=_MONTH_DAYS * at)).isoformat(), language)
    say, half = phrases(language), months // 2
    label = say(
        "account-survival_label",
        half=percent(curve.survival[half - 1], language, 0),
        months=half,
        end=percent(curve.survival[-1], language, 0),
        all=months,
    )
    on = curve.next_decision_on
    return charts.curve(
        (1.0, *curve.survival),
        (1.0, *curve.survival_low),
        (1.0, *curve.survival_high),
        ticks,
        label,
        beside=None if curve.peers is None else (1.0, *curve.peers.survival),
        mark=None if on is None else (on - as_of).days / _MONTH_DAYS,
        levels=[(level, percent(level, language, 0)) for level in _LEVELS],
    )
