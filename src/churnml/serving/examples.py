"""Examples of whole answers in the OpenAPI, put together from the examples of their fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["example_of", "with_examples"]

_REF = "#/components/schemas/"
_BY_FORMAT = {"date": "2026-11-01", "date-time": "2026-11-01T04:12:09Z"}


def with_examples(schema: dict[str, Any]) -> dict[str, Any]:
    """Give each JSON answer of an OpenAPI document an example, where it has none."""
    components = schema["components"]["schemas"]
    for path in schema["paths"].values():
        for operation in path.values():
            for response in operation["responses"].values():
                media = response.get("content", {}).get("application/json")
                if media is not None and "example" not in media:
                    media["example"] = example_of(media["schema"], components)
    return schema


def example_of(schema: Mapping[str, Any], components: Mapping[str, Any]) -> Any:
    """Return an example that fits a JSON schema made by pydantic.

    Examples
    --------
    >>> example_of({"type": "object", "properties": {"n": {"type": "integer", "examples": [3]}}}, {})
    {'n': 3}
    """
    if schema.get("examples"):
        return schema["examples"][0]
    if "$ref" in schema:
        return example_of(components[schema["$ref"].removeprefix(_REF)], components)
    for key in ("anyOf", "allOf"):
        if key in schema:
            return example_of(schema[key][0], components)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    return _by_type(schema, components)


def _by_type(schema: Mapping[str, Any], components: Mapping[str, Any]) -> Any:
    kind = schema.get("type")
    if kind == "object":
        return {name: example_of(field, components) for name, field in schema.get("properties", {}).items()}
    if kind == "array":
        return [example_of(schema["items"], components)]
    if kind == "string":
        return _BY_FORMAT.get(str(schema.get("format")), "text")
    return {"number": 0.5, "integer": 1, "boolean": True}.get(str(kind))
