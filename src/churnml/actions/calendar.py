"""When something is due, and who has it on the desk: working days, absences, deputies."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from churnml.config.alerts import AlertsConfig, Role

__all__ = ["due_at", "responsible"]

_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CLOSE = time(18, 0)
_LONGEST_CHAIN = 5


def due_at(as_of: date, hours: int, section: AlertsConfig) -> datetime:
    """Return the end of the working day by which something that came up on a date has to be answered, UTC.

    Parameters
    ----------
    as_of : date
        The snapshot's date.
    hours : int
        Time to answer; a day of 24 hours is one working day.
    section : AlertsConfig
        Zone, working days, holidays.

    Examples
    --------
    >>> friday = date(2026, 1, 2)
    >>> due_at(friday, 48, AlertsConfig()).isoformat()
    '2026-01-06T18:00:00+00:00'
    """
    day, left = as_of, max(1, -(-hours // 24))
    while left:
        day += timedelta(days=1)
        left -= _works(day, section)
    return datetime.combine(day, _CLOSE, ZoneInfo(section.timezone)).astimezone(UTC)


def _works(day: date, section: AlertsConfig) -> bool:
    return _WEEKDAYS[day.weekday()] in section.workdays and day not in section.holidays


def responsible(owner: str | None, role: Role, as_of: date, section: AlertsConfig) -> str:
    """Return who gets an alert: the account's owner; while that person is away or has left the deputy, else the queue.

    Other roles than the CSM have queues of their own, named after the role.

    Examples
    --------
    >>> section = AlertsConfig.model_validate({"owners": {"ann": {"left": True, "deputy": "bob"}}})
    >>> responsible("ann", "csm", date(2026, 1, 2), section), responsible(None, "csm", date(2026, 1, 2), section)
    ('bob', 'queue')
    """
    if role != "csm":
        return role
    person = owner
    for _ in range(_LONGEST_CHAIN):
        if not person:
            return section.queue
        settings = section.owners.get(person)
        if settings is None or not (settings.left or any(gap.first <= as_of <= gap.last for gap in settings.away)):
            return person
        person = settings.deputy
    return section.queue
