"""The commands. Each reads its arguments, calls one function of the pipeline, and shows what it returned.

Nothing heavy is imported before a command runs, so ``churnml --help`` answers at once.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from churnml.cli.backups import backup, restore
from churnml.cli.data import audit, check
from churnml.cli.groups import deferred
from churnml.cli.init import init
from churnml.cli.kpis import kpis
from churnml.cli.modelling import run, score, train
from churnml.cli.monitor import monitor
from churnml.cli.options import DEMO, AsJson, config_of
from churnml.cli.privacy import erase, export
from churnml.cli.pull import pull
from churnml.cli.reading import explain, report
from churnml.cli.session import Session, report_failure
from churnml.cli.start import demo, simulate
from churnml.cli.survival import survival
from churnml.errors import UsageError

__all__ = ["app", "main"]

app = typer.Typer(
    help="Churn prediction and customer health for B2B SaaS.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run the command line; every error ends in a message, never in a traceback, and with ``--json`` in a document."""
    as_json = "--json" in sys.argv
    try:
        _refuse_broken_text(sys.argv[1:])
        # With --json typer must not write a wrong usage its own way: a script that reads stdout wants the document.
        sys.exit(app(standalone_mode=not as_json) or 0)
    except typer.Abort:
        sys.exit(1)
    except Exception as error:
        # Typer's errors of usage have this method; their class has no public name.
        usage = getattr(error, "format_message", None)
        sys.exit(report_failure(error if usage is None else UsageError(usage()), as_json=as_json))


def _refuse_broken_text(arguments: list[str]) -> None:
    """Refuse bytes that are no text in this terminal's encoding: no file, database or page could hold them."""
    for argument in arguments:
        try:
            argument.encode("utf-8")
        except UnicodeEncodeError as error:
            from churnml.language import Text

            raise UsageError(
                Text.of("fault-argument_text", encoding=str(sys.getfilesystemencoding())), got=ascii(argument[:80])
            ) from error


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version and leave")] = False) -> None:
    if version:
        from churnml import __version__

        typer.echo(f"churnml {__version__}")
        raise typer.Exit


def serve(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML file")] = DEMO,
    host: Annotated[str | None, typer.Option(help="Address to bind  [default: serving.host]")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Port  [default: serving.port]")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=64, help="Processes that answer  [default: CHURNML_WORKERS, else 1]")
    ] = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="No API keys; loopback only")] = False,
    as_json: AsJson = False,
) -> None:
    """Serve scores, predictions and explanations over HTTP until interrupted."""
    with Session(as_json) as session:
        from churnml import serving

        settings = config_of(config, session)
        serving.run(settings, host=host, port=port, workers=workers, insecure=insecure, file=config)


_START, _DATA, _TRAIN, _USE = "Start here", "Data", "Train and score", "Use the scores"
_EVERY_DAY = "Every day"
for _panel, _command in (
    (_START, init), (_START, demo), (_START, simulate), (_DATA, check), (_DATA, audit),
    (_DATA, pull),
    (_TRAIN, train), (_TRAIN, score), (_TRAIN, run),
    (_USE, kpis), (_USE, survival), (_USE, explain), (_USE, report), (_USE, serve),
    (_EVERY_DAY, monitor),
    (_EVERY_DAY, backup), (_EVERY_DAY, restore), (_EVERY_DAY, erase), (_EVERY_DAY, export),
):  # fmt: skip
    app.command(rich_help_panel=_panel)(_command)
for _panel, _name, _module, _help in (
    (_USE, "alerts", "alerts", "Alerts: list them, answer them, and try the rules on the past."),
    (_USE, "deliver", "deliver",
     "Deliver scores, tasks and messages to the targets of the config; safe to run again at any time."),
    (_USE, "tasks", "tasks", "Tasks: list them, do them, and see what the playbooks would open."),
    (_USE, "experiments", "experiments", "Experiments: what contacting accounts is worth."),
    (_USE, "health", "health", "Judge the health score, and fit its red threshold to the team."),
    (_TRAIN, "features", "modelling", "Make the training frame, or list its features."),
    (_TRAIN, "models", "models", "Champion and challengers: list, compare, promote, roll back."),
    (_DATA, "config", "data", "Look at a config."),
    (_DATA, "presets", "presets", "Mappings that are ready, one per tool and object."),
    (_USE, "keys", "keys", "Make, list and revoke API keys."),
    (_USE, "users", "users", "The people who look at the pages: add, invite, change, sign out."),
    (_EVERY_DAY, "daily", "daily",
     "The daily run: check, score, alerts, deliver and what else the config wants; safe to start at any time."),
):  # fmt: skip
    _group = deferred(f"churnml.cli.{_module}", f"{_name}_app")
    app.add_typer(typer.Typer(cls=_group, help=_help), name=_name, rich_help_panel=_panel)
