"""Remarks beside a score: that its account has left and the score is frozen, or that a CSM sees it otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from churnml.explain.words import day
from churnml.health.wording import BAND_WORDS

__all__ = ["DEPARTURES", "frozen", "overridden"]

DEPARTURES: dict[str, tuple[str, str]] = {
    "ended": ("The contract ended on {on}.", "{on}に契約が終了しました。"),
    "notice": ("Notice was given on {on}.", "{on}に解約通知がありました。"),
    "silent": ("There has been no activity since {on}.", "{on}以降、利用がありません。"),
    "left": (
        "The account is no longer among those that are scored.",
        "このアカウントは現在のスコア算出対象に含まれていません。",
    ),
}
"""Why an account is scored no more: code → English, Japanese."""

_LAST = (
    "This is its last score, of {as_of}; it is frozen and will not change.",
    "表示は{as_of}時点の最終スコアで、以後更新されません。",
)


def frozen(departed: Mapping[str, Any] | None, as_of: date) -> dict[str, Any]:
    """Return what to say beside the last score of an account that has left.

    Parameters
    ----------
    departed : mapping, optional
        ``why`` (a key of `DEPARTURES`) and ``on`` (ISO date), where the newest snapshot knows them.
    as_of : date
        Date of the last score.

    Returns
    -------
    dict
        ``as_of, why, on, text_en, text_ja``; JSON-ready.

    Examples
    --------
    >>> frozen({"why": "ended", "on": "2026-03-14"}, date(2026, 3, 1))["text_en"]
    'The contract ended on 14 March 2026. This is its last score, of 1 March 2026; it is frozen and will not change.'
    >>> frozen(None, date(2026, 3, 1))["why"]
    'left'
    """
    known = dict(departed or {})
    why, on = known.get("why", "left"), known.get("on")
    if why not in DEPARTURES or (on is None and why != "left"):
        why, on = "left", None
    texts = {}
    for place, language in enumerate(("en", "ja")):
        said = DEPARTURES[why][place].format(on=day(str(on), language) if on else "")
        last = _LAST[place].format(as_of=day(as_of.isoformat(), language))
        texts[f"text_{language}"] = f"{said} {last}" if language == "en" else said + last
    return {"as_of": as_of.isoformat(), "why": why, "on": on, **texts}


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
        ``band, text_en, text_ja``.

    Examples
    --------
    >>> overridden("red", "green", "Ann", date(2026, 12, 1), "Sponsor resigned")["text_en"]
    'Ann set the band to red until 1 December 2026 (the score says green): Sponsor resigned'
    """
    return {
        "band": band,
        "text_en": f"{author} set the band to {band} until {day(until.isoformat(), 'en')} "
        f"(the score says {system_band}): {reason}",
        "text_ja": f"{author}が{day(until.isoformat(), 'ja')}まで区分を「{BAND_WORDS['ja'][band]}」に設定"
        f"（スコア上は「{BAND_WORDS['ja'][system_band]}」）：{reason}",
    }
