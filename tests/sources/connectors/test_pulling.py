"""Pages, limits, logins, places that expire, and counts that add up: held to the vendors' contracts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from ...deliveries.contract import Contract, needs_contracts
from .world import (
    NOW,
    SALESFORCE,
    ZENDESK,
    Faults,
    SalesforceOrg,
    World,
    ZendeskDesk,
    account,
    codes,
    counts,
    ticket,
    transport,
)  # fmt: skip

BUSY = httpx.Response(429, headers={"Retry-After": "93"}, json={"error": "APIRateLimitExceeded"})


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def org() -> SalesforceOrg:
    return SalesforceOrg({"Account": [account(n, f"2026-02-0{n}T00:00:00.000+0000") for n in range(1, 6)]})


@pytest.fixture
def desk() -> ZendeskDesk:
    return ZendeskDesk(tickets=[ticket(n, 1_769_904_000 + n) for n in range(5)])


def test_every_page_is_fetched_and_a_second_pull_brings_only_what_is_new(world: World, desk: ZendeskDesk) -> None:
    assert counts(world.pull(ZENDESK, transport(desk))) == {"tickets": (5, 5, 0, 0)}
    desk.tickets.append(ticket(0, 1_772_400_000, status="solved"))
    world.later(days=1)
    assert counts(world.pull(ZENDESK, transport(desk))) == {"tickets": (1, 1, 0, 0)}
    assert len(world.landing.rows["tickets"]) == 6  # both versions of ticket 0
    assert world.landing.ids("tickets") == ["0", "1", "2", "3", "4"]


def test_a_window_overlaps_the_one_before_and_what_is_there_already_is_a_duplicate(
    world: World, org: SalesforceOrg
) -> None:
    org.records["Account"].append(account(6, "2026-03-02T01:30:00.000+0000"))
    assert counts(world.pull(SALESFORCE, transport(org))) == {"accounts": (6, 6, 0, 0)}
    # This one was committed late: its modstamp lies before the end of the first pull.
    org.records["Account"].append(account(7, "2026-03-02T01:40:00.000+0000"))
    world.later(days=1)
    assert counts(world.pull(SALESFORCE, transport(org))) == {"accounts": (2, 1, 0, 1)}


def test_a_row_without_an_id_is_rejected_and_kept_beside(world: World, desk: ZendeskDesk, tmp_path: Path) -> None:
    desk.tickets[1]["id"] = None
    desk.tickets.insert(2, desk.tickets[0])
    done = world.pull(ZENDESK, transport(desk), folder=tmp_path)
    assert counts(done) == {"tickets": (6, 4, 1, 1)}
    (line,) = (tmp_path / "crm.rejected.jsonl").read_text().splitlines()
    assert json.loads(line)["reason"] == "no_id"


def test_a_busy_tool_is_waited_for_as_long_as_it_asks(world: World, desk: ZendeskDesk) -> None:
    lost = httpx.ReadTimeout("slow")
    done = world.pull(ZENDESK, Faults(transport(desk), BUSY, lost, httpx.Response(502), at="tickets"))
    assert world.waited[0] == 93
    assert 1 <= world.waited[1] <= 3
    assert len(world.waited) == 3
    assert counts(done)["tickets"] == (5, 5, 0, 0)


def test_a_tool_that_stays_busy_ends_the_pull_and_the_next_one_goes_on(world: World, desk: ZendeskDesk) -> None:
    faults = Faults(transport(desk), None, None, *[httpx.Response(503)] * 6, at="tickets")
    done = world.pull(ZENDESK, faults)
    assert done.stopped is not None
    assert done.stopped.code == "pull-stopped-busy"
    assert not done.failed
    assert counts(done) == {"tickets": (4, 4, 0, 0)}
    assert counts(world.pull(ZENDESK, transport(desk))) == {"tickets": (1, 1, 0, 0)}


def test_a_session_that_has_ended_is_renewed_once(world: World, org: SalesforceOrg) -> None:
    def ends(request: httpx.Request) -> httpx.Response:
        if "/query/" in request.url.path and org.logins == 1:
            org.session = "another"
        return org(request)

    done = world.pull(SALESFORCE, transport(ends))
    assert org.logins == 2
    assert counts(done) == {"accounts": (5, 5, 0, 0)}


def test_a_login_that_is_refused_twice_asks_for_a_person(world: World, org: SalesforceOrg) -> None:
    def refuses(request: httpx.Request) -> httpx.Response:
        answer = org(request)
        org.session = "another"
        return answer

    done = world.pull(SALESFORCE, transport(refuses))
    assert done.failed
    assert done.stopped is not None
    assert done.stopped.code == "pull-stopped-login"
    assert "c4nary" not in str(done)


def test_a_forgotten_place_between_pages_goes_on_from_the_last_modstamp(world: World, org: SalesforceOrg) -> None:
    org.lost_locators = 1
    done = world.pull(SALESFORCE, transport(org))
    assert codes(done) == ["pull-note-locator"]
    assert counts(done) == {"accounts": (6, 5, 0, 1)}
    assert "WHERE SystemModstamp >= 2026-02-02" in org.queries[1]


def test_a_cursor_that_has_expired_falls_back_to_a_full_window_and_says_so(world: World, desk: ZendeskDesk) -> None:
    section = {"zendesk": {**ZENDESK["zendesk"], "objects": ["tickets"]}}
    world.pull(section, transport(desk))
    desk.tickets.append(ticket(9, 1_772_400_000))
    desk.forgotten = True
    world.later(days=1)
    done = world.pull(section, transport(desk))
    assert codes(done) == ["pull-note-expired"]
    assert counts(done) == {"tickets": (6, 1, 0, 5)}


def test_columns_that_come_and_go_are_noted(world: World, org: SalesforceOrg) -> None:
    world.pull(SALESFORCE, transport(org))
    for one in org.records["Account"]:
        one["Plan__c"] = one.pop("Type")
    org.records["Account"][0]["SystemModstamp"] = "2026-03-03T00:00:00.000+0000"
    world.later(days=2)
    done = world.pull(SALESFORCE, transport(org))
    assert codes(done) == ["pull-note-new-columns", "pull-note-gone-columns"]
    assert [note.arguments["columns"] for note in done.notes] == ["Plan__c", "Type"]


def test_fields_that_churnml_writes_are_never_fetched(world: World, org: SalesforceOrg) -> None:
    for one in org.records["Account"]:
        one["Churnml_Health__c"] = 12
        one["BillingAddress"] = {"city": "x"}
    world.pull(SALESFORCE, transport(org))
    row = next(iter(world.landing.rows["accounts"].values()))
    assert "Owner.Name" in row.values
    assert not any("hurnml" in name or "BillingAddress" in name for name in row.values)


def test_an_object_that_the_login_may_not_read_is_left_out_and_named(world: World, org: SalesforceOrg) -> None:
    section = {"salesforce": {**SALESFORCE["salesforce"], "objects": ["accounts", "cases", "casess"]}}
    done = world.pull(section, transport(org))
    assert codes(done) == ["pull-note-unknown", "pull-note-left-out"]
    assert counts(done) == {"accounts": (5, 5, 0, 0)}


def test_the_budget_is_a_share_of_what_the_tool_says_is_left(world: World, org: SalesforceOrg, tmp_path: Path) -> None:
    org.used, org.allowed = 4980, 4997  # 15 are left after the first query's answer
    done = world.pull(SALESFORCE, transport(org), folder=tmp_path)
    assert (done.calls, done.calls_allowed) == (5, 2 + int(16 * 0.2))
    assert done.stopped is None
    world.later(hours=1)
    again = world.pull(SALESFORCE, transport(org), folder=tmp_path)
    assert again.stopped is not None
    assert again.stopped.code == "pull-stopped-budget"
    assert again.calls == 0
    assert again.next_at == datetime(2026, 3, 3, tzinfo=UTC)
    world.later(days=1)
    org.used = 18
    assert world.pull(SALESFORCE, transport(org), folder=tmp_path).stopped is None


def test_a_limit_of_the_tool_ends_the_pull_until_it_moves(world: World, org: SalesforceOrg) -> None:
    used_up = httpx.Response(
        403, json=[{"message": "TotalRequests Limit exceeded.", "errorCode": "REQUEST_LIMIT_EXCEEDED"}]
    )
    done = world.pull(SALESFORCE, Faults(transport(org), used_up, at="/query/"))
    assert done.stopped is not None
    assert done.stopped.code == "pull-stopped-limit"
    assert not done.failed
    assert done.next_at == NOW + timedelta(hours=1)
    assert counts(done) == {"accounts": (2, 2, 0, 0)}
    assert counts(world.pull(SALESFORCE, transport(org))) == {"accounts": (4, 3, 0, 1)}


def test_an_interrupted_pull_goes_on_where_its_last_batch_ended(world: World, desk: ZendeskDesk) -> None:
    world.landing.fails_after = 1
    with pytest.raises(KeyboardInterrupt):
        world.pull(ZENDESK, transport(desk), batch_rows=2)
    assert world.landing.ids("tickets") == ["0", "1"]
    world.landing.fails_after = None
    world.later(hours=3)
    assert counts(world.pull(ZENDESK, transport(desk), batch_rows=2)) == {"tickets": (3, 3, 0, 0)}


def test_since_fetches_anew_from_that_day_on(world: World, org: SalesforceOrg) -> None:
    world.pull(SALESFORCE, transport(org))
    done = world.pull(SALESFORCE, transport(org), since=datetime(2026, 2, 4, tzinfo=UTC))
    assert counts(done) == {"accounts": (2, 0, 0, 2)}


def test_a_login_never_goes_out_in_the_clear(world: World, desk: ZendeskDesk) -> None:
    section = {"zendesk": {**ZENDESK["zendesk"], "url": "http://example.zendesk.com"}}
    done = world.pull(section, transport(desk))
    assert done.stopped is not None
    assert done.stopped.code == "pull-stopped-clear"
    assert done.failed
    sent_on = Faults(transport(desk), httpx.Response(302, headers={"Location": "https://evil.example/x"}))
    assert world.pull(ZENDESK, sent_on).stopped.code == "pull-stopped-redirect"  # type: ignore[union-attr]


class Broken(httpx.SyncByteStream):
    def __iter__(self) -> Iterator[bytes]:
        yield b'{"tickets": ['
        raise httpx.ReadError("reset by peer")


def test_an_answer_that_breaks_off_is_asked_for_again(world: World, desk: ZendeskDesk) -> None:
    faults = Faults(transport(desk), httpx.Response(200, stream=Broken()), at="tickets")
    assert counts(world.pull(ZENDESK, faults)) == {"tickets": (5, 5, 0, 0)}
    assert len(world.waited) == 1


def test_an_answer_in_another_shape_ends_the_pull_with_a_message(world: World, desk: ZendeskDesk) -> None:
    done = world.pull(ZENDESK, Faults(transport(desk), None, httpx.Response(200, json={"rows": []}), at="tickets"))
    assert done.stopped is not None
    assert done.stopped.code == "pull-stopped-shape"
    assert counts(done) == {"tickets": (2, 2, 0, 0)}
    proxy = world.pull(ZENDESK, Faults(transport(desk), httpx.Response(200, text="<html>log in</html>")))
    assert proxy.stopped is not None
    assert proxy.stopped.code == "pull-stopped-unreadable"


@needs_contracts
@pytest.mark.parametrize("tool", ["zendesk", "salesforce"])
def test_every_request_is_one_that_the_contract_allows(
    tool: str, world: World, org: SalesforceOrg, desk: ZendeskDesk
) -> None:
    section: dict[str, Any]
    if tool == "zendesk":
        contract = Contract("zendesk/zendesk_incremental.openapi.json", desk)
        section = {"zendesk": {**ZENDESK["zendesk"], "objects": ["tickets", "organizations"]}}
    else:
        contract = Contract("salesforce/salesforce_rest.openapi.json", org)
        section = {
            "salesforce": {"url": SALESFORCE["salesforce"]["url"], "token": "session-1", "objects": ["accounts"]}
        }
    assert world.pull(section, contract).stopped is None
    world.later(days=1)
    assert world.pull(section, contract).stopped is None
    assert len(contract.seen) >= 5


@needs_contracts
def test_the_answers_of_the_contract_are_read(world: World) -> None:
    contract = Contract("zendesk/zendesk_incremental.openapi.json")
    for status, example in ((200, "page"), (429, None), (200, "page")):
        contract.queue(status, example, **({"Retry-After": "7"} if status == 429 else {}))
    section = {"zendesk": {**ZENDESK["zendesk"], "objects": ["tickets", "organizations"]}}
    done = world.pull(section, contract)
    assert counts(done) == {"organizations": (1, 1, 0, 0), "tickets": (2, 2, 0, 0)}
    assert world.waited == [7]
    row = next(row for row in world.landing.rows["tickets"].values() if row.id == "35436")
    assert row.values["metric_set.solved_at"] == "2026-07-21T05:05:05Z"
    assert row.version_at == datetime(2026, 7, 21, 5, 5, 5, tzinfo=UTC)
