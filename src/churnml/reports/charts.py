"""Charts as SVG, made on the server and coloured by the style sheet; the numbers stand in a table beside each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

__all__ = ["bars", "curve", "drawing", "line", "sparkline"]

Value = float | None


def sparkline(
    values: Sequence[Value], label: str, *, low: float = 0.0, high: float = 100.0, width: int = 96, height: int = 24
) -> Markup:
    """Return a line of a word's size; gaps stay gaps, and the last reading is a dot.

    Parameters
    ----------
    values : sequence of float or None
        Oldest first.
    label : str
        What it shows, for who cannot see it.
    low, high : float
        The values at the lower and the upper edge.
    width, height : int
        Size, pixels.

    Examples
    --------
    >>> str(sparkline([10.0, None, 30.0], "Health: 10, 30")).startswith('<svg class="spark"')
    True
    """
    area, at = _Area(3, 3, width - 6, height - 6, low, high), _evenly(len(values))
    known = [(place, value) for place, value in zip(at, values, strict=True) if value is not None]
    dot = area.dot(*known[-1]) if known else ""
    return Markup(
        '<svg class="spark" width="{w}" height="{h}" viewBox="0 0 {w} {h}" role="img" aria-label="{label}">'
        '<path d="{d}"/>{dot}</svg>'
    ).format(w=width, h=height, label=label, d=area.path(at, values), dot=Markup(dot))


def line(
    values: Sequence[Value],
    ticks: Sequence[str],
    label: str,
    *,
    low: float = 0.0,
    high: float | None = None,
    levels: Sequence[tuple[float, str]] = (),
    marks: Sequence[int] = (),
    zones: Sequence[tuple[float, float, str]] = (),
    at: Sequence[float] | None = None,
    width: int = 640,
    height: int = 180,
) -> Markup:
    """Return a line chart with a few words under it.

    Parameters
    ----------
    values : sequence of float or None
        Oldest first.
    ticks : sequence of str
        Words under the first, the middle and the last value, or under all; empty strings are left out.
    label : str
        What it shows, for who cannot see it.
    low, high : float
        Edges; the largest value by default.
    levels : sequence of (value, word)
        Horizontal lines with a word, such as the limits of the bands.
    marks : sequence of int
        Places at which a vertical line stands, such as where a new model took over.
    zones : sequence of (low, high, name)
        Areas behind the line, such as the bands; the style sheet colours them by ``svg .zone.NAME``.
    at : sequence of float, optional
        Where each value stands, from 0 (left) to 1 (right); evenly spaced by default.
    width, height : int
        Size of the drawing; the page scales it.

    Examples
    --------
    >>> str(line([80.0, 60.0], ["May", "June"], "Health: 80, 60", zones=[(0, 40, "red")], high=100)).count("<rect")
    1
    """
    known = [value for value in values if value is not None]
    top = high if high is not None else (max([*known, *(level for level, _ in levels)], default=1.0) * 1.1 or 1.0)
    left, right, above, below = 40, 12, 10, 24
    w, h = width - left - right, height - above - below
    area, at = _Area(left, above, w, h, low, top), at if at is not None else _evenly(len(values))
    parts = []
    for bottom, ceiling, name in zones:
        y = area.y(ceiling)
        tall = round(area.y(bottom) - y, 1)
        parts.append(f'<rect class="zone {name}" x="{left}" y="{y}" width="{w}" height="{tall}"/>')
    for level, word in levels:
        y = area.y(level)
        parts.append(f'<line class="level" x1="{left}" x2="{width - right}" y1="{y}" y2="{y}"/>')
        parts.append(Markup('<text x="{}" y="{}" text-anchor="end">{}</text>').format(left - 6, y + 4, word))
    for place in marks:
        x = area.x(at[place])
        parts.append(f'<line class="mark" x1="{x}" x2="{x}" y1="{above}" y2="{above + h}"/>')
    parts.append(f'<path d="{area.path(at, values)}"/>')
    if len(values) <= 60:
        parts += [area.dot(place, value) for place, value in zip(at, values, strict=True) if value is not None]
    parts += _words(ticks, left, w, height)
    return drawing("line", width, height, label, parts)


def curve(
    values: Sequence[float],
    low: Sequence[float],
    high: Sequence[float],
    ticks: Sequence[str],
    label: str,
    *,
    beside: Sequence[float] | None = None,
    mark: float | None = None,
    levels: Sequence[tuple[float, str]] = (),
    width: int = 420,
    height: int = 190,
) -> Markup:
    """Return a curve of shares from 0 to 1, shaded between its bounds.

    Parameters
    ----------
    values, low, high : sequence of float
        Evenly spaced.
    ticks, label, levels, width, height
        As of `line`.
    beside : sequence of float, optional
        Another curve, dashed.
    mark : float, optional
        Place of an upright line, in steps from the first value.

    Examples
    --------
    >>> str(curve([1.0, 0.8], [1.0, 0.7], [1.0, 0.9], ["", ""], "80 %")).count("<path")
    2
    """
    left, right, above, below = 46, 12, 10, 24
    area = _Area(left, above, width - left - right, height - above - below, 0.0, 1.0)
    places = _evenly(len(values))
    parts = []
    for level, word in levels:
        y = area.y(level)
        parts.append(f'<line class="level" x1="{left}" x2="{width - right}" y1="{y}" y2="{y}"/>')
        parts.append(Markup('<text x="{}" y="{}" text-anchor="end">{}</text>').format(left - 6, y + 4, word))
    around = area.path([*places, *places[::-1]], [*high, *low[::-1]])
    parts.append(f'<path class="bounds" d="{around}Z"/>')
    if mark is not None and 0 <= mark <= len(values) - 1:
        x = area.x(mark / max(len(values) - 1, 1))
        parts.append(f'<line class="mark" x1="{x}" x2="{x}" y1="{above}" y2="{above + area.height}"/>')
    if beside is not None:
        parts.append(f'<path class="beside" d="{area.path(places, beside)}"/>')
    parts.append(f'<path d="{area.path(places, values)}"/>')
    parts += _words(ticks, left, area.width, height)
    return drawing("line", width, height, label, parts)


def bars(values: Sequence[Value], ticks: Sequence[str], label: str, *, width: int = 640, height: int = 140) -> Markup:
    """Return a bar for each value; see `line`."""
    left, right, above, below = 40, 12, 10, 24
    w, h = width - left - right, height - above - below
    top = max((value for value in values if value is not None), default=0.0) or 1.0
    step = w / max(len(values), 1)
    parts = [
        f'<line class="level" x1="{left}" x2="{width - right}" y1="{above + h}" y2="{above + h}"/>',
        f'<text x="{left - 6}" y="{above + 8}" text-anchor="end">{top:,.0f}</text>',
        f'<text x="{left - 6}" y="{above + h}" text-anchor="end">0</text>',
    ]
    for place, value in enumerate(values):
        if value is not None:
            tall = round(h * value / top, 1)
            x, y = round(left + place * step + step * 0.12, 1), round(above + h - tall, 1)
            parts.append(f'<rect x="{x}" y="{y}" width="{round(step * 0.76, 1)}" height="{tall}"/>')
    parts += _words(ticks, left, w, height)
    return drawing("bars", width, height, label, parts)


def drawing(kind: str, width: int, height: int, label: str, parts: Sequence[str]) -> Markup:
    """Return the parts of a chart, each SVG already, as one picture."""
    return Markup('<svg class="chart {}" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        kind, width, height, label, Markup("".join(str(part) for part in parts))
    )


def _words(ticks: Sequence[str], left: float, width: float, height: int) -> list[str]:
    labels = []
    for place, word in enumerate(ticks):
        if word:
            x = left + (width * place / (len(ticks) - 1) if len(ticks) > 1 else 0)
            anchor = "start" if place == 0 else "end" if place == len(ticks) - 1 else "middle"
            text = Markup('<text x="{}" y="{}" text-anchor="{}">{}</text>')
            labels.append(str(text.format(round(x, 1), height - 6, anchor, word)))
    return labels


def _evenly(count: int) -> list[float]:
    """Return where each of so many values stands, from 0 (left) to 1 (right)."""
    return [place / (count - 1) for place in range(count)] if count > 1 else [0.5] * count


@dataclass(frozen=True)
class _Area:
    """The part of a drawing that values are drawn in, pixels, and the values at its lower and upper edge."""

    left: float
    top: float
    width: float
    height: float
    low: float
    high: float

    def x(self, place: float) -> float:
        return round(self.left + self.width * place, 1)

    def y(self, value: float) -> float:
        share = (value - self.low) / ((self.high - self.low) or 1.0)
        return round(self.top + self.height * (1 - min(1.0, max(0.0, share))), 1)

    def dot(self, place: float, value: float) -> str:
        return f'<circle cx="{self.x(place)}" cy="{self.y(value)}" r="2.5"/>'

    def path(self, at: Sequence[float], values: Sequence[Value]) -> str:
        """Return the line through the values; where one is missing it breaks off."""
        parts, down = [], False
        for place, value in zip(at, values, strict=True):
            if value is not None:
                parts.append(f"{'L' if down else 'M'}{self.x(place)} {self.y(value)}")
            down = value is not None
        return "".join(parts)
