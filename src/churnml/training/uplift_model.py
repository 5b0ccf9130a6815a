"""A fitted uplift ranking as it is kept: what it reads, and how it predicts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel, ConfigDict

__all__ = ["RISK", "UpliftModel", "numbers"]

Array = npt.NDArray[np.float64]

RISK = "churn_probability"
"""The column that a ranking by risk goes by, and from which the trees set out."""


class UpliftModel(BaseModel):
    """A fitted uplift ranking, as it is kept.

    Parameters
    ----------
    columns : tuple of str
        What it reads, `RISK` first.
    slope : float
        Share of the churn that a contact avoids, had it the same share of everybody's.
    trees : str or None
        LightGBM's text of what departs from that; None where nothing was found to.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: tuple[str, ...]
    slope: float
    trees: str | None = None

    def predict(self, X: pd.DataFrame) -> Array:
        """Return the churn that a contact avoids, of each row, in points of the churn probability.

        Parameters
        ----------
        X : DataFrame
            `columns`; a column that is missing is taken as not known.

        Returns
        -------
        array of shape (n,)
            Missing where `RISK` is.

        Examples
        --------
        >>> UpliftModel(columns=(RISK,), slope=0.5).predict(pd.DataFrame({RISK: [0.4, 0.1]})).tolist()
        [0.2, 0.05]
        """
        read = numbers(X, self.columns)
        avoided: Array = self.slope * read[:, 0]
        if self.trees is None or not len(read):
            return avoided
        import lightgbm as lgb

        return avoided + np.asarray(lgb.Booster(model_str=self.trees).predict(read), dtype=np.float64)


def numbers(X: pd.DataFrame, columns: Sequence[str]) -> Array:
    """Return columns as numbers, shape (n, k); one that is missing is not known of any row."""
    return np.column_stack(
        [
            X[name].to_numpy(dtype=np.float64, na_value=np.nan) if name in X else np.full(len(X), np.nan)
            for name in columns
        ]
    )
