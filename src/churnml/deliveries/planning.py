"""From what has changed to what each target is to hold: fields of accounts, tasks, messages, tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, get_args

from churnml.config.alerts import Severity
from churnml.config.deliveries import (
    AlertsWanted,
    CrmTarget,
    DeliveriesConfig,
    EmailTarget,
    MessageTarget,
    TableTarget,
    TargetConfig,
    WebhookTarget,
)
from churnml.deliveries.digest import digests
from churnml.deliveries.task_planning import led_by_tasks, open_task_ids, plan_tasks
from churnml.deliveries.values import account_values, changed, mapped, page_for
from churnml.deliveries.words import alert_values
from churnml.store import Alert, Change, Delivery, SnapshotInfo, Store, Wanted

__all__ = ["plan"]

_PAGE = 400
_LEFT_ALONE = timedelta(days=30)
_GONE = ("unknown_record", "deleted", "merged", "ambiguous")
"""Refusals that another score does not mend."""
_SEVERITIES: tuple[Severity, ...] = get_args(Severity)
_TEXTS = ("summary", "reasons", "reason_1", "reason_2", "reason_3", "health_change_7d", "health_change_30d")


def plan(store: Store, config: str, section: DeliveriesConfig, *, language: str, currency: str, now: datetime) -> int:
    """Plan what follows from the changes in the outbox; returns how many deliveries are wanted anew.

    Planning looks at how things stand now, not at every step on the way: of several scorings the newest is delivered
    (a table's history gets each), and of an alert that opened and closed unsaid nothing is told. A target that is new
    begins with the newest scoring, the alerts that wait and the open tasks.

    Parameters
    ----------
    store : Store
    config : str
        The config's name.
    section : DeliveriesConfig
    language : str
        Of sentences.
    currency : str
    now : datetime
    """
    deliveries, targets = store.deliveries(config), section.targets()
    planner = _Planner(store, config, section, language, currency, now)
    count = 0
    for name, target in targets.items():
        if not deliveries.counts(name):
            count += planner.target(name, target, planner.everything())
        count += planner.tasks(name, target, open_task_ids(store, config, deliveries, name, target))
    while changes := deliveries.changes():
        for name, target in targets.items():
            count += planner.target(name, target, changes)
        deliveries.planned(changes, now)
    return count


class _Planner:
    def __init__(
        self, store: Store, config: str, section: DeliveriesConfig, language: str, currency: str, now: datetime
    ) -> None:
        self.store, self.config, self.section = store, config, section
        self.language, self.currency, self.now = language, currency, now
        self.deliveries = store.deliveries(config)

    def everything(self) -> list[Change]:
        """Return what a target that is new begins with: the newest scoring and the alerts that wait."""
        newest = self.store.latest(self.config)
        alerts = [alert for alert, _ in self.store.alerts(self.config).find(limit=100_000)]
        changes = [] if newest is None else [Change(0, "snapshot", newest.id, self.now)]
        return changes + [Change(0, "alert", alert.id, self.now) for alert in alerts if alert.id is not None]

    def target(self, name: str, target: TargetConfig, changes: Sequence[Change]) -> int:
        """Plan for one target."""
        newest = self.store.latest(self.config)
        scored = sorted({change.subject for change in changes if change.topic == "snapshot"})
        count = 0
        if newest is not None and newest.id in scored:
            if isinstance(target, CrmTarget) and target.fields:
                count += sum(self.deliveries.plan(name, part, self.now) for part in self._scores(name, target, newest))
            if isinstance(target, EmailTarget):
                count += self._plan(name, self._digests(name, target, newest))
        if isinstance(target, TableTarget) or (isinstance(target, WebhookTarget) and target.snapshots):
            infos = [info for number in scored if (info := self.store.snapshot(number)) is not None]
            infos = infos if isinstance(target, TableTarget) and target.history else infos[-1:]
            count += self._plan(name, [_of_snapshot(info) for info in infos])
        alerts: AlertsWanted | None = getattr(target, "alerts", None)
        if alerts is not None:
            numbers = sorted({change.subject for change in changes if change.topic == "alert"})
            count += self._plan(name, self._alerts(name, target, alerts, numbers))
        return count + self.tasks(name, target, [change.subject for change in changes if change.topic == "task"])

    def tasks(self, name: str, target: TargetConfig, numbers: Sequence[int]) -> int:
        """Plan some tasks for one target."""
        plan = plan_tasks(
            self.store, self.config, name, target, sorted(set(numbers)), language=self.language,
            currency=self.currency, page_url=self.section.page_url, now=self.now,
        )  # fmt: skip
        self.deliveries.drop(name, plan.unsaid)
        return self._plan(name, plan.wanted)

    def _plan(self, name: str, wanted: Sequence[Wanted]) -> int:
        before = self.deliveries.under(name, [one.key for one in wanted])
        new = [one for one in wanted if one.key not in before or before[one.key].wanted != dict(one.values)]
        return self.deliveries.plan(name, new, self.now) if new else 0

    def _scores(self, name: str, target: CrmTarget, snapshot: SnapshotInfo) -> Iterator[list[Wanted]]:
        worded = any(field.value in _TEXTS for field in target.fields.values())
        after = -1
        while True:
            page = self.store.accounts(snapshot.id, after=after, limit=_PAGE)
            ids = [account.account_id for account in page.accounts]
            explanations: Mapping[str, Any] = self.store.briefs(snapshot.id, ids, self.language) if worded else {}
            before = self.deliveries.under(name, [f"score:{account}" for account in ids])
            part = []
            for account in page.accounts:
                values = account_values(
                    account, snapshot, explanations.get(account.account_id), language=self.language,
                    page_url=self.section.page_url,
                )  # fmt: skip
                wanted = mapped(target.fields, values)
                key = f"score:{account.account_id}"
                if self._worth_sending(target, before.get(key), wanted):
                    part.append(Wanted(key, "score", wanted, account.account_id))
            yield part
            if page.next_position is None:
                return
            after = page.next_position

    def _worth_sending(self, target: CrmTarget, before: Delivery | None, wanted: Mapping[str, Any]) -> bool:
        if before is None:
            return True
        if before.state == "refused":
            gone = before.reason in _GONE
            if gone and before.tried_at is not None and self.now - before.tried_at < _LEFT_ALONE:
                return False
            return gone or before.wanted != wanted
        if before.state in ("accepted", "sent"):
            return changed(target, before.held, wanted, before.held_at, self.now)
        return before.wanted != wanted

    def _alerts(self, name: str, target: TargetConfig, asked: AlertsWanted, numbers: Sequence[int]) -> list[Wanted]:
        planned = self.store.alerts(self.config).some(numbers)
        before = self.deliveries.under(name, [f"alert:{alert.id}" for alert in planned])
        snapshot = self.store.latest(self.config)
        ids = [alert.account_id for alert in planned]
        accounts = self.store.account_scores(snapshot.id, ids) if snapshot is not None else {}
        by_steps = led_by_tasks(self.store, self.config, target, planned)
        wanted, unsaid = [], []
        for alert in planned:
            key = f"alert:{alert.id}"
            earlier = before.get(key)
            heard = earlier is not None and (earlier.held is not None or earlier.tried_at is not None)
            if not _asked_for(alert, asked) or (alert.id in by_steps and not heard):
                if earlier is None or earlier.held is None:
                    unsaid.append(key)
                continue
            if alert.state == "closed" and not heard:
                unsaid.append(key)
                continue
            if earlier is not None and isinstance(target, MessageTarget):
                continue
            values = alert_values(
                alert,
                accounts.get(alert.account_id),
                language=self.language,
                currency=self.currency,
                page=page_for(self.section.page_url, alert.account_id),
            )
            values["owner_id"] = asked.owners.get(alert.owner) or asked.default_owner
            if earlier is not None and not _alert_moved(earlier.wanted, values):
                continue
            values["at"] = self.now.strftime("%Y-%m-%dT%H:%M:%SZ")
            wanted.append(Wanted(key, "alert", values, alert.account_id))
        self.deliveries.drop(name, unsaid)
        return wanted

    def _digests(self, name: str, target: EmailTarget, snapshot: SnapshotInfo) -> list[Wanted]:
        due = self.store.alerts(self.config).find(held_back=False, limit=10_000)
        asked = AlertsWanted(min_severity=target.min_severity)
        alerts = [alert for alert, _ in due if _asked_for(alert, asked)]
        accounts = self.store.account_scores(snapshot.id, [alert.account_id for alert in alerts])
        facts = [
            alert_values(
                alert, accounts.get(alert.account_id), language=self.language, currency=self.currency,
                page=page_for(self.section.page_url, alert.account_id),
            )
            for alert in alerts
        ]  # fmt: skip
        return digests(target, facts, snapshot.as_of, self.deliveries, name, self.language)


def _asked_for(alert: Alert, asked: AlertsWanted) -> bool:
    """Tell whether an alert is for a target; what the budget or an experiment holds back never is."""
    if alert.held_back or alert.held_out:
        return False
    urgent = _SEVERITIES.index(alert.severity) >= _SEVERITIES.index(asked.min_severity)
    return urgent and (not asked.kinds or alert.kind in asked.kinds)


_MOVING = ("state", "owner", "owner_id", "severity", "outcome", "due_on")


def _alert_moved(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Tell whether somebody has to hear of an alert again; its number alone moves every day."""
    return any(before.get(name) != after.get(name) for name in _MOVING)


def _of_snapshot(info: SnapshotInfo) -> Wanted:
    values = {
        "snapshot": info.id,
        "as_of": info.as_of.isoformat(),
        "accounts": info.accounts,
        "model_version": info.model_version,
        "scored_at": info.scored_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    return Wanted(f"snapshot:{info.id}", "snapshot", values)
