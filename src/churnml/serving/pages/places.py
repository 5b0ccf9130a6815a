"""The places that the navigation leads to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["PLACES", "Place", "places_of"]


@dataclass(frozen=True)
class Place:
    """A page of the navigation: its name, which is ``nav-<name>`` in words, and its path.

    `roles` are those who see it; empty for everybody.
    """

    name: str
    path: str
    roles: frozenset[str] = frozenset()


PLACES = (
    Place("today", "/"),
    Place("accounts", "/accounts"),
    Place("team", "/team"),
    Place("company", "/company"),
    Place("proof", "/proof"),
    Place("settings", "/settings", frozenset({"admin"})),
)


def places_of(role: str, served: Iterable[str]) -> list[Place]:
    """Return the places that a role may go to, of the paths that are served.

    Examples
    --------
    >>> [place.name for place in places_of("csm", ["/", "/accounts", "/settings"])]
    ['today', 'accounts']
    """
    known = set(served)
    return [place for place in PLACES if place.path in known and (not place.roles or role in place.roles)]
