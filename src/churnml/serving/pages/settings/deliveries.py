"""Settings, deliveries: how it stands with each target, and what was not taken."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from fastapi import Request
from starlette.responses import Response

from churnml.language import Text
from churnml.serving.http.problems import Problem
from churnml.serving.pages.settings.common import actor_of, field, in_store, section_router, settings_page, state_of
from churnml.serving.pages.sign_in import see
from churnml.serving.people import CheckedForm
from churnml.store import Deliveries, Delivery, TargetState

__all__ = ["router"]

router = section_router()
_MOST = 200


@dataclass(frozen=True)
class _Target:
    """How it stands with a target."""

    name: str
    counts: dict[str, int]
    state: TargetState
    paused: bool


@router.get("/settings/deliveries")
async def get_deliveries(request: Request, target: str = "") -> Response:
    """Return the targets with their state, and the deliveries that nothing more will happen to."""
    state = state_of(request)
    deliveries, now = state.store.deliveries(state.settings.name), datetime.now(UTC)

    def work() -> tuple[list[_Target], list[Delivery], int]:
        targets = [_target(deliveries, name, now) for name in state.settings.targets]
        return targets, deliveries.find(target=target or None, limit=_MOST), len(deliveries.changes())

    targets, dead, waiting = await in_store(work)
    return settings_page(request, "deliveries", targets=targets, dead=dead, waiting=waiting, chosen=target, most=_MOST)


@router.post("/settings/deliveries/resend")
async def resend(request: Request, form: CheckedForm) -> Response:
    """Let one delivery, or all of a target, be tried again by the next `churnml deliver`."""
    state, actor = state_of(request), actor_of(request)
    number, target = field(form, "id", 12), field(form, "target")
    if bool(number) == bool(target) or (number and not number.isdecimal()):
        raise Problem("request.invalid", "Name one delivery or one target", said=Text.of("form-one_delivery"))
    deliveries = state.store.deliveries(state.settings.name)
    await in_store(
        lambda: deliveries.resend(actor.now, ids=[int(number)] if number else (), target=target or None, actor=actor)
    )
    return see("/settings/deliveries?done=resent")


def _target(deliveries: Deliveries, name: str, now: datetime) -> _Target:
    state = deliveries.state(name)
    return _Target(name, deliveries.counts(name), state, state.until is not None and state.until > now)
