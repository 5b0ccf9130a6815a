"""Numbers with their units in English and Japanese."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date

__all__ = ["Unit", "amount", "change", "day", "number", "percent", "unit_of"]


@dataclass(frozen=True)
class Unit:
    """How a unit is said.

    Parameters
    ----------
    one, many : str
        English singular and plural; empty where the number stands alone.
    ja : str
        Japanese counter.
    whole : bool
        The quantity counts things, so it has no decimals.
    """

    one: str
    many: str
    ja: str
    whole: bool = True


_UNITS: dict[str, Unit] = {
    "users": Unit("user", "users", "人"),
    "people": Unit("person", "people", "人"),
    "contacts": Unit("contact", "contacts", "人"),
    "champions": Unit("champion", "champions", "人"),
    "admins": Unit("admin", "admins", "人"),
    "seats": Unit("seat", "seats", "席"),
    "days": Unit("day", "days", "日"),
    "hours": Unit("hour", "hours", "時間", whole=False),
    "weeks": Unit("week", "weeks", "週間"),
    "months": Unit("month", "months", "か月"),
    "years": Unit("year", "years", "年", whole=False),
    "events": Unit("event", "events", "回"),
    "logins": Unit("login", "logins", "回"),
    "sessions": Unit("session", "sessions", "回"),
    "touchpoints": Unit("touchpoint", "touchpoints", "回"),
    "times": Unit("time", "times", "回"),
    "tickets": Unit("ticket", "tickets", "件"),
    "invoices": Unit("invoice", "invoices", "件"),
    "surveys": Unit("survey", "surveys", "件"),
    "milestones": Unit("milestone", "milestones", "件"),
    "addons": Unit("add-on", "add-ons", "件"),
    "add-ons": Unit("add-on", "add-ons", "件"),
    "features": Unit("feature", "features", "機能"),
    "points": Unit("point", "points", "点", whole=False),
    "": Unit("", "", "", whole=False),
}

_SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥"}


def unit_of(name: str) -> Unit:
    """Return how a unit is said; an unknown plural drops its s, and Japanese counts it with 件.

    Examples
    --------
    >>> unit_of("users").ja, unit_of("widgets").one
    ('人', 'widget')
    """
    if name in _UNITS:
        return _UNITS[name]
    if " " in name or not name.endswith("s"):
        return Unit(name, name, name, whole=False)
    return Unit(name.removesuffix("s"), name, "件", whole=False)


def number(value: float, *, whole: bool = False) -> str:
    """Return a number for reading: thousands separated, no more digits than it deserves, a true minus sign.

    Examples
    --------
    >>> number(12345.6), number(3.14159), number(14.0), number(-0.5), number(2.4, whole=True)
    ('12,346', '3.1', '14', '−0.5', '2')
    """
    size = abs(value)
    if whole or size >= 100 or math.isclose(size, round(size), abs_tol=1e-9):
        text = f"{round(size):,}"
    else:
        text = f"{size:.1f}" if size >= 1 else f"{size:.2g}"
    return f"−{text}" if value < 0 and text.strip("0.") else text


def percent(share: float, language: str) -> str:
    """Return a share as a percentage: ``64 %`` in English, ``64%`` in Japanese.

    Examples
    --------
    >>> percent(0.64, "en"), percent(0.0042, "ja"), percent(-0.05, "en")
    ('64 %', '0.4%', '−5 %')
    """
    value = 100.0 * share
    text = number(round(value, 1) if abs(value) < 1 else round(value))
    return f"{text}%" if language == "ja" else f"{text} %"


def change(before: float, after: float, language: str) -> str:
    """Return a relative change with its sign, empty where there is nothing to divide by.

    Examples
    --------
    >>> change(14, 5, "en"), change(10, 15, "ja"), change(0, 3, "en")
    ('−64 %', '+50%', '')
    """
    if before == 0:
        return ""
    share = (after - before) / abs(before)
    return ("+" if share > 0 else "") + percent(share, language)


def amount(value: float, unit: str, language: str, *, currency: str = "USD", bare: bool = False) -> str:
    """Return a value with its unit, agreeing in number.

    Parameters
    ----------
    value : float
        The value; a ``share`` is 0–1.
    unit : str
        Unit of the feature.
    language : {"en", "ja"}
        Language.
    currency : str
        ISO code of the company's currency.
    bare : bool
        English only: leave the unit's word out, because the sentence names it already.

    Examples
    --------
    >>> amount(1, "users", "en"), amount(2, "users", "en"), amount(2, "users", "ja")
    ('1 user', '2 users', '2人')
    >>> amount(0.022, "events", "en", bare=True)
    '0.022'
    >>> amount(1200, "currency", "en"), amount(1200, "currency", "ja", currency="JPY"), amount(0.25, "share", "ja")
    ('$1,200', '1,200円', '25%')
    """
    if unit == "share":
        return percent(value, language)
    if unit.startswith("currency"):
        return _money(value, language, currency)
    said = unit_of(unit)
    # A count that was averaged may be small; only what is nearly a whole number other than 0 is shown as one.
    nearly = math.isclose(value, round(value), abs_tol=0.05) and (round(value) != 0 or value == 0)
    text = number(value, whole=said.whole and nearly)
    if language == "ja":
        return f"{text}{said.ja}"
    if bare or not said.many:
        return text
    return f"{text} {said.one if text in ('1', '−1') else said.many}"


def day(iso: str, language: str) -> str:
    """Return an ISO date for reading.

    Examples
    --------
    >>> day("2026-08-01", "en"), day("2026-08-01", "ja")
    ('1 August 2026', '2026年8月1日')
    """
    when = date.fromisoformat(iso)
    if language == "ja":
        return f"{when.year}年{when.month}月{when.day}日"
    return f"{when.day} {_MONTHS[when.month - 1]} {when.year}"


_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def _money(value: float, language: str, currency: str) -> str:
    text = f"{abs(round(value)):,}"
    sign = "−" if value < 0 and text != "0" else ""
    if language == "ja" and currency == "JPY":
        return f"{sign}{text}円"
    if currency in _SYMBOLS:
        return f"{sign}{_SYMBOLS[currency]}{text}"
    return f"{sign}{text} {currency}"
