"""The places that the navigation leads to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from churnml.serving.people import Action, Viewer

__all__ = ["PLACES", "Place", "places_of"]


@dataclass(frozen=True)
class Place:
    """A page of the navigation: its name, which is ``nav-<name>`` in words, and its path.

    Who may not do `action` does not see it.
    """

    name: str
    path: str
    action: Action = "read"


PLACES = (
    Place("today", "/"),
    Place("accounts", "/accounts"),
    Place("team", "/team"),
    Place("company", "/company"),
    Place("proof", "/proof"),
    Place("settings", "/settings", "administer"),
)


def places_of(viewer: Viewer, served: Iterable[str]) -> list[Place]:
    """Return the places that somebody may go to, of the paths that are served.

    Examples
    --------
    >>> ann = Viewer("user:1", "Ann", "csm", frozenset({"read", "work"}))
    >>> [place.name for place in places_of(ann, ["/", "/accounts", "/settings"])]
    ['today', 'accounts']
    """
    known = set(served)
    return [place for place in PLACES if place.path in known and viewer.may(place.action)]
