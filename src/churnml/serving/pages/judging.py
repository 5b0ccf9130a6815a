"""The forms of an account's page: notes, what is wrong, and a judgement beside the score's."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Any

from fastapi import APIRouter, Request
from starlette.datastructures import FormData
from starlette.responses import Response

from churnml.language import Text
from churnml.serving.http.problems import Problem
from churnml.serving.pages.acting import UNKNOWN_CHOICE, act, back_to, text_of
from churnml.serving.pages.frame import Frame, frame_of
from churnml.serving.pages.visibility import account_seen
from churnml.serving.people import CheckedForm, needs
from churnml.serving.routes.operation import ScopedRoute
from churnml.store import BANDS, AccountScore, Actor, SnapshotInfo

__all__ = ["router"]

router = APIRouter(prefix="/actions", route_class=ScopedRoute, include_in_schema=False)
_MOST_DAYS = 366


async def _account(frame: Frame, form: FormData) -> tuple[SnapshotInfo, AccountScore]:
    """Return the account that a form is about, refusing one that who looks may not see."""
    account_id = str(form.get("account") or "")
    _, snapshot, account, _ = await account_seen(frame, account_id)
    return snapshot, account


@router.post("/notes", dependencies=[needs("note")])
async def post_note(request: Request, form: CheckedForm) -> Response:
    """Write a note on an account."""
    frame = frame_of(request)
    text = text_of(form, "text", most=5000, required=True)
    _, account = await _account(frame, form)
    state, viewer = frame.state, frame.viewer
    assert text is not None

    def change(actor: Actor, deadline: float) -> Any:
        notes = state.store.notes(state.settings.name, deadline=deadline)
        return notes.add(text, viewer.name, actor, account_id=account.account_id)

    await act(frame, "note", change)
    return back_to(form, done="noted", account=account.account_id)


@router.post("/feedback", dependencies=[needs("note")])
async def post_feedback(request: Request, form: CheckedForm) -> Response:
    """Say that a reason is wrong."""
    frame = frame_of(request)
    snapshot, account = await _account(frame, form)
    about, comment = text_of(form, "about", most=255), text_of(form, "comment", most=1500, required=True)
    state, viewer = frame.state, frame.viewer
    said = f"{about}: {comment}" if about else comment

    def change(actor: Actor, deadline: float) -> Any:
        judgements = state.store.judgements(state.settings.name, deadline=deadline)
        return judgements.give_feedback(
            account.account_id, "not_useful", said, viewer.name, actor, snapshot_id=snapshot.id
        )

    await act(frame, "note", change)
    return back_to(form, done="said_wrong", account=account.account_id)


@router.post("/judgement", dependencies=[needs("work")])
async def post_judgement(request: Request, form: CheckedForm) -> Response:
    """Set a band beside the score's, until a day, for a reason; or end the one in force."""
    frame = frame_of(request)
    _, account = await _account(frame, form)
    state, viewer = frame.state, frame.viewer
    if form.get("do") == "end":
        await act(
            frame,
            "work",
            lambda actor, deadline: state.store.judgements(state.settings.name, deadline=deadline).end_override(
                account.account_id, viewer.name, actor
            ),
        )
        return back_to(form, done="judgement_ended", account=account.account_id)
    band, reason = str(form.get("band")), text_of(form, "reason", required=True)
    if band not in BANDS or band == "unknown":
        raise Problem("request.invalid", "band: red, yellow or green", said=UNKNOWN_CHOICE)
    until = _until(form, frame)
    assert reason is not None

    def change(actor: Actor, deadline: float) -> Any:
        return state.store.judgements(state.settings.name, deadline=deadline).override(
            account.account_id, band, reason, viewer.name, actor,
            valid_for=until - frame.now, system_band=account.band, system_score=account.health_score,
        )  # fmt: skip

    await act(frame, "work", change)
    return back_to(form, done="judged", account=account.account_id)


def _until(form: FormData, frame: Frame) -> datetime:
    """Return the end of the day that a form names."""
    try:
        last = date.fromisoformat(str(form.get("until")))
    except ValueError:
        raise Problem("request.invalid", "until: a day such as 2026-12-31", said=Text.of("form-day")) from None
    if not 0 < (last - frame.today).days <= _MOST_DAYS:
        within = Text.of("form-day_within_a_year")
        raise Problem("request.invalid", "until: a day from tomorrow on, within a year", said=within)
    return datetime.combine(last, time(23, 59, 59), UTC)
