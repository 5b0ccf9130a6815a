"""Signing in and out, and the language of the pages."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

from anyio import to_thread
from fastapi import APIRouter, Request
from starlette.background import BackgroundTask
from starlette.responses import RedirectResponse, Response

from churnml.errors import ChurnmlError
from churnml.language import Language, languages, phrases
from churnml.serving.http.authentication import BASIC, KEY
from churnml.serving.http.problems import Problem
from churnml.serving.http.request_id import REQUEST_ID
from churnml.serving.pages.frame import frame_of
from churnml.serving.people import CheckedForm, language_of, viewer_of
from churnml.serving.people.cookies import ATTEMPT, LANGUAGE, cookie, drop_cookie, set_cookie
from churnml.serving.people.links import base_of, link_address, mail_link
from churnml.serving.people.looking import known_viewer, local_path
from churnml.serving.people.oidc import Attempt, Provider, person_of
from churnml.serving.people.sessions import begin_session, end_session
from churnml.serving.people.throttle import throttle_of
from churnml.serving.routes.operation import state_of
from churnml.serving.settings import Settings
from churnml.serving.state import ServingState
from churnml.store import Actor, Link

__all__ = ["router", "see"]

router = APIRouter(include_in_schema=False)
_LOG = logging.getLogger("churnml.people")
_LINKS_AN_HOUR = 3
"""Links that are mailed to one person: asking for more brings nothing, and those that came stay good."""
_YEAR_SECONDS, _MOMENT_SECONDS, _ATTEMPT_SECONDS = 365 * 86_400, 10, 600


def see(path: str) -> Response:
    """Send a browser on to another page, after a form or a link."""
    return RedirectResponse(path, 303)


@router.get("/sign-in")
async def get_sign_in(request: Request, next: str = "/") -> Response:  # noqa: A002 - the parameter's name
    """Return the ways to sign in; who is signed in goes on."""
    if known_viewer(request) is not None:
        return see(local_path(next))
    frame = frame_of(request)
    settings = frame.state.settings
    return frame.answer(
        "sign_in.html.j2",
        here="",
        title=phrases(frame.language)("sign_in-title"),
        next=local_path(next),
        oidc=settings.sign_in.oidc is not None,
        mail=_mails(settings),
        ask=settings.sign_in.ask,
    )


@router.post("/sign-in/mail")
async def send_link(request: Request, form: CheckedForm) -> Response:
    """Mail a link to an address, where somebody has it; the answer never says whether."""
    frame, say = frame_of(request), phrases(language_of(request))
    if not _mails(frame.state.settings):
        raise Problem("path.unknown", "No links are mailed here")
    throttle_of(request).ask(request)
    answer = frame.answer("sign_in_sent.html.j2", here="", title=say("sign_in-sent"))
    # After the answer, so that nobody can tell by its time who is known here.
    answer.background = BackgroundTask(_mail, frame.state, str(form.get("email", "")), frame.language)
    return answer


def _mail(state: ServingState, email: str, language: Language) -> None:
    now, settings, base = datetime.now(UTC), state.settings, state.settings.sign_in.url
    try:
        user = state.store.users.find(email)
        if user is None or user.disabled_at is not None or settings.mail is None or base is None:
            return
        if state.store.sessions.links_since(user, now - timedelta(hours=1)) >= _LINKS_AN_HOUR:
            return
        valid_for = timedelta(hours=settings.sign_in.link_hours)
        link: Link = state.store.sessions.invite(user, Actor(user.actor, now), valid_for)
        spoken = user.language or language
        mail_link(
            settings.mail, settings.secrets.get("mail", ""), link, link_address(base, link), settings.name, spoken, now
        )
    except ChurnmlError as error:
        _LOG.warning("A sign-in link was not mailed: %s", error)


@router.get("/sign-in/link")
async def get_link(request: Request, token: str = "") -> Response:
    """Ask who followed a link whether to sign in: programs that look at mails follow links too, and must not use it."""
    user = await to_thread.run_sync(state_of(request).store.sessions.whose, token, datetime.now(UTC))
    if user is None:
        raise throttle_of(request).wrong(request, Problem("auth.link", "The link was used, has ended or never was"))
    frame = frame_of(request)
    say = phrases(frame.language)
    return frame.answer("sign_in_link.html.j2", here="", title=say("sign_in-title"), user=user, token=token)


@router.post("/sign-in/link")
async def use_link(request: Request, form: CheckedForm) -> Response:
    """Sign in by a link, which is used then."""
    state = state_of(request)

    def work() -> bool:
        user = state.store.sessions.use(str(form.get("token", "")), datetime.now(UTC))
        if user is not None:
            begin_session(request.scope, state, user, "link", request.scope.get(REQUEST_ID))
        return user is not None

    if not await to_thread.run_sync(work):
        raise throttle_of(request).wrong(request, Problem("auth.link", "The link was used, has ended or never was"))
    return see("/")


@router.get("/sign-in/oidc")
async def to_provider(request: Request, next: str = "/") -> Response:  # noqa: A002 - the parameter's name
    """Send a browser to the company's identity provider."""
    attempt = Attempt.new(local_path(next))
    address = await to_thread.run_sync(_provider(request).address, attempt, _back(request))
    set_cookie(request.scope, ATTEMPT, attempt.cookie, _ATTEMPT_SECONDS)
    return see(address)


@router.get("/sign-in/oidc/return")
async def from_provider(request: Request) -> Response:
    """Sign in whom the identity provider names."""
    state, provider, back = state_of(request), _provider(request), _back(request)
    attempt = Attempt.read(cookie(request.scope, ATTEMPT))
    drop_cookie(request.scope, ATTEMPT)
    config = state.settings.sign_in.oidc
    assert config is not None

    def work() -> None:
        if attempt is None:
            raise Problem("auth.provider", "The answer belongs to no attempt of this browser")
        identity = provider.identity(attempt, request.query_params, back)
        request_id = request.scope.get(REQUEST_ID)
        user = person_of(state.store, identity, config, Actor("oidc", datetime.now(UTC), request_id))
        begin_session(request.scope, state, user, "oidc", request_id)

    try:
        await to_thread.run_sync(work)
    except Problem as problem:
        raise throttle_of(request).wrong(request, problem) from problem
    return see(local_path(attempt.next if attempt else "/"))


@router.get("/sign-in/key")
async def with_key(request: Request, next: str = "/") -> Response:  # noqa: A002 - the parameter's name
    """Let a browser ask for an API key, and remember it as long as it is open."""
    if KEY in request.scope:
        return see(local_path(next))
    raise Problem("auth.missing", "Give an API key as password", headers={"WWW-Authenticate": BASIC})


@router.post("/sign-out")
async def sign_out(request: Request, form: CheckedForm) -> Response:
    """End this browser's session, and show the way out of the provider's or the proxy's own, where there is one."""
    state, viewer = state_of(request), viewer_of(request)
    begun = await to_thread.run_sync(end_session, request.scope, state, viewer, request.scope.get(REQUEST_ID))
    address, proxy, provider = None, state.settings.sign_in.proxy, request.app.state.provider
    if viewer.by == "proxy":
        address = proxy.sign_out_url if proxy is not None else None
    elif begun == "oidc" and provider is not None:
        address = await to_thread.run_sync(provider.sign_out_address, f"{base_of(request)}/sign-in")
    if address is None:
        return see("/sign-in")
    # A form may lead within these pages only; the way to another's own page is a link.
    frame = frame_of(request)
    code = "settings-proxy_out" if viewer.by == "proxy" else "settings-provider_out"
    say = phrases(frame.language)
    return frame.answer("sign_out.html.j2", here="", title=say(code), text=say(f"{code}.text"), address=address)


@router.post("/language")
async def set_language(request: Request, form: CheckedForm) -> Response:
    """Speak another language from now on: to who is signed in wherever they are, else to this browser."""
    chosen, viewer, state = form.get("language"), known_viewer(request), state_of(request)
    if not isinstance(chosen, str) or chosen not in languages():
        raise Problem("request.invalid", f"There is no such language; there are {', '.join(languages())}")
    known = viewer is not None and viewer.by in ("session", "proxy")
    # A person is remembered for a moment, here and in other processes; until then the cookie tells.
    set_cookie(request.scope, LANGUAGE, chosen, _MOMENT_SECONDS if known else _YEAR_SECONDS)
    if viewer is not None and known:
        actor = Actor(viewer.user_id, datetime.now(UTC), request.scope.get(REQUEST_ID))
        number = int(viewer.user_id.partition(":")[2])
        await to_thread.run_sync(lambda: state.store.users.change(number, actor, language=chosen))
    return see(local_path(form.get("next")))


def _provider(request: Request) -> Provider:
    provider: Provider | None = request.app.state.provider
    if provider is None:
        raise Problem("path.unknown", "Nobody signs in here by an identity provider")
    return provider


def _back(request: Request) -> str:
    """Return where the identity provider sends a browser back to; it knows the address and takes no other."""
    return f"{base_of(request)}/sign-in/oidc/return"


def _mails(settings: Settings) -> bool:
    """Tell whether links are mailed: only with an address from the config, for a request may name any host."""
    return settings.mail is not None and settings.sign_in.url is not None
