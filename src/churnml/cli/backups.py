"""``churnml backup`` and ``churnml restore``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from churnml.cli.options import AsJson, ConfigPath, config_of
from churnml.cli.session import Session

__all__ = ["backup", "restore"]


def backup(
    config: ConfigPath,
    to: Annotated[Path, typer.Option(help="Archive to write")] = Path("churnml-backup.tar.gz"),
    as_json: AsJson = False,
) -> None:
    """Copy the store, the bundles and the list of the erased into one archive; the service goes on meanwhile."""
    with Session(as_json) as session:
        from churnml.language import number
        from churnml.pipeline import backups

        made = backups.backup(config_of(config, session), to)
        size = number(made.bytes / 1e6, session.language, 1)
        session.show(made, lambda: print(session.say("backup-made", megabytes=size, file=str(made.file))))


def restore(
    config: ConfigPath,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `churnml backup` has written")],
    as_json: AsJson = False,
) -> None:
    """Put a backup back; the service goes on meanwhile, and who was erased since then stays erased."""
    with Session(as_json) as session:
        from churnml.pipeline import backups

        done = backups.restore(config_of(config, session), file)
        taken = f"{done.taken_at:%Y-%m-%d %H:%M}"
        session.show(done, lambda: print(session.say("backup-restored", at=taken, n=done.erased_again)))
