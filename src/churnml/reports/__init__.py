"""Pages, plots and cards from typed results: one environment, one style sheet, one way to say a number."""

from typing import TYPE_CHECKING

from churnml.lazy import load_on_use

if TYPE_CHECKING:
    from churnml.reports.brief import Reading, account_brief
    from churnml.reports.changes import change_sentence
    from churnml.reports.health_backtest import backtest_report
    from churnml.reports.overall import overall_page
    from churnml.reports.plots import backtest_plots, plot_backtest
    from churnml.reports.portfolio import portfolio_page
else:
    __getattr__ = load_on_use(
        __name__,
        {
            "Reading": "brief",
            "account_brief": "brief",
            "backtest_plots": "plots",
            "backtest_report": "health_backtest",
            "change_sentence": "changes",
            "overall_page": "overall",
            "plot_backtest": "plots",
            "portfolio_page": "portfolio",
        },
    )

__all__ = [
    "Reading",
    "account_brief",
    "backtest_plots",
    "backtest_report",
    "change_sentence",
    "overall_page",
    "plot_backtest",
    "portfolio_page",
]
