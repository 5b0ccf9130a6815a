"""One monitoring as a page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from churnml.language import Quantity, Section, day, number, phrases, render
from churnml.metrics.intervals import Interval
from churnml.reports.page import environment

if TYPE_CHECKING:
    from churnml.monitoring.report import MonitoringReport

__all__ = ["interval_words", "monitoring_page", "performance_head", "performance_rows"]

_MOST_FEATURES = 20


def monitoring_page(report: MonitoringReport, *, language: str, budget: float = 1.0) -> str:
    """Return one monitoring as an HTML page: alarms, whether the model is due, performance, drift, tables.

    Parameters
    ----------
    report : MonitoringReport
    language : str
    budget : float
        False alarms a month that were allowed for.
    """
    say = Section(phrases(language), "monitor")
    alarms = [
        {
            "code": alarm.code,
            "told": render(alarm.said, language),
            "marks": [
                *([say.severe] if alarm.severe else []),
                *([say.new] if alarm.key in report.new else []),
            ],
        }
        for alarm in report.alarms
    ]
    tables = [
        (
            one.table,
            "–" if one.newest_on is None else day(str(one.newest_on), language),
            number(one.rows_last_day, language),
            _usual(one.expected_last_day, language),
            number(one.rows_last_week, language),
            _usual(one.expected_last_week, language),
            " ".join(one.alarms),
        )
        for one in report.tables
    ]
    drift = report.drift
    features = [
        (one.feature, f"{one.psi:.2f}", render(Quantity(value=one.effect, unit="share"), language))
        for one in (() if drift is None else drift.features[:_MOST_FEATURES])
    ]
    return (
        environment()
        .get_template("monitoring.html.j2")
        .render(
            language=language,
            t=say,
            title=say("title", name=report.config, as_of=day(str(report.as_of), language)),
            alarms=alarms,
            heading=say("alarms", n=len(alarms)),
            calm=say("no_alarm", tests=report.tests, budget=Quantity(value=budget)),
            held=report.held,
            due=[(reason.code, render(reason.said, language)) for reason in report.retraining.reasons],
            tables=tables,
            table_head=(say.table, say.newest, say.last_day, say.usual_day, say.last_week, say.usual_day, say.codes),
            unjudged=say("unjudged", tables=", ".join(report.unjudged)) if report.unjudged else "",
            performance_head=performance_head(language),
            performance=performance_rows(report, language),
            features=features,
            drifted=drift is not None,
        )
    )


def performance_head(language: str) -> tuple[str, ...]:
    """Return the headings of `performance_rows`, that of the rows' names left out."""
    say = Section(phrases(language), "monitor")
    return (say.accounts, say.churned, say.expected_churned, "ROC AUC", say.lift, say.log_loss)


def performance_rows(report: MonitoringReport, language: str) -> list[tuple[str, ...]]:
    """Return promised, realised and expected performance as rows of words; empty where there is none.

    The name of the row, then what `performance_head` says.
    """
    performance = report.performance
    if performance is None:
        return []
    say = Section(phrases(language), "monitor")
    rows: list[tuple[str, ...]] = []

    def add(name: str, accounts: Any, churned: Any, expected: Any, *metrics: Interval) -> None:
        counts = ("–" if value is None else number(round(value), language) for value in (accounts, churned, expected))
        rows.append((name, *counts, *(interval_words(one) for one in metrics)))

    promise, estimated = performance.promise, performance.estimated
    if promise is not None:
        add(say.promised, None, None, None, promise.roc_auc, promise.lift_at_10, promise.log_loss)
    for one in performance.realised[-6:]:
        name = f"{say.realised} {day(str(one.as_of), language)}"
        add(name, one.accounts, one.churned, one.expected, one.roc_auc, one.lift_at_10, one.log_loss)
    if estimated is not None:
        name = f"{say.expected} {day(str(estimated.as_of), language)}"
        add(
            name,
            estimated.accounts,
            None,
            estimated.expected,
            estimated.roc_auc,
            estimated.lift_at_10,
            estimated.log_loss,
        )
    return rows


def interval_words(one: Interval) -> str:
    """Return a value with its interval, as far as they are known.

    Examples
    --------
    >>> interval_words(Interval(0.8, 0.75, 0.85)), interval_words(Interval(None, None, None))
    ('0.80 (0.75–0.85)', '–')
    """
    if one.value is None:
        return "–"
    return f"{one.value:.2f}" + ("" if one.low is None or one.high is None else f" ({one.low:.2f}–{one.high:.2f})")


def _usual(value: float | None, language: str) -> str:
    return "–" if value is None else number(round(value), language)
