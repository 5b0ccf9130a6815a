"""Errors of the API: ``application/problem+json`` (RFC 9457) with a stable code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from churnml.errors import ChurnmlError

__all__ = ["CODES", "Fault", "Problem", "ProblemAnswer", "faults_of", "problem_of"]

CODES: dict[str, tuple[int, str]] = {
    "request.json": (400, "The body is not JSON"),
    "request.cursor": (404, "No page has this cursor, or it is of another query"),
    "request.method": (405, "The path does not take this method"),
    "request.timeout": (408, "The body did not arrive in time"),
    "request.too_large": (413, "The body is larger than allowed"),
    "request.media_type": (415, "The body is not declared as application/json"),
    "request.invalid": (422, "The request is JSON but not what the operation takes"),
    "request.headers": (400, "A header has a value that cannot be"),
    "features.unknown": (422, "A feature name is not one of the model's"),
    "features.invalid": (422, "A feature has a value it cannot have"),
    "batch.too_large": (422, "The batch has more items than allowed"),
    "auth.missing": (401, "No API key was sent"),
    "auth.invalid": (401, "The API key is not known, expired or revoked"),
    "auth.scope": (403, "The API key lacks the scope that the operation needs"),
    "auth.throttled": (429, "Too many wrong keys from this address"),
    "rate.limited": (429, "The API key has used up its requests of this minute"),
    "account.unknown": (404, "The scored snapshot does not have the account"),
    "explanation.unknown": (404, "No explanation is stored for the account"),
    "features.unknown_account": (404, "The features of the account are not stored (any more)"),
    "override.unknown": (404, "No override is in force for the account"),
    "path.unknown": (404, "There is no such path"),
    "idempotency.mismatch": (409, "The idempotency key came with another request before"),
    "service.no_snapshot": (503, "Nothing has been scored yet"),
    "service.no_model": (503, "No model is loaded"),
    "service.store": (503, "The store cannot be reached"),
    "service.timeout": (504, "The service did not answer in time"),
    "service.error": (500, "A fault of the service, logged under the request id"),
}
"""Every code with its HTTP status and meaning; documented in docs/api.md, which a test holds complete."""


class Fault(BaseModel):
    """One thing that is wrong with a request."""

    model_config = ConfigDict(extra="forbid")

    pointer: str = Field(description="JSON pointer into the body, or the parameter's name", examples=["/features/mrr"])
    detail: str = Field(description="What is wrong and what would be right", examples=["must be a number, got a text"])


class ProblemAnswer(BaseModel):
    """The body of every error, `application/problem+json`."""

    model_config = ConfigDict(extra="forbid")

    type: str = Field(description="URI of the code's description", examples=["urn:churnml:account.unknown"])
    title: str = Field(description="What the code means", examples=["The scored snapshot does not have the account"])
    status: int = Field(description="HTTP status", ge=400, le=599, examples=[404])
    code: str = Field(description="Stable code, made for programs", examples=["account.unknown"])
    detail: str = Field(
        description="What is wrong with this request", examples=["There is no account 'a17'; did you mean 'a-17'?"]
    )
    request_id: str | None = Field(
        None, description="Id of the request, also in the service's log", examples=["5f0c1e2a9b7d4c33"]
    )
    errors: list[Fault] = Field(default_factory=list, description="Each fault of the request by its place")


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
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        errors: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})

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
    if error.code.startswith("store"):
        return Problem("service.store", "The store cannot be reached; try again later", headers={"Retry-After": "5"})
    return Problem("service.error", "The service failed; its log says why")


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
