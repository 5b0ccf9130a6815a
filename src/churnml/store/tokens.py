"""Secrets that are shown once and kept as a hash: ``<kind>_<id>_<secret>``."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import Literal

__all__ = ["Token", "is_hash_of", "new_token", "token_id"]

_TOKEN = re.compile(r"([a-z]{1,12})_([0-9a-f]{12}|[0-9a-f]{16})_[A-Za-z0-9_-]{43}")
"""What `new_token` makes; anything else, such as a text that a database cannot hold, is none."""


@dataclass(frozen=True)
class Token:
    """A new secret: what is handed out, and what is kept of it.

    The secret part has 256 random bits, so one SHA-256 of the whole is enough to keep: it cannot be guessed back,
    and a slow password hash would only slow each request.
    """

    text: str
    id: str
    hash: str


def new_token(kind: str, *, id_bytes: Literal[6, 8] = 8) -> Token:
    """Make a token of a kind, such as ``link``."""
    name = secrets.token_hex(id_bytes)
    text = f"{kind}_{name}_{secrets.token_urlsafe(32)}"
    return Token(text, name, _hash(text))


def token_id(kind: str, text: str) -> str | None:
    """Return the id in a token as somebody sent it; None where it cannot be one of that kind.

    Examples
    --------
    >>> token = new_token("link")
    >>> token_id("link", token.text) == token.id, token_id("session", token.text), token_id("link", "' OR 1=1")
    (True, None, None)
    """
    made = _TOKEN.fullmatch(text)
    return made[2] if made is not None and made[1] == kind else None


def is_hash_of(stored: str, text: str) -> bool:
    """Tell whether a token is the one whose hash was kept."""
    return hmac.compare_digest(stored, _hash(text))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
