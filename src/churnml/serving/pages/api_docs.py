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
from churnml.language import Section, phrases
from churnml.serving.openapi import example_of
from churnml.serving.pages.frame import frame_of
from churnml.serving.pages.problems import meaning_of
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
    base, say = base_of(request), phrases(frame.language)
    groups, models = _remembered(request, base, frame.language)
    return frame.answer(
        "api_docs.html.j2",
        here="",
        title=say("docs-title"),
        groups=groups,
        models=models,
        codes=[
            (status, Markup("<code>{}</code>").format(code), say.text(meaning_of(code)))
            for status, code in sorted((status, code) for code, (status, _) in CODES.items())
        ],
    )


Reference = tuple[dict[str, tuple[OperationShown, ...]], tuple[ModelShown, ...]]


def _remembered(request: Request, base: str, language: str) -> Reference:
    """Return the reference in a language, made once for the address that is asked for."""
    state = request.app.state
    if getattr(state, "reference_base", None) != base:
        state.reference_base, state.references = base, {}
    known: dict[str, Reference] = state.references
    if language not in known:
        known[language] = reference(request.app.openapi(), base, language)
    return known[language]


def reference(schema: Mapping[str, Any], base: str, language: str) -> Reference:
    """Return the operations of an OpenAPI document by group, and the objects that they take and answer.

    Parameters
    ----------
    schema : mapping
        The document.
    base : str
        Address of the service, for the examples.
    language : str
        Language of the types; what the document itself says of operations and fields is English.
    """
    say = Section(phrases(language), "docs")
    components = schema["components"]["schemas"]
    groups: dict[str, list[OperationShown]] = {}
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            group = next(iter(operation.get("tags", ())), "service")
            groups.setdefault(group, []).append(_operation(method, path, operation, components, base, say))
    models = [_model(name, model, say) for name, model in sorted(components.items()) if model.get("properties")]
    return {name: tuple(group) for name, group in groups.items()}, tuple(models)


def _operation(
    method: str, path: str, operation: Mapping[str, Any], components: Mapping[str, Any], base: str, say: Section
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
        parameters=tuple(_parameter(item, say) for item in parameters),
        takes=_type(body, say) if body else Markup(),
        curl=_curl(method, path, parameters, body, components, base, keyed=bool(operation.get("x-scopes"))),
        status=status,
        answers=_type(answer["schema"], say) if "schema" in answer else _media(media),
        example="" if example is None else json.dumps(example, ensure_ascii=False, indent=1),
        errors=tuple(
            (code, str(response["description"])) for code, response in responses.items() if not code.startswith("2")
        ),
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


def _parameter(item: Mapping[str, Any], say: Section) -> FieldShown:
    return FieldShown(
        item["name"],
        _type(item["schema"], say) + _bounds(item["schema"], say),
        _words(item.get("description") or item["schema"].get("description", "")),
        bool(item.get("required")),
        item["in"],
    )


def _model(name: str, model: Mapping[str, Any], say: Section) -> ModelShown:
    required = set(model.get("required", ()))
    fields = tuple(
        FieldShown(
            field, _type(schema, say) + _bounds(schema, say), _words(schema.get("description", "")), field in required
        )
        for field, schema in model["properties"].items()
    )
    return ModelShown(name, _words(model.get("description", "")), fields)


def _type(schema: Mapping[str, Any], say: Section) -> Markup:
    """Return what a value is; an object as a link to its fields."""
    if "$ref" in schema:
        name = str(schema["$ref"]).removeprefix(_REF)
        return Markup('<a href="#{0}"><code>{0}</code></a>').format(name)
    if "anyOf" in schema:
        return Markup(" {} ").format(say("or")).join(_type(part, say) for part in schema["anyOf"])
    if "const" in schema:
        return Markup("<code>{}</code>").format(schema["const"])
    if "enum" in schema:
        return Markup(", ").join(Markup("<code>{}</code>").format(word) for word in schema["enum"])
    if schema.get("type") == "array":
        return _of(say("list", of="{}"), _type(schema.get("items", {}), say))
    if schema.get("type") == "object":
        values = schema.get("additionalProperties")
        if isinstance(values, dict) and values:
            return _of(say("map", of="{}"), _type(values, say))
        return escape(say.object)
    return Markup("<code>{}</code>").format(schema.get("format") or schema.get("type") or "any")


def _media(media: Mapping[str, Any]) -> Markup:
    return Markup("<code>{}</code>").format(next(iter(media))) if media else Markup()


def _of(words: str, markup: Markup) -> Markup:
    before, _, after = words.partition("{}")
    return escape(before) + markup + escape(after)


def _bounds(schema: Mapping[str, Any], say: Section) -> Markup:
    """Return the bounds that a schema states beyond its words."""
    bounds: dict[Markup, None] = {}
    for part in (schema, *schema.get("anyOf", ())):
        signs = (("minimum", "≥ "), ("exclusiveMinimum", "> "), ("maximum", "≤ "), ("exclusiveMaximum", "< "))
        bounds |= {escape(f"{sign}{part[name]:g}"): None for name, sign in signs if name in part}
        if part.get("maxLength"):
            bounds[escape(say("most_characters", n=part["maxLength"]))] = None
        if part.get("default") is not None:
            bounds[_of(say("default", value="{}"), Markup("<code>{}</code>").format(part["default"]))] = None
    return Markup(" <small>({})</small>").format(Markup("; ").join(bounds)) if bounds else Markup()


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
