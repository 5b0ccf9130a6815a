"""Two kinds of groups: one that is read when it is used, and one whose first command needs no name."""

from __future__ import annotations

from importlib import import_module
from typing import Any, ClassVar

import typer
from typer.core import TyperGroup
from typer.main import get_group

__all__ = ["deferred", "with_default"]


def deferred(module: str, attribute: str) -> type[TyperGroup]:
    """Return a kind of group that stands in the list of commands, and is imported when one of its own is called.

    ``churnml --help`` names the groups alone, and need not wait until every command of each is built.

    Parameters
    ----------
    module, attribute : str
        Where the group is: a module, and the name of the ``typer.Typer`` in it.
    """

    class Deferred(TyperGroup):
        def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
            """Hand over to the group itself: everything below the name is its own."""
            source: typer.Typer = getattr(import_module(module), attribute)
            group = get_group(source)
            group.name, group.help = self.name, self.help
            return group.make_context(info_name, args, parent=parent, **extra)

    return Deferred


def with_default(command: str) -> type[TyperGroup]:
    """Return a kind of group whose first argument may be a config: ``deliver CONFIG`` beside ``deliver check CONFIG``.

    Parameters
    ----------
    command : str
        The command that is meant where none is named.
    """

    class WithDefault(TyperGroup):
        default: ClassVar[str] = command

        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
            """Put the default command in front when the first argument is not a command of the group."""
            if args and args[0] not in self.commands and args[0] not in ("-h", "--help"):
                args = [self.default, *args]
            return super().parse_args(ctx, args)

    return WithDefault
