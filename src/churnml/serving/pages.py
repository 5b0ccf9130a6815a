"""Pages for CSMs: the portfolio at ``/`` and one page an account, in English and Japanese."""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from anyio import to_thread
from fastapi import APIRouter, Request
from starlette.responses import Response

from churnml.serving.accounts import AccountPath
from churnml.serving.live import Live
from churnml.serving.present import last_score
from churnml.serving.problems import Problem
from churnml.serving.scope import Lang, ScopedRoute, language, live_of, may
from churnml.store import AccountScore

__all__ = ["router"]

router = APIRouter(route_class=ScopedRoute, include_in_schema=False)

_MOST = 500
_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)


@router.get("/", openapi_extra=may("read"))
async def get_portfolio(request: Request, lang: Lang = None) -> Response:
    """Return the accounts with the highest expected loss as a page with filters."""
    live, chosen = live_of(request), language(request, lang)
    if live.view.snapshot is None:
        raise Problem("service.no_snapshot", "Nothing has been scored yet", headers={"Retry-After": "30"})
    return _html(await to_thread.run_sync(_portfolio, live, chosen))


@router.get("/accounts/{account_id:path}", openapi_extra=may("read"))
async def get_brief(request: Request, account_id: AccountPath, lang: Lang = None) -> Response:
    """Return the brief on an account: its score, what raises and lowers the risk, its history."""
    live, chosen = live_of(request), language(request, lang)
    view, snapshot, account = await live.last_known(account_id)
    told = await live.explanation(view, snapshot, account_id)
    last = last_score(live.view, snapshot, account_id, chosen)
    if last is not None:
        told = {**told, "frozen": {f"text_{chosen}": last.text}}
    return _html(await to_thread.run_sync(_brief, live, account, told, chosen))


def _portfolio(live: Live, lang: Any) -> str:
    import pandas as pd

    from churnml.reports import portfolio_page

    snapshot = live.view.snapshot
    if snapshot is None:
        raise Problem("service.no_snapshot", "Nothing has been scored yet")
    now = datetime.now(UTC)
    judged = live.store.judgements(live.settings.name)
    accounts = judged.applied(live.store.accounts(snapshot.id, limit=_MOST).accounts, now)
    pairs = [(account, live.store.explanation(snapshot.id, account.account_id)) for account in accounts]
    shown = [(account, told) for account, told in pairs if told is not None]
    columns = [name for name in AccountScore.__dataclass_fields__ if name not in ("details", "position")]
    table = pd.DataFrame([[getattr(account, name) for name in columns] for account, _ in shown], columns=columns)
    return portfolio_page(
        table.assign(as_of=pd.Timestamp(snapshot.as_of)),
        [told for _, told in shown],
        language=lang,
        title=live.settings.name,
        currency=live.settings.currency,
        link=lambda account_id: f"/accounts/{quote(account_id, safe='')}?lang={lang}",
        bands=live.store.bands(snapshot.id, now=now),
    )


def _brief(live: Live, account: AccountScore, told: dict[str, Any], lang: Any) -> str:
    import pandas as pd

    from churnml.explain import overridden
    from churnml.reports import account_brief

    now, judged = datetime.now(UTC), live.store.judgements(live.settings.name)
    override = judged.override_of(account.account_id, now)
    if override is not None and "frozen" not in told:
        until = override.expires_at.date()
        said = overridden(override.band, account.band, override.author, until, override.reason)
        told = {**told, "overridden": said}
    points = live.store.history(live.settings.name, account.account_id)
    history = pd.DataFrame(
        {
            "as_of": pd.to_datetime([snapshot.as_of for snapshot, _ in points]),
            "health_score": pd.Series([point.health_score for _, point in points], dtype=float),
        }
    )
    return account_brief(
        told,
        language=lang,
        name=account.name or account.account_id,
        arr=account.arr,
        currency=live.settings.currency,
        history=history,
    )


def _html(page: str) -> Response:
    """Return a page that may run the scripts it was made with, and nothing else from anywhere."""
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in _SCRIPT.findall(page)]
    scripts = " ".join(f"'sha256-{found}'" for found in hashes) or "'none'"
    policy = (
        f"default-src 'none'; script-src {scripts}; style-src 'unsafe-inline'; img-src data:; "
        "form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
    )
    return Response(page, media_type="text/html; charset=utf-8", headers={"Content-Security-Policy": policy})
