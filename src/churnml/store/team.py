"""What each owner of accounts has at hand: accounts, ARR at risk, tasks, and whether red accounts were contacted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import Engine, case, func, select

from churnml.store.listing import ListParts
from churnml.store.schema import NoteRow, ScoreRow, TaskRow
from churnml.store.writes import reading

__all__ = ["OwnerWork", "team"]

_CONTACT_DAYS = 7
_DONE_DAYS = 28
_WEEK_DAYS = 7
_SCORES = ("accounts", "arr", "red", "red_arr", "expected_loss")
_TASKS = ("open", "overdue", "week", "done")


@dataclass(frozen=True)
class OwnerWork:
    """One owner; of None: the accounts that nobody owns.

    Parameters
    ----------
    owner : str or None
    accounts : int
    arr : float
        Currency a year.
    red : int
        Red accounts; an override in force counts.
    red_arr : float
        Their ARR: the ARR at risk.
    expected_loss : float
        ``Σ p × ARR`` of all accounts.
    contacted : int
        Red accounts that were contacted in the last 7 days: a touchpoint of ours, a finished task or a note.
    open, overdue : int
        Tasks to do, and those of them past their day.
    week : int
        Open tasks due within 7 days, overdue ones included.
    done : int
        Tasks done in the last 28 days.
    """

    owner: str | None
    accounts: int = 0
    arr: float = 0.0
    red: int = 0
    red_arr: float = 0.0
    expected_loss: float = 0.0
    contacted: int = 0
    open: int = 0
    overdue: int = 0
    week: int = 0
    done: int = 0


def team(engine: Engine, config: str, snapshot_id: int | None, as_of: date | None, now: datetime) -> list[OwnerWork]:
    """Return what each owner has at hand, the most ARR at risk first.

    Parameters
    ----------
    engine : Engine
    config : str
    snapshot_id : int or None
        The snapshot in force; None before the first: tasks only.
    as_of : date or None
        Of that snapshot; a touchpoint counts if it lies within 7 days before it.
    now : datetime
    """
    parts, today = ListParts(config, now), now.date()
    red = case((parts.band == "red", 1), else_=0)
    scores = select(
        parts.owner.label("owner"),
        func.count(),
        func.sum(func.coalesce(ScoreRow.arr, 0.0)),
        func.sum(red),
        func.sum(red * func.coalesce(ScoreRow.arr, 0.0)),
        func.sum(func.coalesce(ScoreRow.expected_loss, 0.0)),
    )
    reds = select(ScoreRow.account_id, parts.owner.label("owner"), ScoreRow.details)
    tasks = (
        select(
            TaskRow.owner,
            func.sum(case((TaskRow.state == "open", 1), else_=0)),
            func.sum(case(((TaskRow.state == "open") & (TaskRow.due_on < today), 1), else_=0)),
            func.sum(
                case(((TaskRow.state == "open") & (TaskRow.due_on < today + timedelta(days=_WEEK_DAYS)), 1), else_=0)
            ),
            func.sum(
                case(((TaskRow.state == "done") & (TaskRow.changed_at >= now - timedelta(days=_DONE_DAYS)), 1), else_=0)
            ),
        )
        .where(TaskRow.config == config)
        .group_by(TaskRow.owner)
    )
    since = now - timedelta(days=_CONTACT_DAYS)
    worked = select(TaskRow.account_id).where(
        TaskRow.config == config, TaskRow.state == "done", TaskRow.changed_at >= since
    )
    noted = select(NoteRow.account_id).where(NoteRow.config == config, NoteRow.at >= since)
    sums_of: dict[str | None, dict[str, float]] = {}
    with reading(engine) as connection:
        if snapshot_id is not None and as_of is not None:
            mine = ScoreRow.snapshot_id == snapshot_id
            for owner, *sums in connection.execute(parts.joined(scores).where(mine).group_by(parts.owner)):
                sums_of[owner] = dict(zip(_SCORES, sums, strict=True))
            touched = {row[0] for query in (worked, noted) for row in connection.execute(query)}
            first = (as_of - timedelta(days=_CONTACT_DAYS)).isoformat()
            for account, owner, details in connection.execute(parts.joined(reds).where(mine, parts.band == "red")):
                last = (details or {}).get("last_contact_on") or ""
                if account in touched or last >= first:
                    one = sums_of.setdefault(owner, {})
                    one["contacted"] = one.get("contacted", 0) + 1
        for owner, *sums in connection.execute(tasks):
            if any(sums):
                sums_of.setdefault(owner, {}).update(zip(_TASKS, sums, strict=True))
    whole = ("accounts", "red", "contacted", "open", "overdue", "week", "done")
    rows = [
        OwnerWork(owner, **{name: int(value) if name in whole else float(value) for name, value in one.items()})  # type: ignore[arg-type]
        for owner, one in sums_of.items()
    ]
    return sorted(rows, key=lambda one: (-one.red_arr, -one.open, one.owner or ""))
