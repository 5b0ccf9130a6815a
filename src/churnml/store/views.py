"""Lists that somebody has put together, named and kept: a view is its address."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, delete, insert, select

from churnml.store.schema import ViewRow
from churnml.store.writes import Actor, reading, write

__all__ = ["View", "Views"]


@dataclass(frozen=True)
class View:
    """A named list: `query` is the query of its address."""

    id: int
    name: str
    query: str


class Views:
    """The views of the people of one config; each sees their own.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from churnml.store import Store
    >>> with Store("sqlite://") as store:
    ...     views, ann = store.views("acme"), Actor("user:1", datetime(2026, 3, 1, tzinfo=UTC))
    ...     kept = views.keep("accounts", "My reds", "band=red", ann)
    ...     [view.query for view in views.of("user:1", "accounts")], views.of("user:2", "accounts")
    (['band=red'], [])
    """

    def __init__(self, engine: Engine, config: str, deadline: float | None = None) -> None:
        self._engine, self._config, self._deadline = engine, config, deadline

    def of(self, user: str, page: str) -> list[View]:
        """Return somebody's views of a page, by name."""
        mine = (ViewRow.config == self._config, ViewRow.user == user, ViewRow.page == page)
        query = select(ViewRow.id, ViewRow.name, ViewRow.query).where(*mine).order_by(ViewRow.name)
        with reading(self._engine) as connection:
            return [View(*row) for row in connection.execute(query)]

    def keep(self, page: str, name: str, query: str, actor: Actor) -> int:
        """Keep a view of the actor's, in place of one of the same name; return its id."""

        def work(connection: Connection) -> tuple[str, dict[str, Any]]:
            row = {"config": self._config, "user": actor.name, "page": page, "name": name}
            connection.execute(delete(ViewRow).filter_by(**row))
            made = insert(ViewRow).values(**row, query=query, created_at=actor.now).returning(ViewRow.id)
            return f"{page} {name}", {"id": connection.execute(made).scalar_one(), "query": query}

        answer, _ = write(self._engine, actor, "views.keep", work, deadline=self._deadline)
        return int(answer["id"])

    def drop(self, view_id: int, actor: Actor) -> None:
        """Forget a view of the actor's; one that is not theirs stays."""

        def work(connection: Connection) -> tuple[str, dict[str, Any]]:
            mine = (ViewRow.config == self._config, ViewRow.user == actor.name, ViewRow.id == view_id)
            gone = connection.execute(delete(ViewRow).where(*mine).returning(ViewRow.name)).scalar()
            return str(view_id), {"name": gone}

        write(self._engine, actor, "views.drop", work, deadline=self._deadline)
