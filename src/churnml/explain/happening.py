"""One thing that happened at an account, as it is told and stored; loads no frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from churnml.language import Text

__all__ = ["Happening"]


@dataclass(frozen=True)
class Happening:
    """One thing that happened.

    Parameters
    ----------
    on : str
        ISO date.
    kind : str
        Canonical table it comes from.
    text : Text
        What happened.
    """

    on: str
    kind: str
    text: Text

    @classmethod
    def stored(cls, stored: Mapping[str, Any]) -> Self:
        """Return what an explanation holds of it: ``on, kind, text``."""
        return cls(str(stored["on"]), str(stored["kind"]), Text.model_validate(stored["text"]))

    def as_stored(self) -> dict[str, Any]:
        """Return it as an explanation holds it."""
        return {"on": self.on, "kind": self.kind, "text": self.text.model_dump(mode="json")}
