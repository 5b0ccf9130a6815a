"""Looks at raw files nobody has described yet, and proposes the config that maps them."""

from churnml.sources.discovery.asking import Question, answered, questions_of
from churnml.sources.discovery.config_text import write_config
from churnml.sources.discovery.profiles import ColumnProfile, FileProfile
from churnml.sources.discovery.profiling import profile_files
from churnml.sources.discovery.proposal import Match, Proposal, propose

__all__ = [
    "ColumnProfile", "FileProfile", "Match", "Proposal", "Question", "answered", "profile_files", "propose",
    "questions_of", "write_config",
]  # fmt: skip
