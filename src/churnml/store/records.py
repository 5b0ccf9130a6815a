"""What the store returns: frozen records, with times in UTC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from churnml.language import Text, words

__all__ = [
    "BANDS",
    "SCOPES",
    "AccountScore",
    "ApiKey",
    "AuditEntry",
    "Departed",
    "Feedback",
    "Override",
    "Page",
    "ScoreFilter",
    "SnapshotInfo",
]

BANDS = ("red", "yellow", "green", "unknown")
"""The bands of the health score."""

SCOPES = ("read", "score", "write", "admin")
"""What an API key may do: read stored scores; score features it sends; write overrides and feedback; everything."""


@dataclass(frozen=True)
class SnapshotInfo:
    """A published snapshot, without its rows. `coverage` is the mean over its accounts, 0–1."""

    id: int
    config: str
    as_of: date
    scored_at: datetime
    published_at: datetime
    model_version: str
    config_hash: str
    accounts: int
    coverage: float | None
    info: Mapping[str, Any]


@dataclass(frozen=True)
class AccountScore:
    """One account in one snapshot. `churn_probability` and `coverage` in 0–1, `health_score` in 0–100.

    `band` is the system's, unless `overridden_by` names the CSM whose override was applied (`Judgements.applied`).
    `renewal_risk` (0–1) is that of `next_decision_on`, `expected_end` the day by which half of such accounts are lost,
    `residual_value` what the account is still worth; all None where no curve was told.
    """

    account_id: str
    churn_probability: float
    health_score: float | None
    band: str
    coverage: float | None
    name: str | None = None
    arr: float | None = None
    expected_loss: float | None = None
    owner: str | None = None
    segment: str | None = None
    days_to_renewal: float | None = None
    position: int = 0
    details: Mapping[str, Any] = field(default_factory=dict)
    next_decision_on: date | None = None
    renewal_risk: float | None = None
    expected_end: date | None = None
    residual_value: float | None = None
    overridden_by: str | None = None

    @property
    def reasons(self) -> tuple[Text, ...]:
        """What capped or limited the health score; of a score that an earlier version stored, its words."""
        texts = self.details.get("reason_texts")
        if texts is not None:
            return tuple(Text.model_validate(text) for text in texts)
        ending = "reasons_"
        said = {name.removeprefix(ending): rows for name, rows in self.details.items() if name.startswith(ending)}
        return tuple(
            Text.of("words", words=words(dict(zip(said, row, strict=True))))
            for row in zip(*(rows or () for rows in said.values()), strict=False)
        )


@dataclass(frozen=True)
class Departed:
    """An account that is scored no more: `last` is the `as_of` of its last score, `on` the day it left, if known.

    `why` is ``ended``, ``notice``, ``silent`` or ``left``.
    """

    last: date
    why: str
    on: date | None = None

    def words(self) -> dict[str, str | None]:
        """Return `why` and `on` as `churnml.explain.frozen` takes them."""
        return {"why": self.why, "on": None if self.on is None else self.on.isoformat()}


@dataclass(frozen=True)
class ScoreFilter:
    """Which accounts to list. `band` is the one a CSM sees: an override in force wins over the system's.

    `renewal_within_days` keeps accounts whose renewal is due in 0 to so many days; `text` is looked for in the
    account's id and name.
    """

    band: str | None = None
    segment: str | None = None
    owner: str | None = None
    renewal_within_days: int | None = None
    text: str | None = None


@dataclass(frozen=True)
class Page:
    """A page of accounts in the order of expected loss; `next_position` is None on the last page."""

    accounts: tuple[AccountScore, ...]
    total: int
    next_position: int | None


@dataclass(frozen=True)
class Override:
    """A CSM's judgement of an account; in force until `expires_at` unless ended before."""

    id: int
    account_id: str
    band: str
    reason: str
    author: str
    system_band: str | None
    system_score: float | None
    created_at: datetime
    expires_at: datetime
    ended_at: datetime | None = None
    ended_by: str | None = None


@dataclass(frozen=True)
class Feedback:
    """What a user said of an account's score or explanation."""

    id: int
    account_id: str
    kind: str
    comment: str | None
    author: str
    created_at: datetime
    snapshot_id: int | None = None


@dataclass(frozen=True)
class ApiKey:
    """An API key without its secret."""

    id: str
    name: str
    scopes: frozenset[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    def may(self, scope: str) -> bool:
        """Tell whether the key has a scope; ``admin`` has them all."""
        return scope in self.scopes or "admin" in self.scopes

    def usable(self, now: datetime) -> bool:
        """Tell whether the key is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True)
class AuditEntry:
    """One change, who made it and when."""

    at: datetime
    actor: str
    action: str
    subject: str
    request_id: str | None
    detail: Mapping[str, Any]
