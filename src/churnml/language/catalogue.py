"""The languages: one file of messages each, in Project Fluent's format, read once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from importlib.resources import files
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, WithJsonSchema

from churnml.errors import UsageError, near_name

if TYPE_CHECKING:
    from babel import Locale

__all__ = ["Catalogue", "Language", "catalogue", "languages", "using"]


class Catalogue:
    """The messages of one language.

    Parameters
    ----------
    language : str
        Its code: ``en``, ``ja``.
    source : str
        The messages in Fluent's format. ``-locale`` names Babel's locale of its numbers, ``-percent``, ``-money``,
        ``-money-<currency>`` and ``-date`` are patterns where the locale's own are not wanted.
    """

    def __init__(self, language: str, source: str) -> None:
        self.language = language
        self._source = source

    @cached_property
    def _entries(self) -> dict[str, Any]:
        from fluent.syntax import FluentParser, ast

        resource = FluentParser(with_spans=False).parse(self._source)
        junk = [entry.content for entry in resource.body if isinstance(entry, ast.Junk)]
        if junk:
            raise UsageError(
                f"The messages of {self.language!r} cannot be read", got=str(junk[0])[:200], expected="Fluent's format"
            )
        entries: dict[str, Any] = {"": resource}
        for entry in resource.body:
            if isinstance(entry, ast.Message | ast.Term):
                name = ("-" if isinstance(entry, ast.Term) else "") + entry.id.name
                if name in entries:
                    raise UsageError(
                        f"The messages of {self.language!r} hold {name!r} twice", expected="each name once"
                    )
                entries[name] = entry
        return entries

    @cached_property
    def codes(self) -> frozenset[str]:
        """Every code that can be rendered, attributes as ``message.attribute``."""
        names = set()
        for name, entry in self._entries.items():
            if name and not name.startswith("-"):
                names |= {name} if entry.value is not None else set()
                names |= {f"{name}.{attribute.id.name}" for attribute in entry.attributes}
        return frozenset(names)

    @cached_property
    def bundle(self) -> Any:
        """Fluent's bundle, with the functions that messages may call."""
        from fluent.runtime import FluentBundle

        from churnml.language.functions import functions

        bundle = FluentBundle([str(self.locale)], functions=functions(self), use_isolating=False)
        bundle.add_resource(self._entries[""])
        return bundle

    @cached_property
    def _patterns(self) -> dict[str, Any]:
        """The compiled message of each code, filled as they are asked for."""
        return {}

    def put(self, code: str, arguments: dict[str, Any]) -> str:
        """Return a message in words.

        Parameters
        ----------
        code : str
            One of `codes`.
        arguments : dict
            As `churnml.language.functions.spoken` makes them. Fluent's own entry would make plain numbers of them
            again, and so the resolver is called itself.

        Raises
        ------
        UsageError
            The message speaks of something that was not given, or calls a function that there is not.
        """
        from fluent.runtime.resolver import CurrentEnvironment, ResolverEnvironment

        pattern = self._patterns.get(code)
        if pattern is None:
            entry, _, attribute = code.partition(".")
            message = self.bundle.get_message(entry)
            pattern = self._patterns[code] = message.attributes[attribute] if attribute else message.value
        faults: list[Exception] = []
        said = pattern(
            ResolverEnvironment(context=self.bundle, current=CurrentEnvironment(args=arguments), errors=faults)
        )
        if faults:
            raise UsageError(
                f"The message {code!r} cannot be put into words",
                where=f"language {self.language!r}",
                got=", ".join(str(fault) for fault in faults),
                code="language.message",
            )
        return str(said)

    @cached_property
    def locale(self) -> Locale:
        """Babel's locale of numbers and dates."""
        from babel import Locale

        return Locale.parse(self.pattern("locale") or self.language)

    def pattern(self, name: str) -> str:
        """Return a pattern that the file sets for numbers or dates; empty where it leaves that to the locale."""
        entry = self._entries.get(f"-{name}")
        return "" if entry is None else "".join(str(element.value) for element in entry.value.elements)


def _read() -> dict[str, Catalogue]:
    folder = files("churnml.language") / "messages"
    names = sorted(item.name.removesuffix(".ftl") for item in folder.iterdir() if item.name.endswith(".ftl"))
    return {name: Catalogue(name, (folder / f"{name}.ftl").read_text(encoding="utf-8")) for name in names}


_CATALOGUES: dict[str, Catalogue] = _read()


def languages() -> tuple[str, ...]:
    """Return the codes of all languages: one for each file of messages.

    Examples
    --------
    >>> languages()
    ('en', 'ja')
    """
    return tuple(_CATALOGUES)


def _known(code: str) -> str:
    if code not in _CATALOGUES:
        raise ValueError(f"there is no language {code!r}; known: {', '.join(_CATALOGUES)}")
    return code


Language = Annotated[
    str, AfterValidator(_known), WithJsonSchema({"type": "string", "enum": list(_CATALOGUES), "title": "Language"})
]
"""The code of a language there is, as a field of a model."""


def catalogue(language: str) -> Catalogue:
    """Return a language's messages.

    Raises
    ------
    UsageError
        There is no such language.
    """
    known = _CATALOGUES.get(language)
    if known is None:
        near = near_name(language, _CATALOGUES)
        raise UsageError(
            f"There is no language {language!r}",
            expected=f"{near!r}?" if near else " or ".join(_CATALOGUES),
            code="usage.language",
        )
    return known


@contextmanager
def using(more: Catalogue) -> Iterator[None]:
    """Speak one more language inside a ``with`` block, e.g. a translation in the making or a test's own.

    Parameters
    ----------
    more : Catalogue
        The language.
    """
    before = _CATALOGUES.get(more.language)
    _CATALOGUES[more.language] = more
    try:
        yield
    finally:
        _forget(more.language)
        if before is not None:
            _CATALOGUES[more.language] = before


def _forget(language: str) -> None:
    from churnml.language import numbers
    from churnml.language.phrases import phrases

    del _CATALOGUES[language]
    for cache in (phrases, numbers.written, numbers.number, numbers.money, numbers.day):
        cache.cache_clear()
