"""The backtest of a health score as one HTML page with its plots inside, in any language there is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from churnml.errors import UsageError
from churnml.health.backtest_report import HealthBacktest
from churnml.language import Language, Quantity, Section, Text, day, number, phrases
from churnml.reports.page import BAND_COLOURS, Labels, environment, new_figure, svg

__all__ = ["backtest_report"]

_SHOWN = 15


def backtest_report(
    results: Sequence[HealthBacktest],
    *,
    title: str,
    horizon_days: int,
    capacity_share: float,
    called: bool = False,
    language: Language = "en",
) -> str:
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
    called : bool
        The capacity is told in CSMs and calls a week, not as a share.
    language : str
        Of the page.

    Raises
    ------
    UsageError
        There is no result.
    """
    if not results:
        raise UsageError(Text.of("fault-no_backtest"))
    main, say = results[0], phrases(language)
    template = environment().get_template("health_backtest.html.j2")
    return template.render(
        title=title,
        language=language,
        t=Section(say, "backtest"),
        say=say,
        date=lambda when: day(str(when)[:10], language),
        share=lambda value, digits: _share(value, digits, language),
        decimal=lambda value, digits: "–" if value is None or value != value else number(value, language, digits),
        main=main,
        results=results,
        horizon_days=horizon_days,
        capacity_share=capacity_share,
        called=called,
        early=_early(main, language),
        bands=[row for row in main.bands.to_dict("records") if row["rows"]],
        warning=main.warning.to_dict("records"),
        long_terms=main.long_terms,
        weights=_weights(results, language),
        missed=main.missed.head(_SHOWN).to_dict("records"),
        alarms=main.false_alarms.head(_SHOWN).to_dict("records"),
        measures={one.measure: say.text(one.label) for one in main.weights},
        charts={
            "bands": _bands(main, language),
            "calibration": _calibration(main, language),
            "warning": _warning(results, language),
        },
    )


def _early(main: HealthBacktest, language: Language) -> dict[str, Any]:
    """Return the early-warning line with its causes in words."""
    line = main.acceptance[1]
    say = phrases(language)
    causes = [
        say("backtest-cause", cause=say(f"backtest-cause-{code}"), count=count) for code, count in line.unseen.items()
    ]
    return {
        **vars(line),
        "unseen_count": sum(line.unseen.values()),
        "causes": say("backtest-causes-joint").join(causes),
    }


def _weights(results: Sequence[HealthBacktest], language: Language) -> dict[str, Any]:
    """Return a table of weights: measures in rows by group, one column per score that has its own."""
    shown = [item for item in results if item.weights and item.name != "rules_alone"]
    rows: dict[str, dict[str, Any]] = {}
    for item in shown:
        for one in item.weights:
            label = phrases(language).text(one.label)
            row = rows.setdefault(one.measure, {"group": one.group, "label": label, "percent": {}})
            row["percent"][item.name] = one.percent
    order = list(dict.fromkeys(row["group"] for row in rows.values()))
    ordered = sorted(rows.values(), key=lambda row: order.index(row["group"]))
    for row in ordered:
        row["group"] = phrases(language).or_plain(f"family-{row['group']}", row["group"])
    return {"names": [item.name for item in shown], "rows": ordered}


def _bands(main: HealthBacktest, language: Language) -> Markup:
    table, said = main.bands[main.bands["rows"] > 0], Labels()
    say = phrases(language)
    page = Section(say, "backtest")
    figure = new_figure(4.6, 2.8)
    axes = figure.subplots()
    lift = table["lift"].to_numpy(dtype=float)
    spread = np.abs(table[["lift_low", "lift_high"]].to_numpy(dtype=float) - lift[:, None]).T
    names = [said(say(f"band-{band}")) for band in table["band"]]
    axes.bar(names, lift, color=[BAND_COLOURS[band] for band in table["band"]], width=0.6)
    axes.errorbar(names, lift, yerr=np.nan_to_num(spread), fmt="none", ecolor="#1f2430", capsize=4)
    axes.axhline(1.0, color="#5c6370", linewidth=1, linestyle="--")
    axes.set_ylabel(said(page.chart_bands))
    axes.spines[["top", "right"]].set_visible(False)
    return svg(figure, page.chart_bands_alt, said)


def _calibration(main: HealthBacktest, language: Language) -> Markup:
    table, said = main.bands[main.bands["rows"] > 0], Labels()
    say = phrases(language)
    page = Section(say, "backtest")
    figure = new_figure(7.5, 2.4)
    axes = figure.subplots()
    places = np.arange(len(table))
    bars: Mapping[str, Any] = {"height": 0.34}
    axes.barh(places - 0.18, 100 * table["mean_probability"], color="#9db4d6", label=said(page.chart_expected), **bars)
    axes.barh(places + 0.18, 100 * table["churn_rate"], color="#24539c", label=said(page.chart_happened), **bars)
    axes.set_yticks(places, [said(say(f"band-{band}")) for band in table["band"]])
    axes.invert_yaxis()
    axes.set_xlabel(said(page.chart_churned))
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return svg(figure, page.chart_calibration_alt, said)


def _warning(results: Sequence[HealthBacktest], language: Language) -> Markup:
    said, say = Labels(), phrases(language)
    page = Section(say, "backtest")
    figure = new_figure(4.6, 2.8)
    axes = figure.subplots()
    for place, item in enumerate(results):
        table = item.warning
        emphasis = {"linewidth": 2.4, "color": "#24539c"} if place == 0 else {"linewidth": 1.1}
        name = said(say.or_plain(f"backtest-name-{item.name}", item.name))
        axes.plot(table["days_before"], 100 * table["below_green"], marker="o", label=name, **emphasis)
    axes.axhline(100 * 2 / 3, color="#5c6370", linewidth=1, linestyle="--")
    axes.set_xticks([30, 60, 90])
    axes.invert_xaxis()
    axes.set_ylim(0, 100)
    axes.set_xlabel(said(page.chart_days))
    axes.set_ylabel(said(page.chart_below))
    axes.legend(frameon=False, fontsize=7)
    axes.spines[["top", "right"]].set_visible(False)
    return svg(figure, page.chart_warning_alt, said)


def _share(value: float | None, digits: int, language: Language) -> str:
    if value is None or value != value:
        return "–"
    return phrases(language)("share", n=Quantity(value=value, unit="share", digits=digits)).replace(" %", "\u00a0%")
