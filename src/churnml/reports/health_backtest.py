"""The backtest of a health score as one HTML page with its plots inside, in English or Japanese."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from churnml.errors import UsageError
from churnml.features.spec import FAMILIES
from churnml.health.acceptance import CAUSES
from churnml.health.backtest import HealthBacktest
from churnml.health.wording import BAND_WORDS, WORDS, Language
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
    language : {"en", "ja"}
        Of the page.

    Raises
    ------
    UsageError
        There is no result.
    """
    if not results:
        raise UsageError("A backtest report needs at least one backtest")
    main, words = results[0], WORDS[language]
    template = environment().get_template("health_backtest.html.j2")
    return template.render(
        title=title,
        language=language,
        t=words,
        band_words=BAND_WORDS[language],
        main=main,
        results=results,
        horizon_days=horizon_days,
        capacity_share=capacity_share,
        called=called,
        early=_early(main, language),
        bands=[row for row in main.bands.to_dict("records") if row["rows"]],
        warning=main.warning.to_dict("records"),
        weights=_weights(results, language),
        missed=main.missed.head(_SHOWN).to_dict("records"),
        alarms=main.false_alarms.head(_SHOWN).to_dict("records"),
        charts={
            "bands": _bands(main, language),
            "calibration": _calibration(main, language),
            "warning": _warning(results, language),
        },
    )


def _early(main: HealthBacktest, language: Language) -> dict[str, Any]:
    """Return the early-warning line with its causes in words."""
    line = next(item for item in main.acceptance if item["code"] == "early_warning")
    place = 1 if language == "ja" else 0
    told = (f"{CAUSES[code][place]} ({count})" for code, count in line["unseen"].items())
    return {
        **line,
        "unseen_count": sum(line["unseen"].values()),
        "causes": ("、" if language == "ja" else "; ").join(told),
    }


def _weights(results: Sequence[HealthBacktest], language: Language) -> dict[str, Any]:
    """Return a table of weights: measures in rows by group, one column per score that has its own."""
    shown = [item for item in results if item.weights and item.name != "rules_alone"]
    rows: dict[str, dict[str, Any]] = {}
    for item in shown:
        for one in item.weights:
            row = rows.setdefault(
                str(one["measure"]), {"group": one["group"], "label": one[f"label_{language}"], "percent": {}}
            )
            row["percent"][item.name] = one["percent"]
    order = list(dict.fromkeys(row["group"] for row in rows.values()))
    ordered = sorted(rows.values(), key=lambda row: order.index(row["group"]))
    for row in ordered:
        row["group"] = FAMILIES.get(row["group"], row["group"]) if language == "ja" else row["group"]
    return {"names": [item.name for item in shown], "rows": ordered}


def _bands(main: HealthBacktest, language: Language) -> Markup:
    table, words, said = main.bands[main.bands["rows"] > 0], WORDS[language], Labels()
    figure = new_figure(4.6, 2.8)
    axes = figure.subplots()
    lift = table["lift"].to_numpy(dtype=float)
    spread = np.abs(table[["lift_low", "lift_high"]].to_numpy(dtype=float) - lift[:, None]).T
    names = [said(BAND_WORDS[language][band]) for band in table["band"]]
    axes.bar(names, lift, color=[BAND_COLOURS[band] for band in table["band"]], width=0.6)
    axes.errorbar(names, lift, yerr=np.nan_to_num(spread), fmt="none", ecolor="#1f2430", capsize=4)
    axes.axhline(1.0, color="#5c6370", linewidth=1, linestyle="--")
    axes.set_ylabel(said(words["chart_bands"]))
    axes.spines[["top", "right"]].set_visible(False)
    return svg(figure, words["chart_bands_alt"], said)


def _calibration(main: HealthBacktest, language: Language) -> Markup:
    table, words, said = main.bands[main.bands["rows"] > 0], WORDS[language], Labels()
    figure = new_figure(7.5, 2.4)
    axes = figure.subplots()
    places = np.arange(len(table))
    bars: Mapping[str, Any] = {"height": 0.34}
    axes.barh(
        places - 0.18, 100 * table["mean_probability"], color="#9db4d6", label=said(words["chart_expected"]), **bars
    )
    axes.barh(places + 0.18, 100 * table["churn_rate"], color="#24539c", label=said(words["chart_happened"]), **bars)
    axes.set_yticks(places, [said(BAND_WORDS[language][band]) for band in table["band"]])
    axes.invert_yaxis()
    axes.set_xlabel(said(words["chart_churned"]))
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return svg(figure, words["chart_calibration_alt"], said)


def _warning(results: Sequence[HealthBacktest], language: Language) -> Markup:
    words, said = WORDS[language], Labels()
    figure = new_figure(4.6, 2.8)
    axes = figure.subplots()
    for place, item in enumerate(results):
        table = item.warning
        emphasis = {"linewidth": 2.4, "color": "#24539c"} if place == 0 else {"linewidth": 1.1}
        name = said(words["names"].get(item.name, item.name))
        axes.plot(table["days_before"], 100 * table["below_green"], marker="o", label=name, **emphasis)
    axes.axhline(100 * 2 / 3, color="#5c6370", linewidth=1, linestyle="--")
    axes.set_xticks([30, 60, 90])
    axes.invert_xaxis()
    axes.set_ylim(0, 100)
    axes.set_xlabel(said(words["chart_days"]))
    axes.set_ylabel(said(words["chart_below"]))
    axes.legend(frameon=False, fontsize=7)
    axes.spines[["top", "right"]].set_visible(False)
    return svg(figure, words["chart_warning_alt"], said)
