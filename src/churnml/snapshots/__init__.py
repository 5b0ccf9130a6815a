"""The spine: which accounts are asked about when, what became of them, and how time is split."""

from churnml.snapshots.contract import spells
from churnml.snapshots.dates import snapshot_dates
from churnml.snapshots.decisions import coming_decisions, seen_ends
from churnml.snapshots.departures import Departure, departures
from churnml.snapshots.in_force import contracts_at
from churnml.snapshots.spine import Cohorts, cohort_at, cohorts, spine, whole_cohorts
from churnml.snapshots.splits import Split, splits

__all__ = [
    "Departure",
    "Split",
    "Cohorts",
    "cohort_at",
    "cohorts",
    "coming_decisions",
    "contracts_at",
    "departures",
    "seen_ends",
    "snapshot_dates",
    "spells",
    "spine",
    "splits",
    "whole_cohorts",
]
