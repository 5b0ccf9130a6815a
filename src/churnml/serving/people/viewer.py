"""Who is looking at a page, and what they may see and do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from churnml.config.sign_in import Role
from churnml.language import Language
from churnml.store import ApiKey

__all__ = ["RIGHTS", "Action", "Role", "Viewer", "viewer_with_key"]

Action = Literal["read", "note", "work", "assign", "administer"]
"""`read` pages; `note`: notes and feedback; `work`: tasks, alerts, overrides; `assign` them, and accounts, to others;
`administer`: Settings."""

RIGHTS: dict[Role, frozenset[Action]] = {
    "csm": frozenset({"read", "note", "work", "assign"}),
    "manager": frozenset({"read", "note", "work", "assign"}),
    "data_scientist": frozenset({"read", "note"}),
    "admin": frozenset({"read", "note", "work", "assign", "administer"}),
}
"""What each role may do."""

_RIGHTS_OF_SCOPES: dict[str, frozenset[Action]] = {
    "read": frozenset({"read"}),
    "score": frozenset(),
    "write": frozenset({"note", "work", "assign"}),
    "admin": RIGHTS["admin"],
}


@dataclass(frozen=True)
class Viewer:
    """Somebody who looks at a page.

    Parameters
    ----------
    user_id : str
        Name of them in audit log and records: ``user:7``; of an API key its id.
    name : str
        What they are called; the author of their notes and overrides.
    role : str
        See `Role`.
    rights : frozenset of str
        What they may do, see `Action`; a key's scopes may allow less than its role.
    owner_id : str or None
        The owner of accounts that they are.
    sees_all : bool
        Whether they see every account, or only those of `owner_id`.
    language : str or None
        What they have chosen; None: nothing yet. What a page speaks is `language_of(request)`.
    email : str or None
    by : str
        How it is known who they are.

    Examples
    --------
    >>> ann = Viewer("user:1", "Ann", "csm", RIGHTS["csm"], owner_id="u-17", sees_all=False)
    >>> ann.may("work"), ann.may("administer"), ann.sees("u-17"), ann.sees("u-18"), ann.sees(None)
    (True, False, True, False, False)
    """

    user_id: str
    name: str
    role: Role
    rights: frozenset[Action]
    owner_id: str | None = None
    sees_all: bool = True
    language: Language | None = None
    email: str | None = None
    by: Literal["session", "proxy", "key", "insecure"] = "session"

    def may(self, action: Action) -> bool:
        """Tell whether they may do something."""
        return action in self.rights

    def sees(self, owner: str | None) -> bool:
        """Tell whether they see the accounts of an owner; of None: those that nobody owns."""
        return self.sees_all or (owner is not None and owner == self.owner_id)


def viewer_with_key(key: ApiKey, *, insecure: bool = False) -> Viewer:
    """Return who looks with an API key; with all rights where the service asks for no key."""
    rights = frozenset(action for scope in key.scopes for action in _RIGHTS_OF_SCOPES[scope])
    role: Role = "admin" if "administer" in rights else "manager" if "work" in rights else "data_scientist"
    return Viewer(key.id, key.name, role, rights, by="insecure" if insecure else "key")
