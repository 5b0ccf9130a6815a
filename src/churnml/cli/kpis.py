"""``churnml kpis``: churn, retention, renewals and lifetime value month by month."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from churnml.cli.options import AsJson, ConfigPath, Lang, config_of
from churnml.cli.session import Session
from churnml.errors import UsageError

if TYPE_CHECKING:
    from churnml.config import Config
    from churnml.config.display import Named
    from churnml.retention import KpiReport, KpiRow

__all__ = ["kpis"]


def kpis(
    config: ConfigPath,
    months: Annotated[int, typer.Option(min=1, max=240, help="The newest so many months")] = 24,
    by: Annotated[
        list[str] | None,
        typer.Option(
            help="plan, parent, or an attribute of accounts; may be repeated  [default: segment, plan, owner, parent]"
        ),
    ] = None,
    gross_margin: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Share of revenue that is profit, for LTV  [default: survival.gross_margin]"),
    ] = None,
    discount: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="What a year's wait costs, for LTV  [default: survival.yearly_discount]"),
    ] = None,
    publish: Annotated[bool, typer.Option("--publish", help="Keep them in the store: /v1/kpis answers them")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print every row as CSV on stdout")] = False,
    lang: Lang = None,
    as_json: AsJson = False,
) -> None:
    """Tell the KPIs of customer success month by month: churn, GRR, NRR, renewals, LTV, NPS, use, support."""
    with Session(as_json) as session:
        if as_csv and as_json:
            from churnml.language import Text

            raise UsageError(Text.of("fault-one_form"), where="--csv", got=Text.of("fault-one_form.got"))
        from churnml import pipeline

        settings = config_of(config, session, lang)
        report = pipeline.kpis(
            settings, session.stages, months=months, group_by=by, gross_margin=gross_margin, yearly_discount=discount
        )
        if publish and not pipeline.publish_kpis(settings, report):
            from churnml.language import Text

            raise UsageError(
                Text.of("fault-kpis_later"), where=Text.of("fault-kpis_later.where", as_of=str(report.as_of))
            )
        if as_csv:
            session.show(report, lambda: print(report.frame.to_csv(index=False), end=""))
        else:
            session.show(report, lambda: _draw(report, settings, session.language))


def _draw(report: KpiReport, config: Config, language: str) -> None:
    from rich.table import Table

    from churnml.cli.terminal import out
    from churnml.language import Section, phrases

    console, t = out(), Section(phrases(language), "cli-kpis")
    rows = report.of()
    if not rows:
        console.print(t.none)
        return
    head = [t(f"column.{name}") for name in _COLUMNS]
    table = Table(*head, title=t("all", currency=report.currency), title_justify="left")
    for row in rows:
        table.add_row(f"{row.month_on:%Y-%m}", *_cells(row, language))
    console.print(table)
    newest = rows[-1].month_on
    for name in dict.fromkeys(row.group_by for row in report.rows if row.group_by):
        groups = Table(name, *head[1:], title=t("by", name=name, month=f"{newest:%Y-%m}"), title_justify="left")
        for row in _largest_first([row for row in report.of(name) if row.month_on == newest]):
            groups.add_row(_group(report, config, row.group_by, row.group, language), *_cells(row, language))
        console.print(groups)
    console.print(t("ttm", csv="--csv", json="--json"))
    _draw_values(report, config, language)
    _draw_records(report, language)


def _draw_values(report: KpiReport, config: Config, language: str) -> None:
    """Draw what an account is worth, of all and by group, and say what that was made of."""
    from rich.table import Table

    from churnml.cli.terminal import out
    from churnml.language import Section, day, number, percent, phrases

    values = report.lifetime_values
    if not values:
        return
    console, t = out(), Section(phrases(language), "cli-kpis")
    table = Table(
        *(t(f"value.{name}") for name in ("of", "accounts", "each", "between", "total", "within", "source")),
        title=t("value.title", currency=report.currency),
        title_justify="left",
    )
    for one in values:
        group = t("value.all") if one.group is None else _group(report, config, one.group_by, one.group, language)
        bounds = "–"
        if one.low is not None and one.high is not None:
            bounds = f"{number(round(one.low), language)} – {number(round(one.high), language)}"
        table.add_row(
            group if one.group_by is None else f"{one.group_by}: {group}",
            number(one.accounts, language),
            number(round(one.value), language),
            bounds,
            "–" if one.total is None else number(round(one.total), language),
            "–" if one.within is None else percent(one.within, language, 0),
            t(f"value.{one.source}"),
        )
    console.print(table)
    first = values[0]
    console.print(
        t(
            f"value.{first.source}-how",
            day=day(first.as_of.isoformat(), language),
            margin=percent(first.gross_margin, language, 0),
            discount=percent(first.yearly_discount, language, 0),
            level=percent(first.level or 0.0, language, 0),
        )
    )


def _draw_records(report: KpiReport, language: str) -> None:
    """Say how past renewal forecasts held, by quarter; or that none is over, or none was made by curves."""
    from rich.table import Table

    from churnml.cli.terminal import out
    from churnml.language import Section, day, number, phrases

    console, t = out(), Section(phrases(language), "cli-kpis")
    for record in report.forecast_records:
        if record.quarters:
            table = Table(
                *(
                    t(f"record.{name}")
                    for name in ("quarter", "made", "accounts", "arr", "expected", "between", "came")
                ),
                title=t("record.title", currency=report.currency),
                title_justify="left",
            )
            for one in record.quarters:
                table.add_row(
                    f"{one.month_on.year} Q{(one.month_on.month + 2) // 3}",
                    "–" if one.made_on is None else day(one.made_on.isoformat(), language),
                    number(one.accounts, language),
                    *(number(round(amount), language) for amount in (one.arr, one.expected)),
                    f"{number(round(one.low), language)} – {number(round(one.high), language)}",
                    number(round(one.came or 0.0), language),
                )
            console.print(table)
        console.print(
            t(
                f"record.{record.source}",
                months=len(record.months),
                inside=record.months_inside,
                quarters=len(record.quarters),
                whole=record.quarters_inside,
                curves=record.months_by_curves,
                own=record.months_by_curves_inside,
            )
        )
    if not any(record.months_by_curves for record in report.forecast_records):
        console.print(t("record.none"))


_COLUMNS = (
    "month", "accounts", "mrr", "churn", "grr", "nrr", "churn_ttm", "grr_ttm", "nrr_ttm", "renewed", "by_value", "ltv",
)  # fmt: skip


_NAMED: dict[str, Named] = {"plan": "plans", "owner": "owners"}


def _group(report: KpiReport, config: Config, by: str | None, group: str | None, language: str) -> str | None:
    """Return what a group is called: a word of the display's, or of groups by parent the name of the top account."""
    from churnml.language import phrases

    if by != "parent" or group is None:
        return config.display.spoken(_NAMED.get(by or "", "segments"), group, language)
    return phrases(language)("group-alone") if group == "~" else report.group_names.get(group, group)


def _largest_first(rows: list[KpiRow]) -> list[KpiRow]:
    """Return groups by parent, of which there may be many, by what they pay; others stay in order of their names."""
    if not rows or rows[0].group_by != "parent":
        return rows
    return sorted(rows, key=lambda row: (row.group == "~", -row.mrr))


def _cells(row: KpiRow, language: str) -> tuple[str, ...]:
    from churnml.language import number, percent

    shares = (
        row.logo_churn_rate, row.grr, row.nrr, row.logo_churn_rate_ttm, row.grr_ttm, row.nrr_ttm,
        row.renewal_rate, row.renewal_rate_value,
    )  # fmt: skip
    said = ("–" if value is None else percent(value, language, 1) for value in shares)
    ltv = "–" if row.ltv is None else number(row.ltv, language)
    return (number(row.accounts, language), number(row.mrr, language), *said, ltv)
