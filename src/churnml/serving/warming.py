"""Every page is made once before anybody asks: what a process does only once is paid for while it starts.

That is compiling templates and statements, reading catalogues, importing what draws and packs, and the store's first
read. It takes a second or two; without it the first person to come waits for their part of it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from urllib.parse import quote

from starlette.types import ASGIApp, Message, Scope

from churnml.language import languages
from churnml.serving.app import create_api
from churnml.serving.http.authentication import ANYONE, KEY
from churnml.serving.pages import compile_templates
from churnml.serving.people.cookies import CookiesMiddleware
from churnml.serving.people.forms import VIEWER
from churnml.serving.people.viewer import viewer_with_key
from churnml.serving.state import ServingState

__all__ = ["warm_up"]

_LOG = logging.getLogger("churnml.serving")
_FIRST = ("/", "/accounts")
_MANAGERS_PAGES = ("/team", "/company", "/company/renewals", "/proof", "/settings/people", "/settings/rules")


def warm_up(state: ServingState, ready: Callable[[], None] = lambda: None) -> int:
    """Make the pages once, for nobody; returns how many could be made. Never raises: nothing depends on it.

    Parameters
    ----------
    state : ServingState
        Started. Nothing of it changes, and no request is logged or counted.
    ready : callable
        Called once, when what people see first is done; the rest follows.
    """
    began = time.monotonic()
    try:
        made = asyncio.run(_make(state, ready))
        compile_templates()
    except Exception as error:
        _LOG.warning("The pages could not be made beforehand: %s: %s", type(error).__name__, error)
        return 0
    finally:
        ready()
    _LOG.info("%d pages were made beforehand in %.1f s", made, time.monotonic() - began)
    return made


async def _make(state: ServingState, ready: Callable[[], None]) -> int:
    app = CookiesMiddleware(create_api(state))
    snapshot, own = state.view.snapshot, state.settings.language
    accounts = () if snapshot is None else state.store.accounts(snapshot.id, limit=1).accounts
    first = (*_FIRST, *(f"/accounts/{quote(one.account_id, safe='')}" for one in accounts))
    made = 0
    for language in sorted(languages(), key=lambda one: one != own):
        for path in first:
            made += await _ask(app, path, language)
        ready()
    for path in _MANAGERS_PAGES:
        made += await _ask(app, path, own)
    return made


async def _ask(app: ASGIApp, path: str, language: str) -> bool:
    """Ask for a page as the application is asked behind its middleware; tells whether it could be made."""
    status = 0

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status
        status = message.get("status", status)

    headers = {"accept": "text/html", "accept-language": language, "accept-encoding": "gzip", "host": "127.0.0.1"}
    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 0),
        "server": ("127.0.0.1", 0),
        "state": {},
        KEY: ANYONE,
        VIEWER: viewer_with_key(ANYONE, insecure=True),
    }
    await app(scope, receive, send)
    return status == 200
