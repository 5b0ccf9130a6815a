"""What a person is told where a page cannot be shown, with a way back."""

from __future__ import annotations

from fastapi import Request
from starlette.responses import Response

from churnml.language import phrases
from churnml.serving.http.problems import Problem
from churnml.serving.http.request_id import REQUEST_ID
from churnml.serving.pages.frame import frame_of

__all__ = ["page_of_problem"]

_TITLES = {
    "path.unknown": "unknown",
    "account.unknown": "account",
    "service.no_snapshot": "nothing",
    "service.store": "later",
    "service.busy": "later",
    "service.timeout": "later",
    "service.error": "later",
}


def page_of_problem(request: Request, problem: Problem) -> Response | None:
    """Return the page that tells of a problem; None where a program asks."""
    person = "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/v1/")
    if not person:
        return None
    frame = frame_of(request)
    say = phrases(frame.language)
    kind = _TITLES.get(problem.code)
    answer = frame.answer(
        "problem.html.j2",
        here="",
        title=say(f"frame-problem-{kind or 'refused'}"),
        status=problem.status,
        detail=say(f"frame-problem-{kind}.text") if kind else problem.detail,
        request_id=request.scope.get(REQUEST_ID),
    )
    answer.headers.update(problem.headers)
    return answer
