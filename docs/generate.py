"""Writes the pages of docs/ that are made from the code; a test holds that they are current.

Run with ``make docs``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from churnml.config import config_markdown
from churnml.evaluation.audit import CHECKS as AUDIT_CHECKS
from churnml.features import reference_markdown
from churnml.serving.reference import api_markdown
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
        "the rows are kept, and the run's notes say what was changed.",
        "",
        *checks_markdown().splitlines(),
        "",
        "## Leakage audit: `churnml audit CONFIG`",
        "",
        "| code | what it finds |",
        "|---|---|",
        *(f"| {code} | {meaning} |" for code, meaning in AUDIT_CHECKS.items()),
        "",
        "## Features",
        "",
        "| code | what is refused |",
        "|---|---|",
        "| CHK110 | An account attribute that changes over time, used as a feature without a history (`known_at`) |",
    ]
    return "\n".join(lines) + "\n"


PAGES: dict[str, Callable[[], str]] = {
    "api.md": api_markdown,
    "checks.md": coded_checks,
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
