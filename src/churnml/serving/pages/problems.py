"""What a person is told where a page cannot be shown, with a way back."""

from __future__ import annotations

from urllib.parse import urlencode

from fastapi import Request
from starlette.responses import RedirectResponse, Response

from churnml.language import Phrases, Text, phrases
from churnml.serving.http.problems import Problem
from churnml.serving.http.request_id import REQUEST_ID
from churnml.serving.pages.frame import frame_of
from churnml.serving.people.looking import known_viewer, local_path

__all__ = ["meaning_of", "page_of_problem"]

_TITLES = {
    "path.unknown": "unknown",
    "account.unknown": "account",
    "auth.missing": "signed_out",
    "auth.invalid": "key",
    "auth.role": "role",
    "auth.scope": "scope",
    "auth.stranger": "stranger",
    "auth.link": "link",
    "auth.provider": "provider",
    "auth.throttled": "throttled",
    "rate.limited": "throttled",
    "form.token": "form",
    "service.no_snapshot": "nothing",
    "service.store": "later",
    "service.busy": "later",
    "service.timeout": "later",
    "service.error": "later",
}

_ASK = ("auth.stranger", "auth.role", "auth.link", "auth.provider")
"""What somebody else has to help with."""


def meaning_of(code: str) -> Text:
    """Return what a code of the API's errors means, for a person.

    Examples
    --------
    >>> str(meaning_of("alert.unknown"))
    'There is no such alert'
    """
    return Text.of(f"problem-{code.replace('.', '-')}")


def page_of_problem(request: Request, problem: Problem) -> Response | None:
    """Return the page that tells of a problem; None where a program asks."""
    person = "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/v1/")
    if not person:
        return None
    if (
        problem.code == "auth.missing"
        and request.method in ("GET", "HEAD")
        and "WWW-Authenticate" not in problem.headers
    ):
        here = local_path(request.url.path + (f"?{request.url.query}" if request.url.query else ""))
        return RedirectResponse("/sign-in" + (f"?{urlencode({'next': here})}" if here != "/" else ""), 303)
    frame = frame_of(request)
    say = phrases(frame.language)
    kind = _TITLES.get(problem.code)
    ask = frame.state.settings.sign_in.ask
    answer = frame.answer(
        "problem.html.j2",
        here="",
        title=say(f"frame-problem-{kind or 'refused'}"),
        status=problem.status,
        detail=say(f"frame-problem-{kind}.text", **_of_role(request, say, kind)) if kind else _said(problem, say),
        asked=say("sign_in-ask", whom=ask) if ask and problem.code in _ASK else "",
        request_id=request.scope.get(REQUEST_ID),
    )
    answer.headers.update(problem.headers)
    return answer


def _said(problem: Problem, say: Phrases) -> str:
    return say.text(problem.said or meaning_of(problem.code))


def _of_role(request: Request, say: Phrases, kind: str | None) -> dict[str, str]:
    """Return which role it is that does not include what was asked for."""
    viewer = known_viewer(request) if kind == "role" else None
    return {} if viewer is None else {"role": say(f"role-{viewer.role}")}
