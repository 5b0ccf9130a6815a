"""``churnml experiments``: what contacting accounts was worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from churnml.cli.options import AsJson, ConfigPath
from churnml.cli.session import Session

if TYPE_CHECKING:
    from churnml.actions.experiment import Effect, ExperimentReport

__all__ = ["experiments_app"]

experiments_app = typer.Typer(
    no_args_is_help=True, help="Experiments: what contacting accounts is worth.", rich_markup_mode="rich"
)


@experiments_app.callback()
def experiments() -> None:
    """Experiments: what contacting accounts is worth."""


@experiments_app.command("report")
def experiments_report(
    config: ConfigPath,
    as_json: AsJson = False,
) -> None:
    """Compare contacted accounts with those held out by chance: churn, lost ARR, and when an effect would show."""
    with Session(as_json) as session:
        from churnml import pipeline
        from churnml.config import load_config

        settings = load_config(config)
        found = pipeline.report_experiment(settings, session.stages)
        session.show(found.model_dump(mode="json"), lambda: _print(found, settings.currency))


def _print(found: ExperimentReport, currency: str) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    console.print(
        f"Experiment {found.name!r}: {found.share:.0%} held out, each account followed for {found.days} days; "
        f"drawn from {found.first} to {found.last}."
    )
    table = Table(box=None, pad_edge=False)
    for name in ("arm", "accounts", "followed", "churned", "churn rate", f"ARR lost ({currency})", "with a task done"):
        table.add_column(name, justify="left" if name == "arm" else "right")
    for name, arm in (("contacted", found.contacted), ("not contacted", found.held_out)):
        rate = "–" if arm.churn_rate is None else f"{arm.churn_rate:.1%}"
        counts = (arm.accounts, arm.followed, arm.churned, rate, f"{arm.arr_lost:,.0f}", arm.worked)
        table.add_row(name, *("–" if value is None else str(value) for value in counts))
    console.print(table)
    _print_effect(console.print, found, currency)
    if found.needed is not None:
        when = "would show by now" if found.weeks == 0 else f"would show in about {found.weeks:g} weeks at this pace"
        console.print(
            f"An effect of {found.looked_for:.0%} of the churn takes {found.needed} followed accounts and {when}."
        )
    if found.detectable is not None:
        console.print(f"What is followed so far would show an effect of {found.detectable:.0%} of the churn or more.")
    for segment, own in found.segments.items():
        said = own.why if own.churn_avoided is None else f"churn avoided {_shares(own.churn_avoided)}"
        console.print(f"  {segment}: {said}")


def _print_effect(say: object, found: ExperimentReport, currency: str) -> None:
    assert callable(say)
    if found.churn_avoided is None or found.arr_saved is None:
        say(f"Too little is known for an estimate: {found.why}.")
        return
    arr = found.arr_saved
    say(f"A contact avoids {_shares(found.churn_avoided)} churn, in points of the churn rate.")
    say(f"It keeps {arr.value:,.0f} {currency} of ARR an account (95 %: {arr.low:,.0f} to {arr.high:,.0f}).")
    if found.churn_avoided.low <= 0 <= found.churn_avoided.high:
        say("No effect is as likely as that: the interval holds 0.")


def _shares(effect: Effect) -> str:
    return f"{effect.value:.1%} (95 %: {effect.low:.1%} to {effect.high:.1%})"
