"""What an adapter for a target is: it plans nothing and retries nothing, but knows the target's words."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import httpx
from pydantic import SecretStr

from churnml.config.deliveries import TargetConfig
from churnml.config.secrets import MASK
from churnml.deliveries.faults import Fault, Shown
from churnml.deliveries.gateway import Gateway, Signs, reveal
from churnml.errors import ConfigError
from churnml.store import Delivery, DeliveryOutcome

__all__ = [
    "Adapter",
    "Context",
    "Finding",
    "RemoteRecord",
    "Manner",
    "Record",
    "accepted",
    "again",
    "deleted_there",
    "ended",
    "mark",
    "moment",
    "refused",
    "sent",
]


@dataclass(frozen=True)
class Manner:
    """How a target takes one topic.

    Parameters
    ----------
    batch : int
        Records in one call.
    repeat : {"harmless", "find", "never"}
        After a lost answer: sending again changes nothing; look whether it arrived; neither can be done.
    must_exist : bool
        Records are looked up before they are written, and one that the target does not know is refused.
    needs_account : bool
        Records hang on an account, whose remote id must be known first.
    looks_first : bool
        A record that the target has is looked at before it is changed: what was closed or deleted there is left alone.
    found_after : float
        Seconds until the target finds what it was just given.
    pauses : tuple of float
        Seconds between attempts, where the target's convention says so; else they double.
    """

    batch: int = 1
    repeat: Literal["harmless", "find", "never"] = "harmless"
    must_exist: bool = False
    needs_account: bool = False
    looks_first: bool = False
    found_after: float = 0.0
    pauses: tuple[float, ...] = ()


@dataclass(frozen=True)
class Record:
    """One delivery as an adapter sees it.

    Parameters
    ----------
    delivery : Delivery
    remote_id : str or None
        The target's id of the record; None: it is to be made, or not known yet.
    account : str or None
        The target's id of the account that it belongs to.
    mark : str
        Ten digits by which a record that was made is found again.
    """

    delivery: Delivery
    mark: str
    remote_id: str | None = None
    account: str | None = None

    @property
    def values(self) -> Mapping[str, Any]:
        """What the target is to hold."""
        return self.delivery.wanted

    @property
    def account_id(self) -> str:
        """Churnml's id of the account."""
        return self.delivery.account_id or ""


@dataclass(frozen=True)
class RemoteRecord:
    """What a target knows under an id.

    Parameters
    ----------
    state : {"there", "closed", "missing", "deleted", "merged", "ambiguous"}
        `closed`: a task that is there and finished.
    remote_id : str, optional
        Of the record, or of the survivor of a merge.
    changed_at : datetime, optional
        When it was last changed there, as far as the target tells.
    """

    state: Literal["there", "closed", "missing", "deleted", "merged", "ambiguous"]
    remote_id: str | None = None
    changed_at: datetime | None = None


@dataclass(frozen=True)
class Finding:
    """One line of `churnml deliver check`."""

    target: str
    ok: bool
    what: str
    remedy: str | None = None


@dataclass(frozen=True)
class Context:
    """What an adapter is given beside its own section of the config."""

    config: str
    name: str
    gateway: Gateway
    language: str = "en"
    currency: str = "USD"


class Adapter(ABC):
    """Base of the adapters: one file a target.

    A subclass sets `topics` and writes `write`; `find`, `confirm`, `check` and `signs` where the target has them.
    A topic whose records are looked up asks for a `find`: without one, what is there already would be made again.
    """

    topics: Mapping[str, Manner] = {}

    def __init_subclass__(cls) -> None:
        """Refuse an adapter that is to look records up and cannot."""
        asked = any(
            one.must_exist or one.needs_account or one.looks_first or one.repeat == "find"
            for one in cls.topics.values()
        )
        if asked and cls.find is Adapter.find:
            raise TypeError(f"{cls.__name__} looks records up, so it needs a method find")

    def __init__(self, context: Context) -> None:
        self.context = context
        self.gateway = context.gateway
        self.name = context.name
        self.gateway.signs = self.signs()
        self._login: dict[str, str] | None = None

    def login(self) -> dict[str, str]:
        """Return the headers that log us in; may fetch a token."""
        return {}

    def call(self, method: str, url: str, *, headers: Mapping[str, str] | None = None, **rest: Any) -> httpx.Response:
        """Send a request logged in; a login that has run out is renewed once, as nothing was done with it."""
        old = self._login
        try:
            return self.gateway.call(method, url, headers={**self._logged_in(), **(headers or {})}, **rest)
        except Fault as fault:
            if fault.reason != "login" or old is None:
                raise
        self._login = None
        return self.gateway.call(method, url, headers={**self._logged_in(), **(headers or {})}, **rest)

    def _logged_in(self) -> dict[str, str]:
        if self._login is None:
            try:
                self._login = self.login()
            except Shown:
                self._login = {"Authorization": MASK}
        return self._login

    def signs(self) -> Signs:
        """Return how the target says that it wants a pause, and what it has left."""
        return Signs()

    def find(self, topic: str, records: Sequence[Record]) -> Mapping[int, RemoteRecord]:
        """Return what the target knows of records, by the delivery's id; one that is left out is missing."""
        return {}

    @abstractmethod
    def write(self, topic: str, records: Sequence[Record]) -> Sequence[DeliveryOutcome]:
        """Write records with one call, all of them with a remote id or none; return their outcomes in order."""

    def forbidden(self, answer: httpx.Response) -> None:
        """Take a login that may not do this for a fault; a `Signs.stop` for targets that say it with 403."""
        if answer.status_code == 403:
            raise Fault("forbidden", self.gateway.said(answer))

    def confirm(self, topic: str, records: Sequence[Record]) -> Sequence[DeliveryOutcome]:
        """Read back what the target has taken without a proof; by default that is all there ever is."""
        return [DeliveryOutcome("sent", "unproved") for _ in records]

    def apart(self, topic: str, records: Sequence[Record], outcome: DeliveryOutcome) -> Sequence[DeliveryOutcome]:
        """Find the records for whose sake a whole call was refused, and nothing done: by halves, each sent for itself.

        Only where sending again is harmless, as an interruption forgets what the first half came to.
        """
        if len(records) == 1:
            return [outcome]
        half = len(records) // 2
        return [*self.write(topic, records[:half]), *self.write(topic, records[half:])]

    def check(self) -> Iterator[Finding]:
        """Say what of the set-up is missing, may not be written, or is too short."""
        yield self.finding(True, "Nothing of it can be checked without sending.")

    def finding(self, ok: bool, what: str, remedy: str | None = None) -> Finding:
        """Return a line of the check."""
        return Finding(self.name, ok, what, remedy)

    def secret(self, secret: SecretStr | None) -> str:
        """Return a secret of the section in the clear; in a dry run one that is not there may be missing.

        Raises
        ------
        Fault
            The environment has it not. Other targets go on.
        """
        if secret is None:
            return ""
        try:
            return reveal(secret, f"deliveries.{self.name}")
        except ConfigError as error:
            if self.gateway.shown is not None:
                return MASK
            raise Fault("no_secret", f"{error.what}. {error.remedy}") from None

    @staticmethod
    def secrets_of(section: TargetConfig) -> list[str]:
        """Return the secrets of a section, which must never be shown."""
        values = (getattr(section, name) for name in type(section).model_fields)
        return [value.get_secret_value() for value in values if isinstance(value, SecretStr)]


def ended(values: Mapping[str, Any] | None) -> bool:
    """Tell whether an alert or a task that a target is to hold is finished."""
    return values is not None and values.get("state") in ("closed", "done", "skipped", "cancelled")


def accepted(remote_id: str | None = None) -> DeliveryOutcome:
    """Return that the target holds it."""
    return DeliveryOutcome("accepted", remote_id=remote_id)


def sent(due_at: datetime | None = None) -> DeliveryOutcome:
    """Return that the target has taken it, which proves nothing."""
    return DeliveryOutcome("sent", due_at=due_at)


def refused(reason: str, said: str) -> DeliveryOutcome:
    """Return that the target will never take it."""
    return DeliveryOutcome("refused", reason, said)


def deleted_there() -> DeliveryOutcome:
    """Return that a person has deleted it in the target."""
    return refused("deleted", "it was deleted there; it is not made again")


def again(reason: str, said: str, due_at: datetime | None = None) -> DeliveryOutcome:
    """Return that the target did not take it, but may the next time."""
    return DeliveryOutcome("waiting", reason, said, due_at=due_at)


def moment(given: Any) -> datetime | None:
    """Return a time as a target tells it, in UTC; None where it is none.

    Examples
    --------
    >>> moment("2026-03-02T15:04:05.000+0900").isoformat(), moment("soon")
    ('2026-03-02T06:04:05+00:00', None)
    """
    try:
        at = datetime.fromisoformat(str(given))
    except ValueError:
        return None
    return at.astimezone(UTC) if at.tzinfo is not None else at.replace(tzinfo=UTC)


def mark(config: str, target: str, key: str) -> str:
    """Return ten hex digits that name what a key is in a target.

    Examples
    --------
    >>> mark("acme", "slack.cs", "alert:7") == mark("acme", "slack.cs", "alert:7") != mark("b", "slack.cs", "alert:7")
    True
    """
    return hashlib.sha256(f"{config}\n{target}\n{key}".encode()).hexdigest()[:10]
