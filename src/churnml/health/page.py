"""HTML pages: one template environment, one style, and charts as inline SVG."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["BAND_COLOURS", "environment", "new_figure", "svg"]

BAND_COLOURS = {"red": "#c0392b", "yellow": "#b7860b", "green": "#2e7d4f", "unknown": "#7a7f87"}
"""One colour per band, each readable on white."""


def environment(package: str) -> Environment:
    """Return a template environment of a package's ``templates`` folder; everything is escaped, nothing undefined."""
    found = Environment(
        loader=PackageLoader(package), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    style, _, _ = PackageLoader("churnml.health").get_source(found, "style.css")
    found.globals["style"] = Markup(style)
    found.globals["band_colours"] = BAND_COLOURS
    # A number and its percent sign stay on one line.
    found.filters["unbroken"] = lambda text: str(text).replace(" %", "\u00a0%")
    return found


def new_figure(width: float, height: float) -> Figure:
    """Return an empty matplotlib figure, inches; no global state is touched."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def svg(figure: Figure, label: str) -> Markup:
    """Return a figure as inline SVG with a text alternative; the same figure gives the same text."""
    import matplotlib

    settings: dict[str, Any] = {"svg.fonttype": "none", "svg.hashsalt": "churnml", "font.family": "sans-serif"}
    buffer = io.StringIO()
    with matplotlib.rc_context(settings):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    role = Markup('<svg role="img" aria-label="{}" ').format(label)
    return role + Markup(re.sub(r'(width|height)="[\d.]+pt" ?', "", text.removeprefix("<svg "), count=2))
