"""Options and steps that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from churnml.cli.session import Session

if TYPE_CHECKING:
    from churnml.config import Config

__all__ = ["DEMO", "AsJson", "Author", "ConfigOption", "ConfigPath", "Lang", "Note", "config_of"]

DEMO = Path("configs/demo.yaml")
ConfigPath = Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML file, e.g. configs/demo.yaml")]
ConfigOption = Annotated[Path, typer.Option("--config", "-c", metavar="CONFIG", help="YAML file")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout; progress goes to stderr")]
Lang = Annotated[str | None, typer.Option("--lang", help="Language, e.g. en or ja  [default: the config's language]")]
Author = Annotated[str, typer.Option("--by", help="Who answers; it goes on record")]
Note = Annotated[str | None, typer.Option(help="A few words for whoever reads it next")]


def config_of(path: Path, session: Session, language: str | None = None) -> Config:
    """Read a config; the session speaks its language, or the one that was asked for.

    Raises
    ------
    ConfigError, UsageError
        The config is wrong, or there is no such language.
    """
    from churnml.config import load_config

    config = load_config(path)
    session.use(config)
    session.speak(language)
    return config
