"""What a connector is: the objects of one tool, and how the pages of each are fetched."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar

import httpx
from pydantic import SecretStr

from churnml.config.pulls import PullLogin
from churnml.config.secrets import reveal
from churnml.sources.connectors.access import Access, Manners

__all__ = ["Connector", "Kind", "Page", "Window", "secrets_of"]


@dataclass(frozen=True)
class Kind:
    """One object of a tool, as it lands.

    Parameters
    ----------
    name : str
        What the landed table is called.
    id : tuple of str
        Columns that name a record.
    version : str
        Column of the time of a record's version; empty where records never change.
    created : str
        Column of the time when a record came to be.
    preset : str
        What reads it; empty where it is only read beside another table.
    stream : str
        The object with whose calls it comes; its own name where it has calls of its own.
    keeps : tuple of str
        Columns that are taken to hold since the record came to be. Where it is not empty, ``<name>_history`` has
        every version from when it was known.
    """

    name: str
    id: tuple[str, ...] = ("id",)
    version: str = ""
    created: str = ""
    preset: str = ""
    stream: str = ""
    keeps: tuple[str, ...] = ()


@dataclass(frozen=True)
class Window:
    """What is to be fetched of one object.

    Parameters
    ----------
    since : datetime or None
        Changes from here on; None means everything there is.
    until : datetime
        The beginning of the pull.
    mark : mapping
        The tool's own place where the last finished window ended, e.g. a cursor.
    resume : mapping
        Where an interrupted pull of this window has come to.
    """

    since: datetime | None
    until: datetime
    mark: Mapping[str, Any] = field(default_factory=dict)
    resume: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Page:
    """What one call brought.

    Parameters
    ----------
    records : mapping of str to sequence
        Landed table → raw records.
    resume : mapping
        Where to go on once these are landed.
    """

    records: Mapping[str, Sequence[Any]]
    resume: Mapping[str, Any] = field(default_factory=dict)


class Connector(ABC):
    """One tool.

    Parameters
    ----------
    section : PullLogin
        The tool's section of the config.
    access : Access
        The way to it.
    key : str
        Key of the section in the config, for messages.
    note : callable
        Told what a person should know, once a pull.
    """

    tool: ClassVar[str]
    kinds: ClassVar[tuple[Kind, ...]]
    settle: ClassVar[timedelta] = timedelta(minutes=5)
    """How long after it happened a row may still be missing from the tool's answers."""

    def __init__(self, section: Any, access: Access, key: str, note: Callable[..., None]) -> None:
        self.section = section
        self.access = access
        self.key = key
        self.note = note
        access.manners = Manners(self.login, self.renewable, self.left, self.stop)

    renewable: bool = False

    @classmethod
    def streams(cls) -> list[str]:
        """Return the objects that have calls of their own."""
        return list(dict.fromkeys(kind.stream or kind.name for kind in cls.kinds))

    @abstractmethod
    def pages(self, stream: str, window: Window) -> Iterator[Page]:
        """Yield the pages of an object's window.

        Raises
        ------
        Expired
            The mark or the place to resume from is no longer known to the tool.
        LeftOut
            This object cannot be fetched.
        """

    @abstractmethod
    def login(self) -> Mapping[str, str]:
        """Return the headers of a fresh login."""

    def left(self, answer: httpx.Response) -> int | None:
        """Return what an answer says is left of the daily allowance."""
        return None

    def stop(self, answer: httpx.Response, now: datetime) -> datetime | None:
        """Return when to go on, where an answer says that a daily limit is used up."""
        return None

    def secret(self, value: SecretStr, name: str) -> str:
        """Return a secret of the section in the clear."""
        return reveal(value, f"{self.key}.{name}")


def secrets_of(login: PullLogin) -> list[str]:
    """Return every secret of a section in the clear, to be masked."""
    values = (getattr(login, name) for name in type(login).model_fields)
    return [value.get_secret_value() for value in values if isinstance(value, SecretStr)]
