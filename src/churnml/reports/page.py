"""HTML pages: one template environment, one style, and charts as inline SVG."""

from __future__ import annotations

import io
import re
import warnings
from functools import cache
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from churnml.language import Language, languages, phrases

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["drawable", "BAND_COLOURS", "Labels", "environment", "new_figure", "png", "svg"]

_DPI = 100

BAND_COLOURS = {"red": "#c0392b", "yellow": "#b7860b", "green": "#2e7d4f", "unknown": "#7a7f87"}
"""One colour per band, each readable on white."""


_WIDE = "\u0174\u1e80\u1e82\u1e84"
"""Letters about as wide as a Japanese character that matplotlib's own font has, and that no label uses."""


class Labels:
    """Words of a chart that matplotlib's own font does not have: they are laid out as letters of the same width.

    The text of an SVG is set by the reader's browser, which has the fonts; only the layout needs a width.

    Examples
    --------
    >>> labels = Labels()
    >>> labels("days before churn")
    'days before churn'
    >>> len(labels("解約率"))
    3
    >>> labels.written("<text>" + labels("解約率") + "</text>")
    '<text>解約率</text>'
    """

    def __init__(self) -> None:
        self._words: dict[str, str] = {}

    def __call__(self, text: str) -> str:
        """Return what to hand to matplotlib."""
        if text.isascii():
            return text
        if text in self._words:
            return self._words[text]
        width = max(1, round(sum(0.6 if letter.isascii() else 1.0 for letter in text)))
        number, letters = len(self._words), ""
        while number or len(letters) < width:
            number, rest = divmod(number, len(_WIDE))
            letters += _WIDE[rest]
        self._words[text] = letters
        return letters

    def written(self, picture: str) -> str:
        """Return the SVG with the words in place; the longest stand-in first, for one may begin another."""
        for text, letters in sorted(self._words.items(), key=lambda item: -len(item[1])):
            picture = picture.replace(letters, str(escape(text)))
        return picture


@cache
def environment() -> Environment:
    """Return the environment of the room's templates: HTML is escaped, nothing undefined, one style sheet."""
    templates = Environment(
        loader=PackageLoader("churnml.reports"),
        autoescape=lambda name: name is None or ".md" not in name,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    style, _, _ = templates.loader.get_source(templates, "style.css")  # type: ignore[union-attr]
    zones = "".join(f"svg .zone.{band} {{ fill: {colour}; }}\n" for band, colour in BAND_COLOURS.items())
    templates.globals["style"] = Markup(style + zones)
    templates.globals["band_colours"] = BAND_COLOURS
    # A number and its percent sign stay on one line.
    templates.filters["unbroken"] = lambda text: str(text).replace(" %", "\u00a0%")
    return templates


def new_figure(width: float, height: float) -> Figure:
    """Return an empty matplotlib figure, inches; no global state is touched."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


_FONTS = (
    "Noto Sans CJK JP", "Noto Serif CJK JP", "IPAexGothic", "IPAGothic", "TakaoGothic", "VL Gothic", "Hiragino Sans",
    "Yu Gothic", "Meiryo", "MS Gothic", "Noto Sans CJK SC", "Noto Sans CJK KR", "Arial Unicode MS",
)  # fmt: skip
"""Families that hold what matplotlib's own font lacks; the first that is installed is used."""
_OWN_FONT = "DejaVu Sans"


@cache
def _fallback() -> tuple[str, ...]:
    from matplotlib.font_manager import fontManager

    installed = {font.name for font in fontManager.ttflist}
    return tuple(name for name in _FONTS if name in installed)[:1]


def drawable(language: Language) -> Language:
    """Return the language that pictures can be lettered in: the one given where a font holds its letters, else English.

    Examples
    --------
    >>> drawable("en")
    'en'
    """
    letters = phrases(language)("plot-model")
    return language if all(ord(letter) < _LAST_OWN for letter in letters) or _fallback() else languages()[0]


_LAST_OWN = 0x0590
"""matplotlib's own font holds Latin, Greek and Cyrillic."""


def svg(figure: Figure, label: str, labels: Labels | None = None) -> Markup:
    """Return a figure as inline SVG with a text alternative; the same figure gives the same text."""
    import matplotlib

    settings: dict[str, Any] = {"svg.fonttype": "none", "svg.hashsalt": "churnml", "font.family": "sans-serif"}
    buffer = io.StringIO()
    with matplotlib.rc_context(settings):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = labels.written(text) if labels is not None else text
    role = Markup('<svg role="img" aria-label="{}" ').format(label)
    return role + Markup(re.sub(r'(width|height)="[\d.]+pt" ?', "", text.removeprefix("<svg "), count=2))


def png(figure: Figure) -> bytes:
    """Return a figure as PNG.

    Examples
    --------
    >>> png(new_figure(2, 1))[1:4]
    b'PNG'
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        text.set_fontfamily([_OWN_FONT, *_fallback()])
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # Words in a script that this machine's fonts lack become boxes; the plot still says the rest.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        # `savefig` would draw it twice, first to lay it out; drawing lays it out anyway.
        figure.set_dpi(_DPI)
        FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()
