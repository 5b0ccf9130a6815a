"""Every error a user of churnml can meet.

::

    ChurnmlError
    ├── ConfigError      the config file is wrong: a misspelt key, a bad value, a missing file
    ├── DataError        the input data is wrong: a table, a column, some rows
    │   └── TimelineError    dates cannot support what was asked: unfinished labels, no purge, too few snapshots
    ├── TrainingError    the data is fine but no model can be made of it: no churner, only churners
    ├── BundleError      a model bundle is missing, incomplete, or does not match its checksums
    ├── StoreError       the operational store cannot be read or written
    ├── EngineError      the analytics engine (DuckDB, Spark, a warehouse) refused
    ├── WorkspaceError   a file of the workspace cannot be read or written: disk full, no rights, damaged
    └── UsageError       a call or a command line that cannot mean anything

An error says *what* happened, *where*, what was *got*, what was *expected* and what to do (*remedy*).
The command line prints these lines and exits with 1 (2 for `UsageError`); the API turns them into
``application/problem+json``. Nobody but a developer ever sees a traceback.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, Protocol

__all__ = [
    "BundleError",
    "ChurnmlError",
    "ConfigError",
    "DataError",
    "EngineError",
    "Said",
    "Sentence",
    "StoreError",
    "TimelineError",
    "TrainingError",
    "UsageError",
    "WorkspaceError",
    "near_name",
]


class Sentence(Protocol):
    """What `churnml.language` puts into words where a person reads it, a `churnml.language.Text`; in English by itself.

    Errors stand below the languages, and so they know no more of them than this.
    """

    @property
    def code(self) -> str:
        """Its message in the catalogue."""

    @property
    def arguments(self) -> Mapping[str, Any]:
        """What the message speaks of."""

    def part(self, name: str) -> Sentence | None:
        """Return what else the catalogue says of the same, such as its ``remedy``; None where it says no more."""


Said = str | Sentence
"""Words that are the same everywhere, or a sentence of the catalogue."""

_FIELDS = ("what", "where", "got", "expected", "remedy")


class ChurnmlError(Exception):
    """Base of all errors churnml raises on purpose.

    Parameters
    ----------
    what : str or Sentence
        One sentence: what is wrong. Of a sentence of the catalogue, ``expected`` and ``remedy`` stand beside it there.
    where : str or Sentence, optional
        Table, column, account, file or config key.
    got, expected : str or Sentence, optional
        The value found and the value that would have been right.
    remedy : str or Sentence, optional
        What the user can do now.
    code : str, optional
        Stable machine-readable code such as ``"data.duplicate_key"``; defaults to the class's code.

    Examples
    --------
    >>> print(DataError("3 seat counts are negative", where="subscriptions.seats", remedy="Fix the export."))
    3 seat counts are negative
      where:    subscriptions.seats
      do:       Fix the export.
    """

    code: str = "error"
    exit_code: int = 1

    def __init__(
        self,
        what: Said,
        *,
        where: Said | None = None,
        got: Said | None = None,
        expected: Said | None = None,
        remedy: Said | None = None,
        code: str | None = None,
    ) -> None:
        if not isinstance(what, str):
            expected, remedy = expected or what.part("expected"), remedy or what.part("remedy")
        given = zip(_FIELDS, (what, where, got, expected, remedy), strict=True)
        self.said: dict[str, Said] = {name: said for name, said in given if said}
        if code is not None:
            self.code = code
        super().__init__(what)

    @property
    def what(self) -> str:
        """What is wrong, in English."""
        return self._in_english("what") or ""

    @property
    def where(self) -> str | None:
        """Table, column, account, file or config key, in English."""
        return self._in_english("where")

    @property
    def got(self) -> str | None:
        """The value found, in English."""
        return self._in_english("got")

    @property
    def expected(self) -> str | None:
        """The value that would have been right, in English."""
        return self._in_english("expected")

    @property
    def remedy(self) -> str | None:
        """What the user can do now, in English."""
        return self._in_english("remedy")

    def _in_english(self, field: str) -> str | None:
        said = self.said.get(field)
        return None if said is None else str(said)

    def __str__(self) -> str:
        lines = [self.what]
        for name, text in (
            ("where:", self.where),
            ("got:", self.got),
            ("expected:", self.expected),
            ("do:", self.remedy),
        ):
            if text:
                lines.append(f"  {name:<9} {text}")
        return "\n".join(lines)

    def as_dict(self) -> dict[str, str]:
        """Return the error in English as a flat JSON-ready mapping, empty fields left out."""
        return {"code": self.code, **{name: str(said) for name, said in self.said.items()}}


class ConfigError(ChurnmlError):
    """The config file is wrong."""

    code = "config"


class DataError(ChurnmlError):
    """The input data is wrong."""

    code = "data"


class TimelineError(DataError):
    """The dates in the data cannot support what was asked of them."""

    code = "data.timeline"


class TrainingError(ChurnmlError):
    """No model can be made of this data."""

    code = "training"


class BundleError(ChurnmlError):
    """A model bundle is missing, incomplete or altered."""

    code = "bundle"


class StoreError(ChurnmlError):
    """The operational store cannot be read or written."""

    code = "store"


class EngineError(ChurnmlError):
    """The analytics engine refused."""

    code = "engine"


class WorkspaceError(ChurnmlError):
    """A file of the workspace cannot be read or written."""

    code = "workspace"


class UsageError(ChurnmlError):
    """A call that cannot mean anything."""

    code = "usage"
    exit_code = 2


def near_name(name: str, known: Iterable[str]) -> str | None:
    """Return the known name closest to a misspelt one, or None.

    Examples
    --------
    >>> near_name("horizon_day", ["gap_days", "horizon_days"])
    'horizon_days'
    """
    matches = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return matches[0] if matches else None
