"""Writes the pages of docs/ that are made from the code; a test holds that they are current.

Run with ``make docs``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from churnml.config import config_markdown
from churnml.features import reference_markdown
from churnml.serving.reference import api_markdown
from churnml.tables import schema_markdown

PAGES: dict[str, Callable[[], str]] = {
    "api.md": api_markdown,
    "config.md": config_markdown,
    "features.md": reference_markdown,
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
