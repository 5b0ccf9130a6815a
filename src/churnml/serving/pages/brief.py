"""The brief on an account: its score, what raises and lowers the risk, its history."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from anyio import to_thread
from fastapi import APIRouter, Request
from starlette.responses import Response

from churnml.serving.mappers import last_score
from churnml.serving.pages.html import html_response
from churnml.serving.routes.accounts import AccountPath
from churnml.serving.routes.operation import Lang, ScopedRoute, language, may, state_of
from churnml.serving.state import ServingState
from churnml.store import AccountScore, SnapshotInfo

__all__ = ["router"]

router = APIRouter(route_class=ScopedRoute, include_in_schema=False)


@router.get("/accounts/{account_id:path}", openapi_extra=may("read"))
async def get_brief(request: Request, account_id: AccountPath, lang: Lang = None) -> Response:
    """Return the brief on an account: its score, what raises and lowers the risk, its history."""
    state, chosen = state_of(request), language(request, lang)
    view, snapshot, account = await state.last_known(account_id)
    explanation = await state.explanation(view, snapshot, account_id)
    last = last_score(state.view, snapshot, await state.departure(snapshot, account_id), chosen)
    if last is not None:
        explanation = {**explanation, "frozen": {f"text_{chosen}": last.text}}
    return html_response(await to_thread.run_sync(_brief, state, snapshot, account, explanation, chosen))


def _brief(
    state: ServingState, snapshot: SnapshotInfo, account: AccountScore, explanation: dict[str, Any], lang: Any
) -> str:
    import pandas as pd

    from churnml.explain import overridden
    from churnml.reports import account_brief

    now, judgements = datetime.now(UTC), state.store.judgements(state.settings.name)
    override = judgements.override_of(account.account_id, now)
    if override is not None and "frozen" not in explanation:
        until = override.expires_at.date()
        notice = overridden(override.band, account.band, override.author, until, override.reason)
        explanation = {**explanation, "overridden": notice}
    points = state.store.history(state.settings.name, account.account_id)
    history = pd.DataFrame(
        {
            "as_of": pd.to_datetime([snapshot.as_of for snapshot, _ in points]),
            "health_score": pd.Series([point.health_score for _, point in points], dtype=float),
            "model_version": [snapshot.model_version for snapshot, _ in points],
        }
    )
    return account_brief(
        explanation,
        language=lang,
        name=account.name or account.account_id,
        arr=account.arr,
        currency=state.settings.currency,
        history=history,
        gaps=snapshot.info.get("level_gaps") or (),
    )
