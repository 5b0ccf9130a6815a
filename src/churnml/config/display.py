"""What raw names are called where people read them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from churnml.config.section import Section
from churnml.language import Language, Words, words

__all__ = ["DisplayConfig"]


Name = str | dict[str, str]
Named = Literal["event_types", "attributes", "features", "plans", "segments", "owners"]


class DisplayConfig(Section):
    """What raw names are called where people read them. A plain text is the same in every language."""

    event_types: dict[str, Name] = Field(
        default_factory=dict,
        description="Event type → what it is called, in the plural, e.g. `{en: automations, ja: 自動化}`",
    )
    attributes: dict[str, Name] = Field(default_factory=dict, description="Account attribute → what it is called")
    features: dict[str, Name] = Field(
        default_factory=dict, description="Measure of your own, without its window → what it is called"
    )
    plans: dict[str, Name] = Field(default_factory=dict, description="Plan → what it is called")
    segments: dict[str, Name] = Field(default_factory=dict, description="Segment → what it is called")
    owners: dict[str, Name] = Field(default_factory=dict, description="Owner of accounts → what they are called")

    def words(self, what: Named, raw: str) -> Words:
        """Return what a raw name is called: the config's words, else the name itself, made readable.

        Examples
        --------
        >>> DisplayConfig(plans={"pro_v2": "Pro"}).words("plans", "pro_v2").spoken("en")
        'Pro'
        >>> DisplayConfig().words("event_types", "template_used").spoken("ja")
        'template used'
        """
        known: dict[str, Name] = getattr(self, what)
        if raw in known:
            return words(known[raw])
        return words(raw.replace("_", " ") if what in ("event_types", "attributes", "features") else raw)

    def spoken(self, what: Named, raw: object, language: Language) -> str:
        """Return what a raw name is called in one language; empty where there is none.

        Examples
        --------
        >>> DisplayConfig(owners={"u-17": {"en": "Ann", "ja": "アン"}}).spoken("owners", "u-17", "ja")
        'アン'
        >>> DisplayConfig().spoken("segments", None, "en")
        ''
        """
        # Not a number equals nothing, not even itself: a missing name of a frame.
        return "" if raw is None or raw != raw else self.words(what, str(raw)).spoken(language)
