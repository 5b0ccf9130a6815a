"""From a text to words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter

from churnml.errors import UsageError, near_name
from churnml.language.catalogue import catalogue, languages
from churnml.language.text import Argument, Quantity, Several, Text

__all__ = [
    "Phrases",
    "Section",
    "amount",
    "argument",
    "has_words",
    "in_every_language",
    "in_words",
    "phrases",
    "render",
]


class Phrases:
    """The messages of one language, for a page or a screen.

    Examples
    --------
    >>> say = phrases("en")
    >>> say("band-red"), say("m-active_users.now", n=0)
    ('red', 'no active users')
    """

    def __init__(self, language: str) -> None:
        self.language = language
        self._catalogue = catalogue(language)

    def __contains__(self, code: object) -> bool:
        return code in self._catalogue.codes

    def __call__(self, code: str, /, **arguments: Any) -> str:
        """Return a message in words; of codes with ``|`` between them, the first that the language has.

        Raises
        ------
        UsageError
            The language has no such message, or the message speaks of something that was not given.
        """
        return self._say(code, arguments)

    def text(self, text: Argument) -> str:
        """Return a text, a company's own words or plain words in this language."""
        if isinstance(text, Text):
            return self._say(text.code, text.arguments)
        from churnml.language.functions import spoken

        return str(spoken(text, self.language, render))

    def stored(self, data: Any) -> str:
        """Return a text that was read from JSON, or words of an earlier version as they stand; empty for none.

        Examples
        --------
        >>> phrases("ja").stored({"kind": "text", "code": "band-red", "arguments": {}}), phrases("ja").stored("red")
        ('赤', 'red')
        """
        if data is None:
            return ""
        return data if isinstance(data, str) else self.text(argument(data))

    def or_plain(self, code: str, plain: str) -> str:
        """Return a message, or plain words where the language has none of that code."""
        return self._say(code, {}) if code in self else plain

    def joined(self, parts: Iterable[str]) -> str:
        """Return a list in words."""
        parts = list(parts)
        return self._say("list-joint", {}).join(parts) if parts else ""

    def _say(self, code: str, arguments: Any) -> str:
        from churnml.language.functions import spoken

        known = self._catalogue.codes
        if code not in known:
            code = next((one for one in code.split("|") if one in known or one == "words"), code)
        if code == "words":  # a company's own, with no message around them
            return self.text(arguments["words"])
        if code not in known:
            near = near_name(code, known)
            raise UsageError(
                f"The language {self.language!r} has no message {code!r}",
                expected=f"{near!r}?" if near else "a code of its file of messages",
                code="language.code",
            )
        given = {name: spoken(value, self.language, render) for name, value in arguments.items()}
        return self._catalogue.put(code, given)


def has_words(text: Text, language: str) -> bool:
    """Return whether a language has the messages of a text and of those that it speaks of.

    Examples
    --------
    >>> has_words(Text.of("band-red"), "en"), has_words(Text.of("band-purple"), "en")
    (True, False)
    """
    say = phrases(language)
    if not any(code in say or code == "words" for code in text.code.split("|")):
        return False
    spoken_of: list[Argument] = list(text.arguments.values())
    while spoken_of:
        part = spoken_of.pop()
        if isinstance(part, Several):
            spoken_of += part.parts
        elif isinstance(part, Text) and not has_words(part, language):
            return False
    return True


def argument(data: Any) -> Argument:
    """Return a text as it was read from JSON, or words as they stand.

    Examples
    --------
    >>> str(argument({"kind": "text", "code": "band-red", "arguments": {}})), argument("as told")
    ('red', 'as told')
    """
    return _adapter().validate_python(data)


@lru_cache(maxsize=1)
def _adapter() -> TypeAdapter[Argument]:
    return TypeAdapter(Argument)


def in_words(data: Any, language: str) -> Any:
    """Return JSON-ready data with every text in it put into words: what a program is shown of a report.

    Examples
    --------
    >>> in_words({"verdict": {"kind": "text", "code": "band-red", "arguments": {}}, "rows": [3]}, "ja")
    {'verdict': '赤', 'rows': [3]}
    """
    if isinstance(data, Mapping):
        if data.get("kind") == "text" and "code" in data:
            return phrases(language).stored(data)
        return {name: in_words(value, language) for name, value in data.items()}
    return [in_words(value, language) for value in data] if isinstance(data, list | tuple) else data


def in_every_language(data: Any) -> Any:
    """Return JSON-ready data with every text in it under its name and each language: ``title_en``, ``title_ja``.

    Examples
    --------
    >>> in_every_language({"band": {"kind": "text", "code": "band-red", "arguments": {}}, "rows": [3]})
    {'band_en': 'red', 'band_ja': '赤', 'rows': [3]}
    """
    if isinstance(data, list):
        return [in_every_language(value) for value in data]
    if not isinstance(data, Mapping):
        return data
    published: dict[str, Any] = {}
    for name, value in data.items():
        if isinstance(value, Mapping) and value.get("kind") == "text":
            published |= {f"{name}_{language}": phrases(language).stored(value) for language in languages()}
        else:
            published[name] = in_every_language(value)
    return published


class Section:
    """The messages of one page, without their common beginning.

    Parameters
    ----------
    say : Phrases
        The language.
    name : str
        What their codes begin with.

    Examples
    --------
    >>> page = Section(phrases("en"), "page")
    >>> page.health, page("set_by", author="Ann")
    ('Health score', 'set by Ann')
    """

    def __init__(self, say: Phrases, name: str) -> None:
        self._say, self._name = say, name

    def __getattr__(self, code: str) -> str:
        if f"{self._name}-{code}" not in self._say:
            raise AttributeError(code)
        return self._say(f"{self._name}-{code}")

    def __call__(self, code: str, /, **arguments: Any) -> str:
        """Return a message of the page in words."""
        return self._say(f"{self._name}-{code}", **arguments)


@lru_cache(maxsize=16)
def phrases(language: str) -> Phrases:
    """Return the messages of a language."""
    return Phrases(language)


def amount(value: float, unit: str, language: str, *, currency: str = "") -> str:
    """Return a value with its unit.

    Examples
    --------
    >>> amount(1, "users", "en"), amount(2, "users", "ja"), amount(1200, "currency", "en", currency="USD")
    ('1 user', '2人', '$1,200')
    """
    return phrases(language)("amount", n=Quantity(value=value, unit=unit, currency=currency))


def render(text: Argument, language: str) -> str:
    """Return a text in words.

    Parameters
    ----------
    text : Text
        Or a company's own `Words`, a `Quantity`, a `Day`, or plain words.
    language : str
        One of `languages`.

    Raises
    ------
    UsageError
        There is no such language or message.

    Examples
    --------
    >>> render(Text.of("band-red"), "ja")
    '赤'
    """
    return phrases(language).text(text)
