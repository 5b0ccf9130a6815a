"""What operations share: the caller, the language, the documented problems, the JSON answer."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Header, Query, Request
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.responses import Response

import churnml.api.work  # noqa: F401  (its bodies are built below)
from churnml.api.problems import CODES
from churnml.api.requests import Body
from churnml.language import Language, Text
from churnml.serving.http.authentication import KEY
from churnml.serving.http.problems import Problem
from churnml.serving.http.request_id import REQUEST_ID
from churnml.serving.state import ServingState
from churnml.store import Actor, ApiKey, IdempotencyKey

__all__ = [
    "SECURITY_SCHEMES",
    "IdempotencyHeader",
    "Lang",
    "ScopedRoute",
    "actor_of",
    "as_json",
    "documented",
    "language",
    "state_of",
    "may",
    "idempotency_of",
    "require",
]


def _build(body: type[Body]) -> None:
    """Build a body and its kinds: FastAPI wants them whole, while a client leaves them until it sends one."""
    body.model_config["defer_build"] = False
    body.model_rebuild()
    for kind in body.__subclasses__():
        _build(kind)


_build(Body)

Lang = Annotated[Language | None, Query(description="Language of sentences; default the config's")]
IdempotencyHeader = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="A text of your own that names this write: repeated within 24 hours it changes nothing and gets "
        "the first answer, with `Idempotency-Replayed: true`",
        examples=["7c2d0a34-8e0e-4c83-9c55-3f3c1ce4f7a1"],
    ),
]

SECURITY_SCHEMES = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "`Authorization: Bearer churnml_…`; `churnml keys create` makes a key",
    },
    "key": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "The same key, for tools that cannot send a bearer",
    },
}
"""The ways to send a key, for the OpenAPI."""


class ScopedRoute(APIRoute):
    """A route that asks for one of the scopes that its OpenAPI names under ``x-scopes``."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler behind the check."""
        handle = super().get_route_handler()
        scopes = tuple((self.openapi_extra or {}).get("x-scopes", ()))

        async def checked(request: Request) -> Response:
            if scopes:
                require(request, *scopes)
            return await handle(request)

        return checked


def may(*scopes: str) -> dict[str, Any]:
    """Return the OpenAPI entries by which `ScopedRoute` asks for one of the scopes."""
    return {"security": [{"bearer": []}, {"key": []}], "x-scopes": list(scopes)}


def state_of(request: Request) -> ServingState:
    """Return the service's state."""
    state: ServingState = request.app.state.serving
    return state


def language(request: Request, lang: str | None) -> Language:
    """Return the language to answer in."""
    return lang or state_of(request).settings.language


def require(request: Request, *scopes: str) -> None:
    """Refuse a caller whose key has none of the scopes."""
    key: ApiKey = request.scope[KEY]
    if not any(key.may(scope) for scope in scopes):
        raise Problem("auth.scope", Text.of("detail-scope", key=key.id, scopes=" or ".join(scopes)))


def actor_of(request: Request) -> Actor:
    """Return who writes, for the audit log."""
    key: ApiKey = request.scope[KEY]
    return Actor(key.id, datetime.now(UTC), request.scope[REQUEST_ID])


def idempotency_of(request: Request, key: str | None, body: BaseModel | None = None) -> IdempotencyKey | None:
    """Return the idempotency key with the fingerprint of the request it came with."""
    if key is None:
        return None
    sent = body.model_dump_json() if body is not None else ""
    text = f"{request.method} {request.url.path} {request.url.query} {sent}"
    return IdempotencyKey(key, hashlib.sha256(text.encode()).hexdigest())


def as_json(answer: BaseModel, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return an answer as JSON."""
    return Response(answer.model_dump_json(), status, headers=headers, media_type="application/json")


def documented(*codes: str) -> dict[int | str, dict[str, Any]]:
    """Return the problems of an operation for its OpenAPI: those named, and those that any operation can have."""
    general = ("auth.missing", "auth.scope", "rate.limited", "request.method", "request.headers", "request.timeout")
    late = ("service.store", "service.timeout", "service.error")
    responses: dict[int | str, dict[str, Any]] = {}
    for code in (*codes, *general, *late):
        status, title = CODES[code]
        media = {
            "schema": {"$ref": "#/components/schemas/ProblemAnswer"},
            "examples": {code: {"value": Problem(code, title).body("5f0c1e2a9b7d4c33").model_dump(mode="json")}},
        }
        described = responses.setdefault(status, {"description": title, "content": {"application/problem+json": media}})
        if described["description"] != title:
            described["description"] += f"; or: {title}"
            described["content"]["application/problem+json"]["examples"].update(media["examples"])
    return responses
