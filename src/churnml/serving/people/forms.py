"""Forms that only our own pages can send: each carries a token that another site cannot know.

The token is made from a secret in the browser's cookie that no script can read: the session's where there is one, else
one of its own. It is bound to who is looking, and ends with the session. Nothing is stored for it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import Annotated

from fastapi import Depends, Request
from markupsafe import Markup
from starlette.datastructures import FormData
from starlette.types import Scope

from churnml.language import Text
from churnml.serving.http.problems import Problem
from churnml.serving.people.cookies import FORM, SESSION, cookie, set_cookie
from churnml.serving.people.viewer import Viewer

__all__ = ["FIELD", "VIEWER", "CheckedForm", "checked_form", "form_field", "form_token"]

FIELD = "form_token"
"""Name of the field that carries the token."""

VIEWER = "churnml.viewer"
"""Entry of the scope: who is looking, where that is known."""

_SECRET = "churnml.form_secret"
_SECONDS = 86_400
_MADE = re.compile(r"[A-Za-z0-9_-]{43}")
_MOST_FIELDS = 2_000


def form_token(request: Request) -> str:
    """Return the token that a form of this page must carry in the field `FIELD`."""
    return _token(request.scope, _secret(request.scope))


def form_field(request: Request) -> Markup:
    """Return the hidden field with the token, for a template: ``{{ form_field }}`` inside each form."""
    return Markup('<input type="hidden" name="{}" value="{}">').format(FIELD, form_token(request))


async def checked_form(request: Request) -> FormData:
    """Return the fields of a form that one of our own pages sent; a dependency of each route that takes one.

    Raises
    ------
    Problem
        ``form.token``: another site sent it, or the session that it was made for has ended.
    """
    # The browser says who sent it; a page cannot change that.
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise Problem("form.token", "The form was sent by another site")
    form = await request.form(max_files=0, max_fields=_MOST_FIELDS)
    sent = form.get(FIELD)
    known = _known_secret(request.scope)
    right = known is not None and isinstance(sent, str) and sent.isascii()
    if not right or not hmac.compare_digest(str(sent), _token(request.scope, str(known))):
        raise Problem("form.token", "The form is of an earlier session; open the page again and repeat what you did")
    if any("\0" in part for item in form.multi_items() for part in item if isinstance(part, str)):
        no_text = Text.of("form-character")
        raise Problem("request.invalid", "The form holds a character that no text has", said=no_text)
    return form


CheckedForm = Annotated[FormData, Depends(checked_form)]
"""Parameter of a route: the fields of a form that one of our own pages sent."""


def _token(scope: Scope, secret: str) -> str:
    viewer: Viewer | None = scope.get(VIEWER)
    about = f"form {viewer.user_id if viewer else ''}"
    return hmac.new(secret.encode(), about.encode(), hashlib.sha256).hexdigest()


def _known_secret(scope: Scope) -> str | None:
    """Return the secret that the browser sent."""
    viewer: Viewer | None = scope.get(VIEWER)
    if viewer is not None and viewer.by == "session":
        return cookie(scope, SESSION)
    held = cookie(scope, FORM)
    return held if held is not None and _MADE.fullmatch(held) else None


def _secret(scope: Scope) -> str:
    """Return the secret that the browser sent, or a new one that the answer gives it."""
    held = _known_secret(scope) or scope.get(_SECRET)
    if held is None:
        held = scope[_SECRET] = secrets.token_urlsafe(32)
        set_cookie(scope, FORM, held, _SECONDS, same_site="strict")
    return str(held)
