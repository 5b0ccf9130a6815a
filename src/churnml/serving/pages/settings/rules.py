"""Settings, rules and names: what the config says of alerts, playbooks and display names, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fastapi import Request
from starlette.datastructures import FormData
from starlette.responses import Response

from churnml.actions import Preview
from churnml.actions.rules import AlertRule, alert_rules
from churnml.errors import ChurnmlError
from churnml.explain.plays import Playbook, load_playbooks
from churnml.language import Language, number, phrases
from churnml.serving.pages.frame import frame_of
from churnml.serving.pages.settings.common import fault_of, field, in_store, section_router, settings_page, state_of
from churnml.serving.pages.settings.trying import ROLES, Tried, tried
from churnml.serving.people import CheckedForm
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
    return await _page(request)


@router.post("/settings/rules")
async def try_rules(request: Request, form: CheckedForm) -> Response:
    """Return what changed rules and playbooks would open, and for whom; nothing is kept."""
    try:
        outcome = await in_store(lambda: tried(state_of(request), form))
    except ChurnmlError as error:
        return await _page(request, form, fault=_fault_text(request, error), status=422)
    return await _page(request, form, tried=outcome)


async def _page(
    request: Request, form: FormData | None = None, *, tried: Tried | None = None, fault: str = "", status: int = 200
) -> Response:
    state, language = state_of(request), frame_of(request).language
    oversight, section = state.store.oversight(state.settings.name), state.settings.alerts
    as_of = await in_store(oversight.evaluated)
    opened = {} if as_of is None else await in_store(lambda: oversight.opened(as_of))
    rules = [_Rule(rule, _title(rule, language), opened.get(rule.kind)) for rule in alert_rules(section)]
    known = {rule.rule.kind for rule in rules}
    titles = {rule.rule.kind: rule.title for rule in rules}
    playbooks, playbook_fault = await in_store(lambda: _playbooks(state.settings.playbooks))
    return settings_page(
        request,
        "rules",
        rules=rules,
        others={kind: one for kind, one in opened.items() if kind not in known},
        evaluated=as_of,
        alerts=section,
        playbooks=playbooks,
        playbook_fault=playbook_fault,
        has_playbooks=state.settings.playbooks is not None,
        fault=fault,
        status=status,
        tried=tried,
        preview_owners=[] if tried is None else _owner_rows(tried.preview, language),
        preview_rules=[] if tried is None else _rule_rows(tried.preview, titles, language),
        roles=ROLES,
        sent=lambda name, otherwise="": otherwise if form is None else field(form, name, 100_000),
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


def _fault_text(request: Request, error: ChurnmlError) -> str:
    """Return what was wrong, where and what was there: a text of some pages was written by hand."""
    where = [str(part) for part in (error.where, error.got) if part]
    return fault_of(request, error) + (f" ({': '.join(where)})" if where else "")


def _owner_rows(made: Preview, language: Language) -> list[tuple[str, str, str]]:
    return [(name, number(alerts, language), number(tasks, language)) for name, (alerts, tasks) in made.owners.items()]


def _rule_rows(made: Preview, titles: Mapping[str, str], language: Language) -> list[tuple[str, ...]]:
    def owners(counts: Mapping[str, int]) -> str:
        return ", ".join(f"{name} {number(count, language)}" for name, count in counts.items()) or "–"

    return [
        (
            titles.get(one.kind, one.kind.replace("_", " ")),
            number(one.held, language),
            number(one.holds, language),
            owners(one.alerts),
            owners(one.tasks),
            number(one.held_back, language),
        )
        for one in made.rules
    ]


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
