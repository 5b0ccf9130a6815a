"""Writes the config of a proposal as commented YAML."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from churnml.sources.discovery.proposal import Match, Proposal, identity_files

__all__ = ["write_config"]

_ASKED = {
    "timezone": "# timezone: Europe/Berlin  # CHECK the zone of its times, which carry none",
    "date_order": "# date_order: month  # CHECK what stands first in its dates: day or month",
}


def write_config(proposal: Proposal, folder: str, workspace: str, language: str = "en") -> str:
    """Return the config as commented YAML.

    Parameters
    ----------
    proposal : Proposal
    folder, workspace : str
        As they stand in the config, relative to the file's own folder.
    language : str
        What the company's people read. Comments are English.
    """
    used = [match for match in proposal.matches if match.table]
    tools = list(dict.fromkeys(match.tool for match in used))
    lines = [
        "# Written by `churnml init` from the files it found. Lines that say CHECK want a look; the rest was told from",
        "# the content. Every key is in docs/config.md, every table and column in docs/tables.md, every preset in",
        "# docs/presets.md.",
        "",
        f"name: {proposal.name}",
        f"workspace: {_scalar(workspace)}",
        *([f"language: {language}"] if language != "en" else []),
        *_sources(used, tools, folder),
        "",
    ]
    lines += _identities(proposal.matches)
    lines += [f"# CHECK {question}" for question in proposal.questions]
    lines.append("tables:")
    for table in dict.fromkeys(match.table for match in used):
        parts = [match for match in used if match.table == table]
        lines.append(f"  {table}:" + (_remark(parts[0]) if len(parts) == 1 else "  # several raw tables"))
        for part in parts:
            section = list(_section(part, several_tools=len(tools) > 1))
            if len(parts) == 1:
                lines += [f"    {line}" for line in section]
            else:
                lines += [f"    - {section[0]}{_remark(part)}", *(f"      {line}" for line in section[1:])]
    lines += ["", *_label(proposal.churn)]
    unused = [match for match in proposal.matches if not match.table and match.why is not None]
    if unused:
        lines += ["", "# Files that are not used:"]
        lines += [f"#   {match.path}: {match.why}" for match in unused]
    return "\n".join(lines) + "\n"


def _sources(used: Sequence[Match], tools: Sequence[str], folder: str) -> Iterator[str]:
    """Yield the lines of the source, or of one per tool: each tool has its own zone and order of dates."""

    def asked(tool: str) -> list[str]:
        """Return a line for what the tool leaves open: what a person said, or a mark."""
        own = [match for match in used if match.tool == tool]
        said = {key: word for match in own for key, word in match.said.items()}
        keys = sorted({key for match in own for key in match.asks}, reverse=True)
        return [f"{key}: {_scalar(said[key])}" if key in said else _ASKED[key] for key in keys]

    if len(tools) <= 1:
        yield "source:"
        yield f"  folder: {_scalar(folder)}"
        for key in asked(tools[0]) if tools else ():
            yield f"  {key}"
        return
    yield "sources:"
    for tool in tools:
        yield f"  {tool}:"
        yield f"    folder: {_scalar(folder)}"
        for key in asked(tool):
            yield f"    {key}"


def _identities(matches: Sequence[Match]) -> list[str]:
    """Return the lines that say where each tool's customers stand, where several tools have their own ids."""
    keys = identity_files(matches)
    if not keys:
        return []
    accounts = next(match.tool for match in matches if match.table == "accounts")
    lines = ["identities:  # which account each tool's records are: by ids, then by a domain or name of one alone"]
    lines += [f"  leading: {accounts}", "  keys:"]
    lines += [
        f"    {tool}: {{from: {_scalar(match.path)}, preset: {match.known}}}" for tool, match in sorted(keys.items())
    ]
    return [*lines, ""]


def _remark(match: Match) -> str:
    span = f", {match.first} to {match.last}" if match.first else ""
    return f"  # {match.rows:,} rows{span}"


def _section(match: Match, *, several_tools: bool) -> Iterator[str]:
    """Yield the lines of one raw table."""
    if several_tools:
        yield f"source: {match.tool}"
    if match.known:
        yield f"preset: {match.known}"
    yield f"from: {_scalar(match.path)}"
    for question in match.questions:
        yield f"# CHECK {question}"
    if match.with_:
        yield f"with: {_inline(dict(match.with_))}"
    for key, value in match.options.items():
        check = "  # CHECK the first encoding that reads all of it" if key == "encoding" else ""
        yield f"{key}: {_scalar(value)}{check}"
    renamed = {name: source for name, source in match.columns.items() if source != name}
    if renamed:
        yield "columns:"
        for name, source in renamed.items():
            yield f"  {name}: {_inline(source)}"


def _label(churn: str) -> list[str]:
    lines = ["label:"]
    if churn == "contractual":
        lines += [
            "  churn: contractual  # the last contract ends and none follows within grace_days",
            "  grace_days: 14",
        ]
    else:
        lines += ["  churn: silence  # no activity for so many days", "  silence_days: 90"]
    return [*lines, "  horizon_days: 90"]


def _scalar(value: Any) -> str:
    return (
        yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10_000).removesuffix("\n...\n").strip()
    )


def _inline(source: Mapping[str, Any] | Any) -> str:
    return (
        yaml.safe_dump(source, default_flow_style=True, allow_unicode=True, width=10_000).removesuffix("...\n").strip()
    )
