"""A play: what a playbook suggests for one account, as it is stored and as it is published; loads no frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter

from churnml.language import Words

__all__ = ["Play"]


@dataclass(frozen=True)
class Play:
    """A playbook suggested for one account.

    Parameters
    ----------
    playbook : str
        Name of the playbook.
    title : Words
        What it is called.
    owner : str
        Who acts, a role that there is; ``system`` only where an automation does it.
    due_on : str
        ISO date.
    because : tuple of str
        Features and indicators that matched.
    steps : tuple of Words
        What to do.
    """

    playbook: str
    title: Words
    owner: str
    due_on: str
    because: tuple[str, ...]
    steps: tuple[Words, ...]

    @classmethod
    def stored(cls, data: Mapping[str, Any]) -> Play:
        """Return a play that was stored beside an explanation, by this version or an earlier one.

        Examples
        --------
        >>> old = {"playbook": "x", "title_en": "Call", "title_ja": "電話", "owner": "csm", "due_on": "2026-01-05",
        ...        "because": ["nps_last"], "steps_en": ["Ask"], "steps_ja": ["聞く"]}
        >>> Play.stored(old).title.spoken("ja"), Play.stored(old).steps[0].spoken("en")
        ('電話', 'Ask')
        """
        if "title" not in data:
            languages = [name.removeprefix("title_") for name in data if name.startswith("title_")]
            steps = zip(*(data[f"steps_{language}"] for language in languages), strict=True)
            title = {language: data[f"title_{language}"] for language in languages}
            own = {name: value for name, value in data.items() if not name.startswith(("title_", "steps_"))}
            by_step = [{"by_language": dict(zip(languages, step, strict=True))} for step in steps]
            data = {**own, "title": {"by_language": title}, "steps": by_step}
        return _adapter().validate_python(data)

    def as_stored(self) -> dict[str, Any]:
        """Return the play as it is stored beside an explanation: JSON-ready, of words the codes or every language."""
        stored: dict[str, Any] = _adapter().dump_python(self, mode="json")
        return stored

    def published(self, said_in: Sequence[str]) -> dict[str, Any]:
        """Return the play as JSON-ready data, its words under their name and the language: ``title_en``."""
        plain = {"playbook": self.playbook, "owner": self.owner, "due_on": self.due_on, "because": list(self.because)}
        for language in said_in:
            plain[f"title_{language}"] = self.title.spoken(language)
            plain[f"steps_{language}"] = [step.spoken(language) for step in self.steps]
        return plain


@lru_cache(maxsize=1)
def _adapter() -> TypeAdapter[Play]:
    return TypeAdapter(Play)
