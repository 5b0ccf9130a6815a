"""``churnml health``: does the score predict, and which red threshold fits the team."""

from __future__ import annotations

from typing import Annotated

import typer

from churnml.cli.options import AsJson, ConfigPath, Lang, config_of
from churnml.cli.session import Session

__all__ = ["health_app"]

health_app = typer.Typer(no_args_is_help=True)


@health_app.command("backtest")
def health_backtest(
    config: ConfigPath,
    lang: Lang = None,
    as_json: AsJson = False,
) -> None:
    """Replay the health score over past dates and judge it by who churned."""
    with Session(as_json) as session:
        from churnml import pipeline
        from churnml.cli import all_accounts

        settings = config_of(config, session)
        language = session.speak(lang)
        results, page = pipeline.health_backtest(settings, session.stages, language=language)
        report = {"results": [one.as_dict() for one in results], "report": str(page)}
        session.show(report, lambda: all_accounts.health_judged(results, page, language))


@health_app.command("thresholds")
def health_thresholds(
    config: ConfigPath,
    weeks: Annotated[
        int | None, typer.Option(min=1, max=52, help="Weeks a score is current  [default: until the next snapshot]")
    ] = None,
    lang: Lang = None,
    as_json: AsJson = False,
) -> None:
    """Propose the red threshold whose red accounts the team can all call (section `capacity`)."""
    with Session(as_json) as session:
        from churnml import pipeline
        from churnml.cli import all_accounts

        settings = config_of(config, session)
        proposed = pipeline.health_thresholds(settings, weeks=weeks)
        session.show(proposed, lambda: all_accounts.thresholds(proposed, session.speak(lang)))
