"""Training: the estimator, its calibration, metrics, baselines, backtest and verdict."""

from churnml.training import metrics
from churnml.training.backtest import Backtest, backtest
from churnml.training.estimator import ChurnClassifier
from churnml.training.fitting import fit
from churnml.training.model import ChurnModel
from churnml.training.tuning import Tuning, tune
from churnml.training.verdict import Verdict, judge

__all__ = [
    "Backtest",
    "ChurnClassifier",
    "ChurnModel",
    "Tuning",
    "Verdict",
    "backtest",
    "fit",
    "judge",
    "metrics",
    "tune",
]
