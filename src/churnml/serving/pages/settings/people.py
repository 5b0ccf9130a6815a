"""Settings, people: who may look at the pages, what they are, and their sign-in links."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, get_args

from fastapi import Request
from starlette.responses import Response

from churnml.config.sign_in import Role
from churnml.errors import ChurnmlError
from churnml.language import languages, phrases
from churnml.serving.http.problems import Problem
from churnml.serving.pages.settings.common import (
    actor_of,
    fault_of,
    field,
    in_store,
    said,
    section_router,
    settings_page,
    state_of,
)
from churnml.serving.pages.sign_in import see
from churnml.serving.people import CheckedForm, viewer_of
from churnml.serving.people.links import base_of, link_address, mail_link
from churnml.serving.state import ServingState
from churnml.store import Session, User

__all__ = ["router"]

router = section_router()
_NOBODY = {"email": "", "name": "", "role": "csm", "owner_id": "", "language": ""}


@router.get("/settings")
@router.get("/settings/people")
async def get_people(request: Request) -> Response:
    """Return everybody, with a form to add somebody."""
    return await _list(request)


@router.post("/settings/people")
async def add_person(request: Request, form: CheckedForm) -> Response:
    """Add somebody."""
    state, actor = state_of(request), actor_of(request)
    sent = {name: field(form, name) for name in ("email", "name", "role", "owner_id", "language")}
    try:
        user = await in_store(
            lambda: state.store.users.add(
                sent["email"],
                actor,
                name=sent["name"] or None,
                role=sent["role"],
                owner_id=sent["owner_id"] or None,
                language=sent["language"] or None,
            )
        )
    except ChurnmlError as error:
        return await _list(request, fault=fault_of(request, error), sent=sent, status=422)
    return see(f"/settings/people/{user.id}?done=added")


@router.get("/settings/people/{user_id:int}")
async def get_person(request: Request, user_id: int) -> Response:
    """Return one person, with what can be changed of them."""
    return await _person(request, await _known(request, user_id))


@router.post("/settings/people/{user_id:int}")
async def change_person(request: Request, user_id: int, form: CheckedForm) -> Response:
    """Change somebody; nobody takes their own administrator's role away, so that one always stays."""
    state, actor, user = state_of(request), actor_of(request), await _known(request, user_id)
    fields: dict[str, str | None] = {name: field(form, name) for name in ("email", "name", "role")}
    fields |= {name: field(form, name) or None for name in ("owner_id", "language")}
    if user.actor == actor.name and fields["role"] != user.role:
        return await _person(request, user, fault=said(request, "settings-fault-own_role"), status=422)
    try:
        await in_store(lambda: state.store.users.change(user.id, actor, **fields))
    except ChurnmlError as error:
        return await _person(request, user, fault=fault_of(request, error), status=422)
    return see(f"/settings/people/{user.id}?done=changed")


@router.post("/settings/people/{user_id:int}/invite")
async def invite_person(request: Request, user_id: int, form: CheckedForm) -> Response:
    """Make a sign-in link, show it once, and mail it where SMTP is set."""
    state, actor, user = state_of(request), actor_of(request), await _known(request, user_id)
    settings = state.settings
    base = base_of(request)

    def work() -> tuple[str, bool, datetime]:
        link = state.store.sessions.invite(user, actor, timedelta(hours=settings.sign_in.link_hours))
        address = link_address(base, link)
        if settings.mail is None:
            return address, False, link.expires_at
        password, spoken = settings.secrets.get("mail", ""), user.language or settings.language
        mail_link(settings.mail, password, link, address, settings.name, spoken, actor.now)
        return address, True, link.expires_at

    try:
        address, mailed, until = await in_store(work)
    except ChurnmlError as error:
        return await _person(request, user, fault=fault_of(request, error), status=422)
    return await _person(request, user, link=address, mailed=mailed, until=until)


@router.post("/settings/people/{user_id:int}/sign-out")
async def sign_person_out(request: Request, user_id: int, form: CheckedForm) -> Response:
    """Sign somebody out everywhere."""
    state, actor, user = state_of(request), actor_of(request), await _known(request, user_id)
    await in_store(lambda: state.store.sessions.end_all(user, actor))
    return see(f"/settings/people/{user.id}?done=signed_out")


@router.post("/settings/people/{user_id:int}/disable")
async def disable_person(request: Request, user_id: int, form: CheckedForm) -> Response:
    """Let somebody in no more; not oneself."""
    state, actor, user = state_of(request), actor_of(request), await _known(request, user_id)
    if user.actor == actor.name:
        return await _person(request, user, fault=said(request, "settings-fault-own_role"), status=422)
    await in_store(lambda: state.store.users.disable(user.id, actor))
    return see(f"/settings/people/{user.id}?done=disabled")


@router.post("/settings/people/{user_id:int}/enable")
async def enable_person(request: Request, user_id: int, form: CheckedForm) -> Response:
    """Let somebody in again."""
    state, actor, user = state_of(request), actor_of(request), await _known(request, user_id)
    await in_store(lambda: state.store.users.enable(user.id, actor))
    return see(f"/settings/people/{user.id}?done=enabled")


async def _known(request: Request, user_id: int) -> User:
    if not 0 < user_id < 2**31:
        raise Problem("path.unknown", "There is no such person")
    try:
        return await in_store(lambda: state_of(request).store.users.get(user_id))
    except ChurnmlError as error:
        if error.code != "users.unknown":
            raise
        raise Problem("path.unknown", "There is no such person") from error


async def _list(
    request: Request, *, fault: str = "", sent: dict[str, str] | None = None, status: int = 200
) -> Response:
    state = state_of(request)

    def work() -> tuple[list[User], list[Session], dict[str, int]]:
        users, running = state.store.users.list(), state.store.sessions.in_force(datetime.now(UTC))
        return users, running, _owners(state)

    users, running, owners = await in_store(work)
    claimed = {user.owner_id for user in users if user.disabled_at is None}
    return settings_page(
        request,
        "people",
        fault=fault,
        status=status,
        users=users,
        seen=_last_seen(running),
        owners=owners,
        unclaimed={owner: count for owner, count in owners.items() if owner not in claimed},
        sent=sent or _NOBODY,
        **_choices(),
    )


async def _person(
    request: Request,
    user: User,
    *,
    fault: str = "",
    status: int = 200,
    link: str = "",
    mailed: bool = False,
    until: datetime | None = None,
) -> Response:
    state = state_of(request)

    def work() -> tuple[list[Session], dict[str, int]]:
        running = state.store.sessions.in_force(datetime.now(UTC))
        return [one for one in running if one.user_id == user.id], _owners(state)

    running, owners = await in_store(work)
    return settings_page(
        request,
        "person",
        title=user.name,
        fault=fault,
        status=status,
        user=user,
        running=running,
        owners=owners,
        link=link,
        mailed=mailed,
        until=until,
        own=user.actor == viewer_of(request).user_id,
        **_choices(),
    )


def _owners(state: ServingState) -> dict[str, int]:
    snapshot = state.view.snapshot
    return {} if snapshot is None else state.store.oversight(state.settings.name).owners(snapshot.id)


def _last_seen(running: list[Session]) -> dict[int, datetime]:
    seen: dict[int, datetime] = {}
    for session in running:
        seen[session.user_id] = max(session.seen_at, seen.get(session.user_id, session.seen_at))
    return seen


def _choices() -> dict[str, Any]:
    known = [(code, phrases(code).or_plain("language-name", code)) for code in languages()]
    return {"roles": get_args(Role), "known_languages": known}
