"""The command line: a verb per command, no logic."""

from churnml.cli.app import main

__all__ = ["main"]
