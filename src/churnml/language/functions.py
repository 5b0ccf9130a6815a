"""What the arguments of a message become, and the functions that messages may call on them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fluent.runtime.types import FluentType

from churnml.language.numbers import day, rounded, written
from churnml.language.text import Day, Quantity, Several, Text, Words

if TYPE_CHECKING:
    from churnml.language.catalogue import Catalogue

__all__ = ["Number", "functions", "spoken"]


_REMEMBERED = 20_000


class Number(float, FluentType):
    """A quantity inside a message: chosen by its plural as it is written, and written as the language writes it."""

    quantity: Quantity
    language: str

    @classmethod
    def of(cls, quantity: Quantity, language: str) -> Number:
        """Return the number as it will be read."""
        made = cls(rounded(quantity.value, quantity.unit, quantity.digits)[0])
        made.quantity, made.language = quantity, language
        return made

    def format(self, locale: Any) -> str:
        """Return the number as the language writes it."""
        of = self.quantity
        return written(of.value, of.unit, of.currency, of.digits, self.language)


def spoken(value: Any, language: str, render: Callable[[Any, str], str]) -> Any:
    """Return an argument as Fluent takes it: a number that can be chosen by, else words."""
    if isinstance(value, Quantity):
        return Number.of(value, language)
    if isinstance(value, bool | int | float):
        return Number.of(Quantity(value=float(value)), language)
    if isinstance(value, Text):
        return render(value, language)
    if isinstance(value, Words):
        return value.spoken(language)
    if isinstance(value, Day):
        return day(value.on, language)
    if isinstance(value, Several):
        from churnml.language.phrases import phrases

        return phrases(language).joined(render(item, language) for item in value.parts)
    return value


def functions(known: Catalogue) -> dict[str, Callable[..., Any]]:
    """Return the functions of a language's messages.

    ``AMOUNT($n)`` writes a quantity with its unit, ``AGAIN($n)`` as it is said a second time (``14`` after ``5
    users``), ``SIGNED($n)`` with a plus, ``SIZE($n)`` without its sign, ``CAPITAL($words)`` begins a sentence,
    ``WITHIN($words)`` goes on in one.
    """
    said: dict[tuple[float, str, str, int | None, str], str] = {}

    def unit(value: Any, form: str) -> str:
        if not isinstance(value, Number):
            return str(value)
        of = value.quantity
        key = (of.value, of.unit, of.currency, of.digits, form)
        phrase = said.get(key)
        if phrase is None:
            if len(said) > _REMEMBERED:
                said.clear()
            phrase = said[key] = _with_unit(value, form, known)
        return phrase

    def signed(value: Any) -> str:
        sign = "+" if isinstance(value, Number) and value > 0 else ""
        return sign + unit(value, "")

    def size(value: Any) -> Any:
        if not isinstance(value, Number):
            return value
        return Number.of(value.quantity.model_copy(update={"value": abs(value.quantity.value)}), value.language)

    return {
        "AMOUNT": lambda value: unit(value, ""),
        "AGAIN": lambda value: unit(value, "again"),
        "SIGNED": signed,
        "SIZE": size,
        "CAPITAL": lambda value: _capital(_plain(value, known)),
        "WITHIN": lambda value: _within(_plain(value, known)),
    }


def _with_unit(value: Number, form: str, known: Catalogue) -> str:
    name = value.quantity.unit.replace(" ", "-")
    if not name or name.startswith(("share", "currency")):
        return value.format(None)
    code, more = (f"unit-{name}", {}) if f"unit-{name}" in known.codes else _unknown(value.quantity.unit)
    if form and f"{code}.{form}" in known.codes:
        code = f"{code}.{form}"
    return known.put(code, {"n": value, **more})


def _plain(value: Any, known: Catalogue) -> str:
    return str(value.format(known.locale)) if isinstance(value, FluentType) else str(value)


def _unknown(unit: str) -> tuple[str, dict[str, str]]:
    """Return the message of a unit that the catalogue does not know: a plural that counts, or a word as it stands."""
    if " " in unit or not unit.endswith("s"):
        return "unit-word", {"unit": unit}
    return "unit-things", {"one": unit.removesuffix("s"), "many": unit}


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _within(text: str) -> str:
    """Begin in lower case, unless the first word is an abbreviation."""
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]
