"""What the model goes by: SHAP values of a sample of rows, their ranking and their plots."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from churnml.language import Language, phrases
from churnml.reports.page import new_figure
from churnml.reports.plots import MODEL_COLOUR
from churnml.training.model import ChurnModel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Contributions", "contribution_plots", "sample_contributions"]

Array = npt.NDArray[np.float64]

_ROWS = 500
_SUMMARY = 15
_DEPENDENCE = 6
_CLEAR = 0.3


@dataclass(frozen=True)
class Contributions:
    """SHAP values of the log-odds of churn for a sample of rows.

    Parameters
    ----------
    model : ChurnModel
    X : array of shape (n, k)
        The model's columns, words coded.
    shap_values : array of shape (n, k)
        Contribution of each column to the log-odds.
    expected : array of shape (n,)
        What all rows start from.
    """

    model: ChurnModel
    X: Array
    shap_values: Array
    expected: Array

    def ranking(self) -> pd.DataFrame:
        """Return the features by mean absolute contribution, the strongest first.

        Returns
        -------
        DataFrame
            feature, family, effect (mean absolute log-odds), share (of all effects, 0–1) and direction: ``"more is
            riskier"``, ``"more is safer"``, ``"depends"``, or ``"by word"`` for words.
        """
        effect = np.abs(self.shap_values).mean(axis=0)
        rows = [
            {
                "feature": spec.name,
                "family": spec.family,
                "effect": float(effect[index]),
                "share": float(effect[index] / effect.sum()) if effect.sum() > 0 else 0.0,
                "direction": "by word"
                if spec.categorical
                else _direction(self.X[:, index], self.shap_values[:, index]),
            }
            for index, spec in enumerate(self.model.features)
        ]
        return pd.DataFrame(rows).sort_values("effect", ascending=False, kind="stable").reset_index(drop=True)


def sample_contributions(model: ChurnModel, frame: pd.DataFrame, seed: int) -> Contributions:
    """Return the contributions of at most 500 rows drawn from a frame.

    Parameters
    ----------
    model : ChurnModel
    frame : DataFrame
        The model's features by name, one row per account and date.
    seed : int
        Seed of the draw.
    """
    rows = np.sort(np.random.default_rng(seed).permutation(len(frame))[:_ROWS])
    X = model.matrix(frame.iloc[rows])
    contributions = model.contributions(X)
    # A seasonal model has one column more, which no feature explains.
    return Contributions(model, X[:, : len(model.features)], contributions[:, :-1], contributions[:, -1])


def contribution_plots(contributions: Contributions, seed: int, language: Language = "en") -> dict[str, Figure]:
    """Draw the SHAP summary and the dependence of the strongest features.

    Returns
    -------
    dict
        ``shap_summary`` and ``shap_dependence``.
    """
    return {
        "shap_summary": _summary(contributions, seed, language),
        "shap_dependence": _dependence(contributions, language),
    }


def _direction(x: Array, value: Array) -> str:
    known = ~np.isnan(x)
    x, value = x[known], value[known]
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(value) == 0:
        return "depends"
    correlation = float(pd.Series(x).rank().corr(pd.Series(value).rank()))
    if abs(correlation) < _CLEAR:
        return "depends"
    return "more is riskier" if correlation > 0 else "more is safer"


def _summary(contributions: Contributions, seed: int, language: Language) -> Figure:
    """Draw shap's beeswarm, whose jitter comes from numpy's global generator: seeded, and put back as it was."""
    figure = new_figure(8.0, 1.4 + 0.38 * min(_SUMMARY, contributions.X.shape[1]))
    axes = figure.subplots()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import shap

        explanation = shap.Explanation(
            values=contributions.shap_values,
            base_values=contributions.expected,
            data=contributions.X,
            feature_names=[_plain(name) for name in contributions.model.features.names],
        )
        before = np.random.get_state()  # noqa: NPY002
        try:
            np.random.seed(seed)  # noqa: NPY002
            shap.plots.beeswarm(explanation, max_display=_SUMMARY, ax=axes, plot_size=None, show=False)
        finally:
            np.random.set_state(before)  # noqa: NPY002
    say = phrases(language)
    axes.set_xlabel(say("plot-shap", noun=say(f"target-{contributions.model.target}")), fontsize="medium")
    for beside in figure.axes:
        if beside is not axes:  # the bar of colours
            beside.set_ylabel(say("plot-colour"), fontsize="small")
            beside.set_yticklabels([say("plot-low"), say("plot-high")], fontsize="small")
    axes.tick_params("y", labelsize="small")
    return figure


def _dependence(contributions: Contributions, language: Language) -> Figure:
    names = contributions.ranking()["feature"].head(_DEPENDENCE).tolist()
    rows = -(-len(names) // 3)
    figure = new_figure(10.5, 0.6 + 2.9 * rows)
    panels = figure.subplots(rows, 3, squeeze=False, sharey=True).ravel()
    for axes, name in zip(panels, names, strict=False):
        _draw_dependence(axes, contributions, name, language)
    for axes in panels[len(names) :]:
        axes.set_visible(False)
    figure.supylabel(phrases(language)("plot-shap_axis"), fontsize="small")
    return figure


def _draw_dependence(axes: Axes, contributions: Contributions, name: str, language: Language) -> None:
    index = contributions.model.features.names.index(name)
    x, value = contributions.X[:, index], contributions.shap_values[:, index]
    known = ~np.isnan(x)
    axes.axhline(0.0, color="#d9dce1", zorder=0)
    axes.scatter(x[known], value[known], s=9, alpha=0.5, color=MODEL_COLOUR, linewidths=0)
    if not known.all() and known.any():
        left = x[known].min() - 0.06 * (np.ptp(x[known]) or 1.0)
        axes.scatter(np.full((~known).sum(), left), value[~known], s=9, alpha=0.5, color="#8c8c8c", linewidths=0)
        axes.set_title(phrases(language)("plot-grey"), fontsize="x-small", loc="right")
    words = contributions.model.categories.get(name)
    if words is not None:
        shown = words[:12]
        axes.set_xticks(range(len(shown)), [_plain(word[:14]) for word in shown], rotation=45, ha="right")
    axes.set_xlabel(_plain(name), fontsize="small")
    axes.tick_params(labelsize="x-small")


def _plain(text: str) -> str:
    """Keep matplotlib from reading a formula into a name."""
    return text.replace("$", r"\$")
