"""What FastAPI raises while it reads a request, as problems of the API."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match

from churnml.errors import ChurnmlError
from churnml.language import Text, languages
from churnml.serving.http.problems import Problem, faults_of, language_asked, problem_of
from churnml.serving.http.request_id import REQUEST_ID

__all__ = ["add_handlers"]

ProblemPage = Callable[[Request, Problem], Response | None]


def add_handlers(
    api: FastAPI, routers: Iterable[APIRouter], page: ProblemPage = lambda _request, _problem: None
) -> None:
    """Give an application a handler for each kind of exception, so that every error is a problem.

    Parameters
    ----------
    api : FastAPI
        The application.
    routers : iterable of APIRouter
        Its routers, to say which methods a path takes.
    page : callable
        Returns the page that tells a person of a problem; None where a program asks.
    """
    known = list(routers)
    api.state.page_of_problem = page

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return await _on_problem(request, _problem_of_http(request, error, known))

    api.add_exception_handler(Problem, _on_problem)
    api.add_exception_handler(ChurnmlError, _on_error)
    api.add_exception_handler(RequestValidationError, _on_invalid)
    api.add_exception_handler(HTTPException, on_http)
    api.add_exception_handler(Exception, _on_fault)


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    page: ProblemPage = request.app.state.page_of_problem
    response = page(request, error)
    if response is not None:
        return response
    state = getattr(request.app.state, "serving", None)
    usual = languages()[0] if state is None else state.settings.language
    return error.response(request.scope.get(REQUEST_ID), language_asked(request.scope, usual))


async def _on_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ChurnmlError)
    return await _on_problem(request, problem_of(error))


async def _on_fault(request: Request, _error: Exception) -> Response:
    return await _on_problem(request, Problem("service.error", Text.of("detail-failed")))


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults: list[Any] = list(error.errors())
    if any(fault["type"] == "json_invalid" for fault in faults):
        why = str(faults[0].get("ctx", {}).get("error", "it cannot be parsed"))
        return await _on_problem(request, Problem("request.json", Text.of("detail-not_json", why=why[:200])))
    pointed = faults_of(faults)
    where, what = pointed[0]
    return await _on_problem(
        request, Problem("request.invalid", Text.of("detail-at", where=where, what=what), errors=pointed)
    )


def _problem_of_http(request: Request, error: HTTPException, routers: Iterable[APIRouter]) -> Problem:
    if error.status_code == 404:
        return Problem("path.unknown", Text.of("detail-path"))
    if error.status_code == 405:
        allowed = {"Allow": ", ".join(sorted(_methods(request, routers)))}
        return Problem("request.method", Text.of("detail-method", method=request.method[:20]), headers=allowed)
    if error.status_code == 400:
        return Problem("request.json", Text.of("detail-no_json"))
    return Problem("service.error", json.dumps(error.detail)[:200])


def _methods(request: Request, routers: Iterable[APIRouter]) -> set[str]:
    """Return the methods that a path takes, over all of its routes."""
    methods: set[str] = set()
    for router in routers:
        for route in router.routes:
            if isinstance(route, APIRoute) and route.matches(request.scope)[0] is not Match.NONE:
                methods |= route.methods or set()
    return methods
