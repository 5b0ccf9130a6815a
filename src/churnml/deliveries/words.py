"""What an alert says in a task, a card or a mail, in one language."""

from __future__ import annotations

from typing import Any

from churnml.language import Day, Quantity, Text, phrases
from churnml.store import AccountScore, Alert

__all__ = ["alert_told", "priority"]

_PRIORITY = {"critical": "high", "high": "high", "medium": "medium", "low": "low"}


def priority(severity: str) -> str:
    """Return ``high``, ``medium`` or ``low``, the three that every tool has."""
    return _PRIORITY[severity]


def alert_told(
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
    why = say(alert.text)
    name = (account.name if account is not None else None) or alert.account_id
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
    facts.append((Text.of("deliver-due"), Text.of("deliver-day", day=Day(on=alert.due_at.date().isoformat()))))
    told = [[say(label), say(value)] for label, value in facts]
    subject = say(Text.of("deliver-subject", account=name, why=why))
    owner = say(Text.of("deliver-owner", owner=alert.owner))
    lines = [why, *(f"{label}: {value}" for label, value in told), owner, *([page] if page else [])]
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
        "facts": told,
        "body": "\n".join(lines),
        "page": page,
        "button": say(Text.of("deliver-open")),
    }
