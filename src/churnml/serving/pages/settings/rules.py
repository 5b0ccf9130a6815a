"""Settings, rules and names: what the config says of alerts, playbooks and display names, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fastapi import Request
from starlette.responses import Response

from churnml.actions.rules import AlertRule, alert_rules
from churnml.errors import ChurnmlError
from churnml.explain.plays import Playbook, load_playbooks
from churnml.language import Language, phrases
from churnml.serving.pages.frame import frame_of
from churnml.serving.pages.settings.common import in_store, section_router, settings_page, state_of
from churnml.store import Opened

__all__ = ["router"]

router = section_router()


@dataclass(frozen=True)
class _Rule:
    """A rule as the page shows it, with what it did at the last scoring."""

    rule: AlertRule
    title: str
    opened: Opened | None


@router.get("/settings/rules")
async def get_rules(request: Request) -> Response:
    """Return alert rules and playbooks, with what they opened at the last scoring."""
    state, language = state_of(request), frame_of(request).language
    oversight, section = state.store.oversight(state.settings.name), state.settings.alerts
    as_of = await in_store(oversight.evaluated)
    opened = {} if as_of is None else await in_store(lambda: oversight.opened(as_of))
    rules = [_Rule(rule, _title(rule, language), opened.get(rule.kind)) for rule in alert_rules(section)]
    known = {rule.rule.kind for rule in rules}
    playbooks, fault = await in_store(lambda: _playbooks(state.settings.playbooks))
    return settings_page(
        request,
        "rules",
        rules=rules,
        others={kind: one for kind, one in opened.items() if kind not in known},
        evaluated=as_of,
        alerts=section,
        playbooks=playbooks,
        playbook_fault=fault,
        has_playbooks=state.settings.playbooks is not None,
    )


@router.get("/settings/names")
async def get_names(request: Request) -> Response:
    """Return what raw names are called where people read them."""
    display, language = state_of(request).settings.display, frame_of(request).language
    kinds = [
        (kind, [(raw, display.words(kind, raw).spoken(language)) for raw in sorted(getattr(display, kind))])
        for kind in ("event_types", "attributes", "features", "plans", "segments", "owners")
    ]
    return settings_page(request, "names", kinds=kinds)


def _title(rule: AlertRule, language: Language) -> str:
    if rule.title:
        return rule.title.get(language) or next(iter(rule.title.values()))
    return phrases(language).or_plain(f"settings-rule-{rule.kind}", rule.kind.replace("_", " "))


def _playbooks(path: Path | None) -> tuple[tuple[Playbook, ...], str]:
    """Return the playbooks of the config, or why they cannot be read, as in a bento that does not hold them."""
    if path is None:
        return (), ""
    try:
        return load_playbooks(path), ""
    except (ChurnmlError, OSError) as error:
        return (), error.what if isinstance(error, ChurnmlError) else str(error)
