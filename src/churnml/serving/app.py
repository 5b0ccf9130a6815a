"""The API as an ASGI application."""

from __future__ import annotations

import json
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match

from churnml import __version__
from churnml.errors import ChurnmlError
from churnml.serving import accounts, judgements, operations, pages, predictions
from churnml.serving.examples import with_examples, with_features
from churnml.serving.guard import KEY, REQUEST_ID, Guard
from churnml.serving.live import Live
from churnml.serving.problems import Problem, faults_of, problem_of
from churnml.serving.scope import SECURITY_SCHEMES

__all__ = ["create_api", "create_app"]

_ROUTERS = (
    predictions.router,
    predictions.aliases,
    accounts.router,
    judgements.router,
    operations.router,
    pages.router,
)
_ABOUT = """\
Churn risk and customer health of B2B accounts, with reasons in words.

Every answer says from what and from when it is: `as_of`, `scored_at`, `model_version`, `config_version`, `coverage`,
`freshness`, `warnings`. Every error is `application/problem+json` with a stable `code`.
"""


def create_app(live: Live) -> Guard:
    """Return the whole application: the API behind its guard.

    Parameters
    ----------
    live : Live
        What to serve from; the caller starts and stops it.
    """
    return Guard(create_api(live), live)


def create_api(live: Live | None = None) -> FastAPI:
    """Return the API without its guard; without `live` it can tell its OpenAPI but not answer."""
    api = FastAPI(
        title="churnml",
        version=__version__,
        description=_ABOUT,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    api.state.live = live
    api.state.documents = {}
    for router in _ROUTERS:
        api.include_router(router)
    api.add_exception_handler(Problem, _on_problem)
    api.add_exception_handler(ChurnmlError, _on_error)
    api.add_exception_handler(RequestValidationError, _on_invalid)
    api.add_exception_handler(HTTPException, _on_http)
    api.add_exception_handler(Exception, _on_fault)
    bare = api.openapi
    api.openapi = lambda: _completed(bare())  # type: ignore[method-assign]
    api.add_route("/v1/openapi.json", _openapi, include_in_schema=False)
    return api


async def _openapi(request: Request) -> Response:
    """Return the OpenAPI document; to a caller with a key it also names the features of the model in force."""
    scorer = request.app.state.live.view.scorer if KEY in request.scope else None
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


def _completed(schema: dict[str, Any]) -> dict[str, Any]:
    schema["components"]["securitySchemes"] = SECURITY_SCHEMES
    return with_examples(schema)


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return error.response(request.scope.get(REQUEST_ID))


async def _on_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ChurnmlError)
    return problem_of(error).response(request.scope.get(REQUEST_ID))


async def _on_fault(request: Request, _error: Exception) -> Response:
    return await _on_problem(request, Problem("service.error", "The service failed; its log says why"))


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults: list[Any] = list(error.errors())
    if any(fault["type"] == "json_invalid" for fault in faults):
        why = str(faults[0].get("ctx", {}).get("error", "it cannot be parsed"))
        return await _on_problem(request, Problem("request.json", f"The body is not JSON: {why[:200]}"))
    found = faults_of(faults)
    where, what = found[0]
    return await _on_problem(request, Problem("request.invalid", f"{where}: {what}", errors=found))


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        problem = Problem("path.unknown", "There is no such path; GET /v1/openapi.json lists them")
    elif error.status_code == 405:
        allowed = {"Allow": ", ".join(sorted(_methods(request)))}
        problem = Problem("request.method", f"The path does not take {request.method[:20]}", headers=allowed)
    elif error.status_code == 400:
        problem = Problem("request.json", "The body cannot be read as JSON in UTF-8")
    else:
        problem = Problem("service.error", json.dumps(error.detail)[:200])
    return await _on_problem(request, problem)


def _methods(request: Request) -> set[str]:
    """Return the methods that a path takes, over all of its routes."""
    found: set[str] = set()
    for router in _ROUTERS:
        for route in router.routes:
            if isinstance(route, APIRoute) and route.matches(request.scope)[0] is not Match.NONE:
                found |= route.methods or set()
    return found
