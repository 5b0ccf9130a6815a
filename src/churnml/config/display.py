"""What raw names are called where people read them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from churnml.config.section import Section
from churnml.language import Words, words

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
