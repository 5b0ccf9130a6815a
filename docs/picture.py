"""Makes a picture of what a command prints.

``FORCE_COLOR=1 COLUMNS=150 churnml demo | python docs/picture.py docs/images/demo.svg``
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

_WIDTH = 150


def main() -> None:
    """Read ANSI text from stdin and write it as SVG to the path given."""
    target = Path(sys.argv[1])
    console = Console(record=True, width=_WIDTH, file=io.StringIO())
    console.print(Text.from_ansi(sys.stdin.read()))
    target.parent.mkdir(parents=True, exist_ok=True)
    console.save_svg(str(target), title="churnml")


if __name__ == "__main__":
    main()
