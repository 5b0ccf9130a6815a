"""Fetches raw tables from the tools where they arise, incrementally, and lands them where presets read them."""

from churnml.sources.connectors.catalogue import CONNECTORS, connectors_markdown
from churnml.sources.connectors.pulling import preview_source, pull_source
from churnml.sources.connectors.reports import ObjectPull, PlannedPull, SourcePull

__all__ = [
    "CONNECTORS", "ObjectPull", "PlannedPull", "SourcePull", "connectors_markdown", "preview_source", "pull_source",
]  # fmt: skip
