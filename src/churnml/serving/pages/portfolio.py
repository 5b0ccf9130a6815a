"""The portfolio: the accounts with the highest expected loss, with filters."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from anyio import to_thread
from fastapi import APIRouter, Request
from starlette.responses import Response

from churnml.serving.http.problems import Problem
from churnml.serving.pages.html import html_response
from churnml.serving.routes.operation import Lang, ScopedRoute, language, may, state_of
from churnml.serving.state import ServingState
from churnml.store import AccountScore

__all__ = ["router"]

router = APIRouter(route_class=ScopedRoute, include_in_schema=False)

_MOST = 500


@router.get("/", openapi_extra=may("read"))
async def get_portfolio(request: Request, lang: Lang = None) -> Response:
    """Return the accounts with the highest expected loss as a page with filters."""
    state, chosen = state_of(request), language(request, lang)
    if state.view.snapshot is None:
        raise Problem("service.no_snapshot", "Nothing has been scored yet", headers={"Retry-After": "30"})
    return html_response(await to_thread.run_sync(_portfolio, state, chosen))


def _portfolio(state: ServingState, lang: Any) -> str:
    import pandas as pd

    from churnml.reports import portfolio_page

    snapshot = state.view.snapshot
    if snapshot is None:
        raise Problem("service.no_snapshot", "Nothing has been scored yet")
    now = datetime.now(UTC)
    judgements = state.store.judgements(state.settings.name)
    accounts = judgements.applied(state.store.accounts(snapshot.id, limit=_MOST).accounts, now)
    explanations = state.store.explanations(snapshot.id, [account.account_id for account in accounts], [lang])
    shown = [(one, explanations[one.account_id]) for one in accounts if one.account_id in explanations]
    columns = [name for name in AccountScore.__dataclass_fields__ if name not in ("details", "position")]
    table = pd.DataFrame([[getattr(account, name) for name in columns] for account, _ in shown], columns=columns)
    return portfolio_page(
        table.assign(as_of=pd.Timestamp(snapshot.as_of)),
        [explanation for _, explanation in shown],
        language=lang,
        title=state.settings.name,
        currency=state.settings.currency,
        link=lambda account_id: f"/accounts/{quote(account_id, safe='')}?lang={lang}",
        bands=state.store.bands(snapshot.id, now=now),
        display=state.settings.display,
        gaps=snapshot.info.get("level_gaps") or (),
    )
