"""What the OpenAPI says beyond the code: examples of whole answers, and the features of the model in force."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from churnml.serving.scorer import Scorer

__all__ = ["example_of", "with_examples", "with_features"]

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


def with_features(schema: Mapping[str, Any], scorer: Scorer) -> dict[str, Any]:
    """Return an OpenAPI document in which requests name each feature of a model, with its unit and meaning."""
    named: dict[str, Any] = {}
    for name in scorer.names:
        if name in scorer.model.features.names:
            spec = scorer.model.features.spec(name)
            unit = f" Unit: {spec.unit}." if spec.unit else ""
            words = scorer.model.categories.get(name)
            known = f" Known: {', '.join(words)}." if words else ""
            kind = "string" if spec.categorical else "number"
            named[name] = {
                "type": [kind, "null"],
                "description": f"{spec.description}{unit}{known} Null: {spec.missing}.",
                **({"maxLength": 500} if spec.categorical else {}),
            }
        else:
            named[name] = {"type": ["number", "null"], "description": "Read by the health score."}
    document = deepcopy(dict(schema))
    models = document["components"]["schemas"]
    for model, field in (("PredictRequest", "features"), ("ExplainRequest", "features"), ("WhatIfRequest", "changes")):
        described = models[model]["properties"][field]
        for part in (described, *described.get("anyOf", ())):
            if part.get("type") == "object":
                part.update(properties=named, additionalProperties=False)
    for model in ("PredictRequest", "ExplainRequest", "WhatIfRequest"):
        models[model].pop("examples", None)
    return document
