"""A sentence before it is put into words: a code of the catalogue, and the arguments that the words speak of.

A `Text` says nothing in any language. It is compared, stored and sent as data; `churnml.language.render` puts it into
words where a person reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Tag

__all__ = ["Argument", "Day", "Quantity", "Several", "Text", "Words", "words"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Quantity(_Part):
    """A number with what it counts.

    Parameters
    ----------
    value : float
        The number; a ``share`` lies in 0–1.
    unit : str
        ``users``, ``days``, ``share``, ``currency`` …; empty for a bare number.
    currency : str
        ISO code, for amounts of money.
    digits : int, optional
        Digits after the point, where the unit's own rule is not wanted.
    """

    kind: Literal["quantity"] = "quantity"
    value: float
    unit: str = ""
    currency: str = ""
    digits: int | None = None


class Day(_Part):
    """A date in ISO form."""

    kind: Literal["day"] = "day"
    on: str


class Words(_Part):
    """A company's own words, by language; a language that is not there reads the first.

    Examples
    --------
    >>> words("Basic").spoken("ja"), words({"en": "automations", "ja": "自動化"}).spoken("ja")
    ('Basic', '自動化')
    """

    kind: Literal["words"] = "words"
    by_language: Mapping[str, str]

    def spoken(self, language: str) -> str:
        """Return the words of a language, or the first there are."""
        return self.by_language.get(language) or next(iter(self.by_language.values()), "")


class Several(_Part):
    """A list of arguments, joined as the language joins a list."""

    kind: Literal["several"] = "several"
    parts: tuple[Argument, ...]


class Text(_Part):
    """A code of the catalogue with its arguments.

    Parameters
    ----------
    code : str
        Identifier of a message, with ``.attribute`` where it has several forms.
    arguments : mapping
        Name → `Quantity`, `Day`, `Words`, another `Text`, `Several` of them, or plain text that is the same
        everywhere.

    Examples
    --------
    >>> fact = Text(code="fact-invoice_overdue", arguments={"n": Quantity(value=2, unit="invoices")})
    >>> Text.model_validate_json(fact.model_dump_json()) == fact
    True
    """

    kind: Literal["text"] = "text"
    code: str
    arguments: Mapping[str, Argument] = {}

    @classmethod
    def of(cls, code: str, /, **arguments: Any) -> Text:
        """Return a text; plain numbers become quantities without a unit.

        Examples
        --------
        >>> Text.of("band-red").code
        'band-red'
        """
        return cls.model_construct(
            kind="text", code=code, arguments={name: _argument(value) for name, value in arguments.items()}
        )

    def saying(self, **arguments: Any) -> Text:
        """Return the same text that speaks of more.

        Examples
        --------
        >>> Text.of("kind-few", churners=3).saying(features=9).arguments["features"].value
        9.0
        """
        return Text.of(self.code, **{**self.arguments, **arguments})

    def part(self, name: str) -> Text | None:
        """Return what else the catalogue says of the same: its attribute of this name; None where there is none.

        Examples
        --------
        >>> str(Text.of("check-CHK003").part("remedy")).partition(",")[0], Text.of("band-red").part("remedy")
        ('Export the table anew', None)
        """
        from churnml.language.catalogue import catalogue

        code = f"{self.code}.{name}"
        return Text.of(code, **self.arguments) if code in catalogue("en").codes else None

    def rewritten(self, change: Callable[[str], str]) -> Text:
        """Return the same text with its plain words changed, e.g. what is private in them masked.

        Examples
        --------
        >>> Text.of("words", words=Several(parts=("a", Day(on="2026-01-02")))).rewritten(str.upper).arguments["words"]
        Several(kind='several', parts=('A', Day(kind='day', on='2026-01-02')))
        """
        return Text.of(self.code, **{name: _rewritten(value, change) for name, value in self.arguments.items()})

    def __str__(self) -> str:
        """Return the text in English, for a notebook; what a reader gets is put into words by `render`."""
        from churnml.language.phrases import render

        return render(self, "en")


_NUMBER = (int, float)  # a union would be made anew at every call, and there are millions


def _argument(value: Any) -> Any:
    if isinstance(value, _NUMBER):
        return Quantity(value=float(value))
    return value


def _rewritten(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Text):
        return value.rewritten(change)
    if isinstance(value, Several):
        return Several(parts=tuple(_rewritten(part, change) for part in value.parts))
    return value


def _tag(value: Any) -> str:
    if isinstance(value, str):
        return "plain"
    return str(value["kind"] if isinstance(value, Mapping) else value.kind)


Argument = Annotated[
    Annotated[str, Tag("plain")]
    | Annotated[Quantity, Tag("quantity")]
    | Annotated[Day, Tag("day")]
    | Annotated[Words, Tag("words")]
    | Annotated[Text, Tag("text")]
    | Annotated[Several, Tag("several")],
    Discriminator(_tag),
]
"""What a text may speak of."""

Several.model_rebuild()
Text.model_rebuild()


def words(said: str | Mapping[str, str]) -> Words:
    """Return a company's own words; a plain string is the same in every language."""
    return Words(by_language={"": said} if isinstance(said, str) else dict(said))
