"""``churnml deliver``: brings scores, tasks and messages to the tools where people work."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from churnml.cli.groups import with_default
from churnml.cli.options import AsJson, ConfigPath
from churnml.cli.session import Session

if TYPE_CHECKING:
    from churnml.deliveries import Delivered, Finding, Planned
    from churnml.store import Delivery

__all__ = ["deliver_app"]

deliver_app = typer.Typer(
    cls=with_default("send"),
    no_args_is_help=True,
    help="Deliver scores, tasks and messages to the targets of the config; safe to run again at any time.",
)

Target = Annotated[str | None, typer.Option(help="Only this target, e.g. hubspot or slack.cs")]


@deliver_app.command("send")
def deliver_send(
    config: ConfigPath,
    target: Target = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the exact requests; send nothing")] = False,
    requests: Annotated[int, typer.Option(min=1, max=1000, help="Dry run: calls shown of a target and topic")] = 3,
    as_json: AsJson = False,
) -> None:
    """Plan what has changed, and send what is due; exits with 1 when a target had to be left alone."""
    failed = False
    with Session(as_json) as session:
        from churnml import pipeline
        from churnml.config import load_config

        settings = load_config(config)
        if dry_run:
            planned = pipeline.preview_deliveries(settings, target=target, requests=requests)
            session.show({"targets": planned}, lambda: _print_preview(planned))
        else:
            done = pipeline.deliver(settings, target=target)
            session.show(done, lambda: _print_done(done))
            failed = any(one.stopped for one in done.targets)
    if failed:
        raise typer.Exit(1)


@deliver_app.command("check")
def deliver_check(config: ConfigPath, target: Target = None, as_json: AsJson = False) -> None:
    """Ask each target what is missing, may not be written or is too short; exits with 1 when something is."""
    ok = True
    with Session(as_json) as session:
        from churnml import pipeline
        from churnml.config import load_config

        findings = pipeline.check_deliveries(load_config(config), target=target)
        session.show({"findings": findings}, lambda: _print_findings(findings))
        ok = all(finding.ok for finding in findings)
    if not ok:
        raise typer.Exit(1)


@deliver_app.command("list")
def deliver_list(
    config: ConfigPath,
    target: Target = None,
    everything: Annotated[bool, typer.Option("--all", help="Accepted and waiting ones too")] = False,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many")] = 50,
    as_json: AsJson = False,
) -> None:
    """List the dead letters: what a target has refused for good, and what nobody knows the outcome of."""
    with Session(as_json) as session:
        from churnml import pipeline
        from churnml.config import load_config

        every = ("waiting", "sending", "sent", "accepted", "refused", "unknown")
        states = every if everything else ("refused", "unknown")
        found = pipeline.list_deliveries(load_config(config), target=target, states=states, limit=limit)
        session.show({"deliveries": found}, lambda: _print_list(found))


@deliver_app.command("resend")
def deliver_resend(
    config: ConfigPath,
    ids: Annotated[list[int] | None, typer.Argument(metavar="[ID]…", help="As `deliver list` prints them")] = None,
    target: Target = None,
    as_json: AsJson = False,
) -> None:
    """Let dead letters be sent again by the next run: some by id, or all of a target."""
    with Session(as_json) as session:
        from churnml import pipeline
        from churnml.config import load_config

        count = pipeline.resend(load_config(config), ids or (), target=target)
        session.show({"waiting": count}, lambda: print(f"{count} wait for the next `churnml deliver`."))


def _print_done(done: Delivered) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text as Plain

    console = Console(highlight=False)
    if done.busy is not None:
        console.print(Plain(f"Another process is delivering ({done.busy}); nothing was done."))
        return
    table = Table(box=None, pad_edge=False)
    names = ("accepted", "sent", "refused", "retried", "unknown", "calls")
    for name in ("target", *names, "next try", "stopped by"):
        table.add_column(name, justify="right" if name in names else "left")
    for one in done.targets:
        counts = (str(getattr(one, name)) for name in names)
        table.add_row(*(Plain(word) for word in (one.target, *counts, _moment(one.next_at), one.stopped or "")))
    console.print(table)
    if any(one.refused or one.unknown for one in done.targets):
        console.print("`churnml deliver list CONFIG` says why; `churnml deliver resend` tries again.")


def _print_preview(planned: list[Planned]) -> None:
    for one in planned:
        print(f"# {one.target}: {one.records} records are due")
        for request in one.requests:
            print(f"{request.method} {request.url}")
            for name, value in request.headers.items():
                print(f"{name}: {value}")
            if request.body is not None:
                body = request.body
                print(body if isinstance(body, str) else json.dumps(body, ensure_ascii=False, indent=1))
            print()


def _print_findings(findings: list[Finding]) -> None:
    for finding in findings:
        print(f"{'ok     ' if finding.ok else 'MISSING'} {finding.target}: {finding.what}")
        if finding.remedy is not None:
            print(f"        do: {finding.remedy}")


def _print_list(found: list[Delivery]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text as Plain

    console = Console(highlight=False)
    if not found:
        console.print("No dead letters.")
        return
    table = Table(box=None, pad_edge=False)
    for name in ("id", "target", "key", "state", "reason", "said"):
        table.add_column(name, justify="right" if name == "id" else "left")
    for one in found:
        words = (str(one.id), one.target, one.key, one.state, one.reason or "", (one.said or "")[:100])
        table.add_row(*(Plain(word) for word in words))
    console.print(table)


def _moment(when: datetime | None) -> str:
    return "" if when is None else f"{when:%Y-%m-%d %H:%M}Z"
