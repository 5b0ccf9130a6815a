"""Settings, rules: a changed rule, budget or playbook is tried on the newest scoring before it is in force."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any, get_args

import yaml
from starlette.datastructures import FormData

from churnml.actions import Bands, Basis, Preview, alert_rules, check_playbooks, preview
from churnml.config import alerts_section
from churnml.config.alerts import AlertsConfig, Role
from churnml.errors import UsageError
from churnml.explain.plays import Playbook, load_playbooks, read_playbooks
from churnml.health import BandEdges
from churnml.health.edges import edges_in_force
from churnml.language import Text
from churnml.serving.pages.settings.common import field
from churnml.serving.state import ServingState

__all__ = ["ROLES", "Tried", "asked_for", "tried"]

ROLES: tuple[str, ...] = get_args(Role)
_MOST_TEXT = 100_000
_ONE_AT_A_TIME = Lock()
"""A preview of a large company takes seconds and memory; others wait for it."""


@dataclass(frozen=True)
class Tried:
    """What was asked for, and what it would do.

    Parameters
    ----------
    preview : Preview
    yaml : str
        What to write into the config to put it in force; empty where nothing of it was changed.
    """

    preview: Preview
    yaml: str


def asked_for(form: FormData, section: AlertsConfig) -> tuple[AlertsConfig, dict[str, Any]]:
    """Return the section `alerts` as a form has changed it, and what of it differs, as the config would say it.

    Raises
    ------
    UsageError, ConfigError
        A number is none, or the text of further rules is wrong.
    """
    changed: dict[str, Any] = {}
    for rule in alert_rules(section):
        given: dict[str, Any] = {}
        if bool(form.get(f"on:{rule.kind}")) != rule.enabled:
            given["enabled"] = not rule.enabled
        threshold = _number(form, f"threshold:{rule.kind}")
        if threshold is not None and threshold != rule.threshold:
            given["threshold"] = threshold
        owner = field(form, f"owner:{rule.kind}")
        if owner and owner != rule.owner:
            given["owner"] = owner
        if given:
            changed[rule.kind] = given
    budget = _number(form, "weekly_budget")
    whole: dict[str, Any] = {} if budget is None or budget == section.weekly_budget else {"weekly_budget": budget}
    merged = {
        kind: {**(section.rules[kind].model_dump() if kind in section.rules else {}), **given}
        for kind, given in changed.items()
    }
    rules = {**{kind: one.model_dump() for kind, one in section.rules.items()}, **merged}
    text = field(form, "rules", _MOST_TEXT)
    made = alerts_section(section, {**whole, "rules": rules}, text, "alerts.rules")
    alert_rules(made)
    typed = yaml.safe_load(text) if text else {}
    if changed or typed:
        whole["rules"] = {**changed, **(typed or {})}
    return made, whole


def tried(state: ServingState, form: FormData) -> Tried:
    """Return what the changed rules, budget and playbooks of a form would do with the newest scoring.

    Raises
    ------
    UsageError, ConfigError
        The form is wrong, nothing has been scored, or the features of the snapshot are not kept.
    """
    settings = state.settings
    section, changes = asked_for(form, settings.alerts)
    playbooks = _playbooks(field(form, "playbooks", _MOST_TEXT), state)
    check_playbooks(playbooks, section)
    edges = edges_in_force(settings.bundles_dir, settings.registered_model, BandEdges(*settings.edges))
    rules = alert_rules(section)
    with _ONE_AT_A_TIME:
        known = state.store.evaluations(settings.name).known()
        made = preview(
            Basis.newest(settings.name, state.store),
            known,
            alert_rules(settings.alerts),
            rules,
            playbooks,
            section,
            settings.experiments,
            days=settings.episode_days,
            seed=settings.seed,
            bands=Bands(edges.red_below, edges.green_from),
        )
    return Tried(made, _as_yaml({"alerts": changes}) if changes else "")


def _as_yaml(document: Mapping[str, Any]) -> str:
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)


def _playbooks(text: str, state: ServingState) -> tuple[Playbook, ...]:
    if text:
        return tuple(read_playbooks(text, "playbooks"))
    path = state.settings.playbooks
    return () if path is None else load_playbooks(path)


def _number(form: FormData, name: str) -> float | int | None:
    """Return a number of a form, or None where it was left empty."""
    text = field(form, name, 30)
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not -1e12 < value < 1e12:
        raise UsageError(Text.of("fault-settings_number"), where=name, got=repr(text), code="settings.number")
    return int(value) if value.is_integer() else value
