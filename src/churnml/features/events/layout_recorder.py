"""What features read of the events, noted while they are made for no row at all."""

from __future__ import annotations

import numpy as np

from churnml.features.events.planes import Layout
from churnml.features.keys import Floats, Ints, Keys

__all__ = ["LayoutRecorder"]


class LayoutRecorder:
    """The measures of `EventMeasures` for no row: each answer is empty, and what was asked is noted.

    So what planes must hold is told by the features themselves, in the lines that make them.

    Examples
    --------
    >>> asked = LayoutRecorder()
    >>> asked.active_users(56, 28).tolist()
    []
    >>> layout = asked.layout(logins=("login",))
    >>> layout.users, layout.offsets, layout.logins
    (True, (0, 28, 56), ())
    """

    def __init__(self) -> None:
        self.keys = Keys.none()
        self._offsets = {0}
        self._reach = 0
        self._kinds: set[str] = set()
        self._parts: set[str] = set()

    def layout(self, logins: tuple[str, ...]) -> Layout:
        """Return what planes must hold to answer all that was asked; `logins` are the event types that are logins."""
        parts = self._parts
        return Layout(
            kinds=tuple(sorted(self._kinds)),
            logins=logins if "logins" in parts else (),
            users="users" in parts,
            user_days="user_days" in parts,
            kind_use="kind_use" in parts,
            weekday="weekday" in parts,
            by_day="by_day" in parts,
            values="values" in parts,
            past="past" in parts,
            offsets=tuple(sorted(self._offsets)),
            reach=max(self._reach, *self._offsets),
        )

    def _sum(self, start: int, end: int, *parts: str) -> Floats:
        self._offsets |= {start, end}
        self._parts |= set(parts)
        return self.keys.full()

    def _days(self, start: int) -> Floats:
        """Note a window over active days, which have a row for each day anyway."""
        self._reach = max(self._reach, start)
        return self.keys.full()

    @property
    def first_day(self) -> Floats:
        """Known in any layout."""
        return self.keys.full()

    @property
    def last_day(self) -> Floats:
        """Known in any layout."""
        return self.keys.full()

    @property
    def last_login_day(self) -> Floats:
        """The day of a login is only seen where every day is a row."""
        return self._sum(0, 0, "logins", "by_day")

    def events(self, start: int, end: int = 0) -> Floats:
        """Events."""
        return self._sum(start, end)

    def logins(self, start: int, end: int = 0) -> Floats:
        """Login events."""
        return self._sum(start, end, "logins")

    def weekday_events(self, start: int, end: int = 0) -> Floats:
        """Events from Monday to Friday."""
        return self._sum(start, end, "weekday", "by_day")

    def of_kind(self, slug: str, start: int, end: int = 0) -> Floats:
        """Events of one kind."""
        self._kinds.add(slug)
        return self._sum(start, end)

    def value_of_kind(self, slug: str, start: int, end: int = 0) -> Floats:
        """Sum of the values of one kind: fractions, which planes do not hold."""
        self._parts.add("values")
        return self.keys.full()

    def active_days(self, start: int, end: int = 0) -> Floats:
        """Days with an event."""
        return self._days(start)

    def user_days(self, start: int, end: int = 0) -> Floats:
        """Distinct (user, day) pairs."""
        return self._sum(start, end, "users", "user_days", "by_day")

    def active_users(self, start: int, end: int = 0) -> Floats:
        """Distinct users."""
        return self._sum(start, end, "users")

    def users_ever(self) -> Floats:
        """Distinct users of all time."""
        return self._sum(0, 0, "users")

    def kinds_used(self, start: int, end: int = 0) -> Floats:
        """Distinct event kinds."""
        return self._sum(start, end, "kind_use")

    def kinds_used_of(self, slugs: frozenset[str], start: int, end: int = 0) -> Floats:
        """Distinct event kinds among some."""
        return self._sum(start, end, "kind_use")

    def longest_silence(self, window: int, since: Ints) -> Floats:
        """Most consecutive days without an event."""
        return np.asarray(self._days(window))

    def events_ever(self) -> Floats:
        """Events of all time."""
        return self._sum(0, 0)

    def value_ever(self) -> Floats:
        """Sum of the values: fractions, which planes do not hold."""
        self._parts.add("values")
        return self.keys.full()

    def active_days_ever(self) -> Floats:
        """Days of all time."""
        return self._sum(0, 0, "past")

    def gap_squares(self) -> Floats:
        """Gaps of all time."""
        return self._sum(0, 0, "past")
