"""The errors of the API as it sends them: ``application/problem+json`` (RFC 9457) with a stable code."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["CODES", "Fault", "ProblemAnswer"]

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
    "auth.role": (403, "The role of who is signed in does not allow this"),
    "auth.stranger": (403, "Who is signed in elsewhere is not known here, or not let in"),
    "auth.link": (403, "The sign-in link was used, has ended or never was"),
    "auth.provider": (502, "The identity provider did not sign anybody in"),
    "auth.throttled": (429, "Too many wrong keys from this address"),
    "form.token": (403, "The form was not sent by a page of this session"),
    "rate.limited": (429, "The API key has used up its requests of this minute"),
    "account.unknown": (404, "The scored snapshot does not have the account"),
    "explanation.unknown": (404, "No explanation is stored for the account"),
    "survival.unknown": (404, "No survival curve is stored for the account"),
    "features.unknown_account": (404, "The features of the account are not stored (any more)"),
    "override.unknown": (404, "No override is in force for the account"),
    "alert.unknown": (404, "There is no such alert"),
    "alert.state": (409, "The alert is not in a state for that"),
    "task.unknown": (404, "There is no such task"),
    "task.state": (409, "The task is not in a state for that"),
    "path.unknown": (404, "There is no such path"),
    "idempotency.mismatch": (409, "The idempotency key came with another request before"),
    "service.no_snapshot": (503, "Nothing has been scored yet"),
    "service.no_kpis": (404, "No KPIs have been published yet"),
    "service.no_model": (503, "No model is loaded"),
    "service.store": (503, "The store cannot be reached"),
    "service.busy": (503, "The store is busy with other writes; nothing was stored"),
    "service.connections": (503, "Too many connections are open"),
    "service.timeout": (504, "The service did not answer in time"),
    "service.error": (500, "A fault of the service, logged under the request id"),
}
"""Every code with its HTTP status and meaning; documented in docs/api.md, which a test holds complete."""


class Fault(BaseModel):
    """One thing that is wrong with a request."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    pointer: str = Field(description="JSON pointer into the body, or the parameter's name", examples=["/features/mrr"])
    detail: str = Field(description="What is wrong and what would be right", examples=["must be a number, got a text"])


class ProblemAnswer(BaseModel):
    """The body of every error, `application/problem+json`."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

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
