"""What may be said of one feature of one account, and whether it supports the claim that it is told for.

A fact is told for a reason only where it lies on the side that the reason claims: a level beyond what is usual, a
change that is more than chance and rounding, a rank near an end. Everything else stays unsaid.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from churnml.explain.feature_facts import Change, Facts, label, stem_of
from churnml.features.spec import FeatureSpec
from churnml.language import Day, Quantity, Text
from churnml.language.numbers import rounded

__all__ = ["ABSENCES", "Change", "Facts", "change_fact", "comparison", "fact", "label", "moved", "quantity"]

ABSENCES = frozenset(
    {"days_to_first_value", "days_since_last_event", "days_since_last_login", "days_since_last_milestone"}
)
"""Measures whose missing value is a fact of its own: it has not happened yet."""

_OUTLYING = 0.6
_RANKED = 0.8
_SMALL_BASE = 10
_SPAN_DAYS = 90
_LONG_SPAN_DAYS = 1461
_DAYS_A_MONTH = 30.44
_SILENCES = ("silence_ratio", "silence_in_usual_gaps")
_DIGITS = {"csat": 2, "payment_delay_days": 0, "nps_last": 0, **dict.fromkeys(_SILENCES, 1)}
_SPANS = frozenset({"tenure_days", "term_days", "days_into_term"})
_NO_COMPARISON = frozenset({"days_to_renewal", "days_into_term", "billing_period_months", "invoices_overdue"})
_NOT_AVERAGED = _NO_COMPARISON | {"payment_delay_days", "oldest_open_ticket_days", "tenure_days", "term_days"}
_LONG_TERM_DAYS = 180
_LEAST_STEP = {
    **dict.fromkeys(("events", "logins", "touchpoints", "times", "hours", "days", "units", ""), 3.0),
    **dict.fromkeys(("contacts", "invoices", "opportunities", "add-ons", "renewals"), 1.0),
}
_LEAST_SHARE = 0.3
_LONGEST_SINCE_DAYS = 31
_RENEWALS = frozenset({"days_to_renewal", "renewals_so_far"})
_SILENT_TIMES = 1.5


def quantity(spec: FeatureSpec, value: float, currency: str) -> Quantity:
    """Return a value with its unit, no finer than the thing."""
    measure, unit = spec.measure or spec.name, spec.unit
    if measure in _SPANS and abs(value) >= _SPAN_DAYS:
        if value >= _LONG_SPAN_DAYS:
            return Quantity(value=value / 365.25, unit="years", digits=0)
        return Quantity(value=value / _DAYS_A_MONTH, unit="months", digits=0)
    if measure == "events" or measure.startswith("events_of_"):
        unit = "times"
    digits = _DIGITS.get(measure)
    if digits is None and unit in ("hours", "days", "share") and abs(value) >= (0.01 if unit == "share" else 10):
        digits = 0
    return Quantity(value=value, unit=unit, currency=currency if unit.startswith("currency") else "", digits=digits)


def _read(of: Quantity) -> float:
    """Return the number as it is read."""
    return rounded(of.value, of.unit, of.digits)[0]


def fact(facts: Facts) -> Text | None:
    """Return the sentence that supports what is claimed, or None where there is none.

    Examples
    --------
    >>> from churnml.language import render
    >>> spec = FeatureSpec("active_users_28d", "engagement", "users", "", "", "", "events", 28, "active_users")
    >>> render(fact(Facts(spec, 5.0, -1, change=Change(14.0))), "en")
    '5 active users in the last 28 days, 14 in the 28 days before (−64 %)'
    >>> fact(Facts(spec, 5.0, 1, change=Change(14.0))) is None
    True
    """
    spec, value = facts.spec, facts.value
    measure = spec.measure or spec.name
    if value is None:
        absence = measure in ABSENCES and facts.toward > 0 and spec.kind != "trend"
        return Text.of(f"m-{measure}.absent|reason-absent", label=facts.label) if absence else None
    if isinstance(value, str):
        absence = facts.toward != 0 or facts.plain
        return Text.of("reason-word", label=facts.label, word=facts.word or value) if absence else None
    if measure in _RENEWALS and (facts.term_days is None or facts.term_days < _LONG_TERM_DAYS):
        return None
    if spec.unit == "share" and facts.whole is not None and facts.whole <= 1 and not _same_whole(facts):
        return None  # a share of one thing is no share
    if spec.kind == "flag":
        way = "yes" if value >= 0.5 else "no"
        absence = facts.plain or (facts.toward != 0 and (value >= 0.5) == (facts.toward > 0))
        return Text.of(f"m-{measure}.{way}|reason-{way}", label=facts.label) if absence else None
    if measure in _SILENCES and not (facts.toward > 0 and value >= _SILENT_TIMES):
        return None
    return _changed(facts, value) or _peaked(facts, value) or _standing(facts, value)


def change_fact(facts: Facts) -> Text | None:
    """Return how a value changed since another date, whatever it is a sign of; None for a trifle."""
    return _changed(facts, facts.value) if isinstance(facts.value, float) else None


def moved(facts: Facts) -> bool:
    """Whether a change is told of it."""
    return isinstance(facts.value, float) and _change(facts, facts.value) is not None


def _changed(facts: Facts, value: float) -> Text | None:
    """Tell a change that is neither a trifle nor made by rounding, in the direction that is claimed."""
    change = _change(facts, value)
    return None if change is None else _said(facts, *change)


def _change(facts: Facts, value: float) -> tuple[Quantity, str, dict[str, Any]] | None:
    """Return what is said of a change: the value, the form of the sentence, and what else it speaks of."""
    if facts.gone and facts.toward < 0:
        return quantity(facts.spec, value, facts.currency), "gone", {}
    if facts.change is None or facts.toward == 0:
        return None
    now, before = (quantity(facts.spec, number, facts.currency) for number in (value, facts.change.before))
    if _few(facts) and not _same_whole(facts):
        return None  # so many of so many cannot be set against a share of another number
    if facts.spec.measure in _SILENCES or now.unit != before.unit or not _material(facts.spec, now, before):
        return None
    if (1 if now.value > before.value else -1) != facts.toward:
        return None
    more: dict[str, Any] = {"before": _of_whole(facts, before)}
    if facts.change.on:
        # Of a longer window, most days of then are days of now.
        overlaps = facts.spec.kind == "level" and (facts.spec.window_days or 0) > _LONGEST_SINCE_DAYS
        if overlaps and not facts.plain:
            return None
        form = "since"
        more["on"] = Day(on=facts.change.on)
    elif facts.change.days:
        form = "ago"
        more["days"] = Quantity(value=facts.change.days, unit="days")
    elif facts.spec.kind == "level" and facts.spec.window_days:
        form = "before"
    else:
        form = "previous"
    share = _relative(now, before)
    if share is not None and form in ("before", "ago"):
        form, more["change"] = f"{form}-share", share
    return now, form, more


def _material(spec: FeatureSpec, now: Quantity, before: Quantity) -> bool:
    read, was = _read(now), _read(before)
    step = abs(read - was)
    if spec.unit == "share":
        return step >= 5  # percentage points
    if spec.unit == "points":
        return step >= (0.25 if spec.measure == "csat" else 2)
    if spec.unit.startswith("currency"):
        return step >= 0.05 * max(abs(was), 1.0)
    return step >= _LEAST_STEP.get(spec.unit, 2.0) and step >= _LEAST_SHARE * max(abs(was), 1.0)


def _relative(now: Quantity, before: Quantity) -> Quantity | None:
    """Return the relative change of the numbers as they are read, where the base carries a percentage."""
    was, read = _read(before), _read(now)
    if now.unit in ("share", "points") or was < _SMALL_BASE:
        return None
    change = (read - was) / was
    return Quantity(value=change, unit="share", digits=0) if abs(change) >= 0.01 else None


def _peaked(facts: Facts, value: float) -> Text | None:
    if facts.peak is None or facts.toward >= 0 or value <= 0:
        return None
    now, peak = (quantity(facts.spec, number, facts.currency) for number in (value, facts.peak))
    fallen = _read(peak) >= _read(now) + 2 and _read(now) <= 0.7 * _read(peak)
    return _said(facts, now, "peak", {"peak": peak}) if fallen else None


def _standing(facts: Facts, value: float) -> Text | None:
    """Tell a level beyond what is usual, on the side that is claimed."""
    now = quantity(facts.spec, value, facts.currency)
    alone = _said(facts, now, "", {}) if facts.plain else None
    stick = facts.yardstick
    if stick is None or facts.toward == 0 or not stick.supports(value, raising=facts.raising):
        return alone
    below, above = stick.shares(value)
    if facts.rank is not None:
        below, above = facts.rank, 1.0 - facts.rank
    share = below if facts.toward > 0 else above
    if share < _OUTLYING:
        return alone
    typical = quantity(facts.spec, stick.typical, facts.currency)
    if (facts.spec.measure or facts.spec.name) in _NO_COMPARISON:
        return _said(facts, now, "", {})
    if typical.unit != now.unit or not _differs(facts.spec, _read(now), _read(typical)):
        return alone
    if _few(facts) and not _same_whole(facts):
        return _said(facts, now, "", {})
    if facts.rank is None and (_read(typical) != 0 or facts.spec.measure == "payment_delay_days"):
        return _said(facts, now, "typical", {"typical": _of_whole(facts, typical)})
    if share >= _RANKED:
        ranked = Quantity(value=min(share, 0.99), unit="share", digits=0)
        return _said(facts, now, "more" if facts.toward > 0 else "less", {"share": ranked})
    return _said(facts, now, "", {}) if facts.toward > 0 else alone


def _differs(spec: FeatureSpec, read: float, typical: float) -> bool:
    """Tell whether a value differs from the usual by more than a trifle, both as they are read."""
    gap = abs(read - typical)
    if spec.unit in ("share", "points"):
        return gap >= (5.0 if spec.unit == "share" else 0.25 if spec.measure == "csat" else 2.0)
    return gap > 0 and gap >= 0.2 * max(abs(typical), 1.0)


def _said(facts: Facts, now: Quantity, form: str, more: dict[str, Any]) -> Text:
    spec, stem = facts.spec, facts.stem or stem_of(facts.spec)
    frame = "window" if spec.window_days and spec.kind == "level" else "state"
    code = f"{frame}-{form}" if form else frame
    given: dict[str, Any] = {"n": now, "label": facts.label, "now": _now(facts, now), **more}
    if facts.kind is not None:
        given["kind"] = facts.kind
    if stem == "payment_delay_days":
        given |= _late(given)
        given["now"] = Text.of(f"m-{stem}.{_side(now)}", n=Quantity(value=abs(now.value), unit="days", digits=0))
    if spec.window_days and "days" not in given:
        given["days"] = Quantity(value=spec.window_days, unit="days")
    if spec.window_days:
        given["weeks"] = Quantity(value=spec.window_days // 7, unit="weeks")
    return Text.of(f"m-{stem}.{code}|reason-{code}", **given)


def _now(facts: Facts, now: Quantity) -> Text:
    stem = stem_of(facts.spec)
    given: dict[str, Any] = {"n": now, "label": facts.label, "kind": facts.kind or ""}
    if _few(facts) and facts.whole is not None:
        part = Quantity(value=round(facts.whole * now.value))
        return Text.of(f"m-{stem}.now-of|now-of", **{**given, "n": part, "whole": round(facts.whole)})
    if stem == "days_to_renewal" and now.value < 0:
        return Text.of(f"m-{stem}.late", n=Quantity(value=-now.value, unit="days"))
    return Text.of(f"m-{stem}.now|now-other", **given)


def _few(facts: Facts) -> bool:
    """Whether a share is one of few things: it is told as so many of so many."""
    if facts.spec.unit != "share" or facts.whole is None or not 1 < facts.whole < _SMALL_BASE:
        return False
    part = facts.whole * float(facts.value or 0.0)
    return math.isclose(part, round(part), abs_tol=0.05)


def _same_whole(facts: Facts) -> bool:
    """Whether every account's share is one of the same things, as with the core features."""
    return facts.spec.measure == "core_feature_share"


def _of_whole(facts: Facts, share: Quantity) -> Quantity:
    if _few(facts) and _same_whole(facts) and facts.whole is not None:
        return Quantity(value=round(facts.whole * share.value), unit="features")
    return share


def _late(given: dict[str, Any]) -> dict[str, Any]:
    """Return the other value of a delay in words of its own: early, late, or on the day."""
    for name, prefix in (("typical", "most"), ("before", "was")):
        if name in given:
            other = given[name]
            size = Quantity(value=abs(other.value), unit="days", digits=0)
            return {"most": Text.of(f"m-payment_delay_days.{prefix}-{_side(other)}", n=size)}
    return {}


def _side(of: Quantity) -> str:
    days = _read(of)
    return "late" if days > 0 else "early" if days < 0 else "punctual"


def _no_finer(means: Sequence[Quantity]) -> Sequence[Quantity]:
    """Return means of which one is of ten things and more without decimals."""
    sizes = [abs(mean.value) for mean in means]
    plain = all(mean.digits is None and mean.unit not in ("share", "points") for mean in means)
    if not plain or means[0].currency or max(sizes) < _SMALL_BASE or min(sizes) < 1:
        return means
    return [mean.model_copy(update={"digits": 0}) for mean in means]


def comparison(facts: Facts) -> Text | None:
    """Return how accounts at low and at high risk stand, where they differ and the account stands with those it should.

    Counts of which most accounts have none are told as the share of accounts that have any.
    """
    stick, value = facts.yardstick, facts.value
    if stick is None or not isinstance(value, float) or stick.low is None or stick.high is None:
        return None
    if facts.toward == 0 or not stick.clear or facts.spec.kind == "flag" or facts.spec.measure in _NOT_AVERAGED:
        return None
    if not stick.supports(value, raising=facts.raising):
        return None
    counts = facts.spec.unit not in ("share", "points", "hours", "days", "ratio", "months") and not (
        facts.spec.unit.startswith("currency")
    )
    if counts and max(stick.low, stick.high) < 1:
        if stick.some_low is None or stick.some_high is None:
            return None
        low, high = (Quantity(value=share, unit="share", digits=0) for share in (stick.some_low, stick.some_high))
        return Text.of("compare-some", low=low, high=high) if 0 < _read(low) != _read(high) > 0 else None
    low, high = _no_finer([quantity(facts.spec, mean, facts.currency) for mean in (stick.low, stick.high)])
    if max(abs(low.value), abs(high.value)) < 1 and low.unit not in ("share", "hours", "points"):
        return None  # a fraction of a day or of a gap says nothing
    if low.unit != high.unit or _read(low) == _read(high) or 0 in (_read(low), _read(high)):
        return None
    return Text.of("compare-average", low=low, high=high)
