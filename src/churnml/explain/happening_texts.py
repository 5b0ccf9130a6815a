"""What the rows of each canonical table say happened: when, and in which words; see `happenings`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from churnml.config import DisplayConfig
from churnml.language import Quantity, Text

__all__ = ["TABLES_TOLD", "Said", "TableTold"]


@dataclass(frozen=True)
class Said:
    """One thing that rows of a table say: that something happened at a time, put as their details ask for.

    Parameters
    ----------
    when : Series of datetime64
        One a row; NaT where nothing is said.
    details : sequence of Series
        What the words depend on.
    put : callable
        The details of a row, None for a missing one, → what happened.
    """

    when: pd.Series
    details: Sequence[pd.Series]
    put: Callable[..., Text]

    def texts(self, chosen: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.intp], list[Text]]:
        """Return for each chosen row the place of its text in a list; equal details are put into words once."""
        place: npt.NDArray[np.intp] = np.zeros(int(chosen.sum()), dtype=np.intp)
        words: list[tuple[Any, ...]] = [()]
        for column in self.details:
            codes, own = pd.factorize(column[chosen])
            listed = [*own.tolist(), None]  # what is missing has the place −1
            both, place = np.unique(place * len(listed) + codes % len(listed), return_inverse=True)
            words = [(*words[at // len(listed)], listed[at % len(listed)]) for at in both.tolist()]
        return place, [self.put(*one) for one in words]


@dataclass(frozen=True)
class TableTold:
    """What is read of a table, and what its rows say.

    Parameters
    ----------
    times, details : tuple of str
        Columns; those that a company does not have are left out.
    say : callable
        Rows with the columns → what they say.
    """

    times: tuple[str, ...]
    details: tuple[str, ...]
    say: Callable[[pd.DataFrame, DisplayConfig], Iterator[Said]]


_TOUCHES = ("call", "email", "chat")
_ROLES = ("champion", "sponsor", "admin")


def _subscriptions(rows: pd.DataFrame, display: DisplayConfig) -> Iterator[Said]:
    def put(plan: Any, product: Any, seats: Any) -> Text:
        named = _word(plan) or _word(product)
        called = display.words("plans", named) if named else ""
        if seats is None:
            return Text.of("event-term-began", product=called)
        counted = Quantity(value=float(str(seats)), unit="seats")
        return Text.of("event-term-began-seats", product=called, seats=counted)

    yield Said(rows["started_on"], _columns(rows, "plan", "product", "seats"), put)


def _tickets(rows: pd.DataFrame, display: DisplayConfig) -> Iterator[Said]:
    def opened(priority: Any) -> Text:
        return Text.of("event-ticket-opened-urgent" if priority in ("high", "urgent") else "event-ticket-opened")

    yield Said(rows["opened_at"], _columns(rows, "priority"), opened)
    for name, code in (("escalated_at", "event-ticket-escalated"), ("reopened_at", "event-ticket-reopened")):
        if name in rows:
            yield Said(rows[name], (), lambda code=code: Text.of(code))


def _surveys(rows: pd.DataFrame, display: DisplayConfig) -> Iterator[Said]:
    def put(kind: Any, score: Any) -> Text:
        return Text.of("event-survey", survey=str(kind or "nps").upper(), score=Quantity(value=float(score)))

    if "score" in rows:
        yield Said(rows["responded_at"].where(rows["score"].notna()), _columns(rows, "kind", "score"), put)


def _contacts(rows: pd.DataFrame, display: DisplayConfig) -> Iterator[Said]:
    def put(role: Any) -> Text:
        named = _word(role)
        return Text.of(f"event-left-{named if named in _ROLES else 'contact'}")

    left, known = rows.get("left_at"), rows.get("left_known_at")
    when = left if known is None else known if left is None else known.fillna(left)
    if when is not None:
        yield Said(when, _columns(rows, "role"), put)


def _touchpoints(rows: pd.DataFrame, display: DisplayConfig) -> Iterator[Said]:
    def put(channel: Any, direction: Any) -> Text:
        named, way = _word(channel), "in" if direction == "inbound" else "out"
        if named == "meeting":
            return Text.of("event-touch-meeting")
        return Text.of(f"event-touch-{named if named in _TOUCHES else 'other'}-{way}")

    yield Said(rows["occurred_at"], _columns(rows, "channel", "direction"), put)


def _invoices(rows: pd.DataFrame, display: DisplayConfig) -> Iterator[Said]:
    if "due_on" in rows:
        due, paid = rows["due_on"], rows.get("paid_on")
        unpaid = due if paid is None else due.mask(paid <= due)
        yield Said(unpaid, (), lambda: Text.of("event-invoice-unpaid"))


def _milestones(rows: pd.DataFrame, display: DisplayConfig) -> Iterator[Said]:
    def put(name: Any) -> Text:
        named = _word(name)
        return Text.of("event-milestone", name=named) if named else Text.of("event-milestone-unnamed")

    if "completed_at" in rows:
        yield Said(rows["completed_at"], _columns(rows, "name"), put)


def _columns(rows: pd.DataFrame, *names: str) -> list[pd.Series]:
    """Return columns of the rows; one that a company does not have is missing everywhere."""
    return [rows[name] if name in rows else pd.Series(None, index=rows.index, dtype=object) for name in names]


def _word(value: Any) -> str:
    return "" if value is None else str(value)


TABLES_TOLD = {
    "subscriptions": TableTold(("started_on",), ("plan", "product", "seats"), _subscriptions),
    "tickets": TableTold(("opened_at", "escalated_at", "reopened_at"), ("priority",), _tickets),
    "surveys": TableTold(("responded_at",), ("kind", "score"), _surveys),
    "contacts": TableTold(("left_at", "left_known_at"), ("role",), _contacts),
    "touchpoints": TableTold(("occurred_at",), ("channel", "direction"), _touchpoints),
    "invoices": TableTold(("due_on", "paid_on"), (), _invoices),
    "milestones": TableTold(("completed_at",), ("name",), _milestones),
}
"""The tables that tell of what happened."""
