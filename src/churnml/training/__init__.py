"""Training: the estimator, its calibration, the model that is made of it, and the rules that it must beat."""

import warnings
from importlib import import_module
from typing import TYPE_CHECKING

from churnml.lazy import load_on_use

if TYPE_CHECKING:
    from churnml.training.estimator import ChurnClassifier
    from churnml.training.fitting import fit
    from churnml.training.model import ChurnModel
    from churnml.training.publication import Publication
else:
    _own = load_on_use(
        __name__,
        {
            "ChurnClassifier": "estimator",
            "ChurnModel": "model",
            "Publication": "publication",
            "fit": "fitting",
        },
    )

    def __getattr__(name):
        """Give a public name, and those that have moved to `churnml.evaluation` with a warning."""
        if name not in ("Backtest", "Tuning", "Verdict", "backtest", "judge", "tune"):
            return _own(name)
        warnings.warn(f"churnml.training.{name} is now churnml.evaluation.{name}", DeprecationWarning, stacklevel=2)
        return getattr(import_module("churnml.evaluation"), name)


__all__ = ["ChurnClassifier", "ChurnModel", "Publication", "fit"]
