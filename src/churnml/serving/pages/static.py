"""The style sheet and the script of the pages, under names that change with what is in them."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files

from fastapi import APIRouter, Request
from starlette.responses import Response

from churnml.serving.http.authentication import STATIC
from churnml.serving.http.problems import Problem
from churnml.serving.pages.compression import compressed

__all__ = ["address_of", "router"]

router = APIRouter(include_in_schema=False)
_MEDIA = {"pages.css": "text/css; charset=utf-8", "pages.js": "text/javascript; charset=utf-8"}
_YEAR = "public, max-age=31536000, immutable"


@cache
def _content(name: str) -> bytes:
    return (files("churnml.serving.pages") / "static" / name).read_bytes()


@cache
def address_of(name: str) -> str:
    """Return the address of a file; a browser may keep it, for a changed file has another.

    Examples
    --------
    >>> address_of("pages.css").startswith("/static/pages.css?v=")
    True
    """
    return f"{STATIC}{name}?v={hashlib.sha256(_content(name)).hexdigest()[:12]}"


@router.get(STATIC + "{name}")
async def get_static(request: Request, name: str) -> Response:
    """Return the style sheet or the script."""
    if name not in _MEDIA:
        raise Problem("path.unknown", "There is no such path")
    caching = _YEAR if request.url.query == address_of(name).partition("?")[2] else "no-cache"
    return compressed(request, _content(name), _MEDIA[name], headers={"Cache-Control": caching})
