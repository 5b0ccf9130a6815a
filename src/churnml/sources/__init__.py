"""Turns raw extracts into valid canonical tables, and reports what it had to reject."""

from churnml.sources.load import Loaded, load

__all__ = ["Loaded", "load"]
