"""Plots of a backtest, as matplotlib figures: no window, no global state of pyplot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from churnml.config import CapacityConfig, TargetWords, target_words
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


def backtest_plots(predictions: pd.DataFrame, capacity: CapacityConfig, target: str = "churn") -> dict[str, Figure]:
    """Draw what a backtest found.

    Parameters
    ----------
    predictions : DataFrame
        account_id, as_of, fold, churned (1 or 0), arr, p_model and ``p_<baseline>`` per baseline.
    capacity : CapacityConfig
        Share of accounts that can be contacted, and what a contact costs and saves.
    target : str
        What was predicted.

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
    words = target_words(target)
    y, scores = _outcome_and_scores(predictions)
    found: dict[str, Any] = {
        "roc": _roc(y, scores, words),
        "precision_recall": _precision_recall(y, scores),
        "calibration": _calibration(y, scores["model"], words),
        "lift_gain": _lift_gain(y, scores, capacity.share, words),
        "score_distribution": _score_distribution(y, scores["model"], words),
        "backtest_over_time": _over_time(predictions, words),
    }
    if target == "churn" and predictions["arr"].notna().any():
        found["profit"] = _profit(predictions, y, scores, capacity)
    return found


def plot_backtest(predictions: pd.DataFrame, target: str = "churn") -> Figure:
    """Draw on one sheet how a model did on dates it had not seen: over time, as a ranking, as a probability.

    Parameters
    ----------
    predictions : DataFrame
        `Trained.predictions`, or the ``predictions`` of a `backtest`: account_id, as_of, fold, churned (1 or 0),
        arr, p_model and ``p_<baseline>`` per rule.
    target : str
        What was predicted.

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
    words = target_words(target)
    y, scores = _outcome_and_scores(predictions)
    sheet = new_figure(15, 4.5)
    over_time, ranking, level = sheet.subfigures(1, 3, squeeze=False)[0]
    _over_time(predictions, words, over_time)
    _roc(y, scores, words, ranking)
    _calibration(y, scores["model"], words, level)
    return sheet


def _outcome_and_scores(predictions: pd.DataFrame) -> tuple[Array, dict[str, Array]]:
    """Return the outcome (n,) and each candidate's probabilities (n,)."""
    scores = {
        name.removeprefix("p_"): predictions[name].to_numpy(dtype=np.float64)
        for name in predictions.columns
        if name.startswith("p_")
    }
    return predictions["churned"].to_numpy(dtype=np.float64), scores


def _styles(scores: dict[str, Array]) -> dict[str, dict[str, Any]]:
    """Return the line style of the model and each of its rivals."""
    rivals = [name for name in scores if name != "model"]
    styles: dict[str, dict[str, Any]] = {
        name: {"color": _RIVALS[index % len(_RIVALS)], "linewidth": 1.1, "label": name.replace("_", " ")}
        for index, name in enumerate(rivals)
    }
    return {"model": {"color": MODEL_COLOUR, "linewidth": 2.2, "label": "model", "zorder": 3}, **styles}


def _both(y: Array) -> bool:
    return len(np.unique(y)) == 2


def _undefined(axes: Axes) -> None:
    axes.text(0.5, 0.5, "undefined: only one outcome", ha="center", va="center", transform=axes.transAxes)


def _caught(y: Array, p: Array) -> tuple[Array, Array]:
    """Return shares of stayers and of churners above each distinct score, from nobody to all."""
    from sklearn.metrics import roc_curve

    stayers, churners, _ = roc_curve(y, p, drop_intermediate=False)
    return stayers, churners


def _roc(y: Array, scores: dict[str, Array], words: TargetWords, on: Canvas | None = None) -> Canvas:
    figure = on if on is not None else new_figure(5.6, 5.2)
    axes = figure.subplots()
    others, many = (f"{who} above the threshold" for who in (words.others, words.many))
    axes.set(title="ROC, pooled folds", xlabel=others, ylabel=many)
    if not _both(y):
        _undefined(axes)
        return figure
    for name, style in _styles(scores).items():
        stayers, churners = _caught(y, scores[name])
        style["label"] += f" (AUC {roc_auc(y, scores[name]):.3f})"
        axes.plot(stayers, churners, **style)
    axes.plot([0, 1], [0, 1], color="#d9dce1", linestyle="--", zorder=0)
    axes.legend(loc="lower right", fontsize="small")
    return figure


def _precision_recall(y: Array, scores: dict[str, Array]) -> Figure:
    figure = new_figure(5.6, 5.2)
    axes = figure.subplots()
    axes.set(title="Precision and recall, pooled folds", xlabel="recall", ylabel="precision")
    if not _both(y):
        _undefined(axes)
        return figure
    positives, negatives = y.sum(), len(y) - y.sum()
    for name, style in _styles(scores).items():
        stayers, churners = (part[1:] for part in _caught(y, scores[name]))
        precision = churners * positives / (churners * positives + stayers * negatives)
        axes.step(churners, precision, where="post", **style)
    axes.axhline(positives / len(y), color="#d9dce1", linestyle="--", zorder=0)
    axes.legend(loc="upper right", fontsize="small")
    return figure


def _calibration(y: Array, p: Array, words: TargetWords, on: Canvas | None = None) -> Canvas:
    from scipy.stats import binomtest

    figure = on if on is not None else new_figure(5.6, 5.2)
    axes = figure.subplots()
    rate = f"{words.noun} rate (95 %, Wilson)"
    axes.set(title="Reliability: tenths of the scores", xlabel="mean probability", ylabel=rate)
    highest = 0.0
    for part in calibration_bins(y, p):
        churned = round(part.observed * part.weight)
        spread = binomtest(churned, round(part.weight)).proportion_ci(method="wilson")
        axes.plot([part.predicted] * 2, [spread.low, spread.high], color=MODEL_COLOUR, linewidth=1.1)
        axes.plot(part.predicted, part.observed, "o", color=MODEL_COLOUR, markersize=5)
        highest = max(highest, part.predicted, spread.high)
    axes.plot([0, highest], [0, highest], color="#8c8c8c", linestyle="--", zorder=0)
    return figure


def _lift_gain(y: Array, scores: dict[str, Array], share: float, words: TargetWords) -> Figure:
    figure = new_figure(9.6, 4.6)
    gain, lift = figure.subplots(1, 2)
    found, rate = f"share of {words.many} among them", f"{words.noun} rate ÷ base rate"
    gain.set(title="Gain, pooled folds", xlabel="share of accounts contacted", ylabel=found)
    lift.set(title="Lift, pooled folds", xlabel="share of accounts contacted", ylabel=rate)
    if not _both(y):
        _undefined(gain)
        _undefined(lift)
        return figure
    positives, negatives = y.sum(), len(y) - y.sum()
    for name, style in _styles(scores).items():
        stayers, churners = _caught(y, scores[name])
        contacted = (churners * positives + stayers * negatives) / len(y)
        gain.plot(contacted, churners, **style)
        # The first few accounts make a lift of noise.
        enough = contacted >= min(1.0, 20.0 / len(y))
        lift.plot(contacted[enough], churners[enough] / contacted[enough], **style)
    gain.plot([0, 1], [0, 1], color="#d9dce1", linestyle="--", zorder=0)
    lift.axhline(1.0, color="#d9dce1", linestyle="--", zorder=0)
    for axes in (gain, lift):
        _mark_capacity(axes, share)
    gain.legend(loc="lower right", fontsize="small")
    return figure


def _profit(predictions: pd.DataFrame, y: Array, scores: dict[str, Array], capacity: CapacityConfig) -> Figure:
    figure = new_figure(7.6, 4.6)
    axes = figure.subplots()
    axes.set(
        title=f"Profit of contacting the riskiest; assumed save rate {capacity.save_rate:.0%}, "
        f"contact {capacity.contact_cost:g}, offer {capacity.offer_cost:g}",
        xlabel="share of accounts contacted",
        ylabel="profit per snapshot, currency",
    )
    axes.title.set_fontsize("medium")
    arr = predictions["arr"].to_numpy(dtype=np.float64, na_value=np.nan)
    snapshots = len(predictions[["fold", "as_of"]].drop_duplicates())
    for name, style in _styles(scores).items():
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
    _mark_capacity(axes, capacity.share)
    axes.legend(loc="best", fontsize="small")
    return figure


def _mark_capacity(axes: Axes, share: float) -> None:
    axes.axvline(share, color="#1f2430", linestyle=":", linewidth=1.0, label=f"capacity {share:.0%}")


def _score_distribution(y: Array, p: Array, words: TargetWords) -> Figure:
    figure = new_figure(7.6, 4.0)
    axes = figure.subplots()
    chance = f"{words.noun} probability"
    axes.set(title="Probabilities by outcome", xlabel=chance, ylabel="share of the outcome's rows")
    edges = np.linspace(0.0, max(float(p.max()), 0.01), 41)
    for outcome, name, colour in ((0.0, words.held, "#8c8c8c"), (1.0, words.happened, "#c0392b")):
        rows = p[y == outcome]
        if len(rows):
            axes.hist(
                rows,
                edges.tolist(),
                weights=np.full(len(rows), 1 / len(rows)),
                alpha=0.6,
                color=colour,
                label=f"{name} ({len(rows)})",
            )
    axes.legend(fontsize="small")
    return figure


def _over_time(predictions: pd.DataFrame, words: TargetWords, on: Canvas | None = None) -> Canvas:
    """Draw AUC, log loss and the rate of every test snapshot, fold by fold."""
    figure = on if on is not None else new_figure(7.6, 7.2)
    ranking, loss, rate = figure.subplots(3, 1, sharex=True)
    ranking.set(title="Every test snapshot", ylabel="ROC AUC")
    loss.set(ylabel="log loss")
    rate.set(ylabel=f"{words.noun} rate")
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
        ranking.plot(dates[defined], aucs[defined], **style, label=str(fold))
        loss.plot(dates, np.array([log_loss(y, p) for _, y, p in groups], dtype=np.float64), **style)
        rate.plot(dates, [y.mean() for _, y, _ in groups], **style)
        rate.plot(dates, [p.mean() for _, _, p in groups], color=colour, linestyle="--")
    ranking.legend(fontsize="small")
    rate.set_title("solid: happened, dashed: predicted", fontsize="small")
    rate.tick_params("x", rotation=30)
    return figure
