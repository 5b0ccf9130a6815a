"""Who was chosen by hand to have an account, where the source names somebody else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Engine, delete, insert, select

from churnml.store.schema import AccountOwnerRow, AlertRow
from churnml.store.writes import Actor, reading, write

__all__ = ["Owners"]


class Owners:
    """The owners of one config's accounts that were chosen by hand.

    A choice holds while the source names the owner that it named then: when the CRM moves the account to somebody
    else, that is newer than the choice.
    """

    def __init__(self, engine: Engine, config: str, deadline: float | None = None) -> None:
        self._engine, self._config, self._deadline = engine, config, deadline

    def choose(self, owner: str, accounts: Mapping[str, str | None], actor: Actor) -> list[int]:
        """Give accounts to somebody.

        Parameters
        ----------
        owner : str
        accounts : mapping
            Account → the owner whom the source names.
        actor : Actor

        Returns
        -------
        list of int
            The alerts on these accounts that are not closed; they are for the caller to hand over, see `Alerts.change`.
        """

        def work(connection: Connection) -> tuple[str, dict[str, Any]]:
            for account, source in accounts.items():
                one = {"config": self._config, "account_id": account}
                connection.execute(delete(AccountOwnerRow).filter_by(**one))
                if owner != source:
                    row = {**one, "owner": owner, "source_owner": source, "by": actor.name, "at": actor.now}
                    connection.execute(insert(AccountOwnerRow).values(**row))
            open_ones = select(AlertRow.id).where(
                AlertRow.config == self._config,
                AlertRow.account_id.in_(list(accounts)),
                AlertRow.state != "closed",
                AlertRow.owner != owner,
            )
            alerts = list(connection.execute(open_ones).scalars())
            return owner, {"accounts": sorted(accounts), "alerts": alerts}

        answer, _ = write(self._engine, actor, "accounts.assign", work, deadline=self._deadline)
        return [int(one) for one in answer["alerts"]]

    def chosen(self) -> dict[str, tuple[str | None, str]]:
        """Return account → whom the source named then, and who was chosen."""
        columns = (AccountOwnerRow.account_id, AccountOwnerRow.source_owner, AccountOwnerRow.owner)
        with reading(self._engine) as connection:
            rows = connection.execute(select(*columns).where(AccountOwnerRow.config == self._config))
            return {row[0]: (row[1], row[2]) for row in rows}

    def in_force(self, account_id: str, source: str | None) -> str | None:
        """Return who has an account, given whom the source names.

        Examples
        --------
        >>> from datetime import UTC, datetime
        >>> from churnml.store import Store
        >>> with Store("sqlite://") as store:
        ...     owners, ann = store.owners("acme"), Actor("user:1", datetime(2026, 3, 1, tzinfo=UTC))
        ...     given = owners.choose("bob", {"a": "ann"}, ann)
        ...     owners.in_force("a", "ann"), owners.in_force("a", "eve"), owners.in_force("b", "ann")
        ('bob', 'eve', 'ann')
        """
        held = self.chosen().get(account_id)
        return held[1] if held is not None and held[0] == source else source
