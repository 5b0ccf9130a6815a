"""MLflow's way into a bundle: ``mlflow.pyfunc.load_model("models:/<name>@champion").predict(frame)``."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from churnml.registry.bundle import Bundle, load_bundle

__all__ = ["BundleModel"]


class BundleModel:
    """Predicts with a bundle; MLflow calls `predict`."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the column ``churn_probability`` (0–1), one row per row of `frame`, same index.

        With another target it is ``expansion_probability`` or ``contraction_probability``. A model of several
        horizons adds ``churn_probability_30d`` and so on for each.

        Parameters
        ----------
        frame : DataFrame, shape (n, ≥ k)
            The model's features by name; further columns are ignored.
        """
        model = self.bundle.model
        probability = model.probability_of(frame)
        columns = {model.output: probability}
        if model.horizon_models:
            names, by_horizon = model.horizon_columns, model.by_horizon(frame, probability)
            columns |= {names[days]: values for days, values in by_horizon.items()}
        return pd.DataFrame(columns, index=frame.index)


def _load_pyfunc(path: str) -> BundleModel:
    """MLflow's entry point: `path` is the bundle's folder."""
    return BundleModel(load_bundle(Path(path)))
