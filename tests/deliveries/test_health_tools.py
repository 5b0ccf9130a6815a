"""Gainsight, ChurnZero, Totango, Zendesk: what their answers prove, and what has to be read back."""

from __future__ import annotations

import json
from urllib.parse import parse_qs

import httpx
import pytest

from .conftest import scored
from .contract import Answers, Contract, needs_contracts

GIF = httpx.Response(200, content=b"GIF89a", headers={"content-type": "image/gif"})


def gif():
    return httpx.Response(200, content=b"GIF89a", headers={"content-type": "image/gif"})


@pytest.fixture
def gainsight(world):
    section = {"url": "https://example.gainsightcloud.com", "access_key": "acc3ss", "id_field": "Account_Id__gc",
               "fields": {"Churnml_Health__gc": "health_score"}}  # fmt: skip
    return world.with_target(gainsight=section)


def companies(request):
    names = json.loads(request.content)["where"]["conditions"][0]["value"]
    rows = [{"Gsid": f"1P{name}", "Account_Id__gc": name} for name in names if name != "acc-3"]
    return httpx.Response(200, json={"result": True, "data": {"records": rows}})


def counted(request):
    count = len(json.loads(request.content)["records"])
    return httpx.Response(200, json={"result": True, "data": {"count": count}})


def test_gainsight_updates_what_it_knows_and_names_what_it_does_not(gainsight):
    gainsight.publish()
    target = Answers(companies, counted)
    done = gainsight.deliver("gainsight", target).targets[0]
    assert (done.accepted, done.refused) == (2, 1)
    assert target.seen[1].url.params["keys"] == "Account_Id__gc"
    assert target.seen[1].headers["accesskey"] == "acc3ss"
    assert gainsight.rows("gainsight")["score:acc-3"].reason == "unknown_record"


def test_gainsight_refuses_all_for_one_and_the_one_is_found(gainsight):
    gainsight.publish()

    def strict(request):
        if any(row["Account_Id__gc"] == "acc-2" for row in json.loads(request.content)["records"]):
            return httpx.Response(400, json={"result": False, "errorCode": "GSOBJ_1001", "errorDesc": "too long"})
        return counted(request)

    done = gainsight.deliver("gainsight", Answers(companies, *[strict] * 3)).targets[0]
    assert (done.accepted, done.refused) == (1, 2)
    assert gainsight.rows("gainsight")["score:acc-2"].reason == "GSOBJ_1001"


def test_a_200_that_says_result_false_is_no_success(gainsight):
    gainsight.publish(scored(health={"acc-1": 35.0}))
    false = httpx.Response(200, json={"result": False, "errorCode": "GSOBJ_1005", "errorDesc": "no"})
    assert gainsight.deliver("gainsight", Answers(companies, false)).targets[0].refused == 1


@pytest.fixture
def churnzero(world):
    section = {"url": "https://example.churnzero.net", "app_key": "app-k3y", "read_user": "u", "read_key": "r3ad",
               "fields": {"cf_ChurnmlHealth": "health_score"}}  # fmt: skip
    return world.with_target(churnzero=section)


def odata(*values):
    rows = [{"Id": number, "ExternalId": f"acc-{number}", "Cf": {"ChurnmlHealth": value}}
            for number, value in enumerate(values, 1)]  # fmt: skip
    return httpx.Response(200, json={"@odata.count": len(rows), "value": rows})


def test_churnzero_is_believed_when_it_was_read_back(churnzero):
    churnzero.publish()
    target = Answers(odata(1, 1, 1), gif())
    assert churnzero.deliver("churnzero", target).targets[0].sent == 3
    churnzero.later(minutes=2)
    assert churnzero.deliver("churnzero", Answers(odata(35, "62.0", 12))).targets[0].accepted == 2
    assert churnzero.states("churnzero")["score:acc-3"] == "sent"
    churnzero.later(days=2)
    churnzero.deliver("churnzero", Answers(odata(35, 62, 12)))
    assert churnzero.rows("churnzero")["score:acc-3"].reason == "not_seen"


def test_churnzero_is_not_asked_to_make_accounts(churnzero):
    churnzero.publish()
    target = Answers(odata(1, 1), gif())
    churnzero.deliver("churnzero", target)
    assert {action["accountExternalId"] for action in target.bodies()[1]} == {"acc-1", "acc-2"}
    assert churnzero.rows("churnzero")["score:acc-3"].reason == "unknown_record"


@pytest.fixture
def totango(world):
    return world.with_target(totango={"service_id": "SP-s3cret", "fields": {"Churnml Health": "health_score"}})


def test_totango_stays_sent_as_its_answer_proves_nothing(totango):
    totango.publish()
    target = Answers(*[gif() for _ in range(3)])
    assert totango.deliver("totango", target).targets[0].sent == 3
    form = parse_qs(target.seen[0].content.decode())
    assert form["sdr_o"] == ["acc-1"]
    assert form["sdr_o.Churnml Health"] == ["35.0"]
    totango.later(days=3)
    assert totango.deliver("totango", Answers()).targets[0].calls == 0
    totango.publish(scored(health={"acc-1": 35.2, "acc-2": 20.0, "acc-3": 90.0}))
    assert totango.deliver("totango", Answers(gif())).targets[0].sent == 1, "what was sent counts as held"


@pytest.fixture
def zendesk(world):
    section = {"url": "https://example.zendesk.com", "user": "bot@example.com", "api_token": "z3ndesk",
               "fields": {"churnml_health": "health_score", "churnml_band": "band"}}  # fmt: skip
    return world.with_target(zendesk=section)


def organizations(*healths):
    rows = [{"id": 900 + number, "external_id": f"acc-{number}",
             "organization_fields": {"churnml_health": health, "churnml_band": band}}
            for number, (health, band) in enumerate(healths, 1)]  # fmt: skip
    return httpx.Response(200, json={"organizations": rows, "count": len(rows)})


def test_zendesk_updates_by_a_job_and_reads_back_what_it_did(zendesk):
    zendesk.publish()
    job = httpx.Response(200, json={"job_status": {"id": "j1", "status": "queued"}})
    target = Answers(organizations((1, ""), (1, ""), (1, "")), job)
    assert zendesk.deliver("zendesk", target).targets[0].sent == 3
    assert target.seen[0].url.params["external_ids"] == "acc-1,acc-2,acc-3"
    first = target.bodies()[1]["organizations"][0]
    assert first == {"id": 901, "organization_fields": {"churnml_health": 35.0, "churnml_band": "red"}}
    zendesk.later(minutes=2)
    read = organizations((35, "red"), (62, "yellow"), (90, "green"))
    assert zendesk.deliver("zendesk", Answers(read)).targets[0].accepted == 3


def test_zendesk_that_is_asked_too_often_gets_its_pause(zendesk):
    zendesk.publish()
    limit = httpx.Response(429, headers={"Retry-After": "93"}, json={"error": "TooManyRequests"})
    done = zendesk.deliver("zendesk", Answers(limit)).targets[0]
    assert (done.next_at - zendesk.now).total_seconds() == 93


def test_zendesk_is_checked_for_fields_that_are_missing_or_of_another_type(zendesk):
    fields = [{"key": "churnml_health", "type": "checkbox", "active": True}]
    found = zendesk.check("zendesk", Answers(httpx.Response(200, json={"organization_fields": fields})))
    assert [finding.ok for finding in found] == [False, False]


@needs_contracts
@pytest.mark.shared_data
def test_every_request_keeps_to_the_contracts(gainsight, world):
    gainsight.publish()

    def answer(request):
        return companies(request) if "/query/" in request.url.path else counted(request)

    contract = Contract("gainsight/gainsight_nxt.openapi.json", answer)
    assert gainsight.deliver("gainsight", contract).targets[0].accepted == 2
    zero = {"url": "https://example.churnzero.net", "app_key": "k", "read_user": "u", "read_key": "r",
            "fields": {"cf_ChurnmlHealth": "health_score"}}  # fmt: skip
    world.with_target(churnzero=zero)
    contract = Contract("churnzero/churnzero_http.openapi.json")
    contract.answer = lambda request: odata(1, 1, 1) if request.method == "GET" else gif()
    assert world.deliver("churnzero", contract).targets[0].sent == 3
    world.with_target(totango={"service_id": "SP-1", "fields": {"Churnml Health": "health_score"}})
    contract = Contract("totango/totango_http.openapi.json", lambda request: gif())
    assert world.deliver("totango", contract).targets[0].sent == 3
