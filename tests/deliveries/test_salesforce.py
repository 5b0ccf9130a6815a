"""Salesforce: two calls for three accounts, one outcome a record, and nothing made twice."""

from __future__ import annotations

import json

import httpx
import pytest

from churnml.deliveries.salesforce_ids import full_id
from churnml.store import Actor

from .conftest import scored, silent
from .contract import APIS, Answers, Contract, needs_contracts

IDS = {"acc-1": "0018c00002abcdEAAQ", "acc-2": "0018c00002abcdFAAQ", "acc-3": "0018c00002abcdGAAQ"}


def rows(**changes):
    """Return what a query for the accounts answers."""
    found = [
        {"Id": IDS[name], "Churnml_Account_Id__c": name, "IsDeleted": False, "MasterRecordId": None,
         **changes.get(name.replace("-", "_"), {})}
        for name in IDS
    ]  # fmt: skip
    return httpx.Response(200, json={"totalSize": len(found), "done": True, "records": found})


def saved(*results):
    return httpx.Response(200, json=list(results), headers={"Sforce-Limit-Info": "api-usage=18/5000"})


def ok(name):
    return {"id": name, "success": True, "errors": [], "created": False}


def failed(code, message="…"):
    return {"success": False, "errors": [{"statusCode": code, "message": message, "fields": []}]}


def answering(*results):
    """Return an answer that gives each record its result, by record id."""
    by_id = dict(zip(IDS.values(), results, strict=True))

    def answer(request):
        return saved(*(by_id[record["id"]] for record in json.loads(request.content)["records"]))

    return answer


ALL_OK = answering(*(ok(name) for name in IDS.values()))


def test_fields_are_written_by_record_id_and_only_what_changed_is_written_again(salesforce):
    world = salesforce()
    world.publish()
    target = Answers(rows(), ALL_OK)
    done = world.deliver("salesforce", target)
    assert done.targets[0].accepted == 3
    assert target.seen[0].url.path == "/services/data/v62.0/queryAll"
    assert target.seen[0].headers["authorization"] == "Bearer s3cret-session"
    assert target.seen[1].method == "PATCH"
    body = target.bodies()[1]
    assert body["allOrNone"] is False
    first = next(record for record in body["records"] if record["id"] == IDS["acc-1"])
    assert first == {
        "attributes": {"type": "Account"}, "id": IDS["acc-1"], "Churnml_Health__c": 35.0, "Churnml_Band__c": "red",
        "Churnml_As_Of__c": "2026-03-01",
    }  # fmt: skip
    # The next day one account has moved; the others' date alone is no reason to write.
    world.later(days=1)
    world.publish(scored(health={"acc-1": 35.4, "acc-2": 64.5, "acc-3": 90.0}))
    target = Answers(lambda request: saved(*map(ok, [IDS["acc-2"]])))
    assert world.deliver("salesforce", target).targets[0].accepted == 1
    assert [record["id"] for record in target.bodies()[0]["records"]] == [IDS["acc-2"]]


def test_one_outcome_a_record_and_only_what_may_succeed_is_tried_again(salesforce):
    world = salesforce()
    world.publish()
    long = failed("STRING_TOO_LONG", "data value too large")
    lock = failed("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access")
    target = Answers(rows(), answering(ok(IDS["acc-1"]), lock, long), lambda request: saved(ok(IDS["acc-2"])))
    done = world.deliver("salesforce", target).targets[0]
    assert (done.accepted, done.retried, done.refused) == (2, 1, 1)
    assert 20 <= world.waited[0] <= 24, "a pause that differs from record to record"
    assert [record["id"] for record in target.bodies()[2]["records"]] == [IDS["acc-2"]]
    refused = world.rows("salesforce")["score:acc-3"]
    assert (refused.state, refused.reason) == ("refused", "STRING_TOO_LONG")


def test_deleted_merged_and_unknown_accounts_are_left_alone(salesforce):
    world = salesforce()
    world.publish(scored(health={"acc-1": 35.0, "acc-2": 62.0, "acc-3": 90.0, "acc-4": 50.0}))
    found = rows(acc_1={"IsDeleted": True}, acc_2={"IsDeleted": True, "MasterRecordId": IDS["acc-3"]})
    target = Answers(found, lambda request: saved(ok(IDS["acc-3"])))
    world.deliver("salesforce", target)
    reasons = {key: row.reason for key, row in world.rows("salesforce").items()}
    assert reasons == {
        "score:acc-1": "deleted", "score:acc-2": "merged", "score:acc-3": None, "score:acc-4": "unknown_record"
    }  # fmt: skip
    # No call is wasted on them at the next scoring.
    world.later(days=1)
    world.publish(scored(health={"acc-1": 10.0, "acc-2": 10.0, "acc-3": 90.0, "acc-4": 10.0}))
    assert world.deliver("salesforce", Answers()).targets[0].calls == 0


def test_an_expired_session_is_renewed_once(salesforce):
    world = salesforce(token=None, client_id="app", client_secret="cl13nt-secret")
    world.publish()
    token = httpx.Response(200, json={"access_token": "first-token"})
    expired = httpx.Response(401, json=[{"message": "Session expired", "errorCode": "INVALID_SESSION_ID"}])
    renewed = httpx.Response(200, json={"access_token": "second-token"})
    target = Answers(token, rows(), expired, renewed, ALL_OK)
    assert world.deliver("salesforce", target).targets[0].accepted == 3
    assert target.seen[-1].headers["authorization"] == "Bearer second-token"


def test_a_login_that_is_refused_keeps_the_queue_and_says_reconnect(salesforce):
    world = salesforce()
    world.publish()
    expired = httpx.Response(401, json=[{"message": "Session expired", "errorCode": "INVALID_SESSION_ID"}])
    done = world.deliver("salesforce", Answers(expired, expired)).targets[0]
    assert done.stopped is not None
    assert "reconnect" in done.stopped
    assert set(world.states("salesforce").values()) == {"waiting"}
    assert world.deliver("salesforce", Answers(rows(), ALL_OK)).targets[0].accepted == 3


def test_a_used_up_allowance_stops_until_midnight_and_is_not_called_again(salesforce):
    world = salesforce()
    world.publish()
    limit = httpx.Response(
        403, json=[{"message": "TotalRequests Limit exceeded.", "errorCode": "REQUEST_LIMIT_EXCEEDED"}]
    )
    done = world.deliver("salesforce", Answers(limit)).targets[0]
    assert done.next_at is not None
    assert done.next_at.isoformat() == "2026-03-03T00:00:00+00:00"
    assert world.deliver("salesforce", Answers()).targets[0].calls == 0
    world.later(hours=19)
    assert world.deliver("salesforce", Answers(rows(), ALL_OK)).targets[0].accepted == 3


def test_no_more_than_a_share_of_what_is_left_for_everybody_is_used(salesforce):
    world = salesforce(allowance_share=0.2)
    world.publish()
    nearly = httpx.Response(200, json=json.loads(rows().content), headers={"Sforce-Limit-Info": "api-usage=4998/5000"})
    done = world.deliver("salesforce", Answers(nearly)).targets[0]
    assert done.stopped is not None
    assert done.stopped.startswith("budget")
    assert set(world.states("salesforce").values()) == {"waiting"}


TASK = {"id": "00T8c000001", "success": True, "errors": [], "created": True}


def test_an_alert_becomes_a_task_and_closes_with_it(salesforce):
    world = salesforce(fields={}, alerts={"owners": {"ann": "0058c000001"}})
    world.publish()
    alert = world.alert()
    target = Answers(rows(), saved(TASK))
    assert world.deliver("salesforce", target).targets[0].accepted == 1
    (task,) = target.bodies()[1]["records"]
    assert task["WhatId"] == IDS["acc-1"]
    assert task["OwnerId"] == "0058c000001"
    assert task["Subject"].startswith("Company 1: No use for 30 days [churnml ")
    assert (task["ActivityDate"], task["Priority"], task["Status"]) == ("2026-03-04", "High", "Not Started")
    assert "https://churnml.example/accounts/acc-1" in task["Description"]
    world.store.alerts("acme").change(alert.id, Actor("ann", world.now), state="closed", outcome="saved")
    there = {"Id": "00T8c000001", "Subject": task["Subject"], "IsClosed": False, "IsDeleted": False}
    known = httpx.Response(200, json={"totalSize": 1, "done": True, "records": [there]})
    target = Answers(rows(), known, lambda request: saved(TASK))
    world.deliver("salesforce", target)
    (task,) = target.bodies()[2]["records"]
    assert (task["id"], task["Status"]) == ("00T8c000001", "Completed")


def test_a_lost_answer_is_settled_by_reading_back_before_anything_is_made_again(salesforce):
    world = salesforce(fields={}, alerts={})
    world.publish()
    world.alert()
    target = Answers(rows(), httpx.ReadTimeout("no answer"))
    target.next.append(
        lambda request: httpx.Response(
            200,
            json={"totalSize": 1, "done": True, "records": [
                {"Id": "00T8c000001", "Subject": target.bodies()[1]["records"][0]["Subject"]}]},
        )
    )  # fmt: skip
    done = world.deliver("salesforce", target).targets[0]
    assert (done.unknown, done.accepted) == (1, 1)
    assert [request.method for request in target.seen] == ["GET", "POST", "GET"]
    assert world.rows("salesforce")["alert:1"].remote_id == "00T8c000001"


def test_an_inactive_owner_does_not_lose_the_task(salesforce):
    world = salesforce(fields={}, alerts={"default_owner": "0058c000001"})
    world.publish()
    world.alert()
    target = Answers(rows(), saved(failed("INACTIVE_OWNER_OR_USER")), lambda request: saved(TASK))
    assert world.deliver("salesforce", target).targets[0].accepted == 1
    assert "OwnerId" not in target.bodies()[-1]["records"][0]
    assert "Owner: ann" in target.bodies()[-1]["records"][0]["Description"]


@pytest.mark.parametrize("kept_back", [{"held_back": True}, {"held_out": True, "arm": "held_out"}])
def test_what_a_budget_or_an_experiment_keeps_back_is_not_delivered(salesforce, kept_back):
    world = salesforce(fields={}, alerts={})
    world.publish()
    world.alert(silent(**kept_back))
    assert world.deliver("salesforce", Answers()).targets[0].calls == 0
    assert world.rows("salesforce") == {}


FIELD = {"name": "Churnml_Health__c", "type": "double", "length": 0, "updateable": True, "calculated": False}
BAND = FIELD | {"name": "Churnml_Band__c", "type": "string", "length": 20}


def test_the_check_reads_what_the_fields_are(salesforce):
    fields = {
        "Churnml_Health__c": "health_score", "Churnml_Band__c": {"value": "band", "max_length": 10},
        "Churnml_Why__c": "summary", "Churnml_Sum__c": "expected_loss", "Churnml_Note__c": "reason_1",
    }  # fmt: skip
    world = salesforce(fields=fields)
    described = [
        FIELD, BAND, FIELD | {"name": "Churnml_Sum__c", "calculated": True},
        BAND | {"name": "Churnml_Note__c", "length": 255},
        BAND | {"name": "Churnml_Account_Id__c", "externalId": True, "unique": True},
    ]  # fmt: skip
    found = world.check("salesforce", Answers(httpx.Response(200, json={"fields": described})))
    wrong = {finding.what.partition(":")[0]: finding.what for finding in found if not finding.ok}
    assert set(wrong) == {"Churnml_Why__c", "Churnml_Sum__c", "Churnml_Note__c"}
    assert "no such field" in wrong["Churnml_Why__c"]
    assert "calculated" in wrong["Churnml_Sum__c"]
    assert "255 characters" in wrong["Churnml_Note__c"]


def test_ids_of_fifteen_characters_get_their_checksum():
    assert full_id("001800000000AbC") == full_id("001800000000AbC")
    assert full_id("0018c00002abcdE") != full_id("0018c00002abcde")


@needs_contracts
@pytest.mark.shared_data
def test_every_request_keeps_to_the_contract(salesforce):
    world = salesforce(alerts={})
    world.publish()
    world.alert()

    def answer(request):
        if request.url.path.endswith("/queryAll"):
            return rows()
        records = json.loads(request.content)["records"]
        return saved(*(ok(record.get("id", "00T8c000001")) for record in records))

    contract = Contract("salesforce/salesforce_rest.openapi.json", answer)
    done = world.deliver("salesforce", contract).targets[0]
    assert done.accepted == 4
    assert {(request.method, request.url.path.rpartition("/")[2]) for request in contract.seen} == {
        ("GET", "queryAll"), ("PATCH", "sobjects"), ("POST", "sobjects")
    }  # fmt: skip


@needs_contracts
@pytest.mark.shared_data
def test_the_recorded_mixed_answer_gives_five_outcomes(salesforce):
    world = salesforce()
    world.publish(scored(health={f"acc-{n}": 10.0 * n for n in range(1, 6)}))
    contract = Contract("salesforce/salesforce_rest.openapi.json")
    found = [
        {"Id": f"0018c00002abcd{n}AAQ", "Churnml_Account_Id__c": f"acc-{n}", "IsDeleted": False} for n in range(1, 6)
    ]
    contract.answer = lambda request: httpx.Response(200, json={"totalSize": 5, "done": True, "records": found})
    contract.handle_request = _second(contract, 200, "mixed")
    done = world.deliver("salesforce", contract).targets[0]
    assert (done.accepted, done.retried, done.refused) == (2, 1, 3)


def _second(contract, status, example):
    """Answer the first request as set, the second with an example of the contract, the third with a success."""
    plain, seen = contract.handle_request, []

    def handle(request):
        seen.append(request)
        if len(seen) == 2:
            contract.queue(status, example)
        if len(seen) == 3:
            contract.queue(200, "all_ok")
        return plain(request)

    return handle


@needs_contracts
@pytest.mark.shared_data
def test_the_check_reads_a_real_description(salesforce):
    world = salesforce(id_field=None, fields={"Name": "name", "Churnml_Health__c": "health_score"})
    described = json.loads((APIS / "salesforce/describe/Account.json").read_text(encoding="utf-8"))
    found = world.check("salesforce", Answers(httpx.Response(200, json=described)))
    assert [finding.what for finding in found if not finding.ok][-1].startswith("Churnml_Health__c: there is no such")
