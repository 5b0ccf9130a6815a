"""What keeps a spreadsheet from taking the text of a cell for a formula."""

from __future__ import annotations

from typing import Any

__all__ = ["neutralised"]

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def neutralised(cell: Any) -> Any:
    """Return a cell of a CSV that no spreadsheet takes for a formula: such a text begins with an apostrophe.

    Examples
    --------
    >>> neutralised("=HYPERLINK(1)"), neutralised(" -Acme"), neutralised("Acme"), neutralised(-1.5)
    ("'=HYPERLINK(1)", "' -Acme", 'Acme', -1.5)
    """
    is_formula = isinstance(cell, str) and (cell.startswith(_FORMULA) or cell.lstrip().startswith(_FORMULA))
    return f"'{cell}" if is_formula else cell
