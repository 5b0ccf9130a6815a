"""Answers as few bytes, to who can read them so."""

from __future__ import annotations

import gzip
from collections.abc import Mapping

from fastapi import Request
from starlette.responses import Response

__all__ = ["compressed"]

_LEVEL = 5
_WORTH = 1000
"""Below so many bytes compressing saves nothing."""


def compressed(
    request: Request, content: bytes, media: str, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Return an answer, compressed where the caller takes gzip."""
    sent = {**(headers or {}), "Vary": "Accept-Encoding"}
    if len(content) >= _WORTH and "gzip" in request.headers.get("accept-encoding", ""):
        content = gzip.compress(content, _LEVEL, mtime=0)
        sent["Content-Encoding"] = "gzip"
    return Response(content, status, headers=sent, media_type=media)
