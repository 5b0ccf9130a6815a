"""Notes: what somebody wrote down on an account, an alert or a task."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection, Engine, and_, insert, or_, select

from churnml.errors import StoreError
from churnml.language import Text
from churnml.store.schema import AlertRow, NoteRow, TaskRow
from churnml.store.writes import Actor, IdempotencyKey, reading, write

__all__ = ["Note", "Notes", "add_note"]


class Note(BaseModel):
    """What somebody wrote down; never changed.

    Parameters
    ----------
    id : int
    account_id : str
    alert_id, task_id : int or None
        What it is about, where it is about more than the account.
    author, text : str
    at : datetime
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: int
    account_id: str
    alert_id: int | None = None
    task_id: int | None = None
    author: str
    text: str
    at: datetime


class Notes:
    """The notes of one config."""

    def __init__(self, engine: Engine, config: str, deadline: float | None = None) -> None:
        self._engine = engine
        self._config = config
        self._deadline = deadline

    def add(
        self,
        text: str,
        author: str,
        actor: Actor,
        *,
        account_id: str | None = None,
        alert_id: int | None = None,
        task_id: int | None = None,
        idempotency: IdempotencyKey | None = None,
    ) -> tuple[Note, bool]:
        """Write a note; one on an alert or a task is one on its account as well.

        Returns
        -------
        tuple of Note and bool
            The note, and whether this is the replay of an earlier answer.

        Raises
        ------
        StoreError
            There is no such alert or task.
        """

        def work(connection: Connection) -> tuple[str, dict[str, Any]]:
            account, alert = self._subject(connection, account_id, alert_id, task_id)
            note = add_note(connection, self._config, actor.now, author, text, account, alert, task_id)
            return account, note.model_dump(mode="json")

        answer, replayed = write(self._engine, actor, "notes.create", work, idempotency, self._deadline)
        return Note.model_validate(answer), replayed

    def find(
        self,
        *,
        account_id: str | None = None,
        alert_id: int | None = None,
        task_id: int | None = None,
        changed_since: datetime | None = None,
        after: tuple[datetime, int] | None = None,
        limit: int = 100,
    ) -> list[Note]:
        """Return notes in the order in which they were written.

        Parameters
        ----------
        account_id, alert_id, task_id : optional
        changed_since : datetime, optional
            Only those written at or after it.
        after : tuple of datetime and int, optional
            Time and id of the last one on the page before.
        limit : int
        """
        wanted = [NoteRow.config == self._config]
        given = ((NoteRow.account_id, account_id), (NoteRow.alert_id, alert_id), (NoteRow.task_id, task_id))
        wanted += [column == value for column, value in given if value is not None]
        if changed_since is not None:
            wanted.append(NoteRow.at >= changed_since)
        if after is not None:
            wanted.append(or_(NoteRow.at > after[0], and_(NoteRow.at == after[0], NoteRow.id > after[1])))
        with reading(self._engine) as connection:
            rows = connection.execute(_NOTE.where(*wanted).order_by(NoteRow.at, NoteRow.id).limit(limit))
            return [_note(row) for row in rows]

    def _subject(
        self, connection: Connection, account_id: str | None, alert_id: int | None, task_id: int | None
    ) -> tuple[str, int | None]:
        """Return the account and the alert that a note is about."""
        if task_id is not None:
            of_task = select(TaskRow.account_id, TaskRow.alert_id)
            row = connection.execute(of_task.where(TaskRow.config == self._config, TaskRow.id == task_id)).first()
            if row is None:
                raise unknown("task", task_id)
            return str(row.account_id), int(row.alert_id)
        if alert_id is not None:
            account = connection.execute(
                select(AlertRow.account_id).where(AlertRow.config == self._config, AlertRow.id == alert_id)
            ).scalar()
            if account is None:
                raise unknown("alert", alert_id)
            return str(account), alert_id
        assert account_id is not None
        return account_id, None


_NOTE = select(
    NoteRow.id, NoteRow.account_id, NoteRow.alert_id, NoteRow.task_id, NoteRow.author, NoteRow.text, NoteRow.at
)


def add_note(
    connection: Connection,
    config: str,
    at: datetime,
    author: str,
    text: str,
    account_id: str,
    alert_id: int | None = None,
    task_id: int | None = None,
) -> Note:
    """Write a note in a transaction that is open."""
    row = {"account_id": account_id, "alert_id": alert_id, "task_id": task_id, "author": author, "text": text, "at": at}
    made = connection.execute(insert(NoteRow).values(config=config, **row).returning(NoteRow.id))
    return Note.model_validate({"id": made.scalar_one(), **row})


def unknown(what: str, number: int) -> StoreError:
    """Return the error of an alert or a task that there is not."""
    return StoreError(
        Text.of(f"error-no.{what}"),
        where=Text.of(f"error-the.{what}", id=str(number)),
        remedy=Text.of("error-ids", what=f"{what}s"),
        code=f"{what}.unknown",
    )


def _note(row: Any) -> Note:
    return Note.model_validate(dict(row._mapping))
