"""Mappings that are ready: one readable file per tool and object, and what fits them to the raw table at hand."""

from churnml.sources.presets.catalogue import known_objects, preset, preset_text, presets, presets_markdown
from churnml.sources.presets.preset import Preset

__all__ = ["Preset", "known_objects", "preset", "preset_text", "presets", "presets_markdown"]
