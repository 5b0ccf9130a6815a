"""``churnml experiments``: what contacting accounts was worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from churnml.cli.options import AsJson, ConfigPath, Lang, config_of
from churnml.cli.session import Session

if TYPE_CHECKING:
    from churnml.actions.experiment import Effect, ExperimentReport
    from churnml.language import Quantity, Section
    from churnml.metrics.intervals import Interval

__all__ = ["experiments_app"]

experiments_app = typer.Typer(no_args_is_help=True)


@experiments_app.command("report")
def experiments_report(
    config: ConfigPath,
    lang: Lang = None,
    as_json: AsJson = False,
) -> None:
    """Compare contacted accounts with those held out by chance: churn, lost ARR, and whom a contact helps most."""
    with Session(as_json) as session:
        from churnml import pipeline

        settings = config_of(config, session, lang)
        effect = pipeline.report_experiment(settings, session.stages)
        session.show(effect.model_dump(mode="json"), lambda: _print(effect, settings.currency, session.language))


@experiments_app.command("rank")
def experiments_rank(
    config: ConfigPath,
    lang: Lang = None,
    as_json: AsJson = False,
) -> None:
    """Decide whether the alert budget goes by what a contact avoids or by risk, whichever has proved better."""
    with Session(as_json) as session:
        from churnml import pipeline

        settings = config_of(config, session, lang)
        effect = pipeline.rank_alerts(settings, session.stages)
        session.show(
            effect.model_dump(mode="json"),
            lambda: _print_rankings(effect, settings.experiments.rank_by_uplift, settings.currency, session.language),
        )


def _print(report: ExperimentReport, currency: str, language: str) -> None:
    from rich.table import Table

    from churnml.cli.terminal import out, whole
    from churnml.language import Quantity, Section, percent, phrases

    console, say = out(), phrases(language)
    t = Section(say, "cli-experiment")

    def share(value: float) -> Quantity:
        return Quantity(value=value, unit="share", digits=0)

    span = {"from": f"{report.first}", "until": f"{report.last}"}
    console.print(t("heading", name=report.name, share=share(report.share), days=report.days, **span), markup=False)
    table = Table(box=None, pad_edge=False)
    for name in ("arm", "accounts", "followed", "churned", "rate", "lost", "worked"):
        label = t(f"column.{name}", currency=currency) if name == "lost" else t(f"column.{name}")
        table.add_column(label, justify="left" if name == "arm" else "right")
    for name, arm in (("contacted", report.contacted), ("held_out", report.held_out)):
        counts = [arm.accounts, arm.followed, arm.churned]
        cells = ["–" if count is None else whole(count, language) for count in counts]
        rate = "–" if arm.churn_rate is None else percent(arm.churn_rate, language, 1)
        worked = "–" if arm.worked is None else whole(arm.worked, language)
        table.add_row(t(f"arm.{name}"), *cells, rate, whole(arm.arr_lost, language), worked)
    console.print(table)
    for line in _effect(report, currency, t):
        console.print(line, markup=False)
    if report.needed is not None:
        when = t.by_now if report.weeks == 0 else t("in_weeks", weeks=Quantity(value=report.weeks or 0.0))
        console.print(t("needed", looked_for=share(report.looked_for), n=report.needed, when=when), markup=False)
    if report.detectable is not None:
        console.print(t("detectable", share=share(report.detectable)), markup=False)
    for segment, own in report.segments.items():
        said = say.stored(own.why) if own.churn_avoided is None else t("avoided", **_shares(own.churn_avoided))
        console.print(f"  {segment}: {said}", markup=False)
    for line in _rankings(report, currency, t):
        console.print(line, markup=False)


def _print_rankings(report: ExperimentReport, wanted: bool, currency: str, language: str) -> None:
    from churnml.cli.terminal import out
    from churnml.language import Section, phrases

    t = Section(phrases(language), "cli-experiment")
    for line in _rankings(report, currency, t):
        out().print(line, markup=False)
    if report.uplift is not None and report.uplift.beats and not wanted:
        out().print(t.set_rank_by_uplift, markup=False)


def _rankings(report: ExperimentReport, currency: str, t: Section) -> list[str]:
    from churnml.language import Quantity

    judged = report.uplift
    if judged is None:
        return []
    lines = []
    if judged.gain is None or judged.arr_gain is None or judged.by_risk is None or judged.by_uplift is None:
        lines.append(t("no_uplift", why=judged.why or ""))
    else:
        arr = {name: Quantity(value=getattr(judged.arr_gain, name) or 0.0, digits=0) for name in _BOUNDS}
        lines += [t("qini_risk", **_qini(judged.by_risk)), t("qini_uplift", **_qini(judged.by_uplift))]
        least = Quantity(value=judged.shown_from or 0.0, unit="share", digits=2)
        lines += [t("qini_gain", **_qini(judged.gain)), t("shown_from", least=least)]
        lines += [t("qini_arr", currency=currency, **arr)]
        if not judged.beats and judged.needed_accounts is not None and judged.trees:
            need = {"accounts": judged.needed_accounts, "churners": judged.needed_held_out_churners or 0}
            lines.append(t("gain_needs", **need))
        lines.append(t.beats if judged.beats else t.beats_not)
    at, until = report.ranking_decided_at, report.ranking_holds_until
    by = t(f"ranked_by.{report.ranked_by}")
    lines.append(t("budget_undecided", by=by) if at is None else t("budget_decided", by=by, at=f"{at:%Y-%m-%d}"))
    if until is not None:
        lines.append(t(f"holds_until.{report.ranked_by}", until=until.isoformat()))
    return lines


_BOUNDS = ("value", "low", "high")


def _qini(interval: Interval) -> dict[str, Quantity]:
    from churnml.language import Quantity

    return {name: Quantity(value=getattr(interval, name) or 0.0, unit="share", digits=2) for name in _BOUNDS}


def _effect(report: ExperimentReport, currency: str, t: Section) -> list[str]:
    if report.churn_avoided is None or report.arr_saved is None:
        return [t("unknown", why=report.why or "")]
    from churnml.language import Quantity

    arr = report.arr_saved
    saved = {name: Quantity(value=getattr(arr, name), digits=0) for name in ("value", "low", "high")}
    lines = [t("contact", **_shares(report.churn_avoided)), t("keeps", currency=currency, **saved)]
    none = report.churn_avoided.low <= 0 <= report.churn_avoided.high
    return [*lines, t.no_effect] if none else lines


def _shares(effect: Effect) -> dict[str, Quantity]:
    from churnml.language import Quantity

    return {name: Quantity(value=getattr(effect, name), unit="share", digits=1) for name in ("value", "low", "high")}
