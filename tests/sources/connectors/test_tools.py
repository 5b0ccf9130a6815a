"""HubSpot, Zoho, Stripe, Pendo and Mixpanel: what each lands, held to a contract where there is one."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from churnml.sources.connectors import CONNECTORS
from churnml.sources.connectors.tools import hubspot as hubspot_module
from churnml.sources.presets import presets

from ...deliveries.contract import APIS, Contract, needs_contracts
from .world import NOW, World, codes, counts, transport


@pytest.fixture
def world() -> World:
    return World()


# --- HubSpot -----------------------------------------------------------------------------------------------------

HUBSPOT = {"hubspot": {"token": "c4nary-hub", "objects": ["companies", "deals", "deal_pipeline_stage"]}}


class Portal:
    """A portal: companies and deals with the milliseconds of their last change; a search of few rows."""

    def __init__(self, deals: int = 5) -> None:
        self.changed = {str(n): 1_772_000_000_000 + 1000 * n for n in range(deals)}
        self.archived = [{"id": "c9", "archived": True, "archivedAt": "2026-03-01T00:00:00Z", "properties": {}}]
        self.searches: list[dict[str, Any]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        headers = {"X-HubSpot-RateLimit-Daily-Remaining": "1000"}
        return httpx.Response(200, json=self._answer(request), headers=headers)

    def _answer(self, request: httpx.Request) -> Any:
        path = request.url.path
        if path.startswith("/crm/v3/properties"):
            names = ["name", "dealname", "dealstage", "createdate", "churnml_health", "hs_analytics_source"]
            return {"results": [{"name": name, "calculated": name == "hs_x"} for name in names]}
        if path == "/crm/v3/pipelines/deals":
            stage = {"id": "won", "label": "Won", "metadata": {"isClosed": "true", "probability": "1.0"}}
            return {"results": [{"id": "p", "stages": [stage]}]}
        if path.startswith("/crm/v4/associations"):
            inputs = json.loads(request.content)["inputs"]
            return {"results": [{"from": {"id": one["id"]}, "to": [{"toObjectId": 7}]} for one in inputs]}
        if path.endswith("/search"):
            return self._searched(json.loads(request.content), "deals" in path)
        return {"results": self.archived if "companies" in path else []}

    def _searched(self, body: dict[str, Any], is_deals: bool) -> Any:
        self.searches.append(body)
        since = int(body["filterGroups"][0]["filters"][0]["value"])
        found = [(key, at) for key, at in self.changed.items() if at >= since and is_deals]
        start = int(body["after"])
        page = found[start : start + 2]
        more = {"paging": {"next": {"after": str(start + 2)}}} if start + 2 < len(found) else {}
        results = [
            {
                "id": key, "archived": False,
                "properties": {"dealname": f"Deal {key}", "dealstage": "won", "createdate": "2026-01-01T00:00:00Z",
                               "hs_lastmodifieddate": datetime.fromtimestamp(at / 1000, UTC).isoformat()},
            }
            for key, at in page
        ]  # fmt: skip
        return {"total": len(found), "results": results, **more}


def test_deals_land_with_their_companies_and_stages_and_archived_ones_as_deleted(world: World) -> None:
    portal = Portal()
    done = world.pull(HUBSPOT, transport(portal))
    assert done.stopped is None, done.stopped
    assert counts(done) == {
        "companies": (1, 1, 0, 0), "deals": (5, 5, 0, 0), "deal_company": (5, 5, 0, 0),
        "deal_pipeline_stage": (1, 1, 0, 0),
    }  # fmt: skip
    assert done.calls_allowed < 300
    row = next(iter(world.landing.rows["deals"].values()))
    assert row.values["deal_pipeline_stage_id"] == "won"
    assert row.values["property_dealname"] == "Deal 0"
    assert next(iter(world.landing.rows["companies"].values())).values["is_deleted"] == "true"
    assert not any("churnml" in name or "analytics" in name for name in portal.searches[0]["properties"])
    portal.changed["5"] = 1_772_500_000_000
    world.later(days=1)
    assert counts(world.pull(HUBSPOT, transport(portal)))["deals"] == (1, 1, 0, 0)


def test_a_search_gives_ten_thousand_rows_and_the_next_one_goes_on_from_there(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hubspot_module, "_MOST", 102)
    portal = Portal(deals=9)
    done = world.pull({"hubspot": {**HUBSPOT["hubspot"], "objects": ["deals"]}}, transport(portal))
    assert world.landing.ids("deals") == [str(n) for n in range(9)]
    assert done.stopped is None
    begins = [int(one["filterGroups"][0]["filters"][0]["value"]) for one in portal.searches]
    assert len(set(begins)) > 2
    assert begins == sorted(begins)


class Office(Portal):
    """A portal in which one call, one meeting and one mail took place; mails may be read or not."""

    def __init__(self, *, mails: bool = True) -> None:
        super().__init__()
        self.mails = mails
        self.more = {
            "calls": {"hs_timestamp": "2026-02-03T10:00:00Z", "hs_call_body": "c0nfidential"},
            "meetings": {"hs_timestamp": "2026-02-01T00:00:00Z", "hs_meeting_start_time": "2026-02-04T09:00:00Z"},
            "emails": {"hs_timestamp": "2026-02-05T08:00:00Z", "hs_email_direction": "INCOMING_EMAIL"},
        }

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if "/emails" in request.url.path and not self.mails:
            return httpx.Response(403, json={"status": "error", "category": "MISSING_SCOPES", "message": "no scope"})
        return super().__call__(request)

    def _answer(self, request: httpx.Request) -> Any:
        name = request.url.path.split("/")[4] if "/objects/" in request.url.path else ""
        if name not in self.more:
            return super()._answer(request)
        if request.method == "GET":
            return {"results": self.archived if name == "calls" else []}
        body = json.loads(request.content)
        self.searches.append(body)
        changed = {"hs_lastmodifieddate": "2026-02-06T00:00:00Z", "hs_createdate": "2026-02-01T00:00:00Z"}
        values = {key: value for key, value in {**changed, **self.more[name]}.items() if key in body["properties"]}
        return {"total": 1, "results": [{"id": f"{name}-1", "archived": False, "properties": values}]}


ENGAGEMENTS = {"hubspot": {**HUBSPOT["hubspot"], "objects": ["engagements"]}}


def test_calls_meetings_and_mails_land_with_their_times_and_companies_and_without_their_words(world: World) -> None:
    office = Office()
    done = world.pull(ENGAGEMENTS, transport(office))
    assert done.stopped is None, done.stopped
    found = counts(done)
    assert found["engagements"] == (4, 4, 0, 0)  # one call is archived
    assert {name: found[name][1] for name in found if name != "engagements"} == {
        "engagement_company": 3, "engagement_call": 1, "engagement_meeting": 1, "engagement_email": 1,
    }  # fmt: skip
    kinds = {row.id: row.values.get("type") for row in world.landing.rows["engagements"].values()}
    assert list(kinds.values())[:2] == ["CALL", None]
    assert set(kinds.values()) == {"CALL", "MEETING", "INCOMING_EMAIL", None}
    (meeting,) = world.landing.rows["engagement_meeting"].values()
    assert meeting.values["start_time"] == "2026-02-04T09:00:00Z"
    assert "c0nfidential" not in str(world.landing.rows)
    assert not any("body" in name or "text" in name for one in office.searches for name in one["properties"])


def test_mails_that_the_token_may_not_read_are_named_and_the_rest_lands(world: World) -> None:
    done = world.pull(ENGAGEMENTS, transport(Office(mails=False)))
    assert codes(done) == ["pull-note-left-out"]
    assert counts(done)["engagements"][1] == 3
    world.later(days=1)
    # With the scope given later, the mails of before are not fetched by themselves: `--since` does.
    again = world.pull(ENGAGEMENTS, transport(Office()), since=datetime(2026, 1, 1, tzinfo=UTC))
    assert counts(again)["engagement_email"][1] == 1


@needs_contracts
def test_hubspot_is_asked_as_its_contract_allows(world: World) -> None:
    portal = Portal()
    contract = Contract("hubspot/hubspot_crm.openapi.json", portal)
    done = world.pull({"hubspot": {**HUBSPOT["hubspot"], "objects": ["companies"]}}, contract)
    assert done.stopped is None
    assert [request.method for request in contract.seen] == ["GET", "POST", "GET"]


# --- Zoho --------------------------------------------------------------------------------------------------------

ZOHO = {
    "zoho": {"client_id": "id", "client_secret": "c4nary-z1", "refresh_token": "c4nary-z2", "objects": ["accounts"]}
}


class ZohoOrg:
    """A CRM of three accounts, one of them deleted; tokens live for so many calls."""

    def __init__(self, lives: int = 99) -> None:
        self.lives, self.left, self.tokens, self.since = lives, 0, 0, []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/oauth/v2/token":
            self.tokens, self.left = self.tokens + 1, self.lives
            return httpx.Response(200, json={"access_token": f"token-{self.tokens}-secret"})
        if self.left == 0:
            return httpx.Response(401, json={"code": "INVALID_TOKEN", "status": "error", "message": "", "details": {}})
        self.left -= 1
        if request.url.path.endswith("/deleted"):
            gone = {"id": "3", "deleted_time": "2026-02-20T00:00:00+00:00", "type": "recycle", "display_name": "x"}
            return httpx.Response(200, json={"data": [gone], "info": {"more_records": False}})
        self.since.append(request.headers.get("If-Modified-Since"))
        if "page_token" not in request.url.params and self.since[-1] is None:
            info = {"more_records": True, "next_page_token": "t"}
            return httpx.Response(200, json={"data": [zoho_account(1)], "info": info})
        if self.since[-1] is not None:
            return httpx.Response(304)
        return httpx.Response(200, json={"data": [zoho_account(2)], "info": {"more_records": False}})


def zoho_account(number: int) -> dict[str, Any]:
    return {
        "id": str(number), "Account_Name": f"Company {number}", "Owner": {"name": "Ann", "id": "9"},
        "Created_Time": "2025-01-01T00:00:00+00:00", "Modified_Time": f"2026-02-0{number}T00:00:00+00:00",
    }  # fmt: skip


def test_zoho_lands_changes_and_deleted_ones_and_renews_its_token(world: World) -> None:
    org = ZohoOrg(lives=2)
    done = world.pull(ZOHO, transport(org))
    assert counts(done) == {"accounts": (3, 3, 0, 0)}
    assert org.tokens == 2
    rows = {row.id: row.values for row in world.landing.rows["accounts"].values()}
    assert rows["1"]["Owner.name"] == "Ann"
    assert rows["3"]["_deleted"] == "true"
    world.later(days=1)
    assert counts(world.pull(ZOHO, transport(org))) == {"accounts": (1, 0, 0, 1)}
    assert org.since[-1] == (NOW - timedelta(minutes=65)).isoformat()


@needs_contracts
def test_zoho_is_asked_as_its_contract_allows(world: World) -> None:
    org = ZohoOrg()
    contract = Contract("zoho/zoho_crm.openapi.json", org)

    def split(request: httpx.Request) -> httpx.Response:
        return org(request) if "oauth" in request.url.path else contract.handle_request(request)

    assert world.pull(ZOHO, transport(split)).stopped is None
    assert len(contract.seen) == 3


# --- Stripe ------------------------------------------------------------------------------------------------------

STRIPE = {"stripe": {"api_key": "c4nary-stripe", "objects": ["subscriptions"]}}


class Books:
    """Subscriptions and events, newest first, two a page."""

    def __init__(self, subscriptions: list[dict[str, Any]]) -> None:
        self.subscriptions = subscriptions
        self.events: list[dict[str, Any]] = []
        self.asked: list[httpx.URL] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url)
        listed = self.events if request.url.path == "/v1/events" else self.subscriptions
        since = int(request.url.params.get("created[gte]", 0))
        listed = [one for one in listed if one["created"] >= since]
        after = request.url.params.get("starting_after")
        start = 0 if after is None else 1 + [one["id"] for one in listed].index(after)
        return httpx.Response(200, json={"data": listed[start : start + 2], "has_more": start + 2 < len(listed)})


def subscription(number: int, **more: Any) -> dict[str, Any]:
    item = {"current_period_end": 1_790_000_000, "quantity": 3, "price": {"unit_amount": 900, "currency": "usd"}}
    return {
        "id": f"sub_{number}", "customer": "cus_1", "status": "active", "livemode": True,
        "created": 1_700_000_000 + number, "items": {"data": [item]}, **more,
    }  # fmt: skip


def test_stripe_lists_everything_once_and_then_asks_for_events(world: World) -> None:
    books = Books([subscription(n) for n in (3, 2, 1)])
    assert counts(world.pull(STRIPE, transport(books))) == {"subscriptions": (3, 3, 0, 0)}
    changed = subscription(2, canceled_at=1_772_430_000)
    books.events = [
        {"id": "evt_1", "type": "customer.subscription.updated", "created": int(NOW.timestamp()) + 84_600,
         "data": {"object": changed}}
    ]  # fmt: skip
    world.later(days=1)
    assert counts(world.pull(STRIPE, transport(books))) == {"subscriptions": (1, 1, 0, 0)}
    assert books.asked[-1].path == "/v1/events"
    newest = max((row for row in world.landing.rows["subscriptions"].values() if row.id == "sub_2"),
                 key=lambda row: row.version_at)  # fmt: skip
    assert newest.values["canceled_at"] == "1772430000"
    assert json.loads(newest.values["items.data"])[0]["quantity"] == 3
    assert counts(world.pull(STRIPE, transport(books))) == {"subscriptions": (1, 0, 0, 1)}


def test_events_are_kept_for_thirty_days_and_after_that_everything_is_listed_anew(world: World) -> None:
    books = Books([subscription(1)])
    world.pull(STRIPE, transport(books))
    books.subscriptions[0]["canceled_at"] = 1_772_430_000
    world.later(days=40)
    done = world.pull(STRIPE, transport(books))
    assert codes(done) == ["pull-note-expired", "pull-note-new-columns"]
    assert counts(done) == {"subscriptions": (1, 1, 0, 0)}
    assert books.asked[-1].path == "/v1/subscriptions"


@needs_contracts
def test_stripes_own_objects_are_read_as_their_presets_want_them(world: World) -> None:
    resources = json.loads((APIS / "stripe" / "fixtures.json").read_text(encoding="utf-8"))["resources"]

    def lists(request: httpx.Request) -> httpx.Response:
        kind = request.url.path.removeprefix("/v1/").removesuffix("s")
        return httpx.Response(200, json={"data": [resources[kind]], "has_more": False})

    done = world.pull({"stripe": {"api_key": "c4nary-stripe"}}, transport(lists))
    assert counts(done) == dict.fromkeys(("customers", "subscriptions", "invoices"), (1, 1, 0, 0))
    invoice = next(iter(world.landing.rows["invoices"].values()))
    assert {"status_transitions.paid_at", "amount_due", "currency", "customer"} <= {*invoice.values}


# --- Pendo and Mixpanel ------------------------------------------------------------------------------------------


def test_mixpanel_lands_day_by_day_and_a_line_that_is_none_is_rejected(world: World) -> None:
    days: list[str] = []

    def export(request: httpx.Request) -> httpx.Response:
        days.append(request.url.params["from_date"])
        at = int(datetime.fromisoformat(days[-1]).replace(tzinfo=UTC).timestamp())
        event = {
            "event": "Login",
            "properties": {"time": at, "distinct_id": "u", "$insert_id": days[-1], "company": "a"},
        }
        return httpx.Response(200, text=json.dumps(event) + "\nhalf a li\n")

    section = {"mixpanel": {"project_id": "1", "user": "u", "secret": "c4nary-mix", "since": "2026-02-27"}}
    done = world.pull(section, transport(export))
    assert days == ["2026-02-27", "2026-02-28", "2026-03-01", "2026-03-02"]
    assert counts(done) == {"events": (8, 4, 4, 0)}
    row = next(iter(world.landing.rows["events"].values()))
    assert (row.values["event"], row.values["properties.company"]) == ("Login", "a")
    days.clear()
    world.later(days=1)
    assert counts(world.pull(section, transport(export)))["events"] == (10, 1, 5, 4)  # five days anew, one of them new
    assert days[0] == "2026-02-27"  # never before `since`


def test_pendo_lands_hours_and_names(world: World) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json=[{"id": "f1", "name": "Report", "lastUpdatedAt": 1_772_000_000_000}])
        source = json.loads(request.content)["request"]["pipeline"][0]["source"]
        hour = source["timeSeries"]["first"]
        if "pollEvents" in source:
            poll = {"accountId": "a", "visitorId": "v", "pollId": "p", "pollResponse": 9, "browserTime": hour}
            return httpx.Response(200, json={"results": [poll]})
        row = {"accountId": "", "visitorId": "v", "featureId": "f1", "pageId": "f1", "hour": hour, "numEvents": 2}
        return httpx.Response(200, json={"results": [row]})

    section = {"pendo": {"integration_key": "c4nary-pendo", "since": "2026-03-01"}}
    done = world.pull(section, transport(answer))
    assert {name: count[:2] for name, count in counts(done).items()} == {
        "features": (1, 1), "pages": (1, 1), "feature_events": (2, 2), "page_events": (2, 2), "poll_events": (2, 2),
    }  # fmt: skip
    poll = next(iter(world.landing.rows["poll_events"].values()))
    assert poll.values["poll_response"] == "9"


# --- All of them -------------------------------------------------------------------------------------------------


def test_every_connector_names_presets_that_there_are() -> None:
    for tool, connector in CONNECTORS.items():
        for kind in connector.kinds:
            assert not kind.preset or kind.preset in presets(), (tool, kind.name)
            assert kind.id
        assert len({kind.name for kind in connector.kinds}) == len(connector.kinds)


SECTIONS: list[dict[str, Any]] = [HUBSPOT, ZOHO, STRIPE]


@pytest.mark.parametrize("section", SECTIONS, ids=["hubspot", "zoho", "stripe"])
def test_what_a_tool_says_never_shows_a_secret(section: dict[str, Any], world: World) -> None:
    tool = next(iter(section))
    secrets = [value for value in section[tool].values() if isinstance(value, str) and "c4nary" in value]

    def echoes(request: httpx.Request) -> httpx.Response:
        text = f"{request.content.decode()} {dict(request.headers)} {secrets}"
        return httpx.Response(403, text=text)

    done = world.pull(section, transport(echoes))
    assert "c4nary" not in str(done)
    assert "***" in str(done)
