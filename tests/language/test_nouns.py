"""A name says what it holds: `lines`, `matches`, `reasons`, and not that something was told, found or kept."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import churnml

ROOT = Path(churnml.__file__).parent
WORDS = frozenset(
    {"told", "found", "kept", "sifted", "together", "once", "further", "live", "present", "book", "remarks"}
)
"""Words that say what became of a thing, or how it is, and leave the reader to guess what it is."""
PUBLISHED = {
    "api/answers.py": {"told"},
    "api/key_figures.py": {"kept"},
    "api/survival.py": {"told"},
    "evaluation/report.py": {"kept"},
    "metrics/calibration.py": {"told"},
    "pipeline/privacy/running.py": {"told"},
    "retention/cohorts.py": {"kept"},
}
"""Fields that stand in answers, reports and files under these keys, where others read them."""


def given_names(source: str) -> Iterator[tuple[int, str]]:
    """Yield each name that a module gives to something: variables, parameters, fields, functions and classes."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.attr
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.alias) and node.asname:
            yield node.lineno, node.asname
        elif isinstance(node, ast.MatchAs | ast.MatchStar | ast.ExceptHandler) and node.name:
            yield node.lineno, node.name


def moods(source: str) -> list[tuple[int, str]]:
    """Return the names of a module that are none of a thing."""
    return [(line, name) for line, name in given_names(source) if name.strip("_").lower() in WORDS]


def test_names_are_nouns_of_what_they_hold() -> None:
    faults = []
    for path in sorted(ROOT.rglob("*.py")):
        module = path.relative_to(ROOT).as_posix()
        published = PUBLISHED.get(module, set())
        faults += [
            f"{module}:{line} {name}" for line, name in moods(path.read_text(encoding="utf-8")) if name not in published
        ]
    assert faults == []


@pytest.mark.parametrize(("module", "names"), PUBLISHED.items())
def test_an_exception_is_a_published_field(module: str, names: set[str]) -> None:
    fields = {
        field.target.id
        for node in ast.walk(ast.parse((ROOT / module).read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
        for field in node.body
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
    }
    assert names <= fields, f"{module} needs no exception any more"


@pytest.mark.parametrize(
    "source",
    [
        "found = 1",
        "for told in rows: pass",
        "def rows(kept): pass",
        "def rows(*, _kept): pass",
        "self._found = {}",
        "_KEPT = 30",
        "class Told: pass",
        "a, (found, b) = c",
        "x = [found for found in y]",
        "if (kept := y): pass",
        "with a as found: pass",
        "import a as told",
        "lambda found: 1",
        "match x:\n    case [*found]: pass",
    ],
)
def test_such_a_name_is_seen(source: str) -> None:
    assert len(moods(source)) == 1
