"""What a person sees of the trained versions: the list, two side by side, a promotion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from churnml.cli.terminal import out
from churnml.language import Section, number, phrases

if TYPE_CHECKING:
    from churnml.pipeline.models import Comparison, ModelList
    from churnml.registry.promotion import Promotion

__all__ = ["compared", "listed", "promoted"]

_METRICS = ("roc_auc", "average_precision", "log_loss", "brier", "ece", "lift_at_10")


def listed(models: ModelList, lang: str) -> None:
    """Show every version, and who was promoted when and why."""
    console, say = out(), phrases(lang)
    t = Section(say, "models")
    heads = (t.version, t.made, t.verdict, t("metric.roc_auc"), t("metric.log_loss"), "")
    table = Table(*heads, title=models.name, title_justify="left")
    for version in models.versions:
        cells = [_number(version.backtest.get(name), lang) for name in ("roc_auc", "log_loss")]
        mark = f"[green]{t.champion}[/]" if version.champion else ""
        table.add_row(
            version.version,
            f"{version.created_at:%Y-%m-%d %H:%M}",
            say(f"verdict-is.{version.verdict}"),
            *cells,
            mark,
        )
    console.print(table)
    for entry in models.promotions:
        by = f" ({t.forced})" if entry.forced else ""
        console.print(f"• {entry.at}  {entry.version}{escape(by)}: {escape(phrases(lang).text(entry.reason))}")


def compared(report: Comparison, lang: str) -> None:
    """Show two versions' backtests side by side and their paired difference."""
    console, t = out(), Section(phrases(lang), "models")
    table = Table(t.version, *(t(f"metric.{name}") for name in _METRICS), title=t.side_by_side, title_justify="left")
    for version, metrics in report.versions.items():
        table.add_row(version, *(_number(metrics.get(name), lang) for name in _METRICS))
    console.print(table)
    console.print(escape(phrases(lang).text(report.paired.reason) if report.paired else t.no_rows))


def promoted(entry: Promotion, lang: str) -> None:
    """Show a promotion."""
    t = Section(phrases(lang), "models")
    out().print(escape(t("promoted", version=entry.version, before=entry.previous or t.none)))


def _number(value: Any, lang: str) -> str:
    return "–" if value is None or value != value else number(float(value), lang, 3)
