"""What a training leaves for people to look at: its plots and its model card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from churnml.config.needs import CardSections
from churnml.registry import Bundle
from churnml.reports.card import as_html, as_markdown, model_card
from churnml.reports.contributions import contribution_plots, sample_contributions
from churnml.reports.page import drawable, png
from churnml.reports.plots import backtest_plots

__all__ = ["Evidence", "training_evidence"]


@dataclass(frozen=True)
class Evidence:
    """Plots and model card of one training.

    Parameters
    ----------
    plots : mapping of str to bytes
        Name → PNG.
    card_markdown, card_html : str
        The model card; the HTML holds the plots.
    """

    plots: Mapping[str, bytes]
    card_markdown: str
    card_html: str


def training_evidence(
    config: CardSections, bundle: Bundle, backtest: Mapping[str, Any], frame: pd.DataFrame, predictions: pd.DataFrame
) -> Evidence:
    """Draw the plots of a training and write its model card.

    Parameters
    ----------
    config : CardSections
        Any object with these sections: the resolved config.
    bundle : Bundle
        The saved model.
    backtest : mapping
        The backtest's report.
    frame : DataFrame
        The training frame; SHAP values are taken of a sample of its labelled rows.
    predictions : DataFrame
        The backtest's: account_id, as_of, fold, churned, arr, p_model and ``p_<baseline>`` per baseline.
    """
    sample = sample_contributions(bundle.model, frame[frame["churned"].notna()], config.seed)
    lettering = drawable(config.language)
    figures = {
        **backtest_plots(predictions, config.capacity, bundle.model.target, lettering),
        **contribution_plots(sample, config.seed, lettering),
    }
    plots = {name: png(figure) for name, figure in figures.items()}
    card = model_card(config, bundle, backtest, predictions, sample.ranking())
    return Evidence(plots, as_markdown(card, config.language), as_html(card, plots, config.language))
