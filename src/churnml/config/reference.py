"""The reference page of every config key, made from the sections themselves."""

from __future__ import annotations

import types
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from churnml.config.company import Config
from churnml.config.reading import fields_of, model_in

__all__ = ["config_markdown"]


def config_markdown() -> str:
    """Return the reference page of all config keys as Markdown.

    Examples
    --------
    >>> page = config_markdown()
    >>> page.splitlines()[0]
    '# The config'
    >>> "| `label.horizon_days` | whole number ≥ 1 | `90` |" in page
    True
    """
    lines = [
        "# The config",
        "",
        "Made from `churnml.config`; `make docs` writes it anew. A config is a YAML file; a key that is not listed",
        "here is refused. Relative paths start at the file's own folder, `${NAME}` stands for an environment variable.",
        "Copy `configs/demo.yaml`, `configs/crm5.yaml` (contracts) or `configs/git_b2b.yaml` (silence) and adapt it;",
        "`churnml config show FILE` prints every key with the value in force.",
    ]
    documented: dict[type[BaseModel], str] = {}
    top = {name: info for name, info in fields_of(Config).items() if model_in(info.annotation) is None}
    lines += ["", "## Top level", "", *_table("", top)]
    for name, info in fields_of(Config).items():
        model = model_in(info.annotation)
        if model is not None:
            path = _path(name, info.annotation)
            lines += ["", f"## {name}", "", *_section(path, model, documented)]
    return "\n".join(lines) + "\n"


def _section(path: str, model: type[BaseModel], documented: dict[type[BaseModel], str]) -> list[str]:
    """Return a section's text and table, then those of the sections inside it; what stands above is referred to."""
    if model in documented:
        return [f"The same keys as `{documented[model]}`."]
    documented[model] = path
    lines = [(model.__doc__ or "").strip().splitlines()[0], "", *_table(f"{path}.", fields_of(model))]
    for name, info in fields_of(model).items():
        inner = model_in(info.annotation)
        if inner is None:
            continue
        inner_path = _path(f"{path}.{name}", info.annotation)
        lines += ["", f"### {inner_path}", "", *_section(inner_path, inner, documented)]
    return lines


def _path(name: str, annotation: Any) -> str:
    """Return the path of a section; one that stands many times gets a placeholder.

    Examples
    --------
    >>> _path("tables", dict[str, Config]), _path("label", Config)
    ('tables.<name>', 'label')
    """
    if annotation is model_in(annotation) or get_origin(annotation) in (Union, types.UnionType):
        return name
    return f"{name}[]" if get_origin(annotation) is tuple else f"{name}.<name>"


def _table(prefix: str, fields: dict[str, FieldInfo]) -> list[str]:
    lines = ["| key | value | default | meaning |", "|---|---|---|---|"]
    for name, info in fields.items():
        value, meaning = _value(info.annotation, info.metadata), info.description or ""
        lines.append(f"| `{prefix}{name}` | {value} | {_default(info)} | {_cell(meaning)} |")
    return lines


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _default(info: FieldInfo) -> str:
    value = info.get_default(call_default_factory=True, validated_data={})
    if value is PydanticUndefined:
        return "needed"
    if value is None or value == () or value == {}:
        return ""
    if isinstance(value, BaseModel):
        return "see below"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return f"`[{', '.join(map(str, value))}]`"
    return f"`{value}`"


_NAMES: dict[Any, str] = {
    str: "text",
    SecretStr: "secret, as `${NAME}`",
    int: "whole number",
    float: "number",
    bool: "true or false",
    Path: "path",
    types.NoneType: "",
    Any: "anything",
}
_SIGNS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


def _value(annotation: Any, metadata: list[Any]) -> str:
    """Say in words what values a key takes."""
    bounds = " and ".join(
        f"{sign} {getattr(item, name):g}" for item in metadata for name, sign in _SIGNS.items() if hasattr(item, name)
    )
    return " ".join(part for part in (_words(annotation), bounds) if part)


def _words(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        inner = [item for field in arguments[1:] for item in getattr(field, "metadata", [])]
        return _value(arguments[0], inner)
    if origin is Literal:
        return " or ".join(f"`{argument}`" for argument in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(word for argument in arguments if (word := _words(argument)))
    if origin is tuple:
        if Ellipsis not in arguments:
            return f"[{', '.join(map(_words, arguments))}]"
        return f"list of {_words(arguments[0])}"
    if origin is dict:
        return f"mapping to {_words(arguments[1])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "section"
    return _NAMES.get(annotation, getattr(annotation, "__name__", str(annotation)))
