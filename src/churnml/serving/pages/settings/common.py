"""What the pages of Settings share: their place, who may come in, what was done, and what was wrong with a form."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from anyio import to_thread
from fastapi import APIRouter, Request
from starlette.datastructures import FormData
from starlette.responses import Response

from churnml.errors import ChurnmlError, UsageError
from churnml.language import phrases
from churnml.serving.http.request_id import REQUEST_ID
from churnml.serving.pages.frame import frame_of
from churnml.serving.people import language_of, needs, viewer_of
from churnml.serving.routes.operation import state_of
from churnml.store import Actor

__all__ = [
    "SECTIONS",
    "actor_of",
    "fault_of",
    "field",
    "in_store",
    "said",
    "section_router",
    "settings_page",
    "state_of",
]

T = TypeVar("T")

SECTIONS = ("people", "keys", "rules", "names", "deliveries", "audit")
"""The pages of Settings, each at ``/settings/<name>``; the first also at ``/settings``."""


def section_router() -> APIRouter:
    """Return a router whose pages are for administrators only."""
    return APIRouter(include_in_schema=False, dependencies=[needs("administer")])


def actor_of(request: Request) -> Actor:
    """Return who changes something, for the audit log."""
    return Actor(viewer_of(request).user_id, datetime.now(UTC), request.scope.get(REQUEST_ID))


async def in_store(work: Callable[[], T]) -> T:
    """Ask or change the store, beside the event loop."""
    return await to_thread.run_sync(work)


def field(form: FormData, name: str, most: int = 255) -> str:
    """Return a field of a form as text, without spaces around it; empty where it was not sent."""
    value = form.get(name, "")
    return value.strip()[:most] if isinstance(value, str) else ""


def said(request: Request, code: str, **arguments: Any) -> str:
    """Return a message in the viewer's language."""
    return phrases(language_of(request))(code, **arguments)


def fault_of(request: Request, error: ChurnmlError) -> str:
    """Return what was wrong with a form, in the viewer's language.

    Raises
    ------
    ChurnmlError
        The store itself failed: that is no fault of the form.
    """
    if not isinstance(error, UsageError) and error.code.startswith("store"):
        raise error
    say = phrases(language_of(request))
    return say.or_plain(f"settings-fault-{error.code.replace('.', '_')}", error.what)


def settings_page(request: Request, section: str, *, fault: str = "", status: int = 200, **given: Any) -> Response:
    """Return a page of Settings.

    Parameters
    ----------
    request : Request
    section : str
        One of `SECTIONS`.
    fault : str
        What was wrong with the form that was sent.
    status : int
        HTTP status.
    **given
        `title`, where it is not the section's name, and what its template ``settings_<section>.html.j2`` speaks of.
    """
    frame = frame_of(request)
    say = phrases(frame.language)
    title = str(given.pop("title", "")) or say(f"settings-{section}")
    done = f"settings-done-{request.query_params.get('done', '')}"
    return frame.answer(
        f"settings_{section}.html.j2",
        here="settings",
        title=title,
        status=status,
        section=section,
        sections=SECTIONS,
        fault=fault,
        done=say(done) if request.method == "GET" and done in say else "",
        **given,
    )
