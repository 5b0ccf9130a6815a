"""The API as an ASGI application."""

from __future__ import annotations

import json
from functools import cache, partial
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Scope

from churnml import __version__
from churnml.serving import pages, routes
from churnml.serving.http.authentication import KEY
from churnml.serving.http.handlers import add_handlers
from churnml.serving.http.problems import Problem
from churnml.serving.http.stack import with_middleware
from churnml.serving.openapi import with_examples, with_features
from churnml.serving.people.oidc import Provider
from churnml.serving.people.throttle import Throttle
from churnml.serving.routes.operation import SECURITY_SCHEMES
from churnml.serving.state import ServingState

__all__ = ["create_api", "create_app"]

ROUTERS = (*routes.ROUTERS, *pages.ROUTERS)
_ABOUT = """\
Churn risk and customer health of B2B accounts, with reasons in words.

Every answer says from what and from when it is: `as_of`, `scored_at`, `model_version`, `config_version`, `coverage`,
`freshness`, `warnings`. Every error is `application/problem+json` with a stable `code`.
"""


def create_app(state: ServingState) -> ASGIApp:
    """Return the whole application: the API behind its middleware.

    Parameters
    ----------
    state : ServingState
        What to serve from; the caller starts and stops it.
    """
    api = create_api(state)
    return with_middleware(api, state, partial(_page_of_problem, api))


def create_api(state: ServingState | None = None) -> FastAPI:
    """Return the API without its middleware; without `state` it can tell its OpenAPI but not answer."""
    api = _bare()
    api.state.serving = state
    api.state.documents = {}
    api.state.paths = frozenset(getattr(route, "path", "") for router in ROUTERS for route in router.routes)
    oidc = None if state is None else state.settings.sign_in.oidc
    api.state.provider = None if oidc is None or state is None else Provider(oidc, state.settings.secrets.get("oidc"))
    api.state.throttle = None if state is None else Throttle(state.settings)
    add_handlers(api, ROUTERS, pages.page_of_problem)
    api.openapi = _schema  # type: ignore[method-assign]
    return api


def _bare() -> FastAPI:
    api = FastAPI(
        title="churnml",
        version=__version__,
        description=_ABOUT,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    api.router = _router()
    return api


@cache
def _router() -> APIRouter:
    """Return all routes: they hold no state, and FastAPI takes its time over them when the first request comes."""
    router = APIRouter(redirect_slashes=False)
    for part in ROUTERS:
        router.include_router(part)
    router.add_route("/v1/openapi.json", _openapi, include_in_schema=False)
    return router


def _page_of_problem(api: FastAPI, scope: Scope, problem: Problem) -> Response | None:
    """Return the page of a problem that the middleware met, before or after the API itself."""
    return pages.page_of_problem(Request({**scope, "app": api}), problem)


async def _openapi(request: Request) -> Response:
    """Return the OpenAPI document; to a caller with a key it also names the features of the model in force."""
    scorer = request.app.state.serving.view.scorer if KEY in request.scope else None
    version = scorer.version if scorer else None
    made: dict[str | None, bytes] = request.app.state.documents
    if version not in made:
        schema = request.app.openapi()
        if scorer is not None:
            schema = with_features(schema, scorer)
        # One for callers without a key and one for the model in force are kept.
        made = {None: made[None]} if None in made else {}
        made[version] = json.dumps(schema, ensure_ascii=False).encode()
        request.app.state.documents = made
    return Response(made[version], media_type="application/json")


@cache
def _schema() -> dict[str, Any]:
    """Return the OpenAPI document: the same for every state."""
    schema = _bare().openapi()
    schema["components"]["securitySchemes"] = SECURITY_SCHEMES
    return with_examples(schema)
