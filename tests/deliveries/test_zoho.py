"""Zoho CRM: no workflow of the customer starts, each entry's status is read, and tokens live an hour."""

from __future__ import annotations

import json

import httpx
import pytest

from .conftest import scored
from .contract import Answers, Contract, needs_contracts

TOKEN = {"access_token": "t0ken-of-an-hour", "expires_in": 3600}


@pytest.fixture
def zoho(world):
    def made(**changes):
        section = {"client_id": "c", "client_secret": "cl13nt", "refresh_token": "r3fresh", "id_field": "External_Id",
                   "fields": {"Health_Score": "health_score", "Health_Band": "band"}}  # fmt: skip
        return world.with_target(zoho={**section, **changes})

    return made


def token():
    return httpx.Response(200, json=TOKEN)


def entry(number, action="update"):
    return {"code": "SUCCESS", "status": "success", "action": action, "message": "ok", "details": {"id": str(number)}}


def written(request):
    rows = json.loads(request.content)["data"]
    return httpx.Response(200, json={"data": [entry(500 + number) for number, _ in enumerate(rows)]})


def test_accounts_are_upserted_without_starting_workflows_and_then_updated_by_id(zoho):
    world = zoho()
    world.publish()
    target = Answers(token(), written)
    assert world.deliver("zoho", target).targets[0].accepted == 3
    request = target.seen[1]
    assert (request.method, request.url.path) == ("POST", "/crm/v8/Accounts/upsert")
    assert request.headers["authorization"] == "Zoho-oauthtoken t0ken-of-an-hour"
    body = target.bodies()[1]
    assert body["trigger"] == []
    assert body["duplicate_check_fields"] == ["External_Id"]
    assert "Account_Name" not in body["data"][0], "so that no account is ever made"
    world.later(days=1)
    world.publish(scored(health={"acc-1": 10.0, "acc-2": 62.0, "acc-3": 90.0}))
    target = Answers(token(), written)
    world.deliver("zoho", target)
    assert (target.seen[1].method, target.seen[1].url.path) == ("PUT", "/crm/v8/Accounts")
    assert target.bodies()[1]["data"][0]["id"].startswith("50")


def test_each_entry_has_its_own_status(zoho):
    world = zoho()
    world.publish()
    entries = [
        entry(501),
        {"code": "MANDATORY_NOT_FOUND", "status": "error", "message": "required",
         "details": {"api_name": "Account_Name"}},
        {"code": "INVALID_DATA", "status": "error", "message": "invalid data",
         "details": {"api_name": "Health_Band", "maximum_length": 3}},
    ]  # fmt: skip
    done = world.deliver("zoho", Answers(token(), httpx.Response(207, json={"data": entries}))).targets[0]
    assert (done.accepted, done.refused) == (1, 2)
    assert sorted(row.reason for row in world.rows("zoho").values() if row.reason) == ["INVALID_DATA", "unknown_record"]


def test_an_old_token_is_renewed_and_a_revoked_one_is_a_clear_state(zoho):
    world = zoho(alerts={})
    world.publish()
    world.alert()
    old = httpx.Response(401, json={"code": "INVALID_TOKEN", "status": "error", "message": "invalid oauth token"})
    assert world.deliver("zoho", Answers(token(), written, old, token(), written)).targets[0].accepted == 4
    world.later(days=8)
    world.publish(scored(health={"acc-1": 1.0, "acc-2": 2.0, "acc-3": 3.0}))
    done = world.deliver("zoho", Answers(httpx.Response(200, json={"error": "invalid_code"}))).targets[0]
    assert "reconnect" in done.stopped
    assert "r3fresh" not in done.stopped


def test_a_lost_task_is_found_among_those_of_late(zoho):
    world = zoho(id_field=None, fields={}, alerts={})
    world.publish()
    world.alert()
    target = Answers(token(), httpx.ReadTimeout("lost"))
    target.next.append(
        lambda request: httpx.Response(
            200,
            json={"data": [{"id": "7001", "Subject": target.bodies()[1]["data"][0]["Subject"]}],
                  "info": {"more_records": False, "next_page_token": None}},
        )
    )  # fmt: skip
    done = world.deliver("zoho", target).targets[0]
    assert (done.unknown, done.accepted) == (1, 1)
    task = target.bodies()[1]["data"][0]
    assert task["What_Id"] == {"id": "acc-1"}
    assert target.seen[2].headers["if-modified-since"].startswith("2026-03-02T05:50")


@needs_contracts
@pytest.mark.shared_data
def test_every_request_keeps_to_the_contract(zoho):
    world = zoho(id_field="External_Id", alerts={})
    world.publish()
    world.alert()
    contract = Contract("zoho/zoho_crm.openapi.json", written)
    check = contract.handle_request

    def handle(request):
        # The login is another server's, and of no contract.
        return token() if request.url.host == "accounts.zoho.com" else check(request)

    contract.handle_request = handle
    assert world.deliver("zoho", contract).targets[0].accepted == 4
    assert {request.url.path for request in contract.seen} == {"/crm/v8/Accounts/upsert", "/crm/v8/Tasks"}


@needs_contracts
@pytest.mark.shared_data
def test_the_mixed_answer_of_the_contract_gives_four_outcomes(zoho):
    world = zoho()
    world.publish(scored(health={f"acc-{number}": 20.0 * number for number in range(1, 5)}))
    contract = Contract("zoho/zoho_crm.openapi.json")
    check = contract.handle_request
    contract.handle_request = lambda request: token() if "accounts" in request.url.host else check(request)
    contract.queue(207, "mixed")
    done = world.deliver("zoho", contract).targets[0]
    assert (done.accepted, done.refused) == (2, 2)
