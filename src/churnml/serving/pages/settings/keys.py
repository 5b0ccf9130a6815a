"""Settings, keys: what programs call the API with."""

from __future__ import annotations

from datetime import timedelta

from fastapi import Request
from starlette.responses import Response

from churnml.errors import ChurnmlError
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
from churnml.serving.people import CheckedForm
from churnml.store import SCOPES

__all__ = ["router"]

router = section_router()
_MOST_DAYS = 3650


@router.get("/settings/keys")
async def get_keys(request: Request) -> Response:
    """Return the keys, with a form to make one."""
    return await _list(request)


@router.post("/settings/keys")
async def make_key(request: Request, form: CheckedForm) -> Response:
    """Make a key and show it, this once."""
    state, actor = state_of(request), actor_of(request)
    name, days = field(form, "name", 100), field(form, "days", 5)
    scopes = [str(scope) for scope in form.getlist("scope")]
    number = int(days) if days.isdecimal() else 0
    if not name or not name.isprintable() or not 1 <= number <= _MOST_DAYS:
        fault = said(request, "settings-fault-key", days=_MOST_DAYS)
        return await _list(request, fault=fault, status=422)
    try:
        secret, key = await in_store(lambda: state.store.keys.create(name, scopes, actor, timedelta(days=number)))
    except ChurnmlError as error:
        return await _list(request, fault=fault_of(request, error), status=422)
    return await _list(request, secret=secret, made=key.id)


@router.post("/settings/keys/{key_id}/revoke")
async def revoke_key(request: Request, key_id: str, form: CheckedForm) -> Response:
    """Revoke a key: the service refuses it within two seconds."""
    state, actor = state_of(request), actor_of(request)
    try:
        await in_store(lambda: state.store.keys.revoke(key_id, actor))
    except ChurnmlError as error:
        if error.code != "keys.unknown":
            raise
        raise Problem("path.unknown", "There is no such key") from error
    return see("/settings/keys?done=revoked")


async def _list(request: Request, *, fault: str = "", status: int = 200, secret: str = "", made: str = "") -> Response:
    keys = await in_store(state_of(request).store.keys.list)
    newest = sorted(keys, key=lambda key: key.created_at, reverse=True)
    return settings_page(
        request,
        "keys",
        fault=fault,
        status=status,
        keys=newest,
        scopes=SCOPES,
        secret=secret,
        made=made,
        now=actor_of(request).now,
    )
