"""The one timeline of an account: what happened there, what was said and done, and how its score moved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from churnml.language import Day, Language, Text, phrases, render
from churnml.store import AccountScore, Alert, AlertEvent, Note, Override, SnapshotInfo, Task

__all__ = ["KINDS", "Entry", "timeline"]

KINDS = ("contract", "support", "survey", "person", "contact", "score", "alert", "task", "note")
"""What an entry can be about; ``timeline-<kind>`` in words."""
_OF_TABLE = {
    "subscriptions": "contract", "invoices": "contract", "tickets": "support", "surveys": "survey",
    "contacts": "person", "touchpoints": "contact", "milestones": "contract",
}  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """One line of the timeline: the day (ISO), what it is about (`KINDS`), the words, and who did or said it."""

    on: str
    kind: str
    text: str
    by: str = ""


def timeline(
    language: Language,
    *,
    happenings: Iterable[Mapping[str, Any]] = (),
    history: Sequence[tuple[SnapshotInfo, AccountScore]] = (),
    alerts: Iterable[tuple[Alert, Sequence[AlertEvent]]] = (),
    tasks: Iterable[Task] = (),
    notes: Iterable[Note] = (),
    overrides: Iterable[Override] = (),
) -> list[Entry]:
    """Return everything that is known of an account's past in one list, the newest first.

    Parameters
    ----------
    language : str
    happenings : iterable of mapping
        As the explanation holds them: ``on, kind, text``.
    history : sequence of (SnapshotInfo, AccountScore)
        Readings, newest first; where the band changed it is told.
    alerts, tasks, notes, overrides
        What the store holds of the account.
    """
    say = phrases(language)
    entries = [
        Entry(str(one["on"]), _OF_TABLE.get(str(one["kind"]), "contract"), say.stored(one["text"]))
        for one in happenings
    ]
    entries += _score_moves(history, language)
    for alert, events in alerts:
        entries += _of_alert(alert, events, language)
    for task in tasks:
        if task.finished_on is not None and task.state in ("done", "skipped"):
            title = task.title.spoken(language)
            remark = task.outcome or task.reason
            text = say(f"timeline-task_{task.state}", title=title) + (f" – {remark}" if remark else "")
            entries.append(Entry(task.finished_on.isoformat(), "task", text, task.finished_by or ""))
    entries += [Entry(note.at.date().isoformat(), "note", note.text, note.author) for note in notes]
    for one in overrides:
        band = Text.of(f"band-{one.band}")
        text = say("timeline-judged", band=band, until=Day(on=one.expires_at.date().isoformat()))
        entries.append(Entry(one.created_at.date().isoformat(), "score", f"{text} – {one.reason}", one.author))
    return sorted(entries, key=lambda entry: entry.on, reverse=True)


def _score_moves(history: Sequence[tuple[SnapshotInfo, AccountScore]], language: Language) -> list[Entry]:
    say, entries = phrases(language), []
    for (snapshot, account), (earlier, before) in pairwise(history):
        if account.band != before.band:
            bands = {"before": Text.of(f"band-{before.band}"), "after": Text.of(f"band-{account.band}")}
            text = say("timeline-band", **bands)
            if snapshot.model_version != earlier.model_version:
                text += f" {say('timeline-new_model')}"
            entries.append(Entry(snapshot.as_of.isoformat(), "score", text))
    return entries


def _of_alert(alert: Alert, events: Sequence[AlertEvent], language: Language) -> list[Entry]:
    """Return when an alert was opened and what was answered; a note on it stands among the notes."""
    say = phrases(language)
    entries = [Entry(alert.opened_on.isoformat(), "alert", render(alert.text, language))]
    for event in events:
        code = f"timeline-alert_{event.action}"
        if code in say:
            until, owner = event.detail.get("snoozed_until"), event.detail.get("owner")
            text = say(code, until=Day(on=str(until)) if until else "", owner=str(owner or ""))
            entries.append(Entry(event.at.date().isoformat(), "alert", text, str(event.detail.get("by") or "")))
    if alert.state == "closed" and alert.closed_on is not None and alert.outcome is not None:
        entries.append(Entry(alert.closed_on.isoformat(), "alert", say(f"timeline-closed_{alert.outcome}")))
    return entries
