"""Operations on the accounts of the scored snapshot: list, health, explanation, survival, history."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from anyio import to_thread
from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from churnml.api.answers import AccountsAnswer, ExplainAnswer, HealthAnswer, HistoryAnswer
from churnml.api.survival import SurvivalAnswer
from churnml.language import Text
from churnml.serving.curves import survival_of
from churnml.serving.http.problems import Problem
from churnml.serving.mappers import explained, health_of, history_point, last_score, provenance, stored
from churnml.serving.routes.cursor import cursor_of, read_cursor, wrong_cursor
from churnml.serving.routes.operation import Lang, ScopedRoute, as_json, documented, language, may, state_of
from churnml.serving.state import StateView
from churnml.store import ScoreFilter

__all__ = ["router"]

router = APIRouter(prefix="/v1/accounts", tags=["accounts"], route_class=ScopedRoute)
_READ = may("read")

_ACCOUNT = documented("account.unknown", "service.no_snapshot", "request.invalid")
AccountPath = Annotated[
    str,
    Path(
        min_length=1,
        max_length=255,
        pattern=r"^[^\x00-\x1f\x7f]+$",
        description="Account of the scored snapshot",
        examples=["acc-0042"],
    ),
]
_Word = Query(min_length=1, max_length=255, pattern=r"^[^\x00]*$")


@router.get(
    "",
    response_model=AccountsAnswer,
    responses=documented("request.cursor", "request.invalid", "service.no_snapshot"),
    summary="Accounts, highest expected loss first",
    openapi_extra=_READ,
)
async def list_accounts(
    request: Request,
    band: Annotated[
        Literal["red", "yellow", "green", "unknown"] | None,
        Query(description="Band a CSM sees: an override in force wins over the system's"),
    ] = None,
    segment: Annotated[str | None, _Word] = None,
    owner: Annotated[str | None, _Word] = None,
    renewal_within_days: Annotated[
        int | None, Query(ge=0, le=3650, description="Renewal due in 0 to so many days. Unit: days", examples=[90])
    ] = None,
    text: Annotated[str | None, _Word] = None,
    limit: Annotated[int, Query(ge=1, le=500, description="Accounts on a page")] = 50,
    cursor: Annotated[str | None, Query(max_length=300, description="`next_cursor` of the page before")] = None,
    include: Annotated[
        Literal["reasons"] | None, Query(description="`reasons`: with what a reader is told of each account's risk")
    ] = None,
    lang: Lang = None,
) -> Response:
    """List accounts by expected loss (probability × ARR; by probability where ARR is unknown).

    Pages belong to one snapshot: a cursor goes on in it even after a newer one was published.
    """
    state, chosen = state_of(request), language(request, lang)
    view = state.view
    if view.snapshot is None:
        raise Problem("service.no_snapshot", Text.of("problem-service-no_snapshot"), headers={"Retry-After": "30"})
    where = ScoreFilter(band, segment, owner, renewal_within_days, text)
    snapshot_id, after = view.snapshot.id, -1
    if cursor is not None:
        snapshot_id, after = read_cursor(cursor, where)
        if snapshot_id != view.snapshot.id:
            earlier = await to_thread.run_sync(state.store.snapshot, snapshot_id)
            if earlier is None or earlier.config != state.settings.name:
                raise wrong_cursor()
            view = StateView(view.scorer, earlier)
    now = datetime.now(UTC)

    def read() -> tuple[Any, Any, Any]:
        page = state.store.accounts(snapshot_id, where, now=now, after=after, limit=limit)
        shown = [account.account_id for account in page.accounts]
        explanations = state.store.explanations(snapshot_id, shown, [chosen]) if include == "reasons" else {}
        return page, state.store.judgements(state.settings.name).overrides(now, shown), explanations

    page, overrides, explanations = await to_thread.run_sync(read)
    snapshot = view.snapshot
    return as_json(
        AccountsAnswer.model_construct(
            **provenance(state.settings, view, snapshot.coverage if snapshot else None, lang=chosen),
            total=page.total,
            accounts=[
                health_of(
                    state.settings,
                    view,
                    account,
                    overrides.get(account.account_id),
                    chosen,
                    explanations.get(account.account_id),
                )
                for account in page.accounts
            ],
            next_cursor=None if page.next_position is None else cursor_of(snapshot_id, page.next_position, where),
        )
    )


@router.get(
    "/{account_id:path}/health",
    response_model=HealthAnswer,
    responses=_ACCOUNT,
    summary="Health of an account",
    openapi_extra=_READ,
)
async def get_health(request: Request, account_id: AccountPath, lang: Lang = None) -> Response:
    """Return the system's score, and the CSM's override beside it if one is in force.

    An account that has left keeps its last score: `frozen` says since when and why.
    """
    state, chosen = state_of(request), language(request, lang)
    view, snapshot, account = await state.last_known(account_id)
    judgements = state.store.judgements(state.settings.name)
    override = await to_thread.run_sync(judgements.override_of, account_id, datetime.now(UTC))
    last = last_score(state.view, snapshot, await state.departure(snapshot, account_id), chosen)
    return as_json(health_of(state.settings, view, account, override, chosen).model_copy(update={"frozen": last}))


@router.get(
    "/{account_id:path}/explanation",
    response_model=ExplainAnswer,
    responses=_ACCOUNT,
    summary="Why an account scores as it does",
    openapi_extra=_READ,
)
async def get_explanation(request: Request, account_id: AccountPath, lang: Lang = None) -> Response:
    """Return what raises and lowers the risk, with the account's numbers, in English or Japanese.

    An account that has left keeps its last score: `frozen` says since when and why.
    """
    state, chosen = state_of(request), language(request, lang)
    view, snapshot, account = await state.last_known(account_id)
    reasoning = await state.explanation(view, snapshot, account_id)
    fields = stored(state.settings, view, account, chosen)
    last = last_score(state.view, snapshot, await state.departure(snapshot, account_id), chosen)
    return as_json(explained({**fields, "frozen": last}, reasoning, chosen))


@router.get(
    "/{account_id:path}/survival",
    response_model=SurvivalAnswer,
    responses=documented("account.unknown", "survival.unknown", "service.no_snapshot", "request.invalid"),
    summary="When an account will be lost",
    openapi_extra=_READ,
)
async def get_survival(request: Request, account_id: AccountPath, lang: Lang = None) -> Response:
    """Return the account's curve over 24 months with its bounds and its peers', the risk at its renewal, and its worth.

    An account that has left keeps the curve of its last score: `frozen` says since when and why.
    """
    state, chosen = state_of(request), language(request, lang)
    view, snapshot, account = await state.last_known(account_id)
    curve = await state.curve(view, snapshot, account_id)
    if curve is None:
        raise Problem("survival.unknown", Text.of("detail-no_curve", account=repr(account_id)))
    fields = {
        **provenance(state.settings, view, account.coverage, lang=chosen),
        "currency": snapshot.info.get("currency", state.settings.currency),
        "frozen": last_score(state.view, snapshot, await state.departure(snapshot, account_id), chosen),
    }
    return as_json(survival_of(fields, curve, snapshot.as_of, chosen))


@router.get(
    "/{account_id:path}/history",
    response_model=HistoryAnswer,
    responses=_ACCOUNT,
    summary="Scores over time",
    openapi_extra=_READ,
)
async def get_history(
    request: Request,
    account_id: AccountPath,
    limit: Annotated[int, Query(ge=1, le=520, description="Points, newest first")] = 104,
) -> Response:
    """Return an account's scores, of each ``as_of`` the last that was scored; accounts that left included."""
    state = state_of(request)
    view = state.view
    if view.snapshot is None:
        raise Problem("service.no_snapshot", Text.of("problem-service-no_snapshot"), headers={"Retry-After": "30"})
    pairs = await to_thread.run_sync(state.store.history, state.settings.name, account_id, limit)
    if not pairs:
        raise await state.unknown_account(view.snapshot, account_id)
    return as_json(
        HistoryAnswer.model_construct(
            **provenance(state.settings, StateView(view.scorer, pairs[0][0]), pairs[0][1].coverage),
            account_id=account_id,
            points=[history_point(snapshot, account) for snapshot, account in pairs],
        )
    )
