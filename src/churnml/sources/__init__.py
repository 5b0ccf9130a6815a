"""Turns raw extracts into valid canonical tables, and reports what it had to reject."""

from churnml.sources.account_ids import ToolCoverage
from churnml.sources.load import load
from churnml.sources.loaded import Loaded
from churnml.sources.outcome import SetAside
from churnml.sources.usability import TableUse

__all__ = ["Loaded", "SetAside", "TableUse", "ToolCoverage", "load"]
