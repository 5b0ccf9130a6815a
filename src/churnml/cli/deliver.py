"""``churnml deliver``: brings scores, tasks and messages to the tools where people work."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from churnml.cli.groups import with_default
from churnml.cli.options import AsJson, ConfigPath, Lang, config_of
from churnml.cli.session import Session
from churnml.cli.terminal import out

if TYPE_CHECKING:
    from churnml.deliveries import Delivered, Finding, Planned
    from churnml.store import Delivery

__all__ = ["deliver_app"]

deliver_app = typer.Typer(cls=with_default("send"), no_args_is_help=True)

Target = Annotated[str | None, typer.Option(help="Only this target, e.g. hubspot or slack.cs")]


@deliver_app.command("send")
def deliver_send(
    config: ConfigPath,
    target: Target = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the exact requests; send nothing")] = False,
    requests: Annotated[int, typer.Option(min=1, max=1000, help="Dry run: calls shown of a target and topic")] = 3,
    lang: Lang = None,
    as_json: AsJson = False,
) -> None:
    """Plan what has changed, and send what is due; exits with 1 when a target had to be left alone."""
    failed = False
    with Session(as_json) as session:
        from churnml import pipeline

        settings = config_of(config, session, lang)
        if dry_run:
            planned = pipeline.preview_deliveries(settings, target=target, requests=requests)
            session.show({"targets": planned}, lambda: _print_preview(planned, session.language))
        else:
            done = pipeline.deliver(settings, target=target)
            session.show(done, lambda: _print_done(done, session.language))
            failed = any(one.stopped for one in done.targets)
    if failed:
        raise typer.Exit(1)


@deliver_app.command("check")
def deliver_check(config: ConfigPath, target: Target = None, lang: Lang = None, as_json: AsJson = False) -> None:
    """Ask each target what is missing, may not be written or is too short; exits with 1 when something is."""
    ok = True
    with Session(as_json) as session:
        from churnml import pipeline

        findings = pipeline.check_deliveries(config_of(config, session, lang), target=target)
        session.show({"findings": findings}, lambda: _print_findings(findings, session.language))
        ok = all(finding.ok for finding in findings)
    if not ok:
        raise typer.Exit(1)


@deliver_app.command("list")
def deliver_list(
    config: ConfigPath,
    target: Target = None,
    everything: Annotated[bool, typer.Option("--all", help="Accepted and waiting ones too")] = False,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many")] = 50,
    lang: Lang = None,
    as_json: AsJson = False,
) -> None:
    """List the dead letters: what a target has refused for good, and what nobody knows the outcome of."""
    with Session(as_json) as session:
        from churnml import pipeline

        every = ("waiting", "sending", "sent", "accepted", "refused", "unknown")
        states = every if everything else ("refused", "unknown")
        letters = pipeline.list_deliveries(config_of(config, session, lang), target=target, states=states, limit=limit)
        session.show({"deliveries": letters}, lambda: _print_list(letters, session.language))


@deliver_app.command("resend")
def deliver_resend(
    config: ConfigPath,
    ids: Annotated[list[int] | None, typer.Argument(metavar="[ID]…", help="As `deliver list` prints them")] = None,
    target: Target = None,
    lang: Lang = None,
    as_json: AsJson = False,
) -> None:
    """Let dead letters be sent again by the next run: some by id, or all of a target."""
    with Session(as_json) as session:
        from churnml import pipeline
        from churnml.language import phrases

        count = pipeline.resend(config_of(config, session, lang), ids or (), target=target)
        session.show({"waiting": count}, lambda: print(phrases(session.language)("cli-deliver-waiting", n=count)))


def _print_done(done: Delivered, language: str) -> None:
    from rich.table import Table
    from rich.text import Text as Plain

    from churnml.language import Section, phrases

    console, t = out(), Section(phrases(language), "cli-deliver")
    if done.busy is not None:
        console.print(Plain(t("busy", who=done.busy)))
        return
    table = Table(box=None, pad_edge=False)
    names = ("accepted", "sent", "refused", "retried", "unknown", "calls")
    for name in ("target", *names, "next_try", "stopped"):
        table.add_column(t(f"column.{name}"), justify="right" if name in names else "left")
    for one in done.targets:
        counts = (str(getattr(one, name)) for name in names)
        table.add_row(*(Plain(word) for word in (one.target, *counts, _moment(one.next_at), one.stopped or "")))
    console.print(table)
    for one in done.targets:
        if one.finished:
            console.print(Plain(t("finished", n=one.finished, target=one.target)))
    if any(one.refused or one.unknown for one in done.targets):
        console.print(t("why", list="churnml deliver list CONFIG", resend="churnml deliver resend"))


def _print_preview(planned: list[Planned], language: str) -> None:
    from churnml.language import phrases

    for one in planned:
        print(f"# {phrases(language)('cli-deliver-due', target=one.target, n=one.records)}")
        for request in one.requests:
            print(f"{request.method} {request.url}")
            for name, value in request.headers.items():
                print(f"{name}: {value}")
            if request.body is not None:
                body = request.body
                print(body if isinstance(body, str) else json.dumps(body, ensure_ascii=False, indent=1))
            print()


def _print_findings(findings: list[Finding], language: str) -> None:
    from churnml.language import Section, phrases

    t = Section(phrases(language), "cli-deliver")
    for finding in findings:
        print(f"{t.ok if finding.ok else t.missing} {finding.target}: {finding.what}")
        if finding.remedy is not None:
            print(f"        {t('remedy', remedy=finding.remedy)}")


def _print_list(deliveries: list[Delivery], language: str) -> None:
    from rich.table import Table
    from rich.text import Text as Plain

    from churnml.language import Section, phrases

    console, t = out(), Section(phrases(language), "cli-deliver")
    if not deliveries:
        console.print(t.none)
        return
    table = Table(box=None, pad_edge=False)
    for name in ("id", "target", "key", "state", "reason", "said"):
        table.add_column(t(f"column.{name}"), justify="right" if name == "id" else "left")
    for one in deliveries:
        words = (str(one.id), one.target, one.key, t(f"state.{one.state}"), one.reason or "", (one.said or "")[:100])
        table.add_row(*(Plain(word) for word in words))
    console.print(table)


def _moment(when: datetime | None) -> str:
    return "" if when is None else f"{when:%Y-%m-%d %H:%M}Z"
