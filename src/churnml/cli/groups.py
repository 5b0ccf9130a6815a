"""A group of commands whose first one needs no name."""

from __future__ import annotations

from typing import Any, ClassVar

from typer.core import TyperGroup

__all__ = ["with_default"]


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
