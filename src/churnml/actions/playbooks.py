"""Which playbook answers to an alert, and which of its steps fit the account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from churnml.config.alerts import AlertsConfig
from churnml.errors import ConfigError, near_name
from churnml.explain.plays import Playbook, Step, StepTrigger, Trigger
from churnml.language import Text, one_of
from churnml.store.alerts import Alert

__all__ = ["Situation", "check_playbooks", "playbook_for", "steps_for"]


@dataclass(frozen=True)
class Situation:
    """What of an account decides what is done about it.

    Parameters
    ----------
    phase : str
        onboarding, adoption, utilisation or renewal.
    touch : str
        high, low or tech.
    band : str
    families : frozenset of str
        Families of the drivers that raise its risk.
    plays : tuple of str
        Playbooks that fit its drivers, phase and touch model, the most urgent first.
    owner : str or None
        Whose account it is.
    """

    phase: str = "utilisation"
    touch: str = "low"
    band: str = "unknown"
    families: frozenset[str] = frozenset()
    plays: tuple[str, ...] = ()
    owner: str | None = None

    @classmethod
    def of(cls, phase: str, touch: str, band: str, owner: str | None, explanation: Mapping[str, Any]) -> Situation:
        """Return the situation of an account with its stored explanation.

        Examples
        --------
        >>> told = {"raising": [{"family": "support"}], "plays": [{"playbook": "support_recovery"}]}
        >>> Situation.of("renewal", "high", "red", "ann", told).families
        frozenset({'support'})
        """
        return cls(
            phase=phase,
            touch=touch,
            band=band,
            families=frozenset(str(driver["family"]) for driver in explanation.get("raising", ())),
            plays=tuple(str(play["playbook"]) for play in explanation.get("plays", ())),
            owner=owner,
        )


def check_playbooks(playbooks: Sequence[Playbook], section: AlertsConfig) -> None:
    """Refuse playbooks that cannot be worked by: a name twice, a step after one that there is not, an empty promise.

    Raises
    ------
    ConfigError
        The message names the playbook and the step, or the rule that names no playbook.
    """
    names = [playbook.name for playbook in playbooks]
    for playbook in playbooks:
        where = f"playbook {playbook.name!r}"
        if names.count(playbook.name) > 1:
            raise ConfigError(Text.of("fault-playbook_twice"), where=where, code="playbooks")
        keys = [key_of(step, at) for at, step in enumerate(playbook.steps)]
        for at, step in enumerate(playbook.steps):
            if keys.count(keys[at]) > 1:
                raise ConfigError(
                    Text.of("fault-step_twice"),
                    where=Text.of("fault-step_twice.where", where=where, step=repr(keys[at])),
                    code="playbooks",
                )
            for other in step.after:
                if other not in keys[:at]:
                    raise ConfigError(
                        Text.of("fault-step_order"),
                        where=Text.of("fault-step_order.where", where=where, step=repr(keys[at])),
                        got=other,
                        expected=", ".join(keys[:at]) or Text.of("fault-step_order.first"),
                        code="playbooks",
                    )
    for kind, rule in section.rules.items():
        if rule.playbook is not None and names and rule.playbook not in names:
            near = near_name(rule.playbook, names)
            raise ConfigError(
                Text.of("fault-no_playbook", playbook=repr(rule.playbook)),
                where=f"alerts.rules.{kind}.playbook",
                expected=one_of(names, near),
                code="playbooks",
            )


def playbook_for(alert: Alert, situation: Situation, playbooks: Sequence[Playbook]) -> Playbook | None:
    """Return the playbook that answers to an alert.

    The one that the alert's rule names; else the most urgent of those that name the alert's kind and fit the account's
    phase and touch model, rather one that fits its drivers too; else the one that these suggest; last one that answers
    to the alert whatever the account.
    """
    by_name = {playbook.name: playbook for playbook in playbooks}
    if alert.playbook in by_name:
        return by_name[alert.playbook]
    answering = [item for item in sorted(playbooks, key=lambda item: -item.priority) if alert.kind in item.when.alerts]
    answering = [item for item in answering if _fits(item.when, situation, drivers=False)]
    own = [item for item in answering if not item.when.of_alerts_alone]
    suggested = [by_name[name] for name in situation.plays if name in by_name]
    best = [item for item in own if _fits(item.when, situation)]
    return next(iter([*best, *own, *suggested, *answering]), None)


def steps_for(playbook: Playbook, situation: Situation) -> list[tuple[str, Step, tuple[str, ...]]]:
    """Return the steps of a playbook that fit an account, with their keys and the steps that they wait for.

    A step that waits for one that does not fit waits for that one's own predecessors instead.
    """
    steps: list[tuple[str, Step, tuple[str, ...]]] = []
    instead: dict[str, tuple[str, ...]] = {}
    for at, step in enumerate(playbook.steps):
        key = key_of(step, at)
        after = tuple(dict.fromkeys(name for other in step.after for name in instead.get(other, (other,))))
        if step.when is None or _fits(step.when, situation):
            steps.append((key, step, after))
        else:
            instead[key] = after
    return steps


def key_of(step: Step, at: int) -> str:
    """Return a step's key: its own, else its place."""
    return step.key or f"step_{at + 1}"


def _fits(when: Trigger | StepTrigger, situation: Situation, *, drivers: bool = True) -> bool:
    return (
        (not when.phases or situation.phase in when.phases)
        and (not when.touch or situation.touch in when.touch)
        and (not drivers or not when.families or bool(situation.families & set(when.families)))
    )
