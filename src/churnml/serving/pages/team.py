"""Team: what each CSM has at hand, and tasks handed from one to another."""

from __future__ import annotations

from anyio import to_thread
from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from churnml.language import Text, number, percent, phrases
from churnml.serving.http.problems import Problem
from churnml.serving.pages.acting import act
from churnml.serving.pages.company import as_csv, written
from churnml.serving.pages.frame import Frame, frame_of
from churnml.serving.people import CheckedForm, needs
from churnml.serving.routes.operation import ScopedRoute
from churnml.serving.routes.work import tasks_of
from churnml.store import Actor

__all__ = ["router"]

router = APIRouter(route_class=ScopedRoute, include_in_schema=False)
_COLUMNS = (
    "owner", "accounts", "arr", "red", "red_arr", "expected_loss", "contacted", "open", "overdue", "week", "done",
)  # fmt: skip
_MOST = 500


@router.get("/team", dependencies=[needs("read")])
async def get_team(request: Request) -> Response:
    """Return a line for each owner of accounts; who does not see all sees the own one."""
    return await to_thread.run_sync(_team, frame_of(request))


def _team(frame: Frame) -> Response:
    state, viewer, language, say = frame.state, frame.viewer, frame.language, phrases(frame.language)
    work = state.store.team(state.settings.name, state.view.snapshot, frame.now)
    work = [one for one in work if viewer.sees(one.owner)]
    if frame.request.query_params.get("format") == "csv":
        return as_csv(frame, _COLUMNS, ([getattr(one, name) for name in _COLUMNS] for one in work))
    capacity = state.settings.alerts.weekly_budget
    display = state.settings.display
    rows = [
        {
            "owner": display.spoken("owners", one.owner, language) if one.owner else say("co-nobody"),
            "id": one.owner or "",
            "accounts": number(one.accounts, language),
            "arr": written(frame, one.arr, "money"),
            "red": one.red,
            "red_arr": written(frame, one.red_arr, "money"),
            "loss": written(frame, one.expected_loss, "money"),
            "contacted": f"{number(one.contacted, language)} / {number(one.red, language)}",
            "missed": one.red - one.contacted,
            "open": number(one.open, language),
            "overdue": one.overdue,
            "done": number(one.done, language),
            "used": percent(one.week / capacity, language, 0),
            "full": one.week > capacity,
            "has_tasks": one.open > 0,
        }
        for one in work
    ]
    totals = {name: sum(getattr(one, name) for one in work) for name in _COLUMNS if name != "owner"}
    return frame.answer(
        "team.html.j2",
        here="team",
        title=say("nav-team"),
        rows=rows,
        totals={
            "accounts": number(totals["accounts"], language),
            "arr": written(frame, totals["arr"], "money"),
            "red_arr": written(frame, totals["red_arr"], "money"),
            "loss": written(frame, totals["expected_loss"], "money"),
            "open": number(totals["open"], language),
            "overdue": number(totals["overdue"], language),
            "done": number(totals["done"], language),
            "contacted": percent(totals["contacted"] / totals["red"], language, 0) if totals["red"] else "–",
        },
        capacity=number(capacity, language),
        owners=[(one.owner, display.spoken("owners", one.owner, language)) for one in work if one.owner],
        may_assign=viewer.may("assign") and viewer.sees_all,
        moved=_whole(frame.request.query_params.get("moved", "")),
        csv=frame.with_query(format="csv", moved=None),
    )


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else None


@router.post("/team/hand-over", dependencies=[needs("assign")])
async def post_hand_over(request: Request, form: CheckedForm) -> Response:
    """Give the open tasks of one owner to another."""
    frame = frame_of(request)
    giver, taker = (str(form.get(name, ""))[:255].strip() for name in ("from", "to"))
    moved = await act(frame, "assign", lambda actor, deadline: _hand_over(frame, giver, taker, actor, deadline))
    return RedirectResponse(f"/team?moved={moved}", 303)


def _hand_over(frame: Frame, giver: str, taker: str, actor: Actor, deadline: float) -> int:
    state, viewer = frame.state, frame.viewer
    if not viewer.sees_all:
        raise Problem("auth.role", "Only who sees every account may hand over the tasks of others")
    if not giver or not taker or giver == taker:
        raise Problem("request.invalid", "from, to: two different owners", said=Text.of("team-two_owners"))
    tasks = tasks_of(state, deadline)
    handed = [task for task, _ in tasks.find(owner=giver, limit=_MOST)]
    for task in handed:
        if task.id is not None:
            tasks.change(task.id, actor, owner=taker, author=viewer.name)
    return len(handed)
