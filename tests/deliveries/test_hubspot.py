"""HubSpot: a hundred companies a call, errors that name their input, limits of ten seconds and of a day."""

from __future__ import annotations

import json

import httpx
import pytest

from .conftest import scored
from .contract import Answers, Contract, needs_contracts

TIMES = {"createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z"}
STARTED = {"startedAt": "2026-01-01T00:00:00Z", "completedAt": "2026-01-01T00:00:00Z", "status": "COMPLETE"}
IDS = {"acc-1": "101", "acc-2": "102", "acc-3": "103"}


@pytest.fixture
def hubspot(world):
    def made(**changes):
        section = {"token": "pat-secret-1", "id_property": "churnml_account_id",
                   "fields": {"churnml_health": "health_score", "churnml_band": "band"}}  # fmt: skip
        return world.with_target(hubspot={**section, **changes})

    return made


def found(names=tuple(IDS)):
    rows = [{"id": IDS[name], "properties": {"churnml_account_id": name}, "archived": False, **TIMES} for name in names]
    return httpx.Response(200, json={"results": rows, **STARTED})


def updated(request):
    rows = [{"id": one["id"], "properties": one["properties"], "archived": False, **TIMES}
            for one in json.loads(request.content)["inputs"]]  # fmt: skip
    return httpx.Response(200, json={"results": rows, **STARTED})


def test_companies_are_looked_up_once_and_updated_by_record_id(hubspot):
    world = hubspot()
    world.publish()
    target = Answers(found(), updated)
    assert world.deliver("hubspot", target).targets[0].accepted == 3
    assert [request.url.path for request in target.seen] == [
        "/crm/v3/objects/companies/batch/read", "/crm/v3/objects/companies/batch/update"
    ]  # fmt: skip
    first = next(one for one in target.bodies()[1]["inputs"] if one["id"] == "101")
    assert first["properties"] == {"churnml_health": "35.0", "churnml_band": "red"}
    assert "idProperty" not in first, "record ids go without it"
    world.later(days=1)
    world.publish(scored(health={"acc-1": 10.0, "acc-2": 62.0, "acc-3": 90.0}))
    target = Answers(updated)
    assert world.deliver("hubspot", target).targets[0].accepted == 1


def test_a_207_gives_each_company_its_own_outcome(hubspot):
    world = hubspot()
    world.publish()

    def mixed(request):
        by_id = {one["id"]: one["objectWriteTraceId"] for one in json.loads(request.content)["inputs"]}
        error = {"status": "error", "category": "VALIDATION_ERROR", "message": "Property values were not valid",
                 "context": {"objectWriteTraceId": [by_id["102"]]}, "links": {}, "errors": []}  # fmt: skip
        row = {"id": "101", "properties": {}, **TIMES}
        return httpx.Response(207, json={"results": [row], "errors": [error], "numErrors": 1, **STARTED})

    done = world.deliver("hubspot", Answers(found(), mixed, updated)).targets[0]
    assert (done.accepted, done.refused, done.retried) == (2, 1, 1)
    assert world.rows("hubspot")["score:acc-2"].reason == "VALIDATION_ERROR"


def test_one_bad_company_does_not_sink_the_others(hubspot):
    world = hubspot()
    world.publish()

    def strict(request):
        if any(one["id"] == "102" for one in json.loads(request.content)["inputs"]):
            return httpx.Response(400, json={"status": "error", "message": "bad", "category": "VALIDATION_ERROR"})
        return updated(request)

    done = world.deliver("hubspot", Answers(found(), *[strict] * 6)).targets[0]
    assert (done.accepted, done.refused) == (2, 1)


def test_an_unknown_company_is_named_and_never_made(hubspot):
    world = hubspot()
    world.publish()
    world.deliver("hubspot", Answers(found(["acc-1", "acc-2"]), updated))
    assert world.rows("hubspot")["score:acc-3"].reason == "unknown_record"


@pytest.mark.parametrize(("policy", "seconds"), [("TEN_SECONDLY_ROLLING", 10), ("DAILY", 18 * 3600)])
def test_the_limit_of_ten_seconds_is_waited_for_and_that_of_a_day_is_not(hubspot, policy, seconds):
    world = hubspot()
    world.publish()
    limit = httpx.Response(429, json={"status": "error", "message": "limit", "policyName": policy})
    target = Answers(limit, found(), updated)
    done = world.deliver("hubspot", target).targets[0]
    if policy == "DAILY":
        assert (done.next_at - world.now).total_seconds() == seconds
        assert done.calls == 1
    else:
        assert seconds in world.waited
        assert done.accepted == 3


def test_properties_that_are_missing_are_made_in_a_group_of_their_own(hubspot):
    world = hubspot()
    known = {"results": [
        {"name": "churnml_band", "type": "string"},
        {"name": "churnml_account_id", "type": "string", "hasUniqueValue": True},
    ]}  # fmt: skip
    target = Answers(
        httpx.Response(200, json=known), httpx.Response(409, json={"message": "exists"}), httpx.Response(201, json={})
    )
    findings = world.check("hubspot", target)
    assert all(finding.ok for finding in findings)
    made = target.bodies()[2]
    assert (made["name"], made["type"], made["groupName"]) == ("churnml_health", "number", "churnml")


def test_an_alert_becomes_a_task_on_its_company(hubspot):
    world = hubspot(fields={}, alerts={"owners": {"ann": "77"}})
    world.publish()
    world.alert()
    task = httpx.Response(201, json={"id": "9001", "properties": {}, **TIMES})
    target = Answers(found(["acc-1"]), httpx.ReadTimeout("lost"))
    target.next.append(lambda request: httpx.Response(200, json={"total": 0, "results": []}))
    target.next.append(task)
    done = world.deliver("hubspot", target).targets[0]
    assert (done.unknown, done.accepted) == (1, 1)
    body = target.bodies()[-1]
    assert body["properties"]["hubspot_owner_id"] == "77"
    assert body["properties"]["hs_timestamp"].startswith("2026-03-04")
    assert body["associations"][0]["types"][0]["associationTypeId"] == 192


@needs_contracts
@pytest.mark.shared_data
def test_every_request_keeps_to_the_contract(hubspot):
    world = hubspot(alerts={})
    world.publish()
    world.alert()

    def answer(request):
        if request.url.path.endswith("batch/read"):
            return found()
        if request.url.path.endswith("batch/update"):
            return updated(request)
        if request.method == "GET":
            return httpx.Response(200, json={"results": []})
        return httpx.Response(201, json={"id": "9001", "properties": {}, **TIMES})

    contract = Contract("hubspot/hubspot_crm.openapi.json", answer)
    assert world.deliver("hubspot", contract).targets[0].accepted == 4
    world.check("hubspot", contract)
    world.later(days=8)
    world.publish(scored(health={"acc-1": 1.0, "acc-2": 2.0, "acc-3": 3.0}))
    contract.queue(429, "burst")
    contract.queue(423, "locked")
    assert world.deliver("hubspot", contract).targets[0].accepted == 3
