"""What an alert or a step of its playbook says in a task, a card or a mail, in one language."""

from __future__ import annotations

from typing import Any

from churnml.language import Day, Quantity, Text, phrases
from churnml.store import AccountScore, Alert, Task

__all__ = ["alert_values", "priority", "task_values"]

_PRIORITY = {"critical": "high", "high": "high", "medium": "medium", "low": "low"}


def priority(severity: str) -> str:
    """Return ``high``, ``medium`` or ``low``, the three that every tool has."""
    return _PRIORITY[severity]


def alert_values(
    alert: Alert, account: AccountScore | None, *, language: str, currency: str, page: str | None
) -> dict[str, Any]:
    """Return an alert as JSON-ready values with its sentences: `subject`, `why`, `facts` (name and value) and `body`.

    Parameters
    ----------
    alert : Alert
    account : AccountScore or None
        Its newest score.
    language, currency : str
    page : str or None
        Address of the account's page.
    """
    say = phrases(language).text
    why, name = say(alert.text), _name(alert, account)
    facts = [
        *_facts(alert, account, currency),
        (Text.of("deliver-due"), Text.of("deliver-day", day=Day(on=alert.due_at.date().isoformat()))),
    ]
    pairs = [[say(label), say(value)] for label, value in facts]
    subject = say(Text.of("deliver-subject", account=name, why=why))
    owner = say(Text.of("deliver-owner", owner=alert.owner))
    lines = [why, *(f"{label}: {value}" for label, value in pairs), owner, *([page] if page else [])]
    return {
        "alert_id": alert.id,
        "account_id": alert.account_id,
        "account": name,
        "kind": alert.kind,
        "episode": alert.episode,
        "state": alert.state,
        "outcome": alert.outcome,
        "severity": alert.severity,
        "owner": alert.owner,
        "opened_on": alert.opened_on.isoformat(),
        "due_on": alert.due_at.date().isoformat(),
        "due_at": alert.due_at.isoformat(),
        "health_score": None if account is None else account.health_score,
        "band": None if account is None else account.band,
        "avoidable_loss": alert.avoidable_loss,
        "subject": subject,
        "why": why,
        "facts": pairs,
        "body": "\n".join(lines),
        "page": page,
        "button": say(Text.of("deliver-open")),
    }


def _name(alert: Alert, account: AccountScore | None) -> str:
    return (account.name if account is not None else None) or alert.account_id


def _facts(alert: Alert, account: AccountScore | None, currency: str) -> list[tuple[Text, Text]]:
    """Return what is known of the account, name and value; by when the alert wants an answer is not of it."""
    facts: list[tuple[Text, Text]] = []
    if account is not None:
        if account.health_score is not None:
            band = Text.of(f"band-{account.band}")
            facts.append((Text.of("deliver-health"), Text.of("deliver-score", n=account.health_score, band=band)))
        chance = Quantity(value=account.churn_probability, unit="share")
        facts.append((Text.of("deliver-probability"), Text.of("amount", n=chance)))
        if account.days_to_renewal is not None and account.days_to_renewal >= 0:
            days = Quantity(value=round(account.days_to_renewal), unit="days")
            facts.append((Text.of("deliver-renewal"), Text.of("amount", n=days)))
    if alert.avoidable_loss is not None:
        money = Quantity(value=alert.avoidable_loss, unit="currency", currency=currency)
        facts.append((Text.of("deliver-loss"), Text.of("amount", n=money)))
    return facts


def task_values(
    task: Task,
    alert: Alert,
    account: AccountScore | None,
    *,
    language: str,
    currency: str,
    page: str | None,
) -> dict[str, Any]:
    """Return a step of a playbook as JSON-ready values with its sentences: what to do, why, and what came of it.

    Parameters
    ----------
    task : Task
    alert : Alert
        Which began it.
    account : AccountScore or None
        Its newest score.
    language, currency : str
    page : str or None
        Address of the account's page.
    """
    say = phrases(language).text
    why, name, title = say(alert.text), _name(alert, account), task.title.spoken(language)
    ended = task.finished_on or alert.updated_on
    end = {
        "done": Text.of(
            "deliver-task_done", by=task.finished_by or task.owner, day=Day(on=ended.isoformat()),
            said=task.outcome or "",
        ),
        "skipped": Text.of(
            "deliver-task_skipped", by=task.finished_by or task.owner, day=Day(on=ended.isoformat()),
            said=task.reason or "",
        ),
        "cancelled": Text.of("deliver-task_cancelled"),
        "waiting": Text.of("deliver-task_waiting"),
    }.get(task.state)  # fmt: skip
    due = f"{say(Text.of('deliver-task_due'))}: {say(Text.of('deliver-day', day=Day(on=task.due_on.isoformat())))}"
    lines = [
        *([say(end).strip()] if end is not None else []),
        title,
        why,
        *(f"{say(label)}: {say(value)}" for label, value in _facts(alert, account, currency)),
        due,
        say(Text.of("deliver-owner", owner=task.owner)),
        *([page] if page else []),
    ]
    return {
        "task_id": task.id,
        "alert_id": task.alert_id,
        "account_id": task.account_id,
        "account": name,
        "playbook": task.playbook,
        "step": task.step,
        "step_title": title,
        "role": task.role,
        "state": task.state,
        "outcome": task.outcome,
        "reason": task.reason,
        "severity": alert.severity,
        "owner": task.owner,
        "opened_on": task.opened_on.isoformat(),
        "due_on": task.due_on.isoformat(),
        "subject": say(Text.of("deliver-subject", account=name, why=title)),
        "why": why,
        "body": "\n".join(lines),
        "page": page,
    }
