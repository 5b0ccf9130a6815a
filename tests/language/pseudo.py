"""A made-up language, English in Greek letters, and what of a page or a sentence is not in it."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
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
