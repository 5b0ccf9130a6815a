"""``/docs``: what the API offers, made from its OpenAPI document: groups, parameters, fields, examples to copy."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from markupsafe import Markup, escape
from starlette.responses import Response

from churnml.api.problems import CODES
from churnml.language import phrases
from churnml.serving.openapi import example_of
from churnml.serving.pages.frame import frame_of
from churnml.serving.people.links import base_of

__all__ = ["FieldShown", "ModelShown", "OperationShown", "reference", "router"]

router = APIRouter(include_in_schema=False)
_REF = "#/components/schemas/"


@dataclass(frozen=True)
class FieldShown:
    """A parameter or a field: `place` is where a parameter goes, ``path``, ``query`` or ``header``."""

    name: str
    type: Markup
    meaning: Markup
    required: bool
    place: str = ""


@dataclass(frozen=True)
class ModelShown:
    """An object that requests or answers are made of."""

    name: str
    meaning: Markup
    fields: tuple[FieldShown, ...]


@dataclass(frozen=True)
class OperationShown:
    """One operation of the API."""

    anchor: str
    method: str
    path: str
    summary: str
    meaning: Markup
    scopes: tuple[str, ...]
    parameters: tuple[FieldShown, ...]
    takes: Markup
    curl: str
    status: str
    answers: Markup
    example: str
    errors: tuple[tuple[str, str], ...]


@router.get("/docs")
async def get_docs(request: Request) -> Response:
    """Return what the API offers, as one page without a script of anybody else's."""
    frame = frame_of(request)
    base = base_of(request)
    made = getattr(request.app.state, "reference", None)
    if made is None or made[0] != base:
        made = request.app.state.reference = (base, *reference(request.app.openapi(), base))
    _, groups, models = made
    return frame.answer(
        "api_docs.html.j2",
        here="",
        title=phrases(frame.language)("docs-title"),
        groups=groups,
        models=models,
        codes=sorted((status, code, meaning) for code, (status, meaning) in CODES.items()),
    )


def reference(
    schema: Mapping[str, Any], base: str
) -> tuple[dict[str, tuple[OperationShown, ...]], tuple[ModelShown, ...]]:
    """Return the operations of an OpenAPI document by group, and the objects that they take and answer.

    Parameters
    ----------
    schema : mapping
        The document.
    base : str
        Address of the service, for the examples.
    """
    components = schema["components"]["schemas"]
    groups: dict[str, list[OperationShown]] = {}
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            group = next(iter(operation.get("tags", ())), "service")
            groups.setdefault(group, []).append(_operation(method, path, operation, components, base))
    models = [_model(name, model) for name, model in sorted(components.items()) if model.get("properties")]
    return {name: tuple(group) for name, group in groups.items()}, tuple(models)


def _operation(
    method: str, path: str, operation: Mapping[str, Any], components: Mapping[str, Any], base: str
) -> OperationShown:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    responses = operation["responses"]
    status = next(code for code in responses if code.startswith("2"))
    media = responses[status].get("content", {})
    answer = media.get("application/json", {})
    example = answer.get("example")
    parameters = operation.get("parameters", [])
    return OperationShown(
        anchor=f"{method}{path.replace('/', '-').replace('{', '').replace('}', '').replace(':path', '')}",
        method=method.upper(),
        path=path,
        summary=str(operation.get("summary", path)),
        meaning=_words(operation.get("description", "")),
        scopes=tuple(operation.get("x-scopes", ())),
        parameters=tuple(_parameter(item) for item in parameters),
        takes=_type(body) if body else Markup(),
        curl=_curl(method, path, parameters, body, components, base, keyed=bool(operation.get("x-scopes"))),
        status=status,
        answers=_type(answer["schema"]) if "schema" in answer else escape(next(iter(media), "")),
        example="" if example is None else json.dumps(example, ensure_ascii=False, indent=1),
        errors=tuple((code, str(told["description"])) for code, told in responses.items() if not code.startswith("2")),
    )


def _curl(
    method: str,
    path: str,
    parameters: list[Any],
    body: Mapping[str, Any] | None,
    components: Mapping[str, Any],
    base: str,
    *,
    keyed: bool,
) -> str:
    """Return a call to copy into a terminal."""
    for item in parameters:
        if item["in"] == "path":
            example = example_of(
                {**item["schema"], **({"examples": item["examples"]} if "examples" in item else {})}, {}
            )
            given = "acc-1" if example == "text" else str(example)
            path = path.replace("{" + item["name"] + "}", quote(given, safe=""))
    # curl sends GET by itself, and POST where there is a body.
    named = [] if method == "get" or (method == "post" and body) else ["-X", method.upper()]
    parts = ["curl", "-s", *named, f"{base}{path}"]
    if keyed:
        parts += ["-H", "Authorization: Bearer churnml_…"]
    if body is not None:
        model = components[body["$ref"].removeprefix(_REF)]
        sent = (model.get("examples") or [example_of(body, components)])[0]
        parts += ["-H", "Content-Type: application/json", "-d", json.dumps(sent, ensure_ascii=False)]
    return " ".join(part if part in ("curl", "-s", "-H", "-d", "-X") else shlex.quote(part) for part in parts)


def _parameter(item: Mapping[str, Any]) -> FieldShown:
    return FieldShown(
        item["name"],
        _type(item["schema"]),
        _words(item.get("description") or item["schema"].get("description", "")) + _bounds(item["schema"]),
        bool(item.get("required")),
        item["in"],
    )


def _model(name: str, model: Mapping[str, Any]) -> ModelShown:
    required = set(model.get("required", ()))
    fields = tuple(
        FieldShown(field, _type(schema), _words(schema.get("description", "")) + _bounds(schema), field in required)
        for field, schema in model["properties"].items()
    )
    return ModelShown(name, _words(model.get("description", "")), fields)


def _type(schema: Mapping[str, Any]) -> Markup:
    """Return what a value is; an object as a link to its fields."""
    if "$ref" in schema:
        name = str(schema["$ref"]).removeprefix(_REF)
        return Markup('<a href="#{0}">{0}</a>').format(name)
    if "anyOf" in schema:
        return Markup(" or ").join(_type(part) for part in schema["anyOf"])
    if "const" in schema:
        return Markup("<code>{}</code>").format(schema["const"])
    if "enum" in schema:
        return Markup(", ").join(Markup("<code>{}</code>").format(word) for word in schema["enum"])
    if schema.get("type") == "array":
        return Markup("list of {}").format(_type(schema.get("items", {})))
    if schema.get("type") == "object":
        values = schema.get("additionalProperties")
        return Markup("object of {}").format(_type(values)) if isinstance(values, dict) and values else Markup("object")
    return escape(schema.get("format") or schema.get("type") or "any")


def _bounds(schema: Mapping[str, Any]) -> Markup:
    """Return the bounds that a schema states beyond its words."""
    found: dict[str, None] = {}
    for part in (schema, *schema.get("anyOf", ())):
        signs = (("minimum", "≥ "), ("exclusiveMinimum", "> "), ("maximum", "≤ "), ("exclusiveMaximum", "< "))
        found |= {f"{sign}{part[name]:g}": None for name, sign in signs if name in part}
        if part.get("maxLength"):
            found[f"up to {part['maxLength']} characters"] = None
        if part.get("default") is not None:
            found[f"default {part['default']}"] = None
    return Markup(" <small>({})</small>").format("; ".join(found)) if found else Markup()


def _words(text: str) -> Markup:
    """Return a description with what stands in backticks as code.

    Examples
    --------
    >>> str(_words("by `id`, not <name>"))
    'by <code>id</code>, not &lt;name&gt;'
    """
    parts = text.strip().replace("``", "`").split("`")
    made = (Markup("<code>{}</code>").format(part) if at % 2 else escape(part) for at, part in enumerate(parts))
    return Markup().join(made).replace("\n\n", Markup("<br>"))
