"""Today: what waits for somebody, in the order of what it is worth, no more than they can do."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

from anyio import to_thread
from fastapi import APIRouter, Request
from markupsafe import Markup
from starlette.responses import Response

from churnml.language import number, phrases, render
from churnml.reports import charts
from churnml.serving.pages.accounts import choices_of
from churnml.serving.pages.cards import Card, cards, why
from churnml.serving.pages.frame import Frame, frame_of
from churnml.serving.pages.notices import notice
from churnml.serving.people import CurrentViewer, needs
from churnml.serving.routes.operation import ScopedRoute
from churnml.serving.routes.work import tasks_of
from churnml.store import AccountLine, ListFilter, SnapshotInfo

__all__ = ["router", "spark"]

router = APIRouter(route_class=ScopedRoute, include_in_schema=False)
_MOST_ALERTS, _MOST_WAITING, _FEW = 500, 100, 8
_SPARK_DAYS = 84


@router.get("/", dependencies=[needs("read")])
async def get_today(request: Request, viewer: CurrentViewer, owner: str | None = None) -> Response:
    """Return the page of who looks: their work, band changes, contract ends, and what the budget holds back."""
    frame = frame_of(request)
    chosen = viewer.owner_id if not viewer.sees_all else (owner or viewer.owner_id if owner != "*" else None)
    return await to_thread.run_sync(_today, frame, frame.scored, chosen)


def _today(frame: Frame, snapshot: SnapshotInfo, owner: str | None) -> Response:
    state, say = frame.state, phrases(frame.language)
    name, now = state.settings.name, frame.now
    lists, alerts = state.store.lists(name), state.store.alerts(name)
    monday = frame.today - timedelta(days=frame.today.weekday())
    nobody = owner is None and not frame.viewer.sees_all
    seen = "" if nobody else owner
    due = [] if nobody else [one for one, _ in alerts.find(owner=seen, held_back=False, limit=_MOST_ALERTS)]
    held = [] if nobody else [one for one, _ in alerts.find(owner=seen, held_back=True, limit=_MOST_WAITING + 1)]
    waits = list(dict.fromkeys(one.account_id for one in held))
    lines = lists.some(snapshot.id, [one.account_id for one in (*due, *held)], now)
    accounts = sorted({alert.account_id for alert in due})
    open_tasks = [task for task, _ in tasks_of(state).find(account_ids=accounts, limit=2000)] if accounts else []
    every = cards(due, lines, open_tasks, now, monday)
    capacity = state.settings.alerts.weekly_budget
    waiting = [card for card in every if not card.in_hand]
    shown, rest = waiting[:capacity], waiting[capacity:]
    where = ListFilter(seen_by=seen)
    before = lists.before(snapshot.as_of, snapshot.as_of - timedelta(days=6))
    moves = [] if before is None else lists.moves(snapshot.id, before, snapshot.as_of, where, now, _FEW)
    ending = lists.accounts(
        snapshot.id, snapshot.as_of, ListFilter(seen_by=seen, ends_within=90), now, sort="ends", limit=_FEW
    )
    health = lists.health([card.line.account.account_id for card in shown], snapshot.as_of, _SPARK_DAYS)
    choices = choices_of(frame, snapshot)["people"]
    return frame.answer(
        "today.html.j2",
        here="today",
        title=say("nav-today"),
        cards=[_shown(frame, card, health.get(card.line.account.account_id, ()), snapshot) for card in shown],
        in_hand=[card.line for card in every if card.in_hand],
        rest=len(rest),
        capacity=capacity,
        worth=sum(card.avoidable or 0.0 for card in shown),
        new=sum(card.new for card in shown),
        late=sum(card.late for card in shown),
        moves=moves,
        ending=ending,
        held=[lines[one] for one in waits if one in lines][:_FEW],
        held_count=_at_most(len(waits), _MOST_WAITING, frame),
        owner=owner,
        people=choices,
        spoken=lambda what, raw: state.settings.display.spoken(what, raw, frame.language),
        next_monday=monday + timedelta(days=7),
        tomorrow=frame.today + timedelta(days=1),
        notice=notice(frame),
        nobody=nobody,
    )


def _at_most(count: int, most: int, frame: Frame) -> str:
    return number(min(count, most), frame.language) + ("+" if count > most else "")


def _shown(
    frame: Frame, card: Card, points: Sequence[tuple[date, float | None]], snapshot: SnapshotInfo
) -> dict[str, Any]:
    """Return a card as its template shows it."""
    line = card.line
    sentences = {render(alert.text, frame.language) for alert in card.alerts}
    reason = why(line, card.alerts, frame.language)
    return {
        "card": card,
        "line": line,
        "account": line.account,
        "why": reason,
        "found": sorted(sentences - {reason}),
        "title": card.task.title.spoken(frame.language) if card.task else None,
        "due": card.task.due_on if card.task else card.due_at.date(),
        "late": card.late or (card.task is not None and card.task.due_on < frame.today),
        "spark": spark(frame, points, snapshot.as_of, line),
    }


def spark(
    frame: Frame, points: Sequence[tuple[date, float | None]], as_of: date, line: AccountLine, weeks: int = 12
) -> Markup:
    """Return the health of the last weeks as a line, one reading a week: the last of each."""
    weekly: list[float | None] = [None] * (weeks + 1)
    for on, score in points:
        place = weeks - (as_of - on).days // 7
        if 0 <= place <= weeks and score is not None:
            weekly[place] = score
    known = [value for value in weekly if value is not None]
    say = phrases(frame.language)
    if not known:
        return Markup("")
    filled = _joined(weekly)
    first, last = number(known[0], frame.language), number(known[-1], frame.language)
    low, high = _edges(known)
    return charts.sparkline(filled, say("today-spark", first=first, last=last), low=low, high=high)


def _edges(known: Sequence[float]) -> tuple[float, float]:
    """Return the edges of a small chart: never less than 40 points apart, so that noise looks like noise."""
    middle = (max(known) + min(known)) / 2
    half = max(20.0, (max(known) - min(known)) / 2)
    return middle - half, middle + half


def _joined(weekly: Sequence[float | None]) -> list[float | None]:
    """Return the readings with the weeks between two of them on the straight line between."""
    known = [place for place, value in enumerate(weekly) if value is not None]
    out = list(weekly)
    for left, right in pairwise(known):
        a, b = weekly[left], weekly[right]
        assert a is not None
        assert b is not None
        for place in range(left + 1, right):
            out[place] = a + (b - a) * (place - left) / (right - left)
    return out
