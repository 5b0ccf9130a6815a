"""Forms carry a token that only our own pages know; pages speak the language of who looks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from anyio.from_thread import start_blocking_portal
from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from tests.people.conftest import Browser, settings_of

from churnml.serving.app import create_api
from churnml.serving.http.stack import with_middleware
from churnml.serving.people import CheckedForm, CurrentViewer, context_of, form_field, needs
from churnml.serving.state import ServingState

router = APIRouter(include_in_schema=False)


@router.get("/try")
async def show(request: Request, viewer: CurrentViewer) -> Response:
    context = context_of(request)
    said = f"<p>{viewer.name} {viewer.role} {context.language} {context.here}</p>"
    return HTMLResponse(f'{said}<form action="/try" method="post">{form_field(request)}<input name="word"></form>')


@router.post("/try")
async def take(form: CheckedForm, viewer: CurrentViewer) -> Response:
    return JSONResponse({"word": form["word"], "by": viewer.user_id})


@router.get("/try/admin", dependencies=[needs("administer")])
async def only_admins() -> Response:
    return JSONResponse({})


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser on a service with one more page, without keys."""
    folder: Path = tmp_path_factory.mktemp("forms")
    state = ServingState(settings_of(folder).model_copy(update={"insecure": True}))
    state.start()
    api = create_api(state)
    api.include_router(router)
    with start_blocking_portal() as portal:
        yield Browser(portal, with_middleware(api, state))
    state.stop()


def test_a_page_knows_who_looks_without_keys(browser: Browser) -> None:
    page = browser.get("/try?a=1&lang=ja")
    assert "insecure admin ja /try?a=1" in page.text


def test_a_form_of_our_own_page_is_taken(browser: Browser) -> None:
    page = browser.get("/try")
    held = next(iter(browser.cookies.jar))
    assert (held.name, held.path, held.secure) == ("churnml_form", "/", False)
    assert browser.send(page, "/try", word="漢字 & more").json() == {"word": "漢字 & more", "by": "insecure"}


@pytest.mark.parametrize("token", ["", "0" * 64, "é", None])
def test_a_form_without_the_right_token_is_refused(browser: Browser, token: str | None) -> None:
    browser.get("/try")
    fields = {"word": "x"} | ({} if token is None else {"form_token": token})
    assert browser.post("/try", fields).status_code == 403


def test_a_token_of_another_browser_is_refused(browser: Browser) -> None:
    browser.get("/try")
    other = browser.another()
    page = other.get("/try")
    token = page.text.split('value="')[1].split('"')[0]
    assert browser.post("/try", {"word": "x", "form_token": token}).status_code == 403
    without = browser.another()
    assert without.post("/try", {"word": "x", "form_token": token}).status_code == 403


def test_a_form_that_another_site_sends_is_refused(browser: Browser) -> None:
    page = browser.get("/try")
    for site in ("cross-site", "same-site"):
        assert browser.send(page, "/try", headers={"Sec-Fetch-Site": site}, word="x").status_code == 403


def test_a_form_cannot_hold_what_no_database_can(browser: Browser) -> None:
    page = browser.get("/try")
    assert browser.send(page, "/try", word="a\0b").status_code == 422


def test_the_api_takes_no_forms(browser: Browser) -> None:
    assert browser.post("/v1/feedback", {"account_id": "x"}).status_code == 415


def test_a_key_may_do_on_pages_what_its_scopes_say(browser: Browser, tmp_path: Any) -> None:
    state = ServingState(settings_of(tmp_path))
    state.start()
    api = create_api(state)
    api.include_router(router)
    from datetime import UTC, datetime

    from churnml.store import Actor

    secrets = {
        scope: state.store.keys.create(scope, [scope], Actor("cli", datetime.now(UTC)))[0]
        for scope in ("read", "admin")
    }
    with start_blocking_portal() as portal:
        other = Browser(portal, with_middleware(api, state))

        def get(path: str, scope: str) -> httpx.Response:
            return other.get(path, auth=("anybody", secrets[scope]))

        assert "read data_scientist en" in get("/try", "read").text
        assert get("/try/admin", "read").status_code == 403
        assert get("/try/admin", "admin").status_code == 200
    state.stop()
