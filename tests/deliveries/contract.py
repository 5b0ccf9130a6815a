"""Two ways to stand in for a target: a list of answers, and a vendor's contract that checks every request."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

APIS = Path(__file__).parents[3] / "shared" / "reference" / "apis"
needs_contracts = pytest.mark.skipif(not APIS.is_dir(), reason="the vendors' contracts are not beside the project")


class Answers(httpx.BaseTransport):
    """Answers each request with the next of a list: a response, an error to raise, or a function of the request."""

    def __init__(self, *answers: Any) -> None:
        self.next: deque[Any] = deque(answers)
        self.seen: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.seen.append(request)
        if not self.next:
            raise AssertionError(f"no answer is left for {request.method} {request.url}")
        answer = self.next.popleft()
        if isinstance(answer, Exception):
            raise answer
        return answer(request) if callable(answer) else answer

    def bodies(self) -> list[Any]:
        """Return what was sent, as JSON where it is JSON."""
        is_json = [request.headers.get("content-type") == "application/json" for request in self.seen]
        return [json.loads(one.content) if known else None for one, known in zip(self.seen, is_json, strict=True)]


class Contract(httpx.BaseTransport):
    """Refuses what a contract does not allow, and leaves the answering to a function or to the contract's examples."""

    def __init__(self, path: str, answer: Callable[[httpx.Request], httpx.Response] | None = None) -> None:
        from openapi_core import OpenAPI

        self.document = json.loads((APIS / path).read_text(encoding="utf-8"))
        self.api = OpenAPI.from_dict(self.document)
        self.answer = answer
        self.next: deque[tuple[int, str | None, dict[str, str]]] = deque()
        self.seen: list[httpx.Request] = []

    def queue(self, status: int, example: str | None = None, **headers: str) -> None:
        """Answer the next request with an example of the contract."""
        self.next.append((status, example, headers))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.seen.append(request)
        self.api.validate_request(_AsOpenApi(request))
        if self.next:
            return self._example(request, *self.next.popleft())
        if self.answer is None:
            raise AssertionError(f"no answer is left for {request.method} {request.url}")
        return self.answer(request)

    def _example(self, request: httpx.Request, status: int, name: str | None, headers: dict[str, str]) -> Any:
        for path, item in self.document["paths"].items():
            pattern = re.sub(r"\{[^}]+\}", "[^/]+", path)
            if re.fullmatch(pattern, request.url.path) and request.method.lower() in item:
                answers = item[request.method.lower()]["responses"]
                break
        answer = answers[str(status)]
        if "$ref" in answer:
            answer = self.document["components"]["responses"][answer["$ref"].rpartition("/")[2]]
        for media, content in (answer.get("content") or {}).items():
            examples = content.get("examples") or {"": {"value": {}}}
            value = examples[name]["value"] if name else next(iter(examples.values()))["value"]
            kind = {"text": value} if media.startswith("text/") else {"json": value}
            return httpx.Response(status, headers=headers, **kind)
        return httpx.Response(status, headers=headers)


class _AsOpenApi:
    """An httpx request as openapi-core reads one."""

    def __init__(self, request: httpx.Request) -> None:
        from openapi_core.datatypes import RequestParameters
        from werkzeug.datastructures import Headers, ImmutableMultiDict

        self.host_url = f"{request.url.scheme}://{request.url.host}"
        self.path = request.url.path
        self.method = request.method.lower()
        self.body = request.content
        self.content_type = request.headers.get("content-type", "").partition(";")[0]
        self.parameters = RequestParameters(
            query=ImmutableMultiDict(request.url.params.multi_items()), header=Headers(dict(request.headers))
        )
