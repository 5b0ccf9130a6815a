"""Who has been erased: later loads leave them out, without the list saying who they are."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from churnml.errors import WorkspaceError
from churnml.files import write_json
from churnml.language import Text
from churnml.sources.sql import identifier

__all__ = ["PERSON_COLUMNS", "Suppression"]

PERSON_COLUMNS = ("contact_id", "user_id")
"""Columns of the canonical tables that name a person."""

_FILE = "suppressed.json"


@dataclass(frozen=True)
class Suppression:
    """Salted hashes of the ids of erased accounts and persons.

    Examples
    --------
    >>> listed = Suppression(salt="00").adding(accounts=["acc-1"], persons=[])
    >>> listed.is_account("acc-1"), listed.is_account("acc-2"), "acc-1" in str(listed)
    (True, False, False)
    """

    salt: str = field(default_factory=lambda: secrets.token_hex(16))
    accounts: frozenset[str] = frozenset()
    persons: frozenset[str] = frozenset()

    @classmethod
    def read(cls, workspace: Path) -> Self:
        """Read the list of a workspace; an empty one where nobody was erased.

        Raises
        ------
        WorkspaceError
            The file is damaged: loading on would bring erased subjects back.
        """
        path = workspace / _FILE
        if not path.is_file():
            return cls()
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            return cls(str(data["salt"]), frozenset(data["accounts"]), frozenset(data["persons"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise WorkspaceError(
                Text.of("error-suppression"),
                where=str(path),
                code="workspace.suppression",
            ) from error

    def write(self, workspace: Path) -> Path:
        """Keep the list in a workspace."""
        data = {"salt": self.salt, "accounts": sorted(self.accounts), "persons": sorted(self.persons)}
        return write_json(workspace / _FILE, data)

    def adding(self, *, accounts: Iterable[str], persons: Iterable[str]) -> Self:
        """Return the list with further ids."""
        return replace(
            self,
            accounts=self.accounts | {self.mark(one) for one in accounts},
            persons=self.persons | {self.mark(one) for one in persons},
        )

    def mark(self, value: str) -> str:
        """Return what stands for an id."""
        return hashlib.sha256(f"{self.salt}{value}".encode()).hexdigest()

    def is_account(self, value: str) -> bool:
        """Tell whether an account was erased."""
        return self.mark(value) in self.accounts

    def applied(self, table: str, select: str, columns: Iterable[str]) -> str:
        """Return a query of a canonical table without the erased.

        Rows of an erased account go. Of an erased person their own row in `contacts` goes; elsewhere the row stays,
        as it belongs to the account, and no longer says who it was.
        """
        if not self.accounts and not self.persons:
            return select
        own = set(columns)
        person = [name for name in PERSON_COLUMNS if name in own]
        gone = [self._listed("account_id", self.accounts)]
        masked = []
        if table == "contacts":
            gone += [self._listed(name, self.persons) for name in person]
        else:
            masked = [
                f"CASE WHEN {self._listed(name, self.persons)} THEN NULL ELSE {name} END AS {name}" for name in person
            ]
        replaced = f" REPLACE ({', '.join(masked)})" if masked else ""
        return f"SELECT *{replaced} FROM ({select}) WHERE NOT ({' OR '.join(gone)})"

    def listed_anywhere(self, columns: Iterable[str]) -> str:
        """Return the condition that any of some columns, as text, names an erased account or person."""
        listed = self.accounts | self.persons
        return " OR ".join(self._listed(identifier(name), listed) for name in columns) or "false"

    def _listed(self, column: str, marks: frozenset[str]) -> str:
        if not marks:
            return "false"
        listed = ", ".join(f"'{mark}'" for mark in sorted(marks))
        return f"coalesce(sha256('{self.salt}' || CAST({column} AS VARCHAR)) IN ({listed}), false)"
