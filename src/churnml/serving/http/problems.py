"""A request that cannot be answered as asked: raised anywhere, sent as ``application/problem+json`` (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import Response

from churnml.api.problems import CODES, Fault, ProblemAnswer
from churnml.errors import ChurnmlError
from churnml.language import Text

__all__ = ["Problem", "busy", "faults_of", "problem_of"]


class Problem(Exception):  # noqa: N818 - RFC 9457 calls it a problem
    """An error to answer a request with.

    Parameters
    ----------
    code : str
        One of `CODES`.
    detail : str
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
        detail: str,
        *,
        errors: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        said: Text | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.said = said

    @property
    def status(self) -> int:
        """HTTP status of the code."""
        return CODES[self.code][0]

    def body(self, request_id: str | None = None) -> ProblemAnswer:
        """Return the answer's body."""
        status, title = CODES[self.code]
        return ProblemAnswer(
            type=f"urn:churnml:{self.code}",
            title=title,
            status=status,
            code=self.code,
            detail=self.detail,
            request_id=request_id,
            errors=[Fault(pointer=pointer, detail=detail) for pointer, detail in self.errors],
        )

    def response(self, request_id: str | None = None) -> Response:
        """Return the answer."""
        content = self.body(request_id).model_dump_json()
        return Response(content, self.status, headers=self.headers, media_type="application/problem+json")


def problem_of(error: ChurnmlError) -> Problem:
    """Translate an error of the rooms below into one of the API."""
    if error.code == "store.once_mismatch":
        return Problem("idempotency.mismatch", error.what)
    if error.code == "store.no_override":
        return Problem("override.unknown", error.what)
    if error.code == "store.busy":
        return busy()
    if error.code.startswith("store"):
        return Problem("service.store", "The store cannot be reached; try again later", headers={"Retry-After": "5"})
    return Problem("service.error", "The service failed; its log says why")


def busy() -> Problem:
    """Return the problem of a write that others kept from the store; nothing of it is stored."""
    return Problem(
        "service.busy",
        "The store is busy with other writes; nothing was stored, try again in a moment",
        headers={"Retry-After": "2"},
    )


def faults_of(errors: Sequence[Mapping[str, Any]], skip: int = 0) -> list[tuple[str, str]]:
    """Return pydantic's faults as pointers with details, never echoing more than a glance of the value."""
    found: dict[tuple[str, str], None] = {}
    for error in errors:
        place = [str(part) for part in error["loc"][skip:]]
        where, rest = (place[0], place[1:]) if place else ("body", [])
        pointer = "/" + "/".join(rest) if where == "body" else where
        message = str(error["msg"]).removeprefix("Value error, ")
        found[(pointer[:200], message[:300])] = None
    return list(found)[:20]
