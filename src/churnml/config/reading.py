"""Reads a config file, and turns what is wrong with it into one readable error."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from churnml.config.alerts import AlertsConfig
from churnml.config.company import Config
from churnml.config.deliveries import SECRETS
from churnml.config.pulls import PULL_SECRETS
from churnml.config.secrets import mask_secrets
from churnml.config.secrets_file import read_secrets
from churnml.config.yaml_loading import load_yaml
from churnml.errors import ConfigError, Said, near_name
from churnml.language import Text, validation_fault

__all__ = ["alerts_section", "fields_of", "load_config", "model_in"]


def load_config(path: str | Path, overrides: Mapping[str, Any] | None = None) -> Config:
    """Read a config file.

    Parameters
    ----------
    path : str or Path
        A YAML file.
    overrides : mapping, optional
        Top-level keys to replace, e.g. ``{"seed": 11}``.

    Raises
    ------
    ConfigError
        The file is missing, is not YAML, or a key or value is wrong; the message names the near key.
    """
    file = Path(path)
    if not file.is_file():
        others = sorted(str(other) for other in file.parent.glob("*.y*ml")) if file.parent.is_dir() else []
        raise ConfigError(
            Text.of("error-no_config", file=repr(str(file))),
            where=str(file),
            expected=Text.of("error-one_of", names=", ".join(others)) if others else None,
            code="config.missing",
        )
    try:
        text = file.read_text(encoding="utf-8-sig")
        data = load_yaml(text)
    except RecursionError:
        raise _bottomless(file) from None
    except UnicodeDecodeError as error:
        raise ConfigError(
            Text.of("error-config_encoding"),
            where=str(file),
            got=Text.of("error-config_encoding.got", byte=f"{error.object[error.start]:02x}", at=str(error.start)),
            code="config.yaml",
        ) from error
    except (yaml.YAMLError, ValueError) as error:  # a ValueError: a day or a number that cannot be, 2024-13-45
        variable = _VARIABLE.search(text)
        raise ConfigError(
            Text.of("fault-yaml"),
            where=str(file),
            got=str(error),
            remedy=Text.of("fault-yaml.variable", name=variable.group()) if variable else Text.of("fault-yaml.signs"),
            code="config.yaml",
        ) from error
    if not isinstance(data, dict):
        raise ConfigError(Text.of("error-config_empty"), where=str(file), code="config.yaml")
    for name in _LENIENT:
        _refuse_written_secrets(data.get(name), SECRETS, file, name)
    for where, source in _sources(data):
        _refuse_written_secrets(source.get("pull"), PULL_SECRETS, file, f"{where}.pull")
    named = data.get("secrets_file")
    secrets = read_secrets(file.resolve().parent / Path(named).expanduser()) if isinstance(named, str) else {}
    try:
        config = Config.model_validate({**_expanded(data, file, {**secrets, **os.environ}), **(overrides or {})})
    except ValidationError as error:
        raise _readable(error, file) from error
    except RecursionError:
        raise _bottomless(file) from None
    config._base = config.features._base = file.resolve().parent
    return config


class _Alone(BaseModel):
    alerts: AlertsConfig


def alerts_section(section: AlertsConfig, changes: Mapping[str, Any], rules: str, where: str) -> AlertsConfig:
    """Return the section `alerts` with changes that somebody wants to try; no file is read or written.

    Parameters
    ----------
    section : AlertsConfig
        As it is.
    changes : mapping
        Keys of the section → their new values.
    rules : str
        YAML as under ``alerts.rules``: each entry replaces the rule of its name. May be empty.
    where : str
        What the text is called where it is wrong.

    Raises
    ------
    ConfigError
        The text is not YAML, or a key or value is wrong; the message names the near key.
    """
    try:
        own = load_yaml(rules) if rules.strip() else {}
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(
            Text.of("fault-yaml"), where=where, got=str(error), remedy=Text.of("fault-yaml.signs"), code="config.yaml"
        ) from error
    if not isinstance(own, dict):
        raise ConfigError(Text.of("error-config_empty"), where=where, code="config.yaml")
    data = {**section.model_dump(), **changes}
    try:
        return _Alone.model_validate({"alerts": {**data, "rules": {**data["rules"], **own}}}).alerts
    except ValidationError as error:
        raise _readable(error, Path(where)) from error


def _bottomless(file: Path) -> ConfigError:
    return ConfigError(Text.of("fault-config_depth"), where=str(file), code="config.yaml")


_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def _sources(data: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return the sections of sources as they stand in the file, with their keys."""
    several = data.get("sources")
    named = [(f"sources.{name}", each) for name, each in several.items()] if isinstance(several, dict) else []
    return [(where, each) for where, each in [("source", data.get("source")), *named] if isinstance(each, dict)]


def _refuse_written_secrets(data: Any, secrets: tuple[str, ...], file: Path, where: str) -> None:
    """Refuse a secret of a tool that stands in the file itself."""
    if not isinstance(data, dict):
        return
    for key, value in data.items():
        if key in secrets and isinstance(value, str) and not _VARIABLE.search(value):
            raise ConfigError(Text.of("fault-config_secret"), where=f"{file}: {where}.{key}", code="config.secret")
        _refuse_written_secrets(value, secrets, file, f"{where}.{key}")


def _expanded(data: Any, file: Path, environment: Mapping[str, str], path: tuple[str, ...] = ()) -> Any:
    """Replace ``${NAME}`` in every text by the environment; what the environment holds is never read as YAML.

    A machine that only trains needs none of the tools' secrets: there the name of a missing variable stays, and who
    delivers or pulls without it is told of it then.
    """
    is_pull = path[:2] == ("source", "pull") or (path[:1], path[2:3]) == (("sources",), ("pull",))
    demanded = not is_pull and not (path and path[0] in _LENIENT)

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in environment and not demanded:
            return match.group()
        if name not in environment:
            raise ConfigError(Text.of("fault-no_variable", name=name), where=str(file), code="config.environment")
        return environment[name]

    if isinstance(data, dict):
        return {key: _expanded(item, file, environment, (*path, str(key))) for key, item in data.items()}
    if isinstance(data, list):
        return [_expanded(item, file, environment, path) for item in data]
    return _VARIABLE.sub(value, data) if isinstance(data, str) else data


_LENIENT = ("deliveries", "daily", "serving")
"""Sections beside `pull` whose secrets only those need who use them."""


def _readable(error: ValidationError, file: Path) -> ConfigError:
    """Turn pydantic's list of faults into one message that names each key and the near one."""
    said = Text.of("fault-config_wrong")
    for fault in error.errors():
        path = [str(part) for part in fault["loc"]]
        where = re.sub(r"\.also\.(\d+)", lambda match: f"[{int(match.group(1)) + 1}]", ".".join(path))
        if fault["type"] == "extra_forbidden":
            known = _keys_at(path[:-1])
            near = near_name(path[-1], known)
            form = "near" if near else "known" if known else "none"
            line: Said = Text.of(f"fault-config_key.{form}", key=where, near=repr(near), known=", ".join(known))
        elif fault["type"] == "missing":
            line = Text.of("fault-config_key.missing", key=where)
        else:
            line = validation_fault(fault)
            if where:
                shown = not (isinstance(fault["input"], dict) or fault["type"] == "value_error")
                form = "fault-config_key.got" if shown else "fault-config_key.wrong"
                line = Text.of(form, key=where, what=line, got=_shown(fault["input"], where) if shown else "")
        said = Text.of("fault-config_wrong.line", before=said, line=line)
    return ConfigError(
        said,
        where=str(file),
        remedy=Text.of("fault-config_wrong.show"),
        code="config.invalid",
    )


def _shown(value: Any, where: str) -> str:
    """Show a value that was refused, without the secret it may hold."""
    return repr(mask_secrets(value, where.rpartition(".")[2]))


def _keys_at(path: list[str]) -> list[str]:
    """Return the keys that the config allows at a path, following the models' annotations."""
    annotation: Any = Config
    for part in path:
        model = model_in(annotation)
        if model is annotation and model is not None:
            info = fields_of(model).get(part)
            annotation = info.annotation if info is not None else None
        else:  # a mapping or tuple of models, or an optional one: the part is its key or index
            annotation = model
    model = model_in(annotation)
    return list(fields_of(model)) if model is not None else []


def fields_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return a section's keys, as they are written in YAML, and what they take."""
    return {info.alias or name: info for name, info in model.model_fields.items()}


def model_in(annotation: Any) -> type[BaseModel] | None:
    """Return the model an annotation is made of: ``dict[str, Model | None]`` → ``Model``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for arg in get_args(annotation) if (model := model_in(arg)) is not None), None)
