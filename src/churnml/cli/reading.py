"""``churnml explain`` and ``report``: why an account has its score."""

from __future__ import annotations

from typing import Annotated

import typer

from churnml.cli.options import AsJson, ConfigPath, Lang, config_of
from churnml.cli.session import Session
from churnml.errors import UsageError

__all__ = ["explain", "report"]


def explain(
    config: ConfigPath,
    account_id: Annotated[str | None, typer.Argument(help="Account to explain")] = None,
    overall: Annotated[
        bool, typer.Option("--overall", help="All accounts: families, patterns of those who left, segments")
    ] = False,
    lang: Lang = None,
    what_if: Annotated[
        list[str] | None, typer.Option("--set", metavar="FEATURE=VALUE", help="Score with another value instead")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say why an account has the score it has, in words; with --set, what the score would be otherwise.

    With --overall, what goes with churn over all accounts, also as an HTML page.
    """
    with Session(as_json) as session:
        from churnml import pipeline
        from churnml.cli import render

        settings = config_of(config, session)
        language = session.speak(lang)
        if overall == (account_id is not None) or (overall and what_if):
            from churnml.language import Text

            raise UsageError(Text.of("fault-one_explanation"))
        if account_id is None:
            from churnml.cli import all_accounts

            everybody, page, summary = pipeline.overall(settings, session.stages, language=language)
            report = {**everybody.as_dict(), "shap_summary": str(summary), "report": str(page)}
            session.show(report, lambda: all_accounts.overall(everybody, page, language))
            return
        if what_if:
            answer = pipeline.suppose(settings, account_id, what_if)
            session.show(answer, lambda: render.supposed(answer, language))
            return
        explanation = pipeline.explain(settings, account_id)
        session.show(explanation, lambda: render.explained(explanation, language))


def report(
    config: ConfigPath,
    account_id: Annotated[str | None, typer.Argument(help="Account to brief on")] = None,
    portfolio: Annotated[bool, typer.Option("--portfolio", help="All accounts on one page, with filters")] = False,
    lang: Lang = None,
    as_json: AsJson = False,
) -> None:
    """Write an account's one-page brief, or the portfolio, as HTML that prints."""
    with Session(as_json) as session:
        from churnml import pipeline
        from churnml.cli import render

        if portfolio == (account_id is not None):
            from churnml.language import Text

            raise UsageError(Text.of("fault-one_report"))
        settings = config_of(config, session)
        language = session.speak(lang)
        if account_id is None:
            path = pipeline.portfolio(settings, language, session.stages)
        else:
            path = pipeline.brief(settings, account_id, language, session.stages)
        session.show({"report": str(path)}, lambda: render.written(path, language))
