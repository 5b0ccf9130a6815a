"""Plots: one per question, none that crashes, no global state left behind."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.text import Text
from tests.language.pseudo import LANGUAGE, leaks, pseudo

from churnml.config import CapacityConfig
from churnml.reports import page
from churnml.reports.contributions import contribution_plots, sample_contributions
from churnml.reports.page import drawable, png
from churnml.reports.plots import backtest_plots
from churnml.training.level import Season

__all__ = ["pseudo"]

BACKTEST = {"roc", "precision_recall", "calibration", "lift_gain", "profit", "score_distribution", "backtest_over_time"}


@pytest.mark.slow
def test_every_plot_becomes_an_image(company):
    found = backtest_plots(company.tested.predictions, company.config.capacity)
    assert set(found) == BACKTEST
    for figure in found.values():
        assert png(figure).startswith(b"\x89PNG")


@pytest.mark.usefixtures("pseudo")
def test_no_word_on_a_plot_leaks(company):
    rows = company.frame[company.frame["churned"].notna()]
    sample = sample_contributions(company.bundle.model, rows, 0)
    figures = {
        **backtest_plots(company.tested.predictions, company.config.capacity, "churn", LANGUAGE),
        **backtest_plots(company.tested.predictions.assign(churned=0.0), company.config.capacity, "churn", LANGUAGE),
        **contribution_plots(sample, 0, LANGUAGE),
    }
    known = [str(word) for words in sample.model.categories.values() for word in words]
    names = [*company.frame.columns, *sample.model.features.names, *known]
    for name, figure in figures.items():
        said = " ".join(text.get_text() for text in figure.findobj(Text)).replace(r"\$", "$")
        for one in sorted(names, key=len, reverse=True):
            said = said.replace(one, "")
        assert set(leaks(said.replace("RFM", ""))) <= {"Wilson"}, name


def test_a_language_without_a_font_is_lettered_in_english(monkeypatch):
    assert (drawable("en"), drawable("ja") in ("ja", "en")) == ("en", True)
    monkeypatch.setattr(page, "_fallback", lambda: ())
    assert drawable("ja") == "en"


def test_the_profit_curve_ends_at_what_contacting_everybody_is_worth(company):
    rows, money = company.tested.predictions, CapacityConfig(contact_cost=10.0, offer_cost=5.0, save_rate=0.5)
    (axes,) = backtest_plots(rows, money)["profit"].axes
    model = next(line for line in axes.lines if line.get_label() == "model")
    churned, arr = rows["churned"].to_numpy(), rows["arr"].to_numpy()
    worth = (0.5 * churned * (arr - 5.0) - (1 - churned) * 5.0 - 10.0).sum() / 4
    assert model.get_xdata()[[0, -1]] == pytest.approx([0.0, 1.0])
    assert model.get_ydata()[[0, -1]] == pytest.approx([0.0, worth])


def test_gain_runs_from_nobody_to_everybody_and_a_constant_score_is_the_diagonal(company):
    rows = company.tested.predictions.assign(p_model=0.1)
    gain, lift = backtest_plots(rows, CapacityConfig())["lift_gain"].axes
    model = next(line for line in gain.lines if line.get_label() == "model")
    assert model.get_xdata() == pytest.approx(model.get_ydata())
    constant = next(line for line in lift.lines if line.get_label() == "model")
    assert constant.get_ydata() == pytest.approx(1.0)


@pytest.mark.parametrize("outcome", [0.0, 1.0])
def test_one_outcome_is_drawn_or_told(company, outcome):
    rows = company.tested.predictions.assign(churned=outcome)
    found = backtest_plots(rows, CapacityConfig())
    for name in ("roc", "lift_gain", "score_distribution"):
        assert png(found[name])
    assert "only one outcome" in found["roc"].axes[0].texts[0].get_text()


def test_a_fold_of_one_outcome_leaves_the_others_standing(company):
    rows = company.tested.predictions.copy()
    rows.loc[rows["fold"] == "fold 1", "churned"] = 0.0
    figure = backtest_plots(rows, CapacityConfig())["backtest_over_time"]
    first, second = figure.axes[0].lines
    assert (len(first.get_xdata()), len(second.get_xdata())) == (0, 2)
    assert png(figure)


def test_without_revenue_there_is_no_profit_curve(company):
    found = backtest_plots(company.tested.predictions.assign(arr=np.nan), CapacityConfig())
    assert set(found) == BACKTEST - {"profit"}


def test_contributions_add_up_and_name_what_matters(company):
    labelled = company.frame[company.frame["churned"].notna()]
    found = sample_contributions(company.bundle.model, labelled, seed=1)
    assert found.X.shape == (500, 5)
    assert found.shap_values.sum(axis=1) + found.expected == pytest.approx(company.bundle.model.log_odds(found.X))
    ranking = found.ranking().set_index("feature")
    assert ranking["share"].sum() == pytest.approx(1.0)
    assert ranking.index[0] == "days_since_last_event"
    assert ranking.loc["days_since_last_event", "direction"] == "more is riskier"
    assert ranking.loc["plan", "direction"] == "by word"
    assert ranking.loc["attr_cost_in_$", "direction"] == "depends"


def test_a_seasonal_model_is_drawn_by_its_features(company):
    plain = company.bundle.model
    months = tuple(0.2 * np.sin(np.arange(12)))
    model = replace(plain, ensemble=replace(plain.ensemble, season=Season(months)))
    labelled = company.frame[company.frame["churned"].notna()]
    assert model.matrix(labelled).shape[1] == len(model.features) + 1
    found = sample_contributions(model, labelled, seed=1)
    assert found.X.shape == found.shap_values.shape == (500, len(model.features))
    assert np.ptp(found.expected) > 0.1
    assert set(contribution_plots(found, seed=1)) == {"shap_summary", "shap_dependence"}


def test_shap_plots_touch_no_global_state(company):
    labelled = company.frame[company.frame["churned"].notna()]
    found = sample_contributions(company.bundle.model, labelled, seed=1)
    np.random.seed(3)  # noqa: NPY002
    expected = np.random.random()  # noqa: NPY002
    np.random.seed(3)  # noqa: NPY002
    drawn = contribution_plots(found, seed=1)
    assert np.random.random() == expected  # noqa: NPY002
    assert set(drawn) == {"shap_summary", "shap_dependence"}
    for figure in drawn.values():
        assert png(figure).startswith(b"\x89PNG")
    assert sys.modules["matplotlib.pyplot"].get_fignums() == []
