"""Writes the pages of docs/ that are made from the code; a test holds that they are current.

Run with ``make docs``.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

from churnml.config import config_markdown
from churnml.evaluation.audit import CHECKS as AUDIT_CHECKS
from churnml.explain.rules import reasons_markdown
from churnml.features import reference_markdown
from churnml.language import phrases
from churnml.serving.reference import api_markdown
from churnml.sources.connectors import connectors_markdown
from churnml.sources.presets import presets_markdown
from churnml.tables import checks_markdown, schema_markdown


def coded_checks() -> str:
    """Return the page of all coded checks, raw data first."""
    lines = [
        "# Checks",
        "",
        "Made from the code; `make docs` writes it anew. Codes are stable: scripts and runbooks can rely on them.",
        "",
        "## Raw data: `churnml check CONFIG`",
        "",
        "*Refused*: the run stops with a message that names table, column, rows and remedy. *Set aside*: the rows",
        "are counted, and written with their reason to `<workspace>/rejected/<table>.parquet`. *Changed and noted*:",
        "the rows are kept, and the run's notes say what was changed. *Noted*: nothing is changed, the notes say so.",
        "How values are read: [sources.md](sources.md).",
        "",
        *checks_markdown().splitlines(),
        "",
        "## Leakage audit: `churnml audit CONFIG`",
        "",
        "| code | what it finds |",
        "|---|---|",
        *(f"| {code} | {phrases('en')(f'audit-{code}')} |" for code in AUDIT_CHECKS),
        "",
        "## Features",
        "",
        "| code | what is refused |",
        "|---|---|",
        "| CHK110 | An account attribute that changes over time, used as a feature without a history (`known_at`) |",
    ]
    return "\n".join(lines) + "\n"


_ROOT = Path(__file__).resolve().parents[1]
_BEGIN, _END = "<!-- the tree: made by `make docs` -->", "<!-- end of the tree -->"


def architecture() -> str:
    """Return the page with its tree made anew from the package: every module with the first line of its docstring."""
    before, _, rest = (_ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").partition(_BEGIN)
    after = rest.partition(_END)[2]
    return f"{before}{_BEGIN}\n\n```\n" + "\n".join(_tree()) + f"\n```\n\n{_END}{after}"


def _tree() -> Iterator[str]:
    """Yield the lines of the tree, the lowest room first, as the import contract orders them."""
    package = _ROOT / "src" / "churnml"
    contracts = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    layers = [name.strip() for layer in contracts[0]["layers"] for name in layer.split("|")]
    rooms = [room for room in reversed(layers) if (package / room).is_dir() or (package / f"{room}.py").is_file()]
    others = sorted({path.stem for path in package.iterdir() if _is_code(path)} - {*rooms, "__init__"})
    for room in [*rooms, *others]:
        if (package / f"{room}.py").is_file():
            yield _line(package / f"{room}.py", f"{room}.py", 0)
        else:
            yield from _folder(package / room, 0)


def _folder(folder: Path, depth: int) -> Iterator[str]:
    yield _line(folder / "__init__.py", f"{folder.name}/", depth)
    for path in sorted(folder.iterdir(), key=lambda entry: (entry.is_dir(), entry.name)):
        if path.is_dir() and _is_code(path):
            yield from _folder(path, depth + 1)
        elif path.suffix == ".py" and path.name != "__init__.py":
            yield _line(path, path.name, depth + 1)


def _is_code(path: Path) -> bool:
    return path.suffix == ".py" or (path.is_dir() and (path / "__init__.py").is_file())


def _line(file: Path, name: str, depth: int) -> str:
    said = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return f"{'    ' * depth + name:<28} {said.splitlines()[0] if said else ''}".rstrip()


def pull() -> str:
    """Return the page with its table of objects made anew from the connectors."""
    begin, end = "<!-- the objects: made by `make docs` -->", "<!-- end of the objects -->"
    before, _, rest = (_ROOT / "docs" / "pull.md").read_text(encoding="utf-8").partition(begin)
    return f"{before}{begin}\n{connectors_markdown()}{end}{rest.partition(end)[2]}"


PAGES: dict[str, Callable[[], str]] = {
    "api.md": api_markdown,
    "architecture.md": architecture,
    "checks.md": coded_checks,
    "config.md": config_markdown,
    "features.md": reference_markdown,
    "presets.md": presets_markdown,
    "pull.md": pull,
    "reasons.md": reasons_markdown,
    "tables.md": schema_markdown,
}
"""Page → the function that returns its text."""


def main() -> None:
    """Write every page."""
    folder = Path(__file__).parent
    for name, text in PAGES.items():
        (folder / name).write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    main()
