"""Plots of a backtest, as matplotlib figures: no window, no global state of pyplot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from churnml.config import CapacityConfig
from churnml.language import Language, Quantity, phrases
from churnml.metrics.predictions import log_loss, roc_auc
from churnml.metrics.profit import profit_curve
from churnml.metrics.reliability import calibration_bins
from churnml.reports.page import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

    Canvas = Figure | SubFigure

__all__ = ["MODEL_COLOUR", "backtest_plots", "plot_backtest"]

Array = npt.NDArray[np.float64]

MODEL_COLOUR = "#24539c"
"""The model's lines; its rivals' are `_RIVALS`."""

_RIVALS = ("#8c8c8c", "#b7860b", "#2e7d4f", "#8e5ea2", "#c0392b", "#4b9cd3")


def backtest_plots(
    predictions: pd.DataFrame, capacity: CapacityConfig, target: str = "churn", language: Language = "en"
) -> dict[str, Figure]:
    """Draw what a backtest found.

    Parameters
    ----------
    predictions : DataFrame
        account_id, as_of, fold, churned (1 or 0), arr, p_model and ``p_<baseline>`` per baseline.
    capacity : CapacityConfig
        Share of accounts that can be contacted, and what a contact costs and saves.
    target : str
        What was predicted.
    language : str
        Of titles, axes and legends.

    Returns
    -------
    dict
        ``roc``, ``precision_recall``, ``calibration``, ``lift_gain``, ``profit`` (of churn, where an ARR is known),
        ``score_distribution`` and ``backtest_over_time``. What needs both outcomes and has one says so.

    Examples
    --------
    >>> rows = pd.DataFrame({"account_id": list("abcd"), "as_of": pd.Timestamp("2025-01-01"), "fold": "fold 1",
    ...                      "churned": [1.0, 0.0, 0.0, 0.0], "arr": 100.0, "p_model": [0.6, 0.3, 0.2, 0.1]})
    >>> sorted(backtest_plots(rows, CapacityConfig()))
    ['backtest_over_time', 'calibration', 'lift_gain', 'precision_recall', 'profit', 'roc', 'score_distribution']
    """
    words = _Labels(language, target)
    y, scores = _outcome_and_scores(predictions)
    figures: dict[str, Any] = {
        "roc": _roc(y, scores, words),
        "precision_recall": _precision_recall(y, scores, words),
        "calibration": _calibration(y, scores["model"], words),
        "lift_gain": _lift_gain(y, scores, capacity.share, words),
        "score_distribution": _score_distribution(y, scores["model"], words),
        "backtest_over_time": _over_time(predictions, words),
    }
    if target == "churn" and predictions["arr"].notna().any():
        figures["profit"] = _profit(predictions, y, scores, capacity, words)
    return figures


def plot_backtest(predictions: pd.DataFrame, target: str = "churn", language: Language = "en") -> Figure:
    """Draw on one sheet how a model did on dates it had not seen: over time, as a ranking, as a probability.

    Parameters
    ----------
    predictions : DataFrame
        `Trained.predictions`, or the ``predictions`` of a `backtest`: account_id, as_of, fold, churned (1 or 0),
        arr, p_model and ``p_<baseline>`` per rule.
    target : str
        What was predicted.
    language : str
        Of titles, axes and legends.

    Returns
    -------
    Figure
        Of matplotlib; a notebook shows it, ``savefig`` keeps it.

    See Also
    --------
    backtest_plots : every plot of a training, each a figure of its own.

    Examples
    --------
    >>> rows = pd.DataFrame({"account_id": list("abcd"), "as_of": pd.Timestamp("2025-01-01"), "fold": "fold 1",
    ...                      "churned": [1.0, 0.0, 0.0, 0.0], "arr": 100.0, "p_model": [0.6, 0.3, 0.2, 0.1]})
    >>> len(plot_backtest(rows).axes)
    5
    """
    words = _Labels(language, target)
    y, scores = _outcome_and_scores(predictions)
    sheet = new_figure(15, 4.5)
    over_time, ranking, level = sheet.subfigures(1, 3, squeeze=False)[0]
    _over_time(predictions, words, over_time)
    _roc(y, scores, words, ranking)
    _calibration(y, scores["model"], words, level)
    return sheet


class _Labels:
    """The words on the plots, of what was predicted, in a language."""

    def __init__(self, language: Language, target: str) -> None:
        self._say, self._target = phrases(language), target

    def __call__(self, code: str, **more: Any) -> str:
        """Return a message of the plots."""
        say, target = self._say, self._target
        who = {name: say(f"card-{name}.{target}") for name in ("many", "other", "happened")}
        return say(f"plot-{code}", noun=say(f"target-{target}"), **who, **more)

    def outcome(self, happened: bool, rows: int) -> str:
        """Return what the rows of an outcome are called."""
        return self._say(f"plot-outcome.{self._target if happened else 'none'}", n=rows)

    def baseline(self, name: str) -> str:
        """Return what a candidate is called."""
        return self("model") if name == "model" else self._say.or_plain(f"card-named.{name}", name.replace("_", " "))

    def fold(self, name: str) -> str:
        """Return the name of a fold in words, a company's own as it stands."""
        at = name.removeprefix("fold ")
        return self._say("card-fold_name", n=int(at)) if at.isdigit() else name


def _outcome_and_scores(predictions: pd.DataFrame) -> tuple[Array, dict[str, Array]]:
    """Return the outcome (n,) and each candidate's probabilities (n,)."""
    scores = {
        name.removeprefix("p_"): predictions[name].to_numpy(dtype=np.float64)
        for name in predictions.columns
        if name.startswith("p_")
    }
    return predictions["churned"].to_numpy(dtype=np.float64), scores


def _styles(scores: dict[str, Array], words: _Labels) -> dict[str, dict[str, Any]]:
    """Return the line style of the model and each of its rivals."""
    rivals = [name for name in scores if name != "model"]
    styles: dict[str, dict[str, Any]] = {
        name: {"color": _RIVALS[index % len(_RIVALS)], "linewidth": 1.1, "label": words.baseline(name)}
        for index, name in enumerate(rivals)
    }
    return {"model": {"color": MODEL_COLOUR, "linewidth": 2.2, "label": words.baseline("model"), "zorder": 3}, **styles}


def _both(y: Array) -> bool:
    return len(np.unique(y)) == 2


def _undefined(axes: Axes, words: _Labels) -> None:
    axes.text(0.5, 0.5, words("undefined"), ha="center", va="center", transform=axes.transAxes)


def _caught(y: Array, p: Array) -> tuple[Array, Array]:
    """Return shares of stayers and of churners above each distinct score, from nobody to all."""
    from sklearn.metrics import roc_curve

    stayers, churners, _ = roc_curve(y, p, drop_intermediate=False)
    return stayers, churners


def _roc(y: Array, scores: dict[str, Array], words: _Labels, on: Canvas | None = None) -> Canvas:
    figure = on if on is not None else new_figure(5.6, 5.2)
    axes = figure.subplots()
    axes.set(title=words("roc"), xlabel=words("others_above"), ylabel=words("many_above"))
    if not _both(y):
        _undefined(axes, words)
        return figure
    for name, style in _styles(scores, words).items():
        stayers, churners = _caught(y, scores[name])
        style["label"] += f" (AUC {roc_auc(y, scores[name]):.3f})"
        axes.plot(stayers, churners, **style)
    axes.plot([0, 1], [0, 1], color="#d9dce1", linestyle="--", zorder=0)
    axes.legend(loc="lower right", fontsize="small")
    return figure


def _precision_recall(y: Array, scores: dict[str, Array], words: _Labels) -> Figure:
    figure = new_figure(5.6, 5.2)
    axes = figure.subplots()
    axes.set(title=words("precision_recall"), xlabel=words("recall"), ylabel=words("precision"))
    if not _both(y):
        _undefined(axes, words)
        return figure
    positives, negatives = y.sum(), len(y) - y.sum()
    for name, style in _styles(scores, words).items():
        stayers, churners = (part[1:] for part in _caught(y, scores[name]))
        precision = churners * positives / (churners * positives + stayers * negatives)
        axes.step(churners, precision, where="post", **style)
    axes.axhline(positives / len(y), color="#d9dce1", linestyle="--", zorder=0)
    axes.legend(loc="upper right", fontsize="small")
    return figure


def _calibration(y: Array, p: Array, words: _Labels, on: Canvas | None = None) -> Canvas:
    from scipy.stats import binomtest

    figure = on if on is not None else new_figure(5.6, 5.2)
    axes = figure.subplots()
    axes.set(title=words("reliability"), xlabel=words("mean_probability"), ylabel=words("rate_wilson"))
    highest = 0.0
    for part in calibration_bins(y, p):
        churned = round(part.observed * part.weight)
        spread = binomtest(churned, round(part.weight)).proportion_ci(method="wilson")
        axes.plot([part.predicted] * 2, [spread.low, spread.high], color=MODEL_COLOUR, linewidth=1.1)
        axes.plot(part.predicted, part.observed, "o", color=MODEL_COLOUR, markersize=5)
        highest = max(highest, part.predicted, spread.high)
    axes.plot([0, highest], [0, highest], color="#8c8c8c", linestyle="--", zorder=0)
    return figure


def _lift_gain(y: Array, scores: dict[str, Array], share: float, words: _Labels) -> Figure:
    figure = new_figure(9.6, 4.6)
    gain, lift = figure.subplots(1, 2)
    gain.set(title=words("gain"), xlabel=words("contacted"), ylabel=words("share_found"))
    lift.set(title=words("lift"), xlabel=words("contacted"), ylabel=words("over_base"))
    if not _both(y):
        _undefined(gain, words)
        _undefined(lift, words)
        return figure
    positives, negatives = y.sum(), len(y) - y.sum()
    for name, style in _styles(scores, words).items():
        stayers, churners = _caught(y, scores[name])
        contacted = (churners * positives + stayers * negatives) / len(y)
        gain.plot(contacted, churners, **style)
        # The first few accounts make a lift of noise.
        enough = contacted >= min(1.0, 20.0 / len(y))
        lift.plot(contacted[enough], churners[enough] / contacted[enough], **style)
    gain.plot([0, 1], [0, 1], color="#d9dce1", linestyle="--", zorder=0)
    lift.axhline(1.0, color="#d9dce1", linestyle="--", zorder=0)
    for axes in (gain, lift):
        _mark_capacity(axes, share, words)
    gain.legend(loc="lower right", fontsize="small")
    return figure


def _profit(
    predictions: pd.DataFrame, y: Array, scores: dict[str, Array], capacity: CapacityConfig, words: _Labels
) -> Figure:
    figure = new_figure(7.6, 4.6)
    axes = figure.subplots()
    rate = Quantity(value=capacity.save_rate, unit="share")
    costs = {"contact": capacity.contact_cost, "offer": capacity.offer_cost}
    title = words("profit", rate=rate, **costs)
    axes.set(title=title, xlabel=words("contacted"), ylabel=words("profit_per_snapshot"))
    axes.title.set_fontsize("medium")
    arr = predictions["arr"].to_numpy(dtype=np.float64, na_value=np.nan)
    snapshots = len(predictions[["fold", "as_of"]].drop_duplicates())
    for name, style in _styles(scores, words).items():
        curve = profit_curve(
            y,
            scores[name],
            arr,
            contact_cost=capacity.contact_cost,
            offer_cost=capacity.offer_cost,
            save_rate=capacity.save_rate,
        )
        axes.plot(curve["share"], curve["profit"] / snapshots, **style)
    axes.axhline(0.0, color="#d9dce1", linestyle="--", zorder=0)
    _mark_capacity(axes, capacity.share, words)
    axes.legend(loc="best", fontsize="small")
    return figure


def _mark_capacity(axes: Axes, share: float, words: _Labels) -> None:
    axes.axvline(
        share,
        color="#1f2430",
        linestyle=":",
        linewidth=1.0,
        label=words("capacity", share=Quantity(value=share, unit="share")),
    )


def _score_distribution(y: Array, p: Array, words: _Labels) -> Figure:
    figure = new_figure(7.6, 4.0)
    axes = figure.subplots()
    axes.set(title=words("by_outcome"), xlabel=words("probability"), ylabel=words("outcome_rows"))
    edges = np.linspace(0.0, max(float(p.max()), 0.01), 41)
    for outcome, colour in ((0.0, "#8c8c8c"), (1.0, "#c0392b")):
        rows = p[y == outcome]
        if len(rows):
            axes.hist(
                rows,
                edges.tolist(),
                weights=np.full(len(rows), 1 / len(rows)),
                alpha=0.6,
                color=colour,
                label=words.outcome(outcome == 1.0, len(rows)),
            )
    axes.legend(fontsize="small")
    return figure


def _over_time(predictions: pd.DataFrame, words: _Labels, on: Canvas | None = None) -> Canvas:
    """Draw AUC, log loss and the rate of every test snapshot, fold by fold."""
    figure = on if on is not None else new_figure(7.6, 7.2)
    ranking, loss, rate = figure.subplots(3, 1, sharex=True)
    ranking.set(title=words("every_snapshot"), ylabel="ROC AUC")
    loss.set(ylabel=words("log_loss"))
    rate.set(ylabel=words("rate"))
    for index, (fold, rows) in enumerate(predictions.groupby("fold", sort=False)):
        groups = [
            (date, part["churned"].to_numpy(dtype=np.float64), part["p_model"].to_numpy(dtype=np.float64))
            for date, part in rows.groupby("as_of")
        ]
        dates = np.array([date for date, _, _ in groups], dtype="datetime64[D]")
        aucs = np.array([roc_auc(y, p) for _, y, p in groups], dtype=np.float64)
        colour = _RIVALS[(index + 1) % len(_RIVALS)]
        style: dict[str, Any] = {"color": colour, "marker": "o", "markersize": 4}
        defined = ~np.isnan(aucs)
        ranking.plot(dates[defined], aucs[defined], **style, label=words.fold(str(fold)))
        loss.plot(dates, np.array([log_loss(y, p) for _, y, p in groups], dtype=np.float64), **style)
        rate.plot(dates, [y.mean() for _, y, _ in groups], **style)
        rate.plot(dates, [p.mean() for _, _, p in groups], color=colour, linestyle="--")
    ranking.legend(fontsize="small")
    rate.set_title(words("solid_dashed"), fontsize="small")
    rate.tick_params("x", rotation=30)
    return figure
