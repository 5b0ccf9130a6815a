"""Notices beside a score: its account has left, a CSM sees it otherwise, or such scores were off in the backtest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from churnml.language import Day, Quantity, Text, languages, render

__all__ = ["frozen", "level_gaps", "overridden"]

_WHY = ("ended", "notice", "silent")


def frozen(departed: Mapping[str, Any] | None, as_of: date) -> dict[str, Any]:
    """Return what to say beside the last score of an account that has left.

    Parameters
    ----------
    departed : mapping, optional
        ``why`` (ended, notice, silent or left) and ``on`` (ISO date), where the newest snapshot knows them.
    as_of : date
        Date of the last score.

    Returns
    -------
    dict
        ``as_of, why, on`` and ``text_en, text_ja`` …, one for each language; JSON-ready.

    Examples
    --------
    >>> frozen({"why": "ended", "on": "2026-03-14"}, date(2026, 3, 1))["text_en"]
    'The contract ended on 14 March 2026. This is its last score, of 1 March 2026; it is frozen and will not change.'
    >>> frozen(None, date(2026, 3, 1))["why"]
    'left'
    """
    known = dict(departed or {})
    why, on = known.get("why", "left"), known.get("on")
    if why not in _WHY or on is None:
        why, on = "left", None
    text = Text.of(f"departed-{why}", on=Day(on=str(on)) if on else "", as_of=Day(on=as_of.isoformat()))
    return {"as_of": as_of.isoformat(), "why": why, "on": on, **_spoken(text)}


def overridden(band: str, system_band: str, author: str, until: date, reason: str) -> dict[str, str]:
    """Return what to say beside a band that a CSM has set.

    Parameters
    ----------
    band, system_band : str
        The CSM's band and the system's: red, yellow, green or unknown.
    author, reason : str
        Who set it, and why.
    until : date
        Last day of the override.

    Returns
    -------
    dict
        ``band`` and ``text_en, text_ja`` …, one for each language.

    Examples
    --------
    >>> overridden("red", "green", "Ann", date(2026, 12, 1), "Sponsor resigned")["text_en"]
    'Ann set the band to red until 1 December 2026 (the score says green): Sponsor resigned'
    """
    text = Text.of(
        "overridden",
        author=author,
        band=Text.of(f"band-{band}"),
        until=Day(on=until.isoformat()),
        system=Text.of(f"band-{system_band}"),
        reason=reason,
    )
    return {"band": band, **_spoken(text)}


def level_gaps(gaps: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return what to say where told and happened differed beyond noise in the backtest.

    Parameters
    ----------
    gaps : sequence of mapping
        Levels of `churnml.metrics.beyond_noise`: ``name`` ("tenth 10"), ``told`` and ``happened``, 0–1.

    Returns
    -------
    dict
        ``text_en, text_ja`` …, one sentence a level.

    Examples
    --------
    >>> level_gaps([{"name": "tenth 10", "told": 0.21, "happened": 0.295}])["text_en"]
    ['In the backtest, 21 % were told and 30 % left in tenth 10 of the risk (10 is the riskiest).']
    """
    texts = [
        Text.of(
            "level-gap",
            tenth=str(gap["name"]).rpartition(" ")[2],
            told=Quantity(value=gap["told"], unit="share", digits=0),
            happened=Quantity(value=gap["happened"], unit="share", digits=0),
        )
        for gap in gaps
    ]
    return {f"text_{language}": [render(text, language) for text in texts] for language in languages()}


def _spoken(text: Text) -> dict[str, str]:
    return {f"text_{language}": render(text, language) for language in languages()}
