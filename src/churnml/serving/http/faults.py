"""No fault is let out: whatever is raised further in becomes a problem with a stable code."""

from __future__ import annotations

import logging
from collections.abc import Callable

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from churnml.errors import ChurnmlError
from churnml.language import Language, Text
from churnml.serving.http.problems import Problem, language_asked, problem_of
from churnml.serving.http.request_id import REQUEST_ID

__all__ = ["FaultsMiddleware", "PageOfProblem"]

PageOfProblem = Callable[[Scope, Problem], Response | None]
"""Returns the page that tells a person of a problem; None where a program asks."""

_LOG = logging.getLogger("churnml.serving")


class FaultsMiddleware:
    """Answers with a problem, or the page that tells of it, in place of an exception, unless an answer has begun."""

    def __init__(self, app: ASGIApp, page: PageOfProblem, language: Language) -> None:
        self._app = app
        self._page = page
        self._language = language

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def send_and_note(message: Message) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        request_id = scope[REQUEST_ID]
        try:
            await self._app(scope, receive, send_and_note)
            return
        except Problem as error:
            problem = error
        except ChurnmlError as error:
            _LOG.error("request %s: %s", request_id, error, exc_info=error)
            problem = problem_of(error)
        except Exception:
            _LOG.exception("request %s failed", request_id)
            problem = Problem("service.error", Text.of("detail-failed"))
        if not begun:
            answer = self._page_of(scope, problem) or problem.response(
                request_id, language_asked(scope, self._language)
            )
            await answer(scope, receive, send)

    def _page_of(self, scope: Scope, problem: Problem) -> Response | None:
        try:
            return self._page(scope, problem)
        except Exception:
            _LOG.exception("request %s: no page for %s", scope[REQUEST_ID], problem.code)
            return None
