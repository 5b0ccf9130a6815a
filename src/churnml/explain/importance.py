"""What matters over all accounts: importance by family, the shap package's objects and plots, segment differences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from churnml.errors import UsageError
from churnml.explain.batch import batch_contributions
from churnml.explain.contract import Explainable
from churnml.explain.groups import group_columns
from churnml.explain.reference import ExplainReference
from churnml.language import Text

__all__ = ["as_shap", "global_importance", "segment_differences", "shap_summary"]


def global_importance(model: Explainable, frame: pd.DataFrame, reference: ExplainReference) -> dict[str, pd.DataFrame]:
    """Return how much families, groups and features move the churn log-odds over a frame.

    Parameters
    ----------
    model : ChurnModel
        Its contributions are averaged.
    frame : DataFrame
        Feature frame.
    reference : ExplainReference
        Groups of features that speak once.

    Returns
    -------
    dict of DataFrame
        ``families`` (``family, importance, share``), ``groups`` (``family, group, actionable, importance, share``)
        and ``features`` (``feature, family, importance, share``), strongest first. Importance is the mean absolute
        contribution; within a family or group contributions are added before the absolute value, so features that
        say the same and cancel do not count twice.
    """
    if frame.empty:
        raise UsageError(Text.of("fault-importance_rows"))
    parts = batch_contributions(model, model.matrix(frame))[:, :-1]
    groups = group_columns(model.features, reference)
    families = list(dict.fromkeys(family for family, _, _ in groups))
    by_family = [
        np.abs(
            sum(parts[:, columns].sum(axis=1) for (family, _, _), columns in groups.items() if family == name)
        ).mean()
        for name in families
    ]
    by_group = [np.abs(parts[:, columns].sum(axis=1)).mean() for columns in groups.values()]
    specs = list(model.features)
    return {
        "families": _ranked(pd.DataFrame({"family": families, "importance": by_family})),
        "groups": _ranked(
            pd.DataFrame(list(groups), columns=["family", "group", "actionable"]).assign(importance=by_group)
        ),
        "features": _ranked(
            pd.DataFrame(
                {
                    "feature": [spec.name for spec in specs],
                    "family": [spec.family for spec in specs],
                    "importance": np.abs(parts).mean(axis=0),
                }
            )
        ),
    }


def segment_differences(model: Explainable, frame: pd.DataFrame, segment: str) -> pd.DataFrame:
    """Return each segment's mean net effect by family: where segments are at risk for different reasons.

    Parameters
    ----------
    model : ChurnModel
        Its contributions are averaged.
    frame : DataFrame
        Feature frame.
    segment : str
        Column of words that makes the segments; rows without a word are left out.

    Returns
    -------
    DataFrame
        ``segment, family, accounts, effect, difference``: mean log-odds of the family in the segment, and that minus
        the mean over all rows; largest difference first.
    """
    if segment not in frame:
        raise UsageError(Text.of("fault-no_segment_column", segment=repr(segment)))
    parts = batch_contributions(model, model.matrix(frame))[:, :-1]
    families = [spec.family for spec in model.features]
    effect = pd.DataFrame(parts, columns=families).T.groupby(level=0).sum().T
    words = frame[segment].astype("str").reset_index(drop=True)
    rows = [
        {
            "segment": str(word),
            "family": family,
            "accounts": len(inside),
            "effect": inside[family].mean(),
            "difference": inside[family].mean() - effect[family].mean(),
        }
        for word, inside in effect.groupby(words)
        for family in effect.columns
    ]
    effects = pd.DataFrame(rows, columns=["segment", "family", "accounts", "effect", "difference"])
    order = effects["difference"].abs().sort_values(ascending=False, kind="stable").index
    return effects.loc[order].reset_index(drop=True)


def as_shap(model: Explainable, frame: pd.DataFrame) -> Any:
    """Return the contributions as a `shap.Explanation`, which shap's plots take.

    Parameters
    ----------
    model : ChurnModel
        Explained.
    frame : DataFrame
        Feature frame of n rows.

    Returns
    -------
    shap.Explanation
        ``values`` (n, k) in log-odds, ``base_values`` (n,), ``data`` (n, k) as the model sees it, and
        ``feature_names``.
    """
    import shap

    matrix = model.matrix(frame)
    contributions = model.contributions(matrix)
    return shap.Explanation(
        values=contributions[:, :-1],
        base_values=contributions[:, -1],
        data=matrix[:, : contributions.shape[1] - 1],
        feature_names=model.features.names,
    )


def shap_summary(model: Explainable, frame: pd.DataFrame, path: Path, *, rows: int = 2000, top: int = 20) -> Path:
    """Draw shap's beeswarm summary into a file, e.g. an artifact of a tracking run.

    Parameters
    ----------
    model : ChurnModel
        Explained.
    frame : DataFrame
        Feature frame; more than `rows` rows are thinned evenly.
    path : Path
        Where to write; the ending names the format (png, svg, pdf).
    top : int
        Features shown.
    """
    import matplotlib
    import shap
    from matplotlib import pyplot

    pick = np.unique(np.linspace(0, len(frame) - 1, min(rows, len(frame))).round().astype(int))
    backend = matplotlib.get_backend()
    pyplot.switch_backend("agg")
    try:
        shap.summary_plot(as_shap(model, frame.iloc[pick]), max_display=top, show=False, rng=np.random.default_rng(0))
        pyplot.savefig(path, bbox_inches="tight")
        pyplot.close()
    finally:
        pyplot.switch_backend(backend)
    return path


def _ranked(table: pd.DataFrame) -> pd.DataFrame:
    total = table["importance"].sum()
    table["share"] = table["importance"] / total if total > 0 else 0.0
    return table.sort_values("importance", ascending=False, kind="stable").reset_index(drop=True)
