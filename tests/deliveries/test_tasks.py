"""Steps of playbooks as tasks of a tool: made once, followed, and never opened again against a person's will."""

from __future__ import annotations

import json
import re
from datetime import date

import httpx
import pytest

from churnml.config.deliveries import SalesforceTarget
from churnml.store import Actor

from .conftest import silent
from .contract import Answers, Contract, needs_contracts

TIMES = {"createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z"}
ACCOUNT = {"acc-1": "0018c00002abcdEAAQ", "acc-2": "0018c00002abcdFAAQ", "acc-3": "0018c00002abcdGAAQ"}


class Tools(httpx.BaseTransport):
    """The tasks of a Salesforce, a HubSpot and a Zoho: each POST makes one, and people may close or delete them."""

    def __init__(self) -> None:
        self.tasks: dict[str, dict] = {}
        self.seen: list[tuple[str, str]] = []
        self.lose: list[str] = []
        """What is done next with its answer lost: make, change."""
        self.did = ""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.did = ""
        self.seen.append((request.method, request.url.path.rpartition("/")[2]))
        host = request.url.host
        told = {"api.hubapi.com": self._hubspot, "www.zohoapis.com": self._zoho}.get(host, self._salesforce)
        answer = httpx.Response(200, json={"access_token": "t"}) if host == "accounts.zoho.com" else told(request)
        if self.did in self.lose:
            self.lose.remove(self.did)
            raise httpx.ReadTimeout("lost")
        return answer

    def one(self) -> dict:
        """Return the only task there is."""
        (task,) = self.tasks.values()
        return task

    def finish(self, at: str = "2026-03-02T06:30:00.000+00:00") -> None:
        """Let a person close every task."""
        for task in self.tasks.values():
            # A tool's tasks have its own fields only.
            task.update({"hs_task_status": "COMPLETED"} if "hs_task_status" in task else {"Status": "Completed"}, at=at)

    def delete(self) -> None:
        """Let a person delete every task."""
        for task in self.tasks.values():
            task["gone"] = True

    def _make(self, values: dict) -> str:
        number = f"00T8c0000000{len(self.tasks):03d}"
        number = number if len(number) == 18 else f"{90_000 + len(self.tasks)}"
        self.tasks[number] = {**values, "gone": False, "at": "2026-03-02T06:00:00.000+00:00"}
        self.did = "make"
        return number

    def _change(self, name: str, values: dict) -> None:
        self.tasks[name].update(values)
        self.did = "change"

    def _salesforce(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            query = request.url.params["q"]
            if "FROM Task" not in query:
                rows = [{"Id": to, "Churnml_Account_Id__c": name, "IsDeleted": False} for name, to in ACCOUNT.items()]
            else:
                rows = [
                    {"Id": name, "Subject": task["Subject"], "IsClosed": task["Status"] == "Completed",
                     "IsDeleted": task["gone"], "LastModifiedDate": task["at"].replace("+00:00", "+0000")}
                    for name, task in self.tasks.items()
                    if f"'{name}'" in query or any(mark in task["Subject"] for mark in re.findall("%([^%]+)%", query))
                ]  # fmt: skip
            return httpx.Response(200, json={"totalSize": len(rows), "done": True, "records": rows})
        results = []
        for record in json.loads(request.content)["records"]:
            if request.method == "POST":
                name = self._make(record)
            else:
                name = record["id"]
                if self.tasks[name]["gone"]:
                    error = {"statusCode": "ENTITY_IS_DELETED", "message": "entity is deleted", "fields": []}
                    results.append({"success": False, "errors": [error]})
                    continue
                self._change(name, record)
            results.append({"id": name, "success": True, "errors": [], "created": request.method == "POST"})
        return httpx.Response(200, json=results)

    def _hubspot(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        path = request.url.path
        if path.endswith("companies/batch/read"):
            rows = [{"id": "101", "properties": {"churnml_account_id": "acc-1"}, **TIMES}]
            return httpx.Response(200, json={"results": rows, "status": "COMPLETE"})
        if path.endswith("tasks/batch/read"):
            asked = [one["id"] for one in body["inputs"]]
            rows = [{"id": name, "properties": {"hs_task_status": self.tasks[name]["hs_task_status"]}, **TIMES,
                     "updatedAt": self.tasks[name]["at"]}
                    for name in asked if not self.tasks[name]["gone"]]  # fmt: skip
            return httpx.Response(200 if len(rows) == len(asked) else 207, json={"results": rows})
        if path.endswith("search"):
            mark = body["filterGroups"][0]["filters"][0]["value"]
            rows = [{"id": name, "properties": task, **TIMES} for name, task in self.tasks.items()
                    if mark in task["hs_task_subject"]]  # fmt: skip
            return httpx.Response(200, json={"total": len(rows), "results": rows})
        if request.method == "POST":
            name = self._make(body["properties"])
        else:
            name = path.rpartition("/")[2]
            if self.tasks[name]["gone"]:
                return httpx.Response(404, json={"status": "error", "message": "resource not found"})
            self._change(name, body["properties"])
        return httpx.Response(201, json={"id": name, "properties": {}, **TIMES})

    def _zoho(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            asked = request.url.params.get("ids")
            known = {name: task for name, task in self.tasks.items() if not task["gone"]}
            rows = [{"id": name, "Subject": task["Subject"], "Status": task["Status"], "Modified_Time": task["at"]}
                    for name, task in known.items() if asked is None or name in asked]  # fmt: skip
            return httpx.Response(200, json={"data": rows, "info": {}}) if rows else httpx.Response(204)
        entries = []
        for record in json.loads(request.content)["data"]:
            name = record.get("id")
            if name is None:
                name = self._make(record)
            elif self.tasks[name]["gone"]:
                entries.append({"code": "INVALID_DATA", "status": "error", "message": "the id is invalid",
                                "details": {"api_name": "id"}})  # fmt: skip
                continue
            else:
                self._change(name, record)
            entries.append({"code": "SUCCESS", "status": "success", "message": "ok", "details": {"id": name}})
        return httpx.Response(200, json={"data": entries})


SECTIONS = {
    "salesforce": {
        "url": "https://example.my.salesforce.com", "token": "s3cret-session", "id_field": "Churnml_Account_Id__c",
    },
    "hubspot": {"token": "pat-secret-1", "id_property": "churnml_account_id"},
    "zoho": {"client_id": "c", "client_secret": "cl13nt", "refresh_token": "r3fresh"},
}  # fmt: skip
FIELDS = {
    "salesforce": ("Subject", "Description", "ActivityDate", "Status", "OwnerId"),
    "hubspot": ("hs_task_subject", "hs_task_body", "hs_timestamp", "hs_task_status", "hubspot_owner_id"),
    "zoho": ("Subject", "Description", "Due_Date", "Status", "Owner"),
}


@pytest.fixture(params=["salesforce", "hubspot", "zoho"])
def tool(request, world):
    """A world that writes tasks to one of the three, its name, and what stands there."""
    world.with_target(**{request.param: {**SECTIONS[request.param], "tasks": {"owners": {"ann": "77", "bob": "78"}}}})
    world.publish()
    return world, request.param, Tools()


def held(name, tools):
    """Return subject, body, due day, whether it is finished, and the owner's id, of the only task."""
    subject, body, due, status, owner = (tools.one()[field] for field in FIELDS[name])
    owner = owner["id"] if isinstance(owner, dict) else owner
    return subject, body, str(due)[:10], status.upper() == "COMPLETED", owner


def test_a_step_becomes_one_task_and_is_followed_by_its_id(tool):
    world, name, tools = tool
    number = world.task()
    assert world.deliver(name, tools).targets[0].accepted == 1
    subject, body, due, finished, owner = held(name, tools)
    assert subject.startswith("Company 1: Make the call [churnml ")
    assert "No use for 30 days" in body
    assert "Due: 4 March 2026" in body
    assert (due, finished, owner) == ("2026-03-04", False, "77")
    world.later(hours=1)
    world.answer(number, owner="bob")
    world.deliver(name, tools)
    assert held(name, tools)[-1] == "78"
    world.answer(number, state="done", outcome="They will try again.")
    world.deliver(name, tools)
    assert held(name, tools)[3] is True
    assert held(name, tools)[1].startswith("Done by ann, 2 March 2026. They will try again.")
    # Opened again here: it was closed by us, so it is opened there too, with its new due day.
    world.later(days=3)
    world.answer(number, state="open")
    world.deliver(name, tools)
    assert held(name, tools)[2:4] == ("2026-03-07", False)
    world.answer(number, state="skipped", reason="No ticket is open.")
    world.deliver(name, tools)
    assert held(name, tools)[3] is True
    assert "No ticket is open." in held(name, tools)[1]
    assert world.states(name) == {f"task:{number}": "accepted"}
    before = len(tools.seen)
    world.answer(number, note="For the record.")
    world.deliver(name, tools)
    assert len(tools.seen) == before, "a note changes nothing that the tool holds"


def test_what_a_person_closed_there_is_said_and_not_opened_again_where_nothing_is_read_back(tool):
    world, name, tools = tool
    world.with_target(**{name: {**SECTIONS[name], "tasks": {"owners": {"ann": "77"}, "read_back_minutes": None}}})
    number = world.task()
    world.deliver(name, tools)
    tools.finish()
    world.answer(number, owner="bob")
    world.deliver(name, tools)
    letter = world.rows(name)[f"task:{number}"]
    assert (letter.state, letter.reason) == ("refused", "closed_there")
    assert held(name, tools)[3:] == (True, "77")
    # Answered here as well, both agree, and nothing is left to say.
    world.answer(number, state="done")
    world.deliver(name, tools)
    assert world.states(name) == {f"task:{number}": "accepted"}


def test_what_a_person_deleted_there_is_said_and_never_made_again(tool):
    world, name, tools = tool
    number = world.task()
    world.deliver(name, tools)
    tools.delete()
    for change in ({"owner": "bob"}, {"state": "done"}):
        world.answer(number, **change)
        world.deliver(name, tools)
    letter = world.rows(name)[f"task:{number}"]
    assert (letter.state, letter.reason) == ("refused", "deleted")
    world.store.deliveries("acme").resend(world.now, target=name)
    world.deliver(name, tools)
    assert len(tools.tasks) == 1
    assert world.rows(name)[f"task:{number}"].reason == "deleted"


def test_a_lost_answer_makes_no_second_task_and_loses_no_change(tool):
    world, name, tools = tool
    number = world.task()
    tools.lose = ["make", "change"]
    world.deliver(name, tools)
    assert tools.lose == ["change"]
    assert len(tools.tasks) == 1
    assert world.states(name) == {f"task:{number}": "accepted"}
    world.answer(number, state="done")
    world.deliver(name, tools)
    assert tools.lose == []
    assert held(name, tools)[3] is True
    assert world.states(name) == {f"task:{number}": "accepted"}


def test_a_change_that_never_arrived_is_not_taken_for_one_that_did(world):
    world.with_target(salesforce={**SECTIONS["salesforce"], "tasks": True})
    world.publish()
    number, tools = world.task(), Tools()
    world.deliver("salesforce", tools)
    world.answer(number, state="done")

    class Deaf(httpx.BaseTransport):
        patched = 0

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            if request.method == "PATCH" and not self.patched:
                self.patched += 1
                raise httpx.ReadTimeout("lost on the way there")
            return tools.handle_request(request)

    world.deliver("salesforce", Deaf())
    assert tools.one()["Status"] == "Completed"


def test_a_step_that_waits_or_ended_unsaid_is_not_told_and_one_that_begins_is(world):
    world.with_target(salesforce={**SECTIONS["salesforce"], "tasks": True})
    world.publish()
    first = world.task("call")
    then = world.task("proposal", position=1, state="waiting", after=("call",))
    over = world.task("tickets", position=2)
    world.answer(over, state="skipped", reason="None is open.")
    tools = Tools()
    world.deliver("salesforce", tools)
    assert world.states("salesforce") == {f"task:{first}": "accepted"}
    world.answer(first, state="done")
    world.deliver("salesforce", tools)
    assert world.states("salesforce") == {f"task:{first}": "accepted", f"task:{then}": "accepted"}


def test_the_end_of_an_alert_ends_its_tasks_there(world):
    world.with_target(salesforce={**SECTIONS["salesforce"], "tasks": True})
    world.publish()
    world.task()
    tools = Tools()
    world.deliver("salesforce", tools)
    (alert,) = world.store.alerts("acme").known()
    world.store.alerts("acme").change(alert.id, Actor("ann", world.now), state="closed", outcome="saved")
    world.deliver("salesforce", tools)
    assert tools.one()["Status"] == "Completed"
    assert tools.one()["Description"].startswith("Not needed any more")


@pytest.mark.parametrize("kept_back", [{"held_back": True}, {"held_out": True, "arm": "held_out"}])
def test_accounts_that_are_kept_back_get_no_task(world, kept_back):
    world.with_target(salesforce={**SECTIONS["salesforce"], "tasks": True, "alerts": {}})
    world.publish()
    number = world.task(alert=silent(playbook="utilisation", tasked_on=date(2026, 3, 1), **kept_back))
    world.answer(number, owner="bob")
    tools = Tools()
    assert world.deliver("salesforce", tools).targets[0].calls == 0
    assert world.rows("salesforce") == {}


def test_a_change_that_is_taken_back_is_not_planned(world, monkeypatch):
    world.with_target(salesforce={**SECTIONS["salesforce"], "tasks": True})
    world.publish()
    number, tools = world.task(), Tools()
    world.deliver("salesforce", tools)
    monkeypatch.setattr("churnml.store.tasks.record_task_event", _fails)
    with pytest.raises(RuntimeError):
        world.answer(number, owner="bob")
    assert world.store.deliveries("acme").changes() == []


def _fails(*_: object) -> None:
    raise RuntimeError("the disk is gone")


def test_steps_stand_for_their_alert_and_alerts_without_steps_for_themselves(world):
    world.with_target(salesforce={**SECTIONS["salesforce"], "tasks": True, "alerts": {"owners": {"ann": "77"}}})
    world.publish()
    number = world.task()
    other = world.alert(silent("acc-2"))
    tools = Tools()
    world.deliver("salesforce", tools)
    assert world.states("salesforce") == {f"task:{number}": "accepted", f"alert:{other.id}": "accepted"}
    assert {task["OwnerId"] for task in tools.tasks.values()} == {"77"}, "owners are named once, under alerts"


def test_a_target_gets_the_steps_of_its_roles_and_playbooks_and_none_unless_asked(world):
    section = SECTIONS["salesforce"]
    world.with_target(salesforce={**section, "alerts": {}})
    world.publish()
    world.task("call")
    world.task("offer", role="sales", owner="sam")
    world.task("mails", role="automation", owner="HubSpot workflow 12")
    tools = Tools()
    world.deliver("salesforce", tools)
    assert [key.partition(":")[0] for key in world.rows("salesforce")] == ["alert"]
    # Switched on later, it begins with the tasks that are open.
    world.with_target(salesforce={**section, "tasks": {"roles": ["sales"]}})
    world.deliver("salesforce", tools)
    assert [task["Subject"].partition(" [")[0] for task in tools.tasks.values()][1:] == ["Company 1: Make the offer"]
    world.with_target(salesforce={**section, "tasks": {"playbooks": ["renewal"]}})
    world.task("letter")
    world.deliver("salesforce", tools)
    assert len(tools.tasks) == 2


def test_a_dry_run_prints_tasks_and_sends_none(world):
    world.with_target(salesforce={**SECTIONS["salesforce"], "tasks": {"owners": {"ann": "77"}}})
    world.publish()
    number = world.task()
    (planned,) = world.preview()
    made = planned.requests[-1].body["records"][0]
    assert (planned.records, made["OwnerId"], made["WhatId"]) == (1, "77", "<id of acc-1>")
    assert made["Subject"].startswith("Company 1: Make the call [churnml ")
    world.deliver("salesforce", Tools())
    world.answer(number, state="done")
    (planned,) = world.preview()
    assert [request.method for request in planned.requests] == ["GET", "GET", "PATCH"]


def test_a_record_that_is_locked_is_tried_again_and_a_refused_one_becomes_a_dead_letter(world):
    world.with_target(salesforce={**SECTIONS["salesforce"], "tasks": True})
    world.publish()
    first, second = world.task("call"), world.task("offer")
    found = Tools()._salesforce(httpx.Request("GET", "https://x/queryAll", params={"q": "FROM Account"}))
    wrong = [{"success": False, "errors": [{"statusCode": code, "message": "…", "fields": []}]}
             for code in ("UNABLE_TO_LOCK_ROW", "FIELD_CUSTOM_VALIDATION_EXCEPTION")]  # fmt: skip
    made = {"id": "00T8c0000000001AAA", "success": True, "errors": [], "created": True}
    target = Answers(found, httpx.Response(200, json=wrong), httpx.Response(200, json=[made]))
    done = world.deliver("salesforce", target).targets[0]
    assert (done.accepted, done.retried, done.refused) == (1, 1, 1)
    assert world.rows("salesforce")[f"task:{first}"].state == "accepted"
    assert world.rows("salesforce")[f"task:{second}"].reason == "FIELD_CUSTOM_VALIDATION_EXCEPTION"


def test_webhooks_tell_of_tasks_where_they_are_asked_to(world, monkeypatch):
    pytest.importorskip("standardwebhooks")
    section = {"url": "https://hooks.example.com/x", "signing_secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
               "alerts": None, "snapshots": False}  # fmt: skip
    world.with_target(webhooks={"own": {**section, "tasks": True}})
    world.publish()
    number = world.task()
    told = Answers(httpx.Response(204), httpx.Response(204))
    world.deliver("webhooks.own", told)
    world.answer(number, state="skipped", reason="No ticket is open.")
    world.deliver("webhooks.own", told)
    first, second = told.bodies() if all(told.bodies()) else [json.loads(one.content) for one in told.seen]
    assert (first["type"], second["type"]) == ("task.opened", "task.skipped")
    assert first["data"]["step_title"] == "Make the call"
    assert second["data"]["reason"] == "No ticket is open."


def test_erasing_an_account_takes_its_tasks_out_of_the_outbox(world):
    from churnml.store.erasure import Traces

    world.publish()
    world.task()
    world.store.erasure("acme", Traces(account="acc-1", words=("acc-1",))).erase("acc-1", world.now)
    assert [change.topic for change in world.store.deliveries("acme").changes()] == ["snapshot"]


def test_false_means_none():
    section = SalesforceTarget.model_validate({**SECTIONS["salesforce"], "token": "x", "tasks": False})
    assert section.tasks is None


@pytest.mark.slow
@needs_contracts
@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["salesforce", "hubspot", "zoho"])
def test_every_request_keeps_to_the_contract(world, name):
    paths = {"salesforce": "salesforce/salesforce_rest", "hubspot": "hubspot/hubspot_crm", "zoho": "zoho/zoho_crm"}
    world.with_target(**{name: {**SECTIONS[name], "tasks": {"owners": {"ann": "77"}}}})
    world.publish()
    number, tools = world.task(), Tools()
    contract = Contract(f"{paths[name]}.openapi.json", tools.handle_request)
    check = contract.handle_request

    def handle(request: httpx.Request) -> httpx.Response:
        # The login of Zoho is another server's, and of no contract.
        return tools.handle_request(request) if request.url.host == "accounts.zoho.com" else check(request)

    contract.handle_request = handle
    world.deliver(name, contract)
    tools.lose = ["change"]
    world.answer(number, state="done")
    world.deliver(name, contract)
    assert world.states(name) == {f"task:{number}": "accepted"}
    world.task("offer")
    tools.lose = ["make"]
    world.deliver(name, contract)
    assert set(world.states(name).values()) == {"accepted"}
    assert len(tools.tasks) == 2
