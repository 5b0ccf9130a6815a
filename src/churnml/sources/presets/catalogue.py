"""All presets of the package, each a readable file ``TOOL/OBJECT.yaml``, and the objects that feed no table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from churnml.config.yaml_loading import load_yaml
from churnml.errors import ConfigError, near_name
from churnml.language import Text
from churnml.sources.presets.preset import Preset

__all__ = ["known_objects", "preset", "preset_text", "presets", "presets_markdown"]


class _Presets(Mapping[str, Preset]):
    """Every preset by its name; a file is parsed when its preset is first asked for."""

    def __getitem__(self, name: str) -> Preset:
        return _parsed(name)

    def __contains__(self, name: object) -> bool:
        return name in _texts()

    def __iter__(self) -> Iterator[str]:
        return iter(_texts())

    def __len__(self) -> int:
        return len(_texts())


@cache
def _parsed(name: str) -> Preset:
    return Preset.model_validate(load_yaml(_texts()[name]))


def presets() -> Mapping[str, Preset]:
    """Return every preset by its name, ``tool/object``, in order."""
    return _Presets()


def preset(name: str, where: str) -> Preset:
    """Return one preset.

    Parameters
    ----------
    name : str
        Its name, e.g. ``zendesk/tickets``.
    where : str
        Key of the config that names it, for the message.

    Raises
    ------
    ConfigError
        There is no such preset; the message names the near one.

    Examples
    --------
    >>> preset("zendesk/tickets", "tables.tickets.preset").table
    'tickets'
    """
    if name not in presets():
        raise _unknown(name, where)
    return presets()[name]


def preset_text(name: str) -> str:
    """Return a preset's file as it stands.

    Raises
    ------
    ConfigError
        There is no such preset.
    """
    if name not in _texts():
        raise _unknown(name, "presets show")
    return _texts()[name]


@cache
def known_objects() -> Mapping[str, tuple[tuple[str, ...], ...]]:
    """Return every object that is known, ``tool/object`` → the sets of headings that recognise it."""
    objects = {name: one.recognised_by for name, one in presets().items()}
    for folder in _folders():
        listing = folder.joinpath("objects.yaml")
        if listing.is_file():
            for name, headings in load_yaml(listing.read_text(encoding="utf-8")).items():
                objects[f"{folder.name}/{name}"] = (tuple(headings),)
    return objects


def presets_markdown() -> str:
    """Return the reference page of all presets as Markdown.

    Examples
    --------
    >>> presets_markdown().splitlines()[0]
    '# Presets'
    """
    lines = [
        "# Presets",
        "",
        "Made from `churnml.sources.presets`; `make docs` writes it anew. A preset maps one object of one tool,",
        "whichever shape its export has: `tables: {tickets: {preset: zendesk/tickets, from: tickets.json}}`. Every",
        "line of the config replaces the preset's own; `churnml presets show NAME` prints it, `churnml init` finds out",
        "which ones a folder of exports needs.",
        "",
        "| preset | feeds | what it is | columns that it can fill | with further raw tables (`with:`) |",
        "|---|---|---|---|---|",
    ]
    for name, one in presets().items():
        columns = ", ".join(f"`{column}`" for column in one.columns)
        with_ = "; ".join(f"`{key}` ({lookup.object}): {lookup.said}" for key, lookup in one.lookups.items())
        lines.append(f"| [`{name}`]({one.documentation}) | `{one.table}` | {one.about} | {columns} | {with_} |")
    others = sorted({*known_objects()} - {*presets()})
    tools: dict[str, list[str]] = {}
    for name in others:
        tool, _, object_ = name.partition("/")
        tools.setdefault(tool, []).append(object_)
    lines += ["", "## Known, but no table by themselves", ""]
    lines += ["`churnml init` names them; some are read by a preset through `with:`.", ""]
    lines += [f"- {tool}: {', '.join(f'`{object_}`' for object_ in objects)}" for tool, objects in tools.items()]
    return "\n".join(lines) + "\n"


def _folders() -> list[Traversable]:
    root = files("churnml.sources.presets")
    return sorted((each for each in root.iterdir() if each.is_dir() and each.name[:1].isalpha()), key=lambda f: f.name)


@cache
def _texts() -> dict[str, str]:
    texts = {
        f"{folder.name}/{file.name.removesuffix('.yaml')}": file.read_text(encoding="utf-8")
        for folder in _folders()
        for file in folder.iterdir()
        if file.name.endswith(".yaml") and file.name != "objects.yaml"
    }
    return dict(sorted(texts.items()))


def _unknown(name: str, where: str) -> ConfigError:
    near = near_name(name, presets())
    own = [each for each in presets() if each.partition("/")[0] == name.partition("/")[0]]
    return ConfigError(
        Text.of("error-no_preset", preset=repr(name)),
        where=where,
        got=name,
        expected=Text.of("data-perhaps", name=near) if near else ", ".join(own) or None,
        code="config.preset",
    )
