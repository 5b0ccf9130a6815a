"""When something is due, and who has it on the desk: working days, absences, deputies, roles."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from churnml.config.alerts import AlertsConfig, Role

__all__ = ["due_at", "due_on", "responsible"]

_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CLOSE = time(18, 0)
_LONGEST_CHAIN = 5
_LONGEST_WAIT_DAYS = 3650


def due_on(day: date, workdays: int, section: AlertsConfig, owner: str | None = None) -> date:
    """Return the working day that lies so many working days after a day.

    Parameters
    ----------
    day : date
    workdays : int
        0: the day itself, or the next working day.
    section : AlertsConfig
        Working days and holidays of the team and of its owners.
    owner : str, optional
        Whose working days count; default the team's.

    Examples
    --------
    >>> section = AlertsConfig.model_validate({"owners": {"ann": {"workdays": ["mon", "tue"]}}})
    >>> friday = date(2026, 1, 2)
    >>> due_on(friday, 2, section).isoformat(), due_on(friday, 3, section, "ann").isoformat()
    ('2026-01-06', '2026-01-12')
    """
    left = workdays
    for _ in range(_LONGEST_WAIT_DAYS):
        if left <= 0 and _works(day, section, owner):
            return day
        day += timedelta(days=1)
        left -= _works(day, section, owner)
    return day


def due_at(as_of: date, hours: int, section: AlertsConfig, owner: str | None = None) -> datetime:
    """Return the end of the working day by which something that came up on a date has to be answered, UTC.

    Parameters
    ----------
    as_of : date
        The snapshot's date.
    hours : int
        Time to answer; a day of 24 hours is one working day.
    section : AlertsConfig
        Zone, working days, holidays.
    owner : str, optional
        Whose zone and working days count; default the team's.

    Examples
    --------
    >>> friday = date(2026, 1, 2)
    >>> due_at(friday, 48, AlertsConfig()).isoformat()
    '2026-01-06T18:00:00+00:00'
    """
    day = due_on(as_of, max(1, -(-hours // 24)), section, owner)
    settings = section.owners.get(owner) if owner is not None else None
    zone = settings.timezone if settings is not None and settings.timezone else section.timezone
    return datetime.combine(day, _CLOSE, ZoneInfo(zone)).astimezone(UTC)


def _works(day: date, section: AlertsConfig, owner: str | None) -> bool:
    settings = section.owners.get(owner) if owner is not None else None
    workdays = settings.workdays if settings is not None and settings.workdays else section.workdays
    off = settings is not None and day in settings.holidays
    return _WEEKDAYS[day.weekday()] in workdays and day not in section.holidays and not off


def responsible(owner: str | None, role: Role, as_of: date, section: AlertsConfig) -> str:
    """Return who gets something: the account's owner; while that person is away or has left the deputy, else the queue.

    A manager's is the owner's manager. Of other roles it is whoever `alerts.roles` names, else a queue named after the
    role. Whoever is named may be away as well.

    Examples
    --------
    >>> section = AlertsConfig.model_validate({"owners": {"ann": {"left": True, "deputy": "bob", "manager": "eve"}}})
    >>> day = date(2026, 1, 2)
    >>> responsible("ann", "csm", day, section), responsible(None, "csm", day, section)
    ('bob', 'queue')
    >>> responsible("ann", "manager", day, section), responsible("ann", "sales", day, section)
    ('eve', 'sales')
    """
    person = owner
    if role != "csm":
        settings = section.owners.get(owner) if role == "manager" and owner is not None else None
        person = (settings.manager if settings is not None else None) or section.roles.get(role, role)
    for _ in range(_LONGEST_CHAIN):
        if not person:
            return section.queue
        settings = section.owners.get(person)
        if settings is None or not (settings.left or any(gap.first <= as_of <= gap.last for gap in settings.away)):
            return person
        person = settings.deputy
    return section.queue
