"""Looks at raw files nobody has described yet, and proposes the config that maps them."""

from churnml.sources.discovery.profiling import ColumnProfile, FileProfile, profile_files
from churnml.sources.discovery.proposal import Match, Proposal, propose, write_config

__all__ = ["ColumnProfile", "FileProfile", "Match", "Proposal", "profile_files", "propose", "write_config"]
