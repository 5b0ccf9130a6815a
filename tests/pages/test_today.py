"""Today: the cards, their order, what is done on them, and all of it taken back."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pytest
from tests.companies.scored import OWNERS
from tests.pages.browsing import ANN, DAVE, EVE

from churnml.config.alerts import AlertsConfig
from churnml.language import Text
from churnml.serving.pages.cards import cards
from churnml.store import AccountLine, AccountScore, Alert


def _names(page: httpx.Response) -> list[str]:
    return re.findall(r'<h3><a href="/accounts/([^"]+)"', page.text)


def _alert(
    account: str, *, severity: Any = "medium", due: int = 5, worth: float | None = 100.0, shown: int = 1
) -> Alert:
    day = date(2026, 3, 2)
    return Alert(
        id=1, account_id=account, kind="silence", severity=severity, owner="ann", opened_on=day - timedelta(days=shown),
        updated_on=day, due_at=datetime(2026, 3, 2, tzinfo=UTC) + timedelta(days=due), avoidable_loss=worth,
        text=Text.of("alert-notice_given"),
    )  # fmt: skip


def test_overdue_and_critical_come_first_then_what_is_worth_most() -> None:
    lines = {
        name: AccountLine(AccountScore(name, 0.5, 30.0, "red", 1.0), None, None, None, None, None, None)
        for name in ("small", "large", "late", "critical", "unknown")
    }
    alerts = [
        _alert("small", worth=10.0),
        _alert("large", worth=1000.0),
        _alert("late", due=-1, worth=1.0),
        _alert("critical", severity="critical", worth=5.0),
        _alert("unknown", worth=None),
        _alert("gone"),
        _alert("small", worth=20.0, shown=10),
    ]
    made = cards(alerts, lines, [], datetime(2026, 3, 2, 12, tzinfo=UTC), date(2026, 3, 1))
    assert [card.line.account.account_id for card in made] == ["critical", "late", "large", "small", "unknown"]
    assert [card.new for card in made] == [True, True, True, False, True]
    assert len(made[3].alerts) == 2
    assert made[3].avoidable == 20.0


def test_a_csm_sees_their_own_work_and_no_more_than_they_can_do(see: Any) -> None:
    ann = see(ANN)
    page = ann.get("/")
    store, name = ann.state.store, "acme"
    mine = {alert.account_id for alert, _ in store.alerts(name).find(owner="ann", held_back=False, limit=500)}
    shown = _names(page)
    assert set(shown) == mine
    assert 0 < len(shown) <= AlertsConfig().weekly_budget
    others = {alert.account_id for alert, _ in store.alerts(name).find(owner="bob", limit=500)}
    assert not any(f'href="/accounts/{account}"' in page.text for account in others)
    assert ann.get("/?owner=bob").text.count("data-item") == len(shown)


def test_a_manager_sees_everybodys_or_somebodys_work(see: Any) -> None:
    eve = see(EVE)
    every, bobs = eve.get("/?owner=*"), eve.get("/?owner=bob")
    assert all(f'value="{owner}"' in every.text for owner in OWNERS)
    assert (
        0
        < len(_names(bobs))
        < eve.state.store.lists("acme")
        .accounts(eve.state.view.snapshot.id, eve.state.view.snapshot.as_of, _everything(), datetime.now(UTC))
        .total
    )


def _everything() -> Any:
    from churnml.store import ListFilter

    return ListFilter()


@pytest.mark.parametrize(
    ("button", "fields", "done", "state"),
    [
        ("do=called", {}, "Called", "acknowledged"),
        ("do=snooze", {}, "Snoozed", "snoozed"),
        ("do=not_a_risk", {"why": "They are on summer leave."}, "is no risk", "closed"),
        ("do=reassign", {"owner": "bob"}, "has a new owner", "open"),
    ],
)
def test_a_card_is_answered_and_taken_back(look: Any, button: str, fields: Any, done: str, state: str) -> None:
    ann = look(ANN)
    page = ann.get("/")
    account = _names(page)[0]
    alerts = ann.state.store.alerts("acme")
    (alert, _), *_ = alerts.find(account_id=account)
    after = ann.press(page, "/actions/alerts", button, **fields)
    assert after.status_code == 200
    assert done in after.text
    changed, events = alerts.get(alert.id)
    assert changed.state == state
    assert events[-1].actor == "user:1"
    assert events[-1].detail["by"] == "Ann"
    assert account not in _names(after)
    if "why" in fields:
        notes = ann.state.store.notes("acme").find(account_id=account)
        assert fields["why"] in [note.text for note in notes]
        assert changed.outcome == "not_a_risk"
    undone = ann.press(after, "/actions/undo")
    assert "Taken back" in undone.text
    assert alerts.get(alert.id)[0].state == "open"
    assert alerts.get(alert.id)[0].owner == "ann"
    assert account in _names(undone)


def test_done_ticks_the_next_step_and_the_one_after_it_follows(look: Any) -> None:
    ann = look(ANN)
    page = ann.get("/")
    account = _names(page)[0]
    after = ann.press(page, "/actions/alerts", "do=done")
    assert "Done: " in after.text
    card = after.text.split(f'href="/accounts/{account}"')[1].split("</article>")[0]
    assert "Agree a plan with dates" in card
    undone = ann.press(after, "/actions/undo")
    card = undone.text.split(f'href="/accounts/{account}"')[1].split("</article>")[0]
    assert "Call the decision maker" in card


def test_what_cannot_be_done_is_a_page_with_a_way_back(look: Any) -> None:
    ann = look(ANN)
    page = ann.get("/")
    refused = ann.press(page, "/actions/alerts", "do=snooze", until="2020-01-01")
    assert refused.status_code == 409
    assert 'href="/"' in refused.text
    assert ann.press(page, "/actions/alerts", "do=not_a_risk", why="  ").status_code == 422
    assert ann.request("POST", "/actions/alerts", data={"alert": "1", "do": "called"}).status_code == 403


def test_nobody_works_on_what_they_may_not_see(look: Any) -> None:
    eve = look(EVE)
    page = eve.get("/?owner=bob")
    ann = look(ANN)
    refused = ann.press(page, "/actions/alerts", "do=called", form_token=_token(ann))
    assert refused.status_code == 404
    dave = look(DAVE)
    assert "do" not in re.findall(r'<button name="(do)"', dave.get("/").text)
    assert dave.press(page, "/actions/alerts", "do=called", form_token=_token(dave)).status_code == 403


def _token(browser: Any) -> str:
    found = re.search(r'name="form_token" value="(\w+)"', browser.get("/").text)
    assert found is not None
    return found[1]


def test_a_form_never_leads_to_another_site(look: Any) -> None:
    ann = look(ANN)
    after = ann.press(ann.get("/"), "/actions/alerts", "do=called", back="https://evil.example/")
    assert str(after.url).startswith("http://127.0.0.1/?done=called")


def test_old_scores_say_so(filled: Any, tmp_path: Any, portal: Any) -> None:
    from tests.companies.scored import fill
    from tests.pages.browsing import Browser, settings_of

    from churnml.serving.state import ServingState
    from churnml.store import Store

    settings = settings_of(tmp_path)
    with Store(settings.store_url) as store:
        fill(store, "acme", 30, datetime.now(UTC).date() - timedelta(days=20), weeks=1)
    state = ServingState(settings)
    state.start()
    try:
        page = Browser(portal, state).get("/")
        assert "These scores are old" in page.text
        assert "20 days ago" in page.text
    finally:
        state.stop()


def test_before_the_first_scoring_the_page_says_what_to_do(nothing_scored: Any) -> None:
    page = nothing_scored.get("/")
    assert page.status_code == 503
    assert "churnml score CONFIG" in page.text
