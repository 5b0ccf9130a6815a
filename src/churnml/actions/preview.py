"""What changed rules, budget and playbooks would do with the newest snapshot; nothing is kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from churnml.actions.basis import Basis
from churnml.actions.evaluation import evaluate
from churnml.actions.rules import AlertRule, Bands, findings
from churnml.config.alerts import AlertsConfig
from churnml.config.experiments import ExperimentsConfig
from churnml.explain.plays import Playbook
from churnml.store import Decided, Known

__all__ = ["Preview", "RulePreview", "preview"]


@dataclass(frozen=True)
class RulePreview:
    """What one rule would do.

    Parameters
    ----------
    kind : str
        The rule.
    held, holds : int
        Accounts of which it holds today by the rules in force, and by the changed ones.
    alerts, tasks : mapping of str to int
        Owner → alerts that would reach them, new ones and those that wait today, and tasks that would begin.
    held_back : int
        Alerts that the owners' weekly budget would keep back.
    """

    kind: str
    held: int
    holds: int
    alerts: Mapping[str, int]
    tasks: Mapping[str, int]
    held_back: int


@dataclass(frozen=True)
class Preview:
    """What changed rules would do beyond what is open already.

    Parameters
    ----------
    as_of : date
        Of the snapshot.
    rules : tuple of RulePreview
        Those that hold of somebody, before or after, in the order of the rules.
    owners : mapping of str to (int, int)
        Owner → alerts and tasks, the most first.
    held_back, not_contacted, closed : int
        Alerts that wait for room, that an experiment leaves alone, and that would end because their cause is gone.
    """

    as_of: date
    rules: tuple[RulePreview, ...]
    owners: Mapping[str, tuple[int, int]]
    held_back: int
    not_contacted: int
    closed: int

    @property
    def alerts(self) -> int:
        """Alerts that would reach somebody."""
        return sum(alerts for alerts, _ in self.owners.values())

    @property
    def tasks(self) -> int:
        """Tasks that would begin."""
        return sum(tasks for _, tasks in self.owners.values())


def preview(
    basis: Basis,
    known: Known,
    in_force: Sequence[AlertRule],
    rules: Sequence[AlertRule],
    playbooks: Sequence[Playbook],
    section: AlertsConfig,
    experiments: ExperimentsConfig,
    *,
    days: int,
    seed: int,
    bands: Bands,
) -> Preview:
    """Return what changed rules, budget and playbooks would do with a snapshot.

    Parameters
    ----------
    basis : Basis
    known : Known
        Alerts and tasks as they are.
    in_force, rules : sequence of AlertRule
        As they are, and as they would be.
    playbooks, section
        As they would be.
    experiments, days, seed, bands
        As `churnml.actions.evaluate` takes them.
    """
    held, holds = (_accounts(basis, own, bands) for own in (in_force, rules))
    # What an alert has begun stays; explanations are read of those accounts only where something may begin.
    begun = {alert.key for alert in known.alerts if alert.state != "closed" and alert.tasked_on is not None}
    asked = {account for kind, accounts in holds.items() for account in accounts if (account, kind) not in begun}
    decided = evaluate(
        known,
        basis.table,
        rules,
        basis.situations(asked),
        playbooks,
        section,
        experiments,
        days=days,
        seed=seed,
        as_of=basis.snapshot.as_of,
        bands=bands,
    ).decided
    waited = {alert.key for alert in known.alerts if alert.held_back and alert.state != "closed"}
    return _preview_of(decided, basis.snapshot.as_of, held, holds, waited)


def _accounts(basis: Basis, rules: Sequence[AlertRule], bands: Bands) -> dict[str, set[str]]:
    """Return the accounts of which each rule holds."""
    by_rule: dict[str, set[str]] = {rule.kind: set() for rule in rules}
    for finding in findings(basis.table, list(rules), bands)[0]:
        if finding.holds:
            by_rule[finding.kind].add(finding.account_id)
    return by_rule


def _preview_of(
    decided: Decided,
    as_of: date,
    held: Mapping[str, set[str]],
    holds: Mapping[str, set[str]],
    waited: Collection[tuple[str, str]],
) -> Preview:
    fresh = ("opened", "reopened")
    # An alert that a fuller week had held back reaches somebody for the first time, too.
    opened = [one for one in decided.alerts if decided.actions.get(one.key) in fresh or one.key in waited]
    opened = [one for one in opened if one.state != "closed"]
    reach = [one for one in opened if not one.held_back and not one.held_out]
    lines = []
    for kind in dict.fromkeys((*holds, *held)):
        line = RulePreview(
            kind,
            len(held.get(kind, ())),
            len(holds.get(kind, ())),
            dict(sorted(Counter(alert.owner for alert in reach if alert.kind == kind).items())),
            dict(sorted(Counter(task.owner for task in decided.tasks if task.alert == kind).items())),
            sum(alert.held_back for alert in opened if alert.kind == kind),
        )
        if line.held or line.holds or line.alerts or line.tasks:
            lines.append(line)
    alerts = Counter(alert.owner for alert in reach)
    tasks = Counter(task.owner for task in decided.tasks)
    names = sorted({*alerts, *tasks}, key=lambda name: (-alerts[name] - tasks[name], name))
    return Preview(
        as_of,
        tuple(lines),
        {name: (alerts[name], tasks[name]) for name in names},
        sum(alert.held_back for alert in opened),
        sum(alert.held_out for alert in opened),
        sum(action == "closed" for action in decided.actions.values()),
    )
