"""Forgetting and showing: one account or person erased from everything churnml keeps, or handed out."""

from churnml.pipeline.privacy.running import Certificate, Removed, Subject, erase, export

__all__ = ["Certificate", "Removed", "Subject", "erase", "export"]
