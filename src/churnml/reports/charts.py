"""Charts as SVG, made on the server and coloured by the style sheet; the numbers stand in a table beside each."""

from __future__ import annotations

from collections.abc import Sequence

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
    inner = _path(values, low, high, width - 6, height - 6, 3, 3)
    known = [(place, value) for place, value in enumerate(values) if value is not None]
    dot = ""
    if known:
        x, y = _at(*known[-1], len(values), low, high, width - 6, height - 6, 3, 3)
        dot = f'<circle cx="{x}" cy="{y}" r="2.5"/>'
    return Markup(
        '<svg class="spark" width="{w}" height="{h}" viewBox="0 0 {w} {h}" role="img" aria-label="{label}">'
        '<path d="{d}"/>{dot}</svg>'
    ).format(w=width, h=height, label=label, d=inner, dot=Markup(dot))


def line(
    values: Sequence[Value],
    ticks: Sequence[str],
    label: str,
    *,
    low: float = 0.0,
    high: float | None = None,
    levels: Sequence[tuple[float, str]] = (),
    marks: Sequence[int] = (),
    width: int = 640,
    height: int = 180,
) -> Markup:
    """Return a line chart with a few words under it.

    Parameters
    ----------
    values : sequence of float or None
        Oldest first, evenly spaced.
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
    width, height : int
        Size of the drawing; the page scales it.
    """
    known = [value for value in values if value is not None]
    top = high if high is not None else (max([*known, *(level for level, _ in levels)], default=1.0) * 1.1 or 1.0)
    left, right, above, below = 40, 12, 10, 24
    w, h = width - left - right, height - above - below
    parts = []
    for level, word in levels:
        y = round(above + h * (1 - (level - low) / (top - low or 1)), 1)
        parts.append(f'<line class="level" x1="{left}" x2="{width - right}" y1="{y}" y2="{y}"/>')
        parts.append(Markup('<text x="{}" y="{}" text-anchor="end">{}</text>').format(left - 6, y + 4, word))
    for place in marks:
        x = _at(place, low, len(values), low, top, w, h, left, above)[0]
        parts.append(f'<line class="mark" x1="{x}" x2="{x}" y1="{above}" y2="{above + h}"/>')
    parts.append(f'<path d="{_path(values, low, top, w, h, left, above)}"/>')
    for place, value in enumerate(values):
        if value is not None and len(values) <= 60:
            x, y = _at(place, value, len(values), low, top, w, h, left, above)
            parts.append(f'<circle cx="{x}" cy="{y}" r="2.5"/>')
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
    w, h = width - left - right, height - above - below

    def at(place: float, value: float) -> tuple[float, float]:
        return _at(place, value, len(values), 0.0, 1.0, w, h, left, above)

    def path(points: Sequence[tuple[float, float]]) -> str:
        return "M" + "L".join(f"{x} {y}" for x, y in points)

    parts = []
    for level, word in levels:
        y = at(0, level)[1]
        parts.append(f'<line class="level" x1="{left}" x2="{width - right}" y1="{y}" y2="{y}"/>')
        parts.append(Markup('<text x="{}" y="{}" text-anchor="end">{}</text>').format(left - 6, y + 4, word))
    upper = [at(place, value) for place, value in enumerate(high)]
    lower = [at(place, value) for place, value in enumerate(low)]
    parts.append(f'<path class="bounds" d="{path([*upper, *lower[::-1]])}Z"/>')
    if mark is not None and 0 <= mark <= len(values) - 1:
        x = at(mark, 0.0)[0]
        parts.append(f'<line class="mark" x1="{x}" x2="{x}" y1="{above}" y2="{above + h}"/>')
    if beside is not None:
        parts.append(f'<path class="beside" d="{path([at(place, value) for place, value in enumerate(beside)])}"/>')
    parts.append(f'<path d="{path([at(place, value) for place, value in enumerate(values)])}"/>')
    parts += _words(ticks, left, w, height)
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
    found = []
    for place, word in enumerate(ticks):
        if word:
            x = left + (width * place / (len(ticks) - 1) if len(ticks) > 1 else 0)
            anchor = "start" if place == 0 else "end" if place == len(ticks) - 1 else "middle"
            text = Markup('<text x="{}" y="{}" text-anchor="{}">{}</text>')
            found.append(str(text.format(round(x, 1), height - 6, anchor, word)))
    return found


def _at(
    place: float, value: float, count: int, low: float, high: float, width: float, height: float, left: float, top: float
) -> tuple[float, float]:
    x = left + (width * place / (count - 1) if count > 1 else width / 2)
    share = min(1.0, max(0.0, (value - low) / ((high - low) or 1.0)))
    return round(x, 1), round(top + height * (1 - share), 1)


def _path(
    values: Sequence[Value], low: float, high: float, width: float, height: float, left: float, top: float
) -> str:
    parts, down = [], False
    for place, value in enumerate(values):
        if value is None:
            down = False
            continue
        x, y = _at(place, value, len(values), low, high, width, height, left, top)
        parts.append(f"{'L' if down else 'M'}{x} {y}")
        down = True
    return "".join(parts)
