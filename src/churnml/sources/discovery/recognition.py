"""Recognises exports of known tools by their headings: which tool, and which of its objects."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from churnml.sources.discovery.profiles import FileProfile
from churnml.sources.presets import known_objects, presets

__all__ = ["Recognised", "recognise"]

_FEW, _SOME = 4, 5
_MOSTLY = 0.6


@dataclass(frozen=True)
class Recognised:
    """What a file was recognised as.

    Parameters
    ----------
    name : str
        Tool and object, e.g. ``zendesk/tickets``.
    headings : int
        How many of its headings say so.
    """

    name: str
    headings: int

    @property
    def tool(self) -> str:
        """The tool alone."""
        return self.name.partition("/")[0]

    @property
    def is_preset(self) -> bool:
        """Whether it feeds a canonical table; other objects are only read beside one that does."""
        return self.name in presets()


def recognise(files: Sequence[FileProfile]) -> dict[str, Recognised]:
    """Return path → tool and object, for the files whose headings are those of a known export.

    The object most of whose headings are there wins. Where two objects have the same headings (lookup tables of a name
    and a description), the name of the file decides, then the tool that most other files are of; without either the
    file is not recognised, since nothing is guessed.

    Parameters
    ----------
    files : sequence of FileProfile
        From `churnml.sources.discovery.profile_files`.
    """
    candidates = {file.path: _candidates(file) for file in files if not file.fault}
    sure = {path: matches[0] for path, matches in candidates.items() if len(matches) == 1}
    tools = Counter(one.tool for one in sure.values())
    for path, matches in candidates.items():
        if len(matches) > 1 and (one := _decided(path, matches, tools)) is not None:
            sure[path] = one
    return sure


def _candidates(file: FileProfile) -> list[Recognised]:
    have = {column.name.strip().casefold() for column in file.columns}
    best: dict[str, int] = {}
    for name, sets in known_objects().items():
        for headings in sets:
            wanted = {heading.casefold() for heading in headings}
            # A few headings say something only where there are hardly any others; those of presets were chosen.
            enough = len(wanted) >= (_FEW if name in presets() else _SOME) or len(wanted) >= _MOSTLY * len(have)
            if wanted <= have and enough:
                best[name] = max(best.get(name, 0), len(wanted))
    most = max(best.values(), default=0)
    return [Recognised(name, count) for name, count in best.items() if count == most]


def _decided(path: str, matches: Sequence[Recognised], tools: Counter[str]) -> Recognised | None:
    words = _words(path)
    scores = [
        (len(own) if (own := _words(one.name.partition("/")[2])) <= words else 0, tools[one.tool]) for one in matches
    ]
    best = max(scores)
    return matches[scores.index(best)] if scores.count(best) == 1 else None


def _words(text: str) -> set[str]:
    return {word.rstrip("s") for word in re.split(r"[^a-z0-9]+", text.lower()) if word}
