"""A request that cannot be answered as asked: raised anywhere, sent as ``application/problem+json`` (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.datastructures import QueryParams
from starlette.responses import Response
from starlette.types import Scope

from churnml.api.problems import CODES, Fault, ProblemAnswer
from churnml.errors import ChurnmlError, Said
from churnml.language import Language, Text, languages, phrases, said_text, validation_fault

__all__ = ["Problem", "busy", "faults_of", "language_asked", "problem_of"]


class Problem(Exception):  # noqa: N818 - RFC 9457 calls it a problem
    """An error to answer a request with.

    Parameters
    ----------
    code : str
        One of `CODES`.
    detail : str or Text
        What is wrong with this request.
    errors : sequence of (pointer, detail)
        Each fault by its place.
    headers : mapping
        Further headers of the answer, such as ``Retry-After``.
    said : Text, optional
        What a person is told of it on a page, where the code's own meaning says too little.
    """

    def __init__(
        self,
        code: str,
        detail: Said,
        *,
        errors: Sequence[tuple[str, Said]] = (),
        headers: Mapping[str, str] | None = None,
        said: Text | None = None,
    ) -> None:
        super().__init__(str(detail))
        self.code = code
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.said = said

    @property
    def status(self) -> int:
        """HTTP status of the code."""
        return CODES[self.code][0]

    def body(self, request_id: str | None = None, language: Language = "en") -> ProblemAnswer:
        """Return the answer's body."""
        # Every operation documents its problems with English examples: no message is parsed for them.
        english = CODES[self.code][1]
        title = english if language == "en" else phrases(language)(f"problem-{self.code.replace('.', '-')}")
        return ProblemAnswer(
            type=f"urn:churnml:{self.code}",
            title=title,
            status=self.status,
            code=self.code,
            detail=said_text(self.detail, language),
            request_id=request_id,
            errors=[Fault(pointer=pointer, detail=said_text(detail, language)) for pointer, detail in self.errors],
        )

    def response(self, request_id: str | None = None, language: Language = "en") -> Response:
        """Return the answer."""
        content = self.body(request_id, language).model_dump_json()
        return Response(content, self.status, headers=self.headers, media_type="application/problem+json")


def language_asked(scope: Scope, usual: Language) -> Language:
    """Return the language to answer a request in: the one that ``lang`` names, else the service's own.

    Examples
    --------
    >>> language_asked({"query_string": b"lang=ja"}, "en"), language_asked({"query_string": b"lang=xx"}, "en")
    ('ja', 'en')
    """
    asked = QueryParams(scope.get("query_string", b"")).get("lang")
    return asked if asked in languages() else usual


def problem_of(error: ChurnmlError) -> Problem:
    """Translate an error of the rooms below into one of the API."""
    if error.code == "store.once_mismatch":
        return Problem("idempotency.mismatch", error.said["what"])
    if error.code == "store.no_override":
        return Problem("override.unknown", error.said["what"])
    if error.code == "store.busy":
        return busy()
    if error.code.startswith("store"):
        return Problem("service.store", Text.of("detail-store"), headers={"Retry-After": "5"})
    return Problem("service.error", Text.of("detail-failed"))


def busy() -> Problem:
    """Return the problem of a write that others kept from the store; nothing of it is stored."""
    return Problem(
        "service.busy",
        Text.of("detail-busy"),
        headers={"Retry-After": "2"},
    )


def faults_of(errors: Sequence[Mapping[str, Any]], skip: int = 0) -> list[tuple[str, Said]]:
    """Return pydantic's faults as pointers with details, never echoing more than a glance of the value."""
    faults: dict[tuple[str, str], Said] = {}
    for error in errors:
        place = [str(part) for part in error["loc"][skip:]]
        where, rest = (place[0], place[1:]) if place else ("body", [])
        pointer = "/" + "/".join(rest) if where == "body" else where
        faults[(pointer[:200], str(error["msg"]))] = validation_fault(error)
    return [(pointer, said) for (pointer, _), said in faults.items()][:20]
