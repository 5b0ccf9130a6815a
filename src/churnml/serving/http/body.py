"""A body is read whole before a route sees it: no more than allowed, and no longer than it may take."""

from __future__ import annotations

import asyncio
import json
import re

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from churnml.language import Text
from churnml.serving.http.paths import is_form_media, is_page
from churnml.serving.http.problems import Problem

__all__ = ["BodyMiddleware"]

_SECONDS = 10.0
_HALF = re.compile(r"\\u[dD][89a-fA-F]")


class BodyMiddleware:
    """Reads the body, and refuses one that is too large, too slow or not declared as JSON; a page takes forms.

    Parameters
    ----------
    app : ASGI app
    most_bytes : int
        Bytes that a body may have.
    """

    def __init__(self, app: ASGIApp, most_bytes: int) -> None:
        self._app = app
        self._most = most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        body = await self._read(headers, receive)
        media = headers.get("content-type", "").partition(";")[0].strip().lower()
        if is_page(scope["path"]) and is_form_media(media):
            await self._app(scope, _replay(body, receive), send)
            return
        if body and media != "application/json" and not media.endswith("+json"):
            form = "detail-media_type" if media else "detail-media_type.none"
            raise Problem("request.media_type", Text.of(form, got=repr(media[:80])))
        _refuse_half_characters(body)
        await self._app(scope, _replay(body, receive), send)

    async def _read(self, headers: Headers, receive: Receive) -> bytes:
        too_large = Problem(
            "request.too_large", Text.of("detail-too_large", n=str(self._most)), headers={"Connection": "close"}
        )
        declared = headers.get("content-length", "0")
        if declared.isdigit() and int(declared) > self._most:
            raise too_large
        parts, size, more = [], 0, True
        try:
            async with asyncio.timeout(_SECONDS):
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Problem("request.timeout", Text.of("detail-closed"))
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    if size > self._most:
                        raise too_large
                    more = message.get("more_body", False)
        except TimeoutError:
            raise Problem("request.timeout", Text.of("detail-late_body", seconds=round(_SECONDS))) from None
        return b"".join(parts)


def _refuse_half_characters(body: bytes) -> None:
    """Refuse a body that cannot be decoded, or names half of a character (a lone surrogate), which no answer holds."""
    problem = Problem("request.json", Text.of("detail-half_character"))
    try:
        # As the parser decodes it, but strictly: the parser lets halves through.
        text = body.decode(json.detect_encoding(body))
    except UnicodeDecodeError:
        raise problem from None
    if _HALF.search(text) is None:
        return
    try:
        json.dumps(json.loads(text), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise problem from None
    except (ValueError, RecursionError):
        return  # not JSON at all, which the route says better


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a receive that hands out a body already read, then goes on as before."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
