"""The cards of Today: one an account, with why, what to do, and until when; and their order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from churnml.language import Language, phrases, render
from churnml.store import AccountLine, Alert, Task

__all__ = ["Card", "cards", "said_already", "why"]


@dataclass(frozen=True)
class Card:
    """One account that waits for somebody.

    Parameters
    ----------
    line : AccountLine
    alerts : tuple of Alert
        What waits on it, the most urgent first.
    task : Task or None
        The step to do next.
    late : bool
        The answer is overdue.
    new : bool
        Nobody had it on the desk before this week.
    """

    line: AccountLine
    alerts: tuple[Alert, ...]
    task: Task | None
    late: bool
    new: bool

    @property
    def due_at(self) -> datetime:
        """When the first alert has to have been answered."""
        return min(alert.due_at for alert in self.alerts)

    @property
    def avoidable(self) -> float | None:
        """Avoidable loss, currency."""
        return max((alert.avoidable_loss for alert in self.alerts if alert.avoidable_loss is not None), default=None)

    @property
    def critical(self) -> bool:
        """One of its alerts is critical."""
        return any(alert.severity == "critical" for alert in self.alerts)

    @property
    def in_hand(self) -> bool:
        """Somebody has said that they have it."""
        return all(alert.state == "acknowledged" for alert in self.alerts)


def cards(
    alerts: Sequence[Alert], lines: Mapping[str, AccountLine], tasks: Sequence[Task], now: datetime, monday: date
) -> list[Card]:
    """Return the cards in the order of work: overdue and critical ones first, then the largest avoidable loss.

    Parameters
    ----------
    alerts : sequence of Alert
        All that wait; those of accounts without a line are left out, for these have left.
    lines : mapping
        Account → its line.
    tasks : sequence of Task
        Open ones, the first due first.
    now : datetime
    monday : date
        What was put on the desk on it or after is new.
    """
    of: dict[str, list[Alert]] = {}
    for alert in alerts:
        if alert.account_id in lines:
            of.setdefault(alert.account_id, []).append(alert)
    first_task: dict[str, Task] = {}
    for task in tasks:
        first_task.setdefault(task.account_id, task)
    made = []
    for account, own in of.items():
        ordered = sorted(own, key=lambda alert: (alert.severity != "critical", alert.due_at, alert.id or 0))
        shown = min((alert.shown_on or alert.opened_on) for alert in own)
        late = any(alert.due_at < now and alert.state == "open" for alert in own)
        made.append(Card(lines[account], tuple(ordered), first_task.get(account), late, shown >= monday))
    return sorted(
        made,
        key=lambda card: (not (card.late or card.critical), -(card.avoidable or 0.0), card.line.account.account_id),
    )


_SAME = {"notice": "notice_given"}
_NPS = "m-nps_last."


def said_already(line: AccountLine) -> str | None:
    """Return the kind of the alert that says no more than `why` does, if there is one."""
    code = str((line.account.details.get("why") or {}).get("code", ""))
    if code.startswith(_NPS):
        return "nps_detractor"
    fact = code.removeprefix("fact-")
    return None if fact == code else _SAME.get(fact, fact)


def why(line: AccountLine, alerts: Sequence[Alert], language: Language) -> str:
    """Return in one line why an account waits: what is told of it first, else what the rule has found."""
    sentence = line.account.details.get("why")
    if sentence:
        return phrases(language).stored(sentence)
    return render(alerts[0].text, language) if alerts else ""
