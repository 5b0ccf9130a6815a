"""``churnml models``: champion and challengers."""

from __future__ import annotations

from typing import Annotated

import typer

from churnml.cli.options import AsJson, ConfigPath, Lang, config_of
from churnml.cli.session import Session

__all__ = ["models_app"]

models_app = typer.Typer(no_args_is_help=True)


@models_app.command("list")
def models_list(config: ConfigPath, lang: Lang = None, as_json: AsJson = False) -> None:
    """List every trained version, the champion, and the record of promotions."""
    with Session(as_json) as session:
        from churnml import pipeline
        from churnml.cli import model_tables

        settings = config_of(config, session)
        listed = pipeline.list_models(settings)
        session.show(listed, lambda: model_tables.listed(listed, session.speak(lang)))


@models_app.command("compare")
def models_compare(
    config: ConfigPath,
    first: Annotated[str, typer.Argument(help="Version, e.g. the champion's")],
    second: Annotated[str, typer.Argument(help="Version to hold against it")],
    lang: Lang = None,
    as_json: AsJson = False,
) -> None:
    """Compare two versions: their backtests, and the paired gain on the rows both were tested on."""
    with Session(as_json) as session:
        from churnml import pipeline
        from churnml.cli import model_tables

        settings = config_of(config, session)
        report = pipeline.compare_models(settings, first, second)
        session.show(report, lambda: model_tables.compared(report, session.speak(lang)))


@models_app.command("promote")
def models_promote(
    config: ConfigPath,
    version: Annotated[str, typer.Argument(help="Version to put in place")],
    force: Annotated[bool, typer.Option("--force", help="Override the gate")] = False,
    reason: Annotated[str, typer.Option(help="Why; it goes on record")] = "",
    lang: Lang = None,
    as_json: AsJson = False,
) -> None:
    """Make a version the champion by hand."""
    with Session(as_json) as session:
        from churnml import pipeline
        from churnml.cli import model_tables

        settings = config_of(config, session)
        entry = pipeline.promote_model(settings, version, reason=reason, force=force)
        session.show(entry, lambda: model_tables.promoted(entry, session.speak(lang)))


@models_app.command("rollback")
def models_rollback(
    config: ConfigPath,
    reason: Annotated[str, typer.Option(help="Why; it goes on record")] = "",
    lang: Lang = None,
    as_json: AsJson = False,
) -> None:
    """Put the champion before the present one back in place."""
    with Session(as_json) as session:
        from churnml import pipeline
        from churnml.cli import model_tables

        settings = config_of(config, session)
        entry = pipeline.roll_back(settings, reason)
        session.show(entry, lambda: model_tables.promoted(entry, session.speak(lang)))
