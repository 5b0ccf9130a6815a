"""The notebooks run from top to bottom, show small outputs, and use the package by its public names only."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from docs.notebooks import MOST_BYTES, execute

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
LIBRARIES = {"churnml", "datetime", "matplotlib", "numpy", "pandas", "pathlib", "tempfile", "yaml"}
NAMES = [path.stem for path in NOTEBOOKS]


def imports(notebook: nbformat.NotebookNode) -> Iterator[tuple[str, list[str]]]:
    """Yield every imported module with the names taken from it."""
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.Import):
                yield from ((alias.name, []) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0
                yield str(node.module), [alias.name for alias in node.names]


def test_the_tour_is_complete():
    assert NAMES == [
        "01_data_and_labels",
        "02_features",
        "03_training_and_backtest",
        "04_explanations",
        "05_your_own_data",
        "06_survival",
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_a_notebook_is_kept_with_small_outputs_of_one_run(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    assert path.stat().st_size <= MOST_BYTES, "run `make notebooks`"
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1)), "run `make notebooks`"
    outputs = [output for cell in cells for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 2


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_a_notebook_says_first_what_it_shows(path):
    first = nbformat.read(path, as_version=4).cells[0]
    assert first.cell_type == "markdown"
    assert first.source.startswith("# ")
    assert "1. " in first.source


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_a_notebook_uses_public_names_only(path):
    for module, names in imports(nbformat.read(path, as_version=4)):
        assert module.split(".")[0] in LIBRARIES
        if not module.startswith("churnml"):
            continue
        room = importlib.import_module(module)
        for name in names:
            if module == "churnml":
                assert name in room.__all__ or importlib.import_module(f"churnml.{name}")
            else:
                assert name in room.__all__, f"{module} does not offer {name}"


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_a_notebook_runs(path, tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    work = tmp_path / "work"
    work.mkdir()

    notebook = execute(path, work)

    drawn = [
        output for cell in notebook.cells for output in cell.get("outputs", []) if "image/png" in output.get("data", {})
    ]
    assert len(drawn) >= 2
    assert list(work.iterdir()) == [], "a notebook writes to temporary folders only"
