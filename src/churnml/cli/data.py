"""``churnml check``, ``audit`` and ``config``: what the data and the config are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from churnml.cli.options import AsJson, ConfigPath, Lang, config_of
from churnml.cli.session import Session

__all__ = ["audit", "check", "config_app"]

config_app = typer.Typer(no_args_is_help=True)


def check(
    config: ConfigPath,
    html: Annotated[Path | None, typer.Option(help="Also write how usable the data is as an HTML page")] = None,
    lang: Lang = None,
    as_json: AsJson = False,
) -> None:
    """Map the raw data to the canonical tables; say what is wrong with it and what it allows of each feature family."""
    with Session(as_json) as session:
        from churnml import pipeline
        from churnml.cli import render, usability

        checked = pipeline.check(config_of(config, session), session.stages)
        language = session.speak(lang)
        if html is not None:
            usability.write_page(html, checked.report(), language)
        session.show(checked.report(), lambda: render.checked(checked, language))


def audit(config: ConfigPath, lang: Lang = None, as_json: AsJson = False) -> None:
    """Look for leakage in the training data; exits with 1 when something is found."""
    with Session(as_json) as session:
        from churnml import pipeline
        from churnml.cli import render

        findings = pipeline.audit(config_of(config, session), session.stages)
        language = session.speak(lang)
        codes = sorted(one.code for one in findings if one.status == "found")
        session.show({"found": codes, "findings": findings}, lambda: render.audited(findings, language))
    if codes:
        raise typer.Exit(1)


@config_app.command("show")
def config_show(config: ConfigPath, as_json: AsJson = False) -> None:
    """Print the resolved config, defaults included."""
    with Session(as_json) as session:
        from churnml.cli import render

        settings = config_of(config, session)
        session.show({"hash": settings.hash, "config": settings.as_dict()}, lambda: render.config(settings))
