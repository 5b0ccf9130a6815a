"""What CSMs expect of the next renewal of their accounts, beside what the score expects."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Engine, delete, insert, select

from churnml.store.schema import RenewalCallRow
from churnml.store.writes import Actor, reading, write

__all__ = ["RenewalCall", "RenewalCalls"]


@dataclass(frozen=True)
class RenewalCall:
    """What somebody expects of one renewal: `arr` is the ARR that goes on, 0 where the account leaves."""

    account_id: str
    renewal_on: date
    arr: float
    author: str
    at: datetime


class RenewalCalls:
    """The calls on the renewals of one config's accounts; the newest of each account counts.

    Examples
    --------
    >>> from datetime import UTC
    >>> from churnml.store import Store
    >>> with Store("sqlite://") as store:
    ...     calls, ann = store.renewal_calls("acme"), Actor("user:1", datetime(2026, 3, 1, tzinfo=UTC))
    ...     calls.call("a", date(2026, 6, 1), 1200.0, ann, author="Ann")
    ...     calls.call("a", date(2026, 6, 1), 0.0, ann, author="Ann")
    ...     [call.arr for call in calls.all()]
    [0.0]
    """

    def __init__(self, engine: Engine, config: str, deadline: float | None = None) -> None:
        self._engine, self._config, self._deadline = engine, config, deadline

    def call(self, account_id: str, renewal_on: date, arr: float | None, actor: Actor, *, author: str) -> None:
        """Keep what somebody expects of a renewal; None takes the call back."""

        def work(connection: Connection) -> tuple[str, dict[str, Any]]:
            key = {"config": self._config, "account_id": account_id}
            connection.execute(delete(RenewalCallRow).filter_by(**key))
            if arr is not None:
                row = {**key, "renewal_on": renewal_on, "arr": arr, "author": author, "at": actor.now}
                connection.execute(insert(RenewalCallRow), row)
            return account_id, {"renewal_on": renewal_on.isoformat(), "arr": arr, "author": author}

        write(self._engine, actor, "renewals.call", work, deadline=self._deadline)

    def all(self) -> list[RenewalCall]:
        """Return every call, by account; one of another `renewal_on` than the account's is of an earlier renewal."""
        row = RenewalCallRow
        query = select(row.account_id, row.renewal_on, row.arr, row.author, row.at).where(row.config == self._config)
        with reading(self._engine) as connection:
            return [RenewalCall(*values) for values in connection.execute(query.order_by(row.account_id))]
