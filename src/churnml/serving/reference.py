"""docs/api.md, made from the API itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from churnml.api.problems import CODES
from churnml.serving.app import create_api
from churnml.serving.openapi import example_of

__all__ = ["api_markdown"]

_REF = "#/components/schemas/"
_INTRO = """\
# API

<!-- Made by `make docs` from the code; change it there. -->

`churnml serve CONFIG` serves this API with BentoML. The OpenAPI document is at `/v1/openapi.json`.
How to call it from Salesforce, HubSpot, Zapier, curl and Python: [integrations.md](integrations.md).
How to run it: [deploy.md](deploy.md).

**Keys.** Send `Authorization: Bearer churnml_…` (or `X-API-Key: churnml_…`). `churnml keys create NAME` makes a key;
scopes are `read` (stored scores), `score` (features sent by the caller), `write` (overrides, feedback, answers to
alerts and tasks) and `admin` (all). The store keeps only a hash. `churnml serve --insecure` asks for none and listens
on loopback only.

**Answers.** Each carries `as_of, scored_at, model_version, config_version, coverage, freshness, warnings`. Two scores
that agree in `as_of`, `model_version` and `config_version` are the same score. Times are UTC.

**Errors** are `application/problem+json` with a stable `code`; the table is at the end. Each answer has an
`X-Request-ID` (yours, if you send one of 8–64 letters, digits, `_`, `.`, `-`), which the log repeats.

**Limits** come from the config's `serving.limits`: requests a minute per key, over all worker processes of a service
(`X-RateLimit-Remaining`; 429 with `Retry-After`), bytes of a body (413), items of a batch (422). A body must arrive
within 10 seconds (408), an answer takes 30 at most (504).

**Writes** take an `Idempotency-Key`: repeated within 24 hours the write happens once, and the first answer comes back
with `Idempotency-Replayed: true`. Where others write for more than two seconds on end (a publish leaves gaps), a write
gets 503 `service.busy` and is not stored. After a 504 it is not stored either, save where only the answer was late: the
same key, sent again, tells.

`POST /predict` and `POST /explain` are aliases of the operations under `/v1`. BentoML's own `/livez`, `/healthz` and
`/readyz` answer in plain text, for load balancers.
"""


def api_markdown() -> str:
    """Return the reference page: operations, every field with unit and range, every error code."""
    schema = create_api().openapi()
    components = schema["components"]["schemas"]
    parts = [_INTRO, "\n## Operations\n\n| operation | scope | takes | answers |\n|---|---|---|---|\n"]
    details = []
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            parts.append(_row(method, path, operation))
            if path.startswith("/v1"):
                details.append(_operation(method, path, operation, components))
    parts.append("".join(details))
    parts.append("\n## Fields\n")
    parts += [_model(name, model) for name, model in sorted(components.items()) if model.get("properties")]
    parts.append("\n## Error codes\n\n| status | code | meaning |\n|---|---|---|\n")
    parts += [f"| {status} | `{code}` | {title} |\n" for code, (status, title) in sorted(CODES.items(), key=_by_status)]
    return "".join(parts)


def _by_status(item: tuple[str, tuple[int, str]]) -> tuple[int, str]:
    return item[1][0], item[0]


def _row(method: str, path: str, operation: Mapping[str, Any]) -> str:
    scopes = " or ".join(f"`{scope}`" for scope in operation.get("x-scopes", [])) or "none"
    body = operation.get("requestBody")
    taken = _link(body["content"]["application/json"]["schema"]) if body else ""
    return f"| `{method.upper()} {path}` {operation['summary']} | {scopes} | {taken} | {_answer(operation)[1]} |\n"


def _answer(operation: Mapping[str, Any]) -> tuple[str, str]:
    """Return the status and the type of the answer that is no error."""
    status = next(code for code in operation["responses"] if code.startswith("2"))
    media = operation["responses"][status].get("content", {})
    if "application/json" in media:
        return status, _link(media["application/json"]["schema"])
    return status, next(iter(media), "")


def _operation(method: str, path: str, operation: Mapping[str, Any], components: Mapping[str, Any]) -> str:
    lines = [f"\n### {method.upper()} {path}\n\n{operation.get('description', operation['summary'])}\n"]
    parameters = operation.get("parameters", [])
    if parameters:
        lines.append("\n| parameter | in | type | meaning |\n|---|---|---|---|\n")
        for item in parameters:
            kind = _type(item["schema"])
            lines.append(f"| `{item['name']}` | {item['in']} | {kind} | {_text(item)}{_range(item['schema'])} |\n")
    body = operation.get("requestBody")
    if body:
        schema = body["content"]["application/json"]["schema"]
        model = components[schema["$ref"].removeprefix(_REF)]
        examples = model.get("examples") or [example_of(schema, components)]
        lines += [f"\n```json\n{json.dumps(example, ensure_ascii=False)}\n```\n" for example in examples]
    status, _ = _answer(operation)
    example = operation["responses"][status].get("content", {}).get("application/json", {}).get("example")
    if example is not None:
        shown = json.dumps(example, ensure_ascii=False, indent=1)
        lines.append(f"\n<details><summary>{status}: an answer</summary>\n\n```json\n{shown}\n```\n</details>\n")
    return "".join(lines)


def _model(name: str, model: Mapping[str, Any]) -> str:
    lines = [f"\n### {name}\n\n{model.get('description', '').strip()}\n\n| field | type | meaning, unit, range |\n"]
    lines.append("|---|---|---|\n")
    required = set(model.get("required", []))
    for field, schema in model["properties"].items():
        mark = "" if field in required else ", optional"
        lines.append(f"| `{field}` | {_type(schema)}{mark} | {_text(schema)}{_range(schema)} |\n")
    return "".join(lines)


def _text(described: Mapping[str, Any]) -> str:
    return str(described.get("description", "")).replace("|", "\\|").rstrip(".")


def _range(schema: Mapping[str, Any]) -> str:
    """Return the bounds that a schema states beyond its words."""
    bounds = []
    for part in (schema, *schema.get("anyOf", ())):
        low, high = part.get("minimum"), part.get("maximum")
        if low is not None and high is not None:
            bounds.append(f"{low:g}–{high:g}")
        elif low is not None:
            bounds.append(f"≥ {low:g}")
        if part.get("maxLength"):
            bounds.append(f"up to {part['maxLength']} characters")
        if part.get("default") is not None:
            bounds.append(f"default {part['default']}")
    return f" ({'; '.join(bounds)})" if bounds else ""


def _link(schema: Mapping[str, Any]) -> str:
    name = str(schema["$ref"]).removeprefix(_REF)
    return f"[{name}](#{name.lower()})"


def _type(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return _link(schema)
    if "anyOf" in schema:
        return " or ".join(_type(part) for part in schema["anyOf"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return ", ".join(f"`{word}`" for word in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    if schema.get("type") == "object":
        values = schema.get("additionalProperties")
        return f"object of {_type(values)}" if isinstance(values, dict) else "object"
    return str(schema.get("format") or schema.get("type") or "any")
