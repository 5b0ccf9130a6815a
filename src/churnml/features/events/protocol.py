"""What every way of holding events answers: windowed measures per (account, as_of) row."""

from __future__ import annotations

from typing import Protocol

from churnml.features.keys import Floats, Ints, Keys

__all__ = ["EventMeasures"]


class EventMeasures(Protocol):
    """What the events say about every (account, as_of) row.

    A window is given as ``(start, end)`` in days before `as_of`: ``[as_of − start, as_of − end)``. Only events known
    before `as_of` count, whatever the window. Every answer has shape (n,), one number per row asked about.

    `PlaneMeasures` answers from events laid out in planes, `LedgerMeasures` from sums by day, `CombinedMeasures` from
    planes and the events that became known later. They answer alike, to the last digit.
    """

    @property
    def keys(self) -> Keys:
        """The n rows asked about."""

    @property
    def first_day(self) -> Floats:
        """Day number of the first event known; NaN where none is."""

    @property
    def last_day(self) -> Floats:
        """Day number of the last event known; NaN where none is."""

    @property
    def last_login_day(self) -> Floats:
        """Day number of the last login known; NaN where none is."""

    def events(self, start: int, end: int = 0) -> Floats:
        """Events."""

    def logins(self, start: int, end: int = 0) -> Floats:
        """Login events."""

    def weekday_events(self, start: int, end: int = 0) -> Floats:
        """Events from Monday to Friday."""

    def of_kind(self, slug: str, start: int, end: int = 0) -> Floats:
        """Events of one kind; 0 for a kind nobody ever used."""

    def value_of_kind(self, slug: str, start: int, end: int = 0) -> Floats:
        """Sum of the values of one kind."""

    def active_days(self, start: int, end: int = 0) -> Floats:
        """Days with an event."""

    def user_days(self, start: int, end: int = 0) -> Floats:
        """Distinct (user, day) pairs."""

    def active_users(self, start: int, end: int = 0) -> Floats:
        """Distinct users with an event."""

    def users_ever(self) -> Floats:
        """Distinct users with any event before `as_of`."""

    def kinds_used(self, start: int, end: int = 0) -> Floats:
        """Distinct event kinds."""

    def kinds_used_of(self, slugs: frozenset[str], start: int, end: int = 0) -> Floats:
        """Distinct event kinds among some."""

    def longest_silence(self, window: int, since: Ints) -> Floats:
        """Most consecutive days without an event in the window, counted from day `since` on at most."""

    def events_ever(self) -> Floats:
        """Events before `as_of`."""

    def value_ever(self) -> Floats:
        """Sum of the values of all events before `as_of`."""

    def active_days_ever(self) -> Floats:
        """Days with an event before `as_of`."""

    def gap_squares(self) -> Floats:
        """Sum of the squared days from each active day to the next, before `as_of`."""
