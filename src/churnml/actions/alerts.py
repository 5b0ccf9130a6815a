"""Alerts: one per account, rule and episode; opened, updated, closed and reopened as the snapshots come in.

`advance` is a pure function of what was open and what the rules say today. So replaying a year of snapshots gives the
same alerts as living through it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import pandas as pd
from pydantic import BaseModel, ConfigDict

from churnml.actions.calendar import due_at, responsible
from churnml.actions.rules import DEFAULT_BANDS, AlertRule, Bands, Finding, findings, sentence
from churnml.config.alerts import AlertsConfig, Severity
from churnml.store.alerts import Alert, Outcome

__all__ = ["Step", "advance"]

_BUDGET_DAYS = 7
_READ = ("account_id", "owner", "touch", "churn_probability", "arr", "churn_avoided")
_SEVERITIES: Mapping[Severity, int] = {"low": 0, "medium": 1, "high": 2, "critical": 3}


class Step(BaseModel):
    """What one snapshot did to the alerts.

    Parameters
    ----------
    alerts : tuple of Alert
        Every alert that is open now or was closed in this step.
    opened, reopened, updated, closed : tuple of (account_id, kind)
    off : mapping
        Rule → the column that it lacks.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    alerts: tuple[Alert, ...]
    opened: tuple[tuple[str, str], ...]
    reopened: tuple[tuple[str, str], ...]
    updated: tuple[tuple[str, str], ...]
    closed: tuple[tuple[str, str], ...]
    off: Mapping[str, str]


def advance(
    known: Iterable[Alert],
    signals: pd.DataFrame,
    rules: Sequence[AlertRule],
    section: AlertsConfig,
    *,
    as_of: date,
    bands: Bands = DEFAULT_BANDS,
) -> Step:
    """Take the alerts from one snapshot to the next.

    Parameters
    ----------
    known : iterable of Alert
        Every alert that is not closed, and the newest closed one of each account and rule.
    signals : DataFrame
        From `churnml.actions.signals.signals`, of this snapshot. With ``churn_avoided`` (churn that a contact avoids,
        in points of the probability) the budget ranks by that; else `section.save_rate` stands for every account.
    rules : sequence of AlertRule
        From `churnml.actions.rules.alert_rules`.
    section : AlertsConfig
        Budget, cooldown, calendar.
    as_of : date
        The snapshot's date.
    bands : Bands

    Returns
    -------
    Step

    Notes
    -----
    A finding on an account with an open alert of the same rule updates it. Without one it opens the next episode,
    except within the cooldown of a closed one: there it reopens what had closed by itself, and leaves be what a person
    closed.
    An alert whose account is no longer in the snapshot is closed as lost, by itself; a customer who is back has it
    again.
    """
    by_kind = {rule.kind: rule for rule in rules}
    last: dict[tuple[str, str], Alert] = {}
    for alert in known:
        before = last.get(alert.key)
        if before is None or before.episode <= alert.episode:
            last[alert.key] = alert
    read = [name for name in _READ if name in signals]
    rows = {str(row["account_id"]): row for row in signals[read].to_dict("records")}
    fired, off = findings(signals, list(rules), bands)
    moved: dict[tuple[str, str], Alert] = {}
    steps: dict[str, list[tuple[str, str]]] = {name: [] for name in ("opened", "reopened", "updated", "closed")}
    for finding in fired:
        rule, key = by_kind[finding.kind], (finding.account_id, finding.kind)
        before = last.get(key)
        after: Alert | None
        if finding.holds:
            name, after = _held(before, finding, rule, rows[finding.account_id], section, as_of)
        elif before is not None and before.state != "closed" and finding.gone:
            name, after = "closed", _closed(before, "cleared", as_of)
        else:
            continue
        if after is not None:
            moved[key] = after
            steps[name].append(key)
    for key, alert in last.items():
        if key not in moved and alert.state != "closed":
            if alert.account_id not in rows:
                moved[key] = _closed(alert, "lost", as_of)
                steps["closed"].append(key)
            else:
                moved[key] = _awake(alert, as_of)
    return Step(
        alerts=_within_budget(moved.values(), by_kind, section, as_of),
        **{name: tuple(sorted(keys)) for name, keys in steps.items()},
        off=off,
    )


def _held(
    before: Alert | None,
    finding: Finding,
    rule: AlertRule,
    row: Mapping[Hashable, Any],
    section: AlertsConfig,
    as_of: date,
) -> tuple[str, Alert | None]:
    """Return what a rule that fires does: opened, reopened or updated, and the alert; None where it stays quiet."""
    facts = {
        "updated_on": as_of,
        "avoidable_loss": _avoidable_loss(row, section),
        "value": _number(finding.value),
        "reference": _number(finding.reference),
        "text": sentence(rule, finding),
    }
    own = _word(row.get("owner"))
    if before is not None and before.state != "closed":
        return "updated", _awake(before, as_of).model_copy(
            update={**facts, "owner": _owner(before.assigned_to, own, rule, row, as_of, section)}
        )
    owner = _owner(None, own, rule, row, as_of, section)
    closed_on = None if before is None else before.closed_on
    if before is not None and closed_on is not None and (as_of - closed_on).days <= section.cooldown_days:
        # Alerts of before there was `closed_by_itself` tell it by their outcome.
        if not before.closed_by_itself and before.outcome != "cleared":
            return "updated", None
        again = {"state": "open", "closed_on": None, "outcome": None, "closed_by_itself": False, **facts}
        reopened_owner = _owner(before.assigned_to, own, rule, row, as_of, section)
        # Shown as a new one is: within the budget, and with time to answer.
        fresh = {
            "owner": reopened_owner,
            "shown_on": None,
            "due_at": due_at(as_of, rule.due_hours, section, reopened_owner),
        }
        return "reopened", before.model_copy(update={**again, **fresh})
    episode = 1 if before is None else before.episode + 1
    return "opened", Alert(
        account_id=finding.account_id,
        kind=rule.kind,
        episode=episode,
        severity=rule.severity,
        owner=owner,
        opened_on=as_of,
        due_at=due_at(as_of, rule.due_hours, section, owner),
        playbook=rule.playbook,
        **facts,
    )


def _owner(
    assigned_to: str | None,
    own: str | None,
    rule: AlertRule,
    row: Mapping[Hashable, Any],
    as_of: date,
    section: AlertsConfig,
) -> str:
    """Return who has an alert. What needs a person in tech touch is the queue's: it is nobody's own work."""
    if assigned_to is not None:
        return responsible(assigned_to, "csm", as_of, section)
    if rule.owner == "csm" and row.get("touch") == "tech":
        return section.queue
    return responsible(own, rule.owner, as_of, section)


def _closed(alert: Alert, outcome: Outcome, as_of: date) -> Alert:
    gone = {"state": "closed", "outcome": outcome, "closed_on": as_of, "closed_by_itself": True}
    return alert.model_copy(update={**gone, "snoozed_until": None, "held_back": False})


def _awake(alert: Alert, as_of: date) -> Alert:
    """Return an alert as it stands on a date: a snooze that is over has it open again."""
    if alert.state == "snoozed" and alert.snoozed_until is not None and alert.snoozed_until <= as_of:
        return alert.model_copy(update={"state": "open", "snoozed_until": None})
    return alert


def _within_budget(
    alerts: Iterable[Alert], rules: Mapping[str, AlertRule], section: AlertsConfig, as_of: date
) -> tuple[Alert, ...]:
    """Hold back, per owner, the week's alerts beyond the budget: what costs least if nobody calls goes first.

    An alert that was shown once is never taken back; a critical one is always shown. A week's budget counts what was
    shown in it, also of alerts that had been held back before.
    """
    ordered = sorted(alerts, key=lambda alert: (alert.account_id, alert.kind))
    since = as_of - timedelta(days=_BUDGET_DAYS)
    shown: dict[str, int] = {}
    waiting: list[Alert] = []
    done: list[Alert] = []
    for alert in ordered:
        unseen = alert.state == "open" and (alert.shown_on in (None, as_of) or alert.held_back)
        if unseen and alert.severity != "critical":
            waiting.append(alert)
            continue
        if alert.state != "closed" and alert.shown_on is None:
            alert = alert.model_copy(update={"shown_on": as_of, "held_back": False})
        if alert.shown_on is not None and alert.shown_on > since:
            shown[alert.owner] = shown.get(alert.owner, 0) + 1
        done.append(alert)
    for alert in sorted(waiting, key=_rank):
        over = shown.get(alert.owner, 0) >= section.weekly_budget
        shown[alert.owner] = shown.get(alert.owner, 0) + (not over)
        changes: dict[str, Any] = {"held_back": over, "shown_on": None if over else as_of}
        if alert.held_back and not over and alert.kind in rules:
            changes["due_at"] = due_at(as_of, rules[alert.kind].due_hours, section, alert.owner)
        done.append(alert.model_copy(update=changes))
    return tuple(sorted(done, key=lambda alert: (alert.account_id, alert.kind)))


def _rank(alert: Alert) -> tuple[float, int, str, str]:
    return -(alert.avoidable_loss or 0.0), -_SEVERITIES[alert.severity], alert.account_id, alert.kind


def _avoidable_loss(row: Mapping[Hashable, Any], section: AlertsConfig) -> float | None:
    chance, arr = _number(row.get("churn_probability")), _number(row.get("arr"))
    if chance is None or arr is None:
        return None
    avoided = _number(row.get("churn_avoided"))
    return round(arr * (chance * section.save_rate if avoided is None else max(0.0, avoided)), 2)


def _number(value: Any) -> float | None:
    return None if value is None or pd.isna(value) else float(value)


def _word(value: Any) -> str | None:
    return None if value is None or pd.isna(value) else str(value)
