"""What an account is worth, on the page of the company: the card in place of the ratio formula's, and the groups."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from churnml.language import day, number, percent, phrases
from churnml.serving.pages.frame import Frame
from churnml.serving.pages.newest_figures import Figures
from churnml.serving.pages.visibility import groups_seen

__all__ = ["value_rows", "value_card"]

Written = Callable[[Frame, "float | None", str], str]
"""How a number is written in its unit."""


def value_card(
    frame: Frame, figures: Figures, written: Written, by: str | None, group: str | None
) -> dict[str, Any] | None:
    """Return what the card of lifetime value says of all accounts or a group: value, bounds, source, accounts behind.

    None where nothing was kept of it, as before the first scoring of this version.
    """
    matching = [one for one in _values(figures) if (one["group_by"], one["group"]) == (by, group)]
    return _card_of(frame, written, matching[0]) if matching else None


def value_rows(
    frame: Frame, figures: Figures, written: Written, by: str | None, spoken: Callable[[str], str]
) -> list[dict[str, Any]]:
    """Return a line for all accounts and for each group that who looks may see."""
    say, values = phrases(frame.language), _values(figures)
    shown = [one for one in values if one["group_by"] is None]
    shown += groups_seen(frame, by, [one for one in values if by and one["group_by"] == by])
    return [
        {"title": say("co-all") if one["group_by"] is None else spoken(one["group"]), **_card_of(frame, written, one)}
        for one in shown
    ]


def _values(figures: Figures) -> list[Mapping[str, Any]]:
    values: list[Mapping[str, Any]] = figures.report.get("lifetime_values") or []
    return values


def _card_of(frame: Frame, written: Written, one: Mapping[str, Any]) -> dict[str, Any]:
    say, language = phrases(frame.language), frame.language
    curves = one["source"] == "curves"
    where = {"of": "worth"} | ({"by": one["group_by"], "group": one["group"]} if one["group_by"] else {})
    return {
        "curves": curves,
        "accounts": number(one["accounts"], language),
        "value": written(frame, one["value"], "money"),
        "span": f"{written(frame, one['low'], 'money')} – {written(frame, one['high'], 'money')}"
        if one["low"] is not None
        else "",
        "total": written(frame, one["total"], "money"),
        "within": "–" if one["within"] is None else percent(one["within"], language, 0),
        "source": say(f"co-worth-{one['source']}"),
        "how": say(
            f"co-worth-{one['source']}.how",
            on=day(one["as_of"], language),
            margin=percent(one["gross_margin"], language, 0),
            discount=percent(one["yearly_discount"], language, 0),
            level=percent(one["level"] or 0.0, language, 0),
        ),
        "href": "/company/list?" + urlencode(where) if curves else "",
    }
