"""A made-up language, English in Greek letters, and what of a page or a sentence is not in it."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib.resources import files
from typing import Any

import pytest

from churnml.language import Catalogue, using

__all__ = ["LANGUAGE", "leaks", "pseudo"]

LANGUAGE = "qps"
_PLAIN = re.compile(r"[A-Za-zÀ-ÿ]{3,}")
_TAGS = re.compile(r"<(script|style|title|svg)\b.*?</\1>|<[^>]+>", re.DOTALL)


def bracketed() -> str:
    """Return the English messages with every word of theirs in capital Greek, arguments and functions as they are."""
    source = (files("churnml.language") / "messages" / "en.ftl").read_text(encoding="utf-8")
    from fluent.syntax import FluentParser, FluentSerializer, ast
    from fluent.syntax.visitor import Transformer

    class Greek(Transformer):  # type: ignore[misc]
        def visit_TextElement(self, node: Any) -> Any:  # noqa: N802
            node.value = re.sub(r"[A-Za-z]", lambda letter: chr(0x391 + ord(letter[0].lower()) % 17), node.value)
            return node

        def visit_Term(self, node: Any) -> Any:  # noqa: N802 (patterns of numbers and dates stay)
            return node

    resource = FluentParser(with_spans=False).parse(source)
    assert not [entry for entry in resource.body if isinstance(entry, ast.Junk)]
    return str(FluentSerializer().serialize(Greek().visit(resource)))


@pytest.fixture
def pseudo() -> Iterator[None]:
    with using(Catalogue(LANGUAGE, bracketed().replace("-locale = en", "-locale = en_GB"))):
        yield


DATA = re.compile(
    r"A\d{4}|SMB|enterprise|Acme|Aiko|Ann|acme|own (sponsor|words)|ROC AUC|SHAP|ARR|January|February|March|April|May|"
    r"June|July|August|September|October|November|December|Sept?|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Oct|Nov|Dec"
)


def leaks(text: str) -> list[str]:
    """Return the plain words of a page or a sentence that are no data."""
    return _PLAIN.findall(DATA.sub("", html.unescape(_TAGS.sub(" ", text))))


_SHOWN = ("title", "alt", "placeholder", "aria-label", "aria-description", "data-sure")
"""Attributes that a person reads or hears."""
_SILENT = ("script", "style", "code", "pre", "kbd")
"""Elements whose content is no language: programs, names in code, keys."""
_EMPTY = ("meta", "link", "input", "br", "img", "hr", "source", "path", "circle", "rect", "line", "polyline")


class _Page(HTMLParser):
    """The words of a page in its own language: text, and the attributes that are read out."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.said: list[str] = []
        self._open: list[tuple[str, bool]] = [("", True)]
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        held = dict(attrs)
        own = self._open[-1][1] and tag not in _SILENT and held.get("lang", LANGUAGE) == LANGUAGE
        if own:
            self.said += [value for name, value in attrs if name in _SHOWN and value]
            if tag == "input" and held.get("type") in ("submit", "button"):
                self.said.append(held.get("value") or "")
        if tag not in _EMPTY:
            self._open.append((tag, own))

    def handle_endtag(self, tag: str) -> None:
        while len(self._open) > 1 and tag in [name for name, _ in self._open]:
            if self._open.pop()[0] == tag:
                return

    def handle_data(self, data: str) -> None:
        if self._open[-1][1]:
            self.said.append(data)


def page_leaks(page: str, data: str = "") -> list[str]:
    """Return the words of a page of the service that are neither the language's nor data.

    What says itself to be in another language (``lang``) is not looked at, nor is code.

    Parameters
    ----------
    page : str
        HTML in the made-up language.
    data : str
        Pattern of what comes from the company's data.
    """
    said = " | ".join(_Page(page).said)
    return leaks(re.sub(data, "", said) if data else said)
