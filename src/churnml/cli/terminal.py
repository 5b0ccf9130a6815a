"""The console: what it can show, and how numbers and paths are written on it."""

from __future__ import annotations

import codecs
import json
import math
import re
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.markup import escape
from rich.segment import Segment

__all__ = ["as_json", "aside", "err", "money", "near", "number", "out", "settle_streams", "whole"]

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""What steers a terminal instead of being shown on it: control characters but tab and line end, and changes of the
direction of writing."""


class SafeConsole(Console):
    """A console that shows whatever names hold and obeys none of it."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render, control characters left out; the console's own steering stays."""
        for segment in super().render(renderable, options):
            if segment.control is None and _CONTROLS.search(segment.text):
                yield Segment(_CONTROLS.sub("", segment.text), segment.style)
            else:
                yield segment


def settle_streams() -> None:
    """Replace characters that the terminal's encoding cannot hold, instead of failing when the work is done."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError):  # another's stream, or a closed one
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]


def out() -> Console:
    """Return the console that results go to."""
    console = SafeConsole(highlight=False)
    # A pipe has no width of its own; reasons need room.
    return console if console.is_terminal else SafeConsole(highlight=False, width=160)


def err() -> Console:
    """Return the console that progress and errors go to."""
    return SafeConsole(stderr=True, highlight=False)


def aside(text: str) -> None:
    """Print words beside the result, which alone goes to stdout."""
    err().print(escape(text), soft_wrap=True)


def as_json(document: Any) -> str:
    r"""Return a document as JSON that the terminal can hold: escaped where its encoding is not UTF-8.

    Examples
    --------
    >>> as_json({"name": "\x9b31m"})
    '{\n "name": "\\u009b31m"\n}'
    """
    text = json.dumps(document, ensure_ascii=not _speaks_utf8(), indent=1, allow_nan=False)
    return re.sub(r"[\x7f-\x9f\u202a-\u202e\u2066-\u2069]", lambda match: f"\\u{ord(match[0]):04x}", text)


def near(path: Path) -> str:
    """Return a path relative to here where it lies below, escaped for the console."""
    try:
        return escape(str(path.relative_to(Path.cwd())))
    except ValueError:
        return escape(str(path))


def number(value: Any, digits: int = 3) -> str:
    """Return a number with so many decimals, a dash where there is none."""
    if value is None or not math.isfinite(float(value)):
        return "–"
    return f"{float(value):.{digits}f}"


def whole(value: float, lang: str) -> str:
    """Return a count with its thousands separated as the language does."""
    from churnml.language import number as spoken

    return spoken(value, lang)


def money(value: Any) -> str:
    """Return an amount without decimals, a dash where there is none."""
    return "–" if value is None or not math.isfinite(float(value)) else f"{float(value):,.0f}"


def _speaks_utf8() -> bool:
    with suppress(LookupError, TypeError):
        return codecs.lookup(sys.stdout.encoding).name == "utf-8"
    return True
