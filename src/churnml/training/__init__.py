"""Training: the estimator, its calibration, the model that is made of it, and the rules that it must beat."""

from typing import TYPE_CHECKING

from churnml.lazy import load_on_use

if TYPE_CHECKING:
    from churnml.training.estimator import ChurnClassifier
    from churnml.training.fitting import fit
    from churnml.training.model import ChurnModel
    from churnml.training.publication import Publication
else:
    __getattr__ = load_on_use(
        __name__,
        {
            "ChurnClassifier": "estimator",
            "ChurnModel": "model",
            "Publication": "publication",
            "fit": "fitting",
        },
    )

__all__ = ["ChurnClassifier", "ChurnModel", "Publication", "fit"]
