"""What the forms of the pages do: a change in the store by who looks, then back to where they were."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import FormData
from starlette.responses import RedirectResponse, Response

from churnml.language import Text
from churnml.serving.http.problems import Problem
from churnml.serving.http.request_id import REQUEST_ID
from churnml.serving.pages.frame import Frame
from churnml.serving.people import Action
from churnml.serving.people.looking import local_path
from churnml.serving.routes.work import refused
from churnml.serving.routes.writes import in_turn
from churnml.store import Actor

__all__ = ["UNKNOWN_CHOICE", "act", "back_to", "numbers", "text_of"]

UNKNOWN_CHOICE = Text.of("form-unknown_choice")
"""What is said of a form that asks for what its page does not offer."""

T = TypeVar("T")


async def act(frame: Frame, action: Action, change: Callable[[Actor, float], T]) -> T:
    """Make a change in the store by who looks.

    Parameters
    ----------
    frame : Frame
    action : str
        What they must be allowed to do.
    change : callable
        Takes who writes, and the time after which nothing may be kept, on the clock of `time.monotonic`.

    Raises
    ------
    Problem
        They may not; the store refuses; too many writes wait already.
    """
    viewer = frame.viewer
    if not viewer.may(action):
        raise Problem("auth.role", f"A {viewer.role} may not do this ({action})")
    actor = Actor(viewer.user_id, frame.now, frame.request.scope[REQUEST_ID])
    with refused():
        return await in_turn(frame.request, lambda deadline: change(actor, deadline))


def back_to(form: FormData, **done: Any) -> Response:
    """Return the answer that leads back to where a form was, and says there what was done."""
    parts = urlsplit(local_path(form.get("back")))
    others = [(name, value) for name, value in parse_qsl(parts.query) if not name.startswith("done")]
    outcome = [
        (f"done.{name}" if name != "done" else name, str(one))
        for name, value in done.items()
        for one in (value if isinstance(value, list | tuple) else [value])
        if one is not None
    ]
    query = urlencode([*others, *outcome])
    return RedirectResponse(parts.path + (f"?{query}" if query else ""), 303)


def text_of(form: FormData, name: str, *, most: int = 2000, required: bool = False) -> str | None:
    """Return a field that somebody has written, or None where it is empty.

    Raises
    ------
    Problem
        It is too long, or missing where it is needed.
    """
    value = str(form.get(name) or "").strip()
    if len(value) > most:
        raise Problem("request.invalid", f"{name}: at most {most} characters", said=Text.of("form-too_long", n=most))
    if required and not value:
        raise Problem("request.invalid", f"{name}: write a few words", said=Text.of("form-few_words"))
    return value or None


def numbers(form: FormData, name: str) -> list[int]:
    """Return the ids that a form names."""
    try:
        ids = [int(str(value)) for value in form.getlist(name)]
    except ValueError:
        raise Problem("request.invalid", f"{name}: not a number", said=Text.of("form-number")) from None
    if any(not 0 < one < 2**31 for one in ids):
        raise Problem("request.invalid", f"{name}: no such number", said=Text.of("form-number"))
    return ids[:500]
