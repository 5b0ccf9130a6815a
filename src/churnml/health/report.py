"""The backtest of a health score as one HTML page with its plots inside."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from churnml.errors import UsageError
from churnml.health.backtest import HealthBacktest
from churnml.health.page import BAND_COLOURS, environment, new_figure, svg

__all__ = ["backtest_report"]

_SHOWN = 15


def backtest_report(results: Sequence[HealthBacktest], *, title: str, horizon_days: int, capacity_share: float) -> str:
    """Return the page.

    Parameters
    ----------
    results : sequence of HealthBacktest
        From `replay`; the first is told in full, the others are compared with it.
    title : str
        Name of the company.
    horizon_days : int
        Length of the label window.
    capacity_share : float
        Share of accounts the team can contact.
    """
    if not results:
        raise UsageError("A backtest report needs at least one backtest")
    main = results[0]
    template = environment("churnml.health").get_template("backtest.html.j2")
    return template.render(
        title=title,
        main=main,
        results=results,
        horizon_days=horizon_days,
        capacity_share=capacity_share,
        bands=[row for row in main.bands.to_dict("records") if row["rows"]],
        warning=main.warning.to_dict("records"),
        missed=main.missed.head(_SHOWN).to_dict("records"),
        alarms=main.false_alarms.head(_SHOWN).to_dict("records"),
        charts={"bands": _bands(main), "calibration": _calibration(main), "warning": _warning(results)},
    )


def _bands(main: HealthBacktest) -> Markup:
    table = main.bands[main.bands["rows"] > 0]
    figure = new_figure(4.6, 2.8)
    axes = figure.subplots()
    lift = table["lift"].to_numpy(dtype=float)
    spread = np.abs(table[["lift_low", "lift_high"]].to_numpy(dtype=float) - lift[:, None]).T
    axes.bar(table["band"], lift, color=[BAND_COLOURS[band] for band in table["band"]], width=0.6)
    axes.errorbar(table["band"], lift, yerr=np.nan_to_num(spread), fmt="none", ecolor="#1f2430", capsize=4)
    axes.axhline(1.0, color="#5c6370", linewidth=1, linestyle="--")
    axes.set_ylabel("churn ÷ base rate")
    axes.spines[["top", "right"]].set_visible(False)
    return svg(figure, "Churn rate of each band divided by the base rate")


def _calibration(main: HealthBacktest) -> Markup:
    table = main.bands[main.bands["rows"] > 0]
    figure = new_figure(7.5, 2.4)
    axes = figure.subplots()
    places = np.arange(len(table))
    axes.barh(
        places - 0.18, 100 * table["mean_probability"], height=0.34, color="#9db4d6", label="expected by the model"
    )
    axes.barh(places + 0.18, 100 * table["churn_rate"], height=0.34, color="#24539c", label="happened")
    axes.set_yticks(places, table["band"].tolist())
    axes.invert_yaxis()
    axes.set_xlabel("churned, %")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return svg(figure, "Expected and observed churn of each band")


def _warning(results: Sequence[HealthBacktest]) -> Markup:
    figure = new_figure(4.6, 2.8)
    axes = figure.subplots()
    for place, item in enumerate(results):
        table = item.warning
        emphasis = {"linewidth": 2.4, "color": "#24539c"} if place == 0 else {"linewidth": 1.1}
        axes.plot(
            table["days_before"], 100 * table["below_green"], marker="o", label=item.name.replace("_", " "), **emphasis
        )
    axes.axhline(100 * 2 / 3, color="#5c6370", linewidth=1, linestyle="--")
    axes.set_xticks([30, 60, 90])
    axes.invert_xaxis()
    axes.set_ylim(0, 100)
    axes.set_xlabel("days before churn")
    axes.set_ylabel("below green, %")
    axes.legend(frameon=False, fontsize=7)
    axes.spines[["top", "right"]].set_visible(False)
    return svg(figure, "Share of churners below green by days before churn")
