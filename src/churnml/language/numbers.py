"""Numbers, shares, money and dates as a language writes them, by Babel."""

from __future__ import annotations

import math
from datetime import date
from functools import lru_cache

from churnml.language.catalogue import catalogue
from churnml.language.text import Quantity

__all__ = ["WHOLE", "day", "money", "month", "number", "percent", "rounded", "shown", "written"]

WHOLE = frozenset(
    {
        *("users", "people", "contacts", "champions", "admins", "accounts", "seats"),
        *("days", "weeks", "months"),
        *("events", "logins", "sessions", "touchpoints", "times", "features"),
        *("tickets", "invoices", "surveys", "milestones", "addons", "add-ons", "renewals", "opportunities"),
    }
)
"""Units that count things: what is nearly a whole number is written as one."""


@lru_cache(maxsize=16384)
def rounded(value: float, unit: str = "", digits: int | None = None) -> tuple[float, int]:
    """Return a value rounded as it will be written, shares in percent, and its decimals.

    Examples
    --------
    >>> rounded(0.642, "share"), rounded(3.14159, "hours"), rounded(2.25, "points", 2)
    ((64.0, 0), (3.1, 1), (2.25, 2))
    """
    if digits is not None:
        return _trimmed(round(100.0 * value if unit.startswith("share") else value, digits), digits)
    if unit.startswith("share"):
        scaled = 100.0 * value
        digits = 1 if abs(scaled) < 1 and not math.isclose(scaled, round(scaled), abs_tol=0.05) else 0
        return round(scaled, digits) + 0.0, digits
    if unit.startswith("currency"):
        return float(round(value)), 0
    # A count that was averaged may be small; only what is nearly a whole number other than 0 is shown as one.
    nearly = unit in WHOLE and math.isclose(value, round(value), abs_tol=0.05) and (round(value) != 0 or value == 0)
    return _readable(value, whole=nearly)


def _readable(value: float, *, whole: bool) -> tuple[float, int]:
    """Return no more digits than a number deserves."""
    size = abs(value)
    if whole or size >= 100 or math.isclose(size, round(size), abs_tol=1e-9):
        return float(round(value)), 0
    if size >= 1:
        return _trimmed(round(value, 1), 1)
    digits = 1 - math.floor(math.log10(size))
    return _trimmed(round(value, digits), digits)


def _trimmed(value: float, digits: int) -> tuple[float, int]:
    while digits and math.isclose(value, round(value, digits - 1), abs_tol=1e-12):
        digits -= 1
    return value + 0.0, digits


def shown(quantity: Quantity, language: str) -> str:
    """Return a number as it is written, shares with their sign and money with its currency, other units left out.

    Examples
    --------
    >>> shown(Quantity(value=0.64, unit="share"), "en"), shown(Quantity(value=0.64, unit="share"), "ja")
    ('64 %', '64%')
    >>> shown(Quantity(value=1200, unit="currency", currency="JPY"), "ja")
    '1,200円'
    """
    return written(quantity.value, quantity.unit, quantity.currency, quantity.digits, language)


@lru_cache(maxsize=16384)
def written(value: float, unit: str, currency: str, digits: int | None, language: str) -> str:
    """Return the same of a quantity's parts."""
    value, places = rounded(value, unit, digits)
    if unit.startswith("share"):
        return _percent(value, places, language)
    if unit.startswith("currency"):
        return money(value, currency, language)
    return number(value, language, places)


@lru_cache(maxsize=8192)
def number(value: float, language: str, digits: int = 0) -> str:
    """Return a number with its thousands separated and a true minus sign.

    Examples
    --------
    >>> number(12345.6, "en"), number(-0.5, "ja", 1)
    ('12,346', '−0.5')
    """
    from babel.numbers import format_decimal

    places = "." + "0" * digits if digits else ""
    return _minus(format_decimal(value, format=f"#,##0{places}", locale=catalogue(language).locale))


@lru_cache(maxsize=2048)
def _percent(value: float, digits: int, language: str) -> str:
    from babel.numbers import format_percent

    places = "." + "0" * digits if digits else ""
    known = catalogue(language)
    pattern = known.pattern("percent") or known.locale.percent_formats[None].pattern
    return _minus(format_percent(value / 100.0, format=pattern.replace("#,##0", f"#,##0{places}"), locale=known.locale))


def percent(share: float, language: str, digits: int | None = None) -> str:
    """Return a share as a percentage; with `digits` always so many decimals, as a column of a table has them.

    Examples
    --------
    >>> percent(0.64, "en"), percent(0.0042, "ja"), percent(-0.05, "en")
    ('64 %', '0.4%', '−5 %')
    >>> percent(0.05, "en", 1)
    '5.0 %'
    """
    if digits is not None:
        return _percent(round(100.0 * share, digits) + 0.0, digits, language)
    return shown(Quantity(value=share, unit="share"), language)


@lru_cache(maxsize=8192)
def money(value: float, currency: str, language: str) -> str:
    """Return a round amount of money.

    Examples
    --------
    >>> money(1200, "USD", "en"), money(-1200, "EUR", "en"), money(1200, "JPY", "ja")
    ('$1,200', '−€1,200', '1,200円')
    """
    from babel.numbers import format_currency, get_currency_symbol

    known = catalogue(language)
    pattern = known.pattern(f"money-{currency}") or known.pattern("money")
    if get_currency_symbol(currency, known.locale) == currency:
        pattern = "#,##0 ¤"  # a code stands apart from its number
    if not pattern:
        pattern = known.locale.currency_formats["standard"].pattern.split(";")[0].replace(".00", "")
    return _minus(format_currency(value, currency, format=pattern, locale=known.locale, currency_digits=False))


@lru_cache(maxsize=4096)
def day(iso: str, language: str) -> str:
    """Return an ISO date for reading.

    Examples
    --------
    >>> day("2026-08-01", "en"), day("2026-08-01", "ja")
    ('1 August 2026', '2026年8月1日')
    """
    from babel.dates import format_date

    known = catalogue(language)
    return format_date(date.fromisoformat(iso[:10]), known.pattern("date") or "long", locale=known.locale)


@lru_cache(maxsize=512)
def month(iso: str, language: str) -> str:
    """Return the month of an ISO date for the axis of a chart.

    Examples
    --------
    >>> month("2025-11-01", "en"), month("2025-11-01", "ja")
    ('Nov 2025', '2025年11月')
    """
    from babel.dates import format_skeleton

    return format_skeleton("yMMM", date.fromisoformat(iso[:10]), locale=catalogue(language).locale)


def _minus(text: str) -> str:
    return text.replace("-", "−")
