"""Training: the estimator, its calibration, the model that is made of it, and the rules that it must beat."""

from churnml.training.estimator import ChurnClassifier
from churnml.training.fitting import fit
from churnml.training.model import ChurnModel
from churnml.training.publication import Publication

__all__ = ["ChurnClassifier", "ChurnModel", "Publication", "fit"]
