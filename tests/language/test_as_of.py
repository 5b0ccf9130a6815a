"""`as_of` has one name, and one type a layer."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import churnml

ROOT = Path(churnml.__file__).parent
FRAMES = frozenset({"pd.Timestamp", "pd.Timestamp | pd.Series"})
DATES = frozenset({"date", "date | None", "date | ir.Value", "Mapped[date]"})
OF_FRAMES = frozenset({"snapshots", "features", "training", "evaluation", "scorecard", "scoring"})
BOTH = frozenset({"tables", "retention", "simulate"})
"""Where frames and dates meet."""
OTHERS = {
    "metrics": {"npt.ArrayLike"},
    "cli": {"typed"},
    "simulate": {"date | pd.Timestamp"},
    # What the backtest and the verdict report, and a folder of events on disk, are of one date.
    "evaluation": {"date"},
    "training": {"date"},
    "features": {"date"},
    "pipeline": {"pd.Timestamp"},
}
"""A column of dates; what a person types; a report of one date; the audit, which computes frames anew at a date."""
ELSEWHERE = frozenset(
    {"asof", "as_of_date", "as_of_day", "snapshot_date", "snapshot_day", "cutoff_date", "reference_date"}
)


def public(tree: ast.Module) -> Iterator[tuple[str, ast.expr | None]]:
    """Yield the name and annotation of each parameter of public functions, and of each field of public classes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            for one in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs):
                yield one.arg, one.annotation
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for field in node.body:
                if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                    yield field.target.id, field.annotation


def test_as_of_has_one_name_and_one_type_a_layer() -> None:
    types: dict[str, set[str]] = defaultdict(set)
    for path in sorted(ROOT.rglob("*.py")):
        room = path.relative_to(ROOT).parts[0]
        for name, annotation in public(ast.parse(path.read_text(encoding="utf-8"))):
            assert name not in ELSEWHERE, f"{path}: {name}"
            if name == "as_of" and annotation is not None:
                said = ast.unparse(annotation)
                types[room].add("typed" if said.startswith("Annotated") else said)
    assert len(types) > 10
    for room, seen in types.items():
        own = FRAMES if room in OF_FRAMES else FRAMES | DATES if room in BOTH else DATES
        assert seen <= own | OTHERS.get(room, set()), room
