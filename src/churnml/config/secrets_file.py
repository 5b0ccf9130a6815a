"""Reads a file of secrets that only its owner may read."""

from __future__ import annotations

import re
import stat
import sys
from pathlib import Path

from churnml.errors import ConfigError
from churnml.language import Text

__all__ = ["read_secrets"]

_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")


def read_secrets(path: Path) -> dict[str, str]:
    """Return the secrets of a file of lines ``NAME=value``; empty lines and those that begin with ``#`` say nothing.

    Parameters
    ----------
    path : Path

    Raises
    ------
    ConfigError
        The file is missing, others may read it, or a line is none; the message never shows a value.
    """
    where = f"secrets_file: {path}"
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            Text.of("fault-secrets_unread"), where=where, got=type(error).__name__, code="config.secrets_file"
        ) from None
    if sys.platform != "win32" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(
            Text.of("fault-secrets_open"),
            where=where,
            got=Text.of("fault-secrets_open.got", mode=f"{stat.S_IMODE(mode):04o}"),
            remedy=f"chmod 600 {path}",
            code="config.secrets_file",
        )
    secrets: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise ConfigError(
                Text.of("fault-secrets_line"),
                where=Text.of("fault-secrets_line.where", where=where, number=str(number)),
                expected="NAME=value",
                code="config.secrets_file",
            )
        value = match.group(2)
        quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
        secrets[match.group(1)] = value[1:-1] if quoted else value
    return secrets
