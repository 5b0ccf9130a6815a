"""``churnml survival``: when each account will be lost, and what it is still worth."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from churnml.cli.options import AsJson, ConfigPath, Lang, config_of
from churnml.cli.session import Session
from churnml.errors import UsageError

if TYPE_CHECKING:
    from churnml.pipeline.survival import SurvivalReport

__all__ = ["survival"]


class _Ranking(StrEnum):
    expected_loss = "expected_loss"
    residual_value = "residual_value"
    avoidable_loss = "avoidable_loss"


def survival(
    config: ConfigPath,
    as_of: Annotated[
        str | None, typer.Option(metavar="DATE", help="2026-03-31  [default: the end of the data]")
    ] = None,
    rank_by: Annotated[_Ranking, typer.Option(help="What the accounts are ordered by")] = _Ranking.expected_loss,
    gross_margin: Annotated[float, typer.Option(min=0, max=1, help="Share of revenue that is profit")] = 0.8,
    discount: Annotated[float, typer.Option(min=0, max=1, help="What a year's wait costs")] = 0.1,
    refits: Annotated[int, typer.Option(min=2, max=50, help="Models refitted for the intervals")] = 8,
    top: Annotated[int, typer.Option(min=1, help="So many accounts in the table; --json has all")] = 20,
    lang: Lang = None,
    as_json: AsJson = False,
) -> None:
    """Tell when each account will be lost, the risk at its renewal, and what it is worth until then."""
    with Session(as_json) as session:
        from datetime import date

        from churnml.pipeline.survival import survival as survival_report

        try:
            day = None if as_of is None else date.fromisoformat(as_of)
        except ValueError:
            from churnml.language import Text

            raise UsageError(Text.of("fault-no_date"), where="--as-of", got=as_of, expected="2026-03-31") from None
        report = survival_report(
            config_of(config, session, lang),
            session.stages,
            as_of=day,
            rank_by=rank_by.value,
            gross_margin=gross_margin,
            yearly_discount=discount,
            refits=refits,
        )
        session.show(report, lambda: _draw(report, session.language, top))


def _draw(report: SurvivalReport, language: str, top: int) -> None:
    from rich.table import Table

    from churnml.cli.terminal import out
    from churnml.language import Section, day, number, percent, phrases, render

    console, t = out(), Section(phrases(language), "cli-survival")
    names = ("account", "decision", "risk", "year", "value", "sentence")
    rows = []
    for one in report.accounts[:top]:
        risk, value = one.renewal_risk, one.residual_value
        rows.append(
            (
                one.account_id,
                None if one.next_decision_on is None else day(one.next_decision_on.isoformat(), language),
                None
                if risk is None
                else t(
                    "between",
                    value=percent(risk.value, language),
                    low=percent(risk.low, language),
                    high=percent(risk.high, language),
                ),
                percent(one.lost_within[360], language) if 360 in one.lost_within else None,
                None
                if value is None
                else t(
                    "between",
                    value=number(round(value.value), language),
                    low=number(round(value.low), language),
                    high=number(round(value.high), language),
                ),
                render(one.sentence, language),
            )
        )
    # What is known of nobody has no column: without contracts there is no decision, without revenue no worth.
    shown = [place for place in range(len(names)) if any(row[place] is not None for row in rows)]
    table = Table(
        *(t(f"column.{names[place]}") for place in shown),
        title=t("title", day=day(report.as_of.isoformat(), language), currency=report.currency),
    )
    for row in rows:
        table.add_row(*("–" if row[place] is None else row[place] for place in shown))
    console.print(table)
    if "at_once" in report.lost:
        console.print(t("silent", **report.lost, months=report.reach_months))
    else:
        console.print(t("lost", at_decision=report.lost["at_decision"], between=report.lost["between"]))
