"""The languages: one file of messages each, in Project Fluent's format, read once and parsed as it is needed."""

from __future__ import annotations

import re
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

_ENTRY = re.compile(r"^(?P<name>-?[A-Za-z][\w-]*)[ \t]*=", re.MULTILINE)
_COMMENT = re.compile(r"^#.*$", re.MULTILINE)
_ATTRIBUTE = re.compile(r"^[ \t]+\.([A-Za-z][\w-]*)[ \t]*=", re.MULTILINE)
_NAME = re.compile(r"-?[A-Za-z][\w-]*")


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
        self._parsed: dict[str, Any] = {}
        self._patterns: dict[str, Any] = {}

    @cached_property
    def _sources(self) -> dict[str, str]:
        """Each message and term as it stands in the file: parsing all of them takes a second, and few are needed."""
        sources: dict[str, str] = {}
        starts = [*_ENTRY.finditer(self._source)]
        ends = [start.start() for start in starts[1:]] + [len(self._source)]
        for start, end in zip(starts, ends, strict=True):
            name = start["name"]
            if name in sources:
                raise UsageError(f"The messages of {self.language!r} hold {name!r} twice", expected="each name once")
            sources[name] = _COMMENT.sub("", self._source[start.start() : end])
        return sources

    @cached_property
    def codes(self) -> frozenset[str]:
        """Every code that can be rendered, attributes as ``message.attribute``."""
        names = set()
        for name, source in self._sources.items():
            if not name.startswith("-"):
                value, *attributes = _ATTRIBUTE.split(source)
                names |= {name} if value.partition("=")[2].strip() else set()
                names |= {f"{name}.{attribute}" for attribute in attributes[::2]}
        return frozenset(names)

    @cached_property
    def bundle(self) -> Any:
        """Fluent's bundle, with the functions that messages may call; messages join it when they are asked for."""
        from fluent.runtime import FluentBundle

        from churnml.language.functions import functions

        return FluentBundle([str(self.locale)], functions=functions(self), use_isolating=False)

    def entry(self, name: str) -> Any:
        """Return a message or term, parsed.

        Raises
        ------
        UsageError
            It is not in Fluent's format.
        """
        from fluent.syntax import FluentParser, ast

        if name not in self._parsed:
            body = FluentParser(with_spans=False).parse(self._sources[name]).body
            junk = next((entry.content for entry in body if isinstance(entry, ast.Junk)), None)
            if junk is not None:
                raise UsageError(
                    f"The messages of {self.language!r} cannot be read", got=str(junk)[:200], expected="Fluent's format"
                )
            (self._parsed[name],) = body
        return self._parsed[name]

    def _join(self, name: str) -> None:
        """Let a message, and those that it speaks of, join the bundle."""
        from fluent.syntax import ast

        waiting, joined = [name], set()
        while waiting:
            one = waiting.pop()
            joined.add(one)
            entry = self.entry(one)
            self.bundle.add_resource(ast.Resource([entry]), allow_overrides=True)
            spoken_of = {match[0] for match in _NAME.finditer(self._sources[one])}
            waiting += [other for other in spoken_of & self._sources.keys() if other not in joined]

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
            self._join(entry)
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
        if f"-{name}" not in self._sources:
            return ""
        return "".join(str(element.value) for element in self.entry(f"-{name}").value.elements)


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
