"""The daily run: its stages in order, under a lock, on record; and many companies side by side."""

from churnml.pipeline.daily.running import DailyRun, list_runs, run_daily
from churnml.pipeline.daily.stages import STAGES, DailyStage, Day, Done
from churnml.pipeline.daily.units import Unit, megabytes, run_units

__all__ = [
    "STAGES",
    "DailyRun",
    "DailyStage",
    "Day",
    "Done",
    "Unit",
    "list_runs",
    "megabytes",
    "run_daily",
    "run_units",
]
