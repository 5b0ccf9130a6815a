"""Settings, audit log: who did what when."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import Query, Request
from starlette.responses import Response

from churnml.language import phrases
from churnml.serving.pages.settings.common import in_store, section_router, settings_page, state_of
from churnml.serving.people import language_of
from churnml.store import AuditEntry, AuditPage

__all__ = ["router"]

router = section_router()
_A_PAGE = 100
_MOST_DETAIL = 300


@router.get("/settings/audit")
async def get_audit(
    request: Request,
    action: Annotated[str, Query(max_length=60)] = "",
    actor: Annotated[str, Query(max_length=80)] = "",
    after: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
) -> Response:
    """Return the changes, newest first, by action and by who made them."""
    state = state_of(request)
    oversight = state.store.oversight(state.settings.name)

    def work() -> tuple[AuditPage, dict[str, str]]:
        page = oversight.audit(_A_PAGE, after=after, action=action, actor=actor)
        names = {key.id: key.name for key in state.store.keys.list()}
        names |= {user.actor: user.name for user in state.store.users.list()}
        return page, names | {"cli": phrases(language_of(request))("settings-audit-cli")}

    page, names = await in_store(work)
    return settings_page(
        request,
        "audit",
        entries=[(entry, _detail(entry)) for entry in page.entries],
        more=after + _A_PAGE if page.more else None,
        newer=max(0, after - _A_PAGE) if after else None,
        names=names,
        action=action,
        actor=actor,
    )


def _detail(entry: AuditEntry) -> str:
    text = json.dumps(dict(entry.detail), ensure_ascii=False, sort_keys=True)
    return text if len(text) <= _MOST_DETAIL else text[: _MOST_DETAIL - 1] + "…"
