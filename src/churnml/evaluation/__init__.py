"""Evaluation: what a model is worth on rows that it has not seen, and whether it may be published."""

from churnml.evaluation.backtest import Backtest, backtest
from churnml.evaluation.tuning import Tuning, tune
from churnml.evaluation.verdict import Verdict, judge

__all__ = ["Backtest", "Tuning", "Verdict", "backtest", "judge", "tune"]
