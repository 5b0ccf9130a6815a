"""Charts of managers' pages as SVG: what came and went, what is expected, chances against outcomes."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from churnml.reports.charts import drawing

__all__ = ["bridge", "expected_bars", "reliability"]

_LEFT, _RIGHT, _ABOVE, _BELOW = 56, 12, 10, 24


def bridge(
    ups: Sequence[Sequence[float]], downs: Sequence[Sequence[float]], ticks: Sequence[str], label: str, top: str = ""
) -> Markup:
    """Return stacked bars that go up and down from a line in the middle, one place a month.

    Parameters
    ----------
    ups, downs : sequence of sequences of float
        What is stacked above and below, each series over all months; not negative.
    ticks : sequence of str
        Words under the first and the last month.
    label : str
        What it shows, for who cannot see it.
    top : str
        What the largest bar amounts to, in words.
    """
    width, height = 640, 200
    months = len(ticks)
    rise = max((sum(values) for values in zip(*ups, strict=True)), default=0.0)
    fall = max((sum(values) for values in zip(*downs, strict=True)), default=0.0)
    scale = (height - _ABOVE - _BELOW) / ((rise + fall) or 1.0)
    zero = _ABOVE + rise * scale
    step = (width - _LEFT - _RIGHT) / max(months, 1)
    parts = [f'<line class="level" x1="{_LEFT}" x2="{width - _RIGHT}" y1="{zero:.1f}" y2="{zero:.1f}"/>']
    for place in range(months):
        x, wide = round(_LEFT + place * step + step * 0.15, 1), round(step * 0.7, 1)
        y = zero
        for kind, series in enumerate(ups):
            tall = series[place] * scale
            y -= tall
            parts.append(f'<rect class="up{kind}" x="{x}" y="{y:.1f}" width="{wide}" height="{tall:.1f}"/>')
        y = zero
        for kind, series in enumerate(downs):
            tall = series[place] * scale
            parts.append(f'<rect class="down{kind}" x="{x}" y="{y:.1f}" width="{wide}" height="{tall:.1f}"/>')
            y += tall
    parts.append(_text(_LEFT - 6, _ABOVE + 8, top, "end"))
    return drawing("bridge", width, height, label, [*parts, *_ticks(ticks, width, height)])


def expected_bars(
    values: Sequence[float],
    spans: Sequence[tuple[float, float]],
    wholes: Sequence[float],
    ticks: Sequence[str],
    label: str,
    *,
    marks: Sequence[float | None] = (),
    top: str = "",
) -> Markup:
    """Return a bar for what is expected of a whole, with its interval, and a mark where something else is said.

    Parameters
    ----------
    values, wholes : sequence of float
    spans : sequence of (low, high)
    ticks : sequence of str
    label : str
    marks : sequence of float or None
        What came, or what people call.
    top : str
        What the largest whole amounts to, in words.
    """
    width, height = 640, 190
    scale = (height - _ABOVE - _BELOW) / (max(wholes, default=0.0) or 1.0)
    floor = height - _BELOW
    step = (width - _LEFT - _RIGHT) / max(len(values), 1)
    parts = [f'<line class="level" x1="{_LEFT}" x2="{width - _RIGHT}" y1="{floor}" y2="{floor}"/>']
    for place, value in enumerate(values):
        x, wide = round(_LEFT + place * step + step * 0.2, 1), round(step * 0.6, 1)
        for kind, amount in (("whole", wholes[place]), ("bar", value)):
            tall = amount * scale
            parts.append(f'<rect class="{kind}" x="{x}" y="{floor - tall:.1f}" width="{wide}" height="{tall:.1f}"/>')
        low, high = (floor - end * scale for end in spans[place])
        middle = round(x + wide / 2, 1)
        parts.append(f'<path class="span" d="M{middle} {low:.1f}L{middle} {high:.1f}"/>')
        mark = marks[place] if place < len(marks) else None
        if mark is not None:
            y = floor - mark * scale
            parts.append(f'<circle class="came" cx="{middle}" cy="{y:.1f}" r="4"/>')
    parts.append(_text(_LEFT - 6, _ABOVE + 8, top, "end"))
    return drawing("expected", width, height, label, [*parts, *_ticks(ticks, width, height)])


def reliability(points: Sequence[tuple[float, float, float]], label: str, ticks: tuple[str, str]) -> Markup:
    """Return observed rates over predicted chances, with the line on which both are equal.

    Parameters
    ----------
    points : sequence of (predicted, observed, weight)
    label : str
    ticks : tuple of str
        0 and the largest value in words.
    """
    width, height = 360, 260
    top = max([*(value for point in points for value in point[:2]), 0.01]) * 1.05
    w, h = width - _LEFT - _RIGHT, height - _ABOVE - _BELOW
    most = max((weight for *_, weight in points), default=1.0) or 1.0
    parts = [
        f'<line class="mark" x1="{_LEFT}" y1="{_ABOVE + h}" x2="{_LEFT + w}" y2="{_ABOVE}"/>',
        f'<line class="level" x1="{_LEFT}" y1="{_ABOVE + h}" x2="{_LEFT + w}" y2="{_ABOVE + h}"/>',
        f'<line class="level" x1="{_LEFT}" y1="{_ABOVE}" x2="{_LEFT}" y2="{_ABOVE + h}"/>',
    ]
    for predicted, observed, weight in points:
        x, y = _LEFT + w * predicted / top, _ABOVE + h * (1 - observed / top)
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{2.5 + 3 * (weight / most) ** 0.5:.1f}"/>')
    parts += [_text(_LEFT, height - 6, ticks[0], "start"), _text(_LEFT + w, height - 6, ticks[1], "end")]
    parts.append(_text(_LEFT - 6, _ABOVE + 8, ticks[1], "end"))
    return drawing("reliability", width, height, label, parts)


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return str(Markup('<text x="{}" y="{}" text-anchor="{}">{}</text>').format(round(x, 1), y, anchor, words))


def _ticks(ticks: Sequence[str], width: int, height: int) -> list[str]:
    if not ticks:
        return []
    ends = [_text(_LEFT, height - 6, ticks[0], "start")]
    return ends if len(ticks) == 1 else [*ends, _text(width - _RIGHT, height - 6, ticks[-1], "end")]
