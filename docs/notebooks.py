"""Runs the notebooks and keeps what they show, small: a reader of the forge sees the plots without running anything.

``make notebooks`` runs all of them; ``python docs/notebooks.py 01_data_and_labels`` one.
"""

from __future__ import annotations

import base64
import io
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from PIL import Image

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
MOST_BYTES = 400_000
"""A notebook with its outputs is no larger than this."""

_SCRATCH = re.compile(re.escape(tempfile.gettempdir()) + r"/\w+/")
"""A temporary folder differs from run to run and says where this machine keeps them."""

_WIDEST = 760
_LONGEST_TABLE = 20_000


class ThisPython(AsyncKernelManager):
    """Starts the Python that runs this file, whatever kernels the machine offers."""

    def format_kernel_cmd(self, extra_arguments: list[str] | None = None) -> list[str]:
        """Return the kernel's command line."""
        return [sys.executable, "-m", "ipykernel_launcher", "-f", self.connection_file, *(extra_arguments or [])]


def execute(path: Path, work: Path) -> nbformat.NotebookNode:
    """Run a notebook from top to bottom in a folder and return it with its outputs."""
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    notebook = nbformat.read(path, as_version=4)
    where = {"metadata": {"path": str(work)}}
    NotebookClient(notebook, kernel_manager_class=ThisPython, timeout=600, resources=where).execute()
    return notebook


def slim(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Drop what differs from run to run and what is too large; make the plots small. Works in place."""
    for number, cell in enumerate(notebook.cells, start=1):
        cell.id = f"cell-{number}"
        cell.metadata = {}
        if cell.cell_type == "code":
            cell.outputs = [kept for output in cell.outputs if (kept := _slim(output)) is not None]
    notebook.metadata = {"kernelspec": notebook.metadata["kernelspec"]}
    return notebook


def _slim(output: Any) -> Any | None:
    if output.output_type == "stream":
        output.text = _SCRATCH.sub("…/", output.text)
        return output if output.name == "stdout" else None
    data = output.get("data", {})
    for kind in ("text/plain", "text/html"):
        if kind in data:
            data[kind] = _SCRATCH.sub("…/", data[kind])
    if "image/png" in data:
        data["image/png"] = _small(data["image/png"])
    if len(data.get("text/html", "")) > _LONGEST_TABLE:
        del data["text/html"]
    output.metadata = {}
    return output


def _small(encoded: str) -> str:
    picture = Image.open(io.BytesIO(base64.b64decode(encoded))).convert("RGB")
    if picture.width > _WIDEST:
        picture = picture.resize((_WIDEST, round(picture.height * _WIDEST / picture.width)), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.quantize(64).save(buffer, format="PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def main() -> None:
    """Run the notebooks that are named, else all, and write them back."""
    for path in [FOLDER / f"{name}.ipynb" for name in sys.argv[1:]] or sorted(FOLDER.glob("*.ipynb")):
        with tempfile.TemporaryDirectory() as work:
            notebook = slim(execute(path, Path(work)))
        path.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")
        print(f"{path.name}: {path.stat().st_size // 1000} kB")  # noqa: T201


if __name__ == "__main__":
    main()
