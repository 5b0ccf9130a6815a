"""The outbox and the sender: kept with the change, nothing lost, nothing twice, and targets are left in peace."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from churnml.config.loops import own_name
from churnml.errors import ConfigError, StoreError, UsageError
from churnml.store import Actor, Store

from .conftest import CONFIG, scored, silent
from .contract import Answers
from .test_salesforce import ALL_OK, TASK, rows, saved

ROOT = Path(__file__).parents[2]


def unavailable():
    return httpx.Response(503, text="Server Unavailable")


def test_a_change_that_is_taken_back_leaves_nothing_to_deliver(world):
    world.publish()
    world.store.deliveries(CONFIG).planned(world.store.deliveries(CONFIG).changes(), world.now)
    alert = world.alert()
    with pytest.raises(StoreError):
        world.store.alerts(CONFIG).change(alert.id, Actor("ann", world.now), state="closed")
    assert [(change.topic, change.subject) for change in world.store.deliveries(CONFIG).changes()] == [
        ("alert", alert.id)
    ]


def test_a_scoring_that_fails_is_never_planned(world, monkeypatch):
    from churnml.store import publishing

    def fails(*_):
        raise RuntimeError

    monkeypatch.setattr(publishing, "_replace_departures", fails)
    with pytest.raises(RuntimeError):
        world.publish()
    assert world.store.deliveries(CONFIG).changes() == []


def test_of_several_scorings_the_newest_is_delivered(salesforce):
    world = salesforce()
    world.publish()
    world.publish(scored(health={"acc-1": 11.0, "acc-2": 22.0, "acc-3": 90.0}))
    target = Answers(rows(), ALL_OK)
    world.deliver("salesforce", target)
    sent = {record["Churnml_Health__c"] for record in target.bodies()[1]["records"]}
    assert sent == {11.0, 22.0, 90.0}
    assert world.store.deliveries(CONFIG).changes() == []


def test_what_is_wanted_anew_while_it_is_sent_is_sent_next(salesforce):
    world = salesforce()
    world.publish()

    def meanwhile(request):
        answer = ALL_OK(request)
        kept = world.store.deliveries(CONFIG)
        from churnml.store import Wanted

        kept.plan("salesforce", [Wanted("score:acc-1", "score", {"Churnml_Health__c": 1.0}, "acc-1")], world.now)
        return answer

    target = Answers(rows(), meanwhile, lambda request: saved(TASK))
    world.deliver("salesforce", target)
    assert target.bodies()[2]["records"][0]["Churnml_Health__c"] == 1.0
    assert set(world.states("salesforce").values()) == {"accepted"}


def test_a_target_in_trouble_gets_a_rest_that_grows(salesforce):
    world = salesforce(max_attempts=100)
    world.publish()
    done = world.deliver("salesforce", Answers(*[unavailable() for _ in range(5)])).targets[0]
    assert done.stopped is not None
    first = (done.next_at - world.now).total_seconds()
    assert 59 <= first <= 60
    world.now = done.next_at
    done = world.deliver("salesforce", Answers(unavailable())).targets[0]
    assert (done.next_at - world.now).total_seconds() == 120
    world.now = done.next_at
    world.later(minutes=5)
    assert world.deliver("salesforce", Answers(rows(), ALL_OK)).targets[0].accepted == 3
    assert world.store.deliveries(CONFIG).state("salesforce").failures == 0


def test_a_short_pause_is_waited_for_and_a_long_one_is_left_to_the_next_run(salesforce):
    world = salesforce()
    world.publish()
    short = httpx.Response(429, headers={"Retry-After": "7"})
    assert world.deliver("salesforce", Answers(short, rows(), ALL_OK)).targets[0].accepted == 3
    assert 7 in world.waited
    assert world.rows("salesforce")["score:acc-1"].attempts == 1, "a pause is no attempt"
    world.later(days=8)
    world.publish(scored(health={"acc-1": 1.0, "acc-2": 2.0, "acc-3": 3.0}))
    long = httpx.Response(429, headers={"Retry-After": "900"})
    done = world.deliver("salesforce", Answers(long)).targets[0]
    assert (done.next_at - world.now).total_seconds() == 900


def test_a_pause_may_be_a_date(salesforce):
    world = salesforce()
    world.publish()
    at = httpx.Response(429, headers={"Retry-After": "Mon, 02 Mar 2026 06:00:20 GMT"})
    assert world.deliver("salesforce", Answers(at, rows(), ALL_OK)).targets[0].accepted == 3
    assert 20 in world.waited


def test_what_fails_again_and_again_becomes_a_dead_letter_and_can_be_sent_again(salesforce):
    world = salesforce(max_attempts=2)
    world.publish(scored(health={"acc-1": 35.0}))
    lock = {"success": False, "errors": [{"statusCode": "UNABLE_TO_LOCK_ROW", "message": "…", "fields": []}]}
    target = Answers(rows(), saved(lock), saved(lock))
    for _ in range(2):
        world.deliver("salesforce", target)
        world.later(hours=1)
    (dead,) = world.store.deliveries(CONFIG).find()
    assert dead.reason == "gave_up"
    assert "UNABLE_TO_LOCK_ROW" in dead.said
    assert world.store.deliveries(CONFIG).resend(world.now, ids=[dead.id]) == 1
    assert world.deliver("salesforce", Answers(saved(TASK))).targets[0].accepted == 1


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            httpx.Response(302, headers={"Location": "https://evil.example/x"}),
            "redirect: it sends us on to evil.example",
        ),
        (httpx.Response(307, headers={"Location": "https://evil.example/x"}), "redirect"),
    ],
)
def test_a_redirect_is_never_followed(salesforce, answer, said):
    world = salesforce()
    world.publish()
    target = Answers(answer)
    done = world.deliver("salesforce", target).targets[0]
    assert done.stopped.startswith(said)
    assert len(target.seen) == 1
    assert set(world.states("salesforce").values()) == {"waiting"}


def test_a_page_of_a_proxy_is_no_answer(salesforce):
    world = salesforce(fields={}, alerts={})
    world.publish()
    world.alert()
    page = httpx.Response(200, text="<html>Please log in to the wifi</html>")
    nothing = httpx.Response(200, json={"totalSize": 0, "done": True, "records": []})
    target = Answers(rows(), page, nothing, saved(TASK))
    done = world.deliver("salesforce", target).targets[0]
    assert (done.unknown, done.accepted) == (1, 1)


def test_fewer_results_than_records_are_no_proof(salesforce):
    world = salesforce()
    world.publish()
    short = saved(TASK)
    target = Answers(rows(), short, ALL_OK)
    assert world.deliver("salesforce", target).targets[0].accepted == 3


def test_an_address_that_nobody_answers_at_costs_no_proof(salesforce):
    world = salesforce(fields={}, alerts={})
    world.publish()
    world.alert()
    target = Answers(rows(), httpx.ConnectError("refused"), saved(TASK))
    done = world.deliver("salesforce", target).targets[0]
    assert done.accepted == 1
    assert done.unknown == 0
    assert [request.method for request in target.seen] == ["GET", "POST", "POST"]


def test_one_process_delivers_and_a_dead_one_is_followed_at_once(salesforce):
    world = salesforce()
    world.publish()
    kept = world.store.deliveries(CONFIG)
    assert kept.take("elsewhere:1:0.00", world.now)
    done = world.deliver("salesforce", Answers())
    assert done.busy == "elsewhere:1:0.00"
    world.later(minutes=4)
    assert world.deliver("salesforce", Answers(rows(), ALL_OK)).targets[0].accepted == 3
    with pytest.raises(StoreError, match="taken the deliveries over"):
        kept.planned([], world.now)


def test_a_dry_run_shows_the_requests_and_no_secret(salesforce):
    world = salesforce(alerts={})
    world.publish()
    world.alert()
    (shown,) = world.preview()
    assert shown.records == 4
    text = json.dumps([[one.url, dict(one.headers), one.body] for one in shown.requests])
    assert "s3cret-session" not in text
    assert "<id of acc-1>" in text
    assert [one.method for one in shown.requests] == ["GET", "PATCH", "GET", "POST"]
    assert world.states("salesforce")["score:acc-1"] == "waiting"


@pytest.mark.parametrize("secret", ["a/b+c d&e", 'quo"te', "plain-secret"])
def test_a_secret_is_masked_however_it_is_written(salesforce, secret):
    world = salesforce(token=None, client_id="app", client_secret=secret)
    world.publish()
    (shown,) = world.preview()
    login = shown.requests[0]
    assert login.url.endswith("/oauth2/token")
    assert login.body == "grant_type=client_credentials&client_id=app&client_secret=***"
    refusal = httpx.Response(400, text=f"no such secret: {secret}")
    assert secret not in world.deliver("salesforce", Answers(refusal)).targets[0].stopped


def test_changes_that_nobody_delivers_are_forgotten_after_a_month(world):
    world.publish()
    later = replace(scored(), scored_at=world.now + timedelta(days=31))
    world.publish(later)
    assert len(world.store.deliveries(CONFIG).changes()) == 1


def test_an_unknown_target_names_the_near_one(salesforce):
    from churnml.deliveries import deliver

    world = salesforce()
    with pytest.raises(UsageError, match="no such target") as error:
        deliver(world.store, CONFIG, world.section, only="salesfroce")
    assert error.value.expected == "did you mean 'salesforce'?"


def test_an_alert_that_opened_and_closed_unsaid_is_never_told(salesforce):
    world = salesforce(fields={}, alerts={})
    world.publish()
    alert = world.alert()
    world.alert(silent(state="closed", outcome="cleared", closed_on=alert.opened_on))
    assert world.deliver("salesforce", Answers()).targets[0].calls == 0
    assert world.rows("salesforce") == {}


@pytest.mark.slow
def test_ten_kills_lose_nothing_and_make_nothing_twice():
    command = [sys.executable, str(ROOT / "benchmarks" / "delivery_kills.py"), "--kills", "10"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    found = json.loads(done.stdout)
    assert (found["killed"], found["lost"], found["twice"]) == (10, 0, 0)
    assert found["told"] == found["expected"]


@pytest.mark.postgres
def test_the_outbox_on_postgresql(postgres_database, salesforce):
    world = salesforce()
    with Store(postgres_database) as store:
        world.store = store
        world.publish()
        assert world.deliver("salesforce", Answers(rows(), ALL_OK)).targets[0].accepted == 3
        world.publish(scored(health={"acc-1": 1.0, "acc-2": 62.0, "acc-3": 90.0}))
        target = Answers(lambda request: saved(TASK))
        assert world.deliver("salesforce", target).targets[0].accepted == 1


COMPANY = {
    "name": "acme", "source": {"folder": "raw"}, "label": {"churn": "silence"},
    "tables": {"events": {"from": "events.csv"}, "accounts": {"from": "accounts.csv"}},
}  # fmt: skip


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({"attributes": {"risk": "Churnml_Health__c"}}, "tables.accounts.attributes.risk"),
        (
            {"attributes": {"risk": {"expr": "coalesce(properties.churnml_health, 0)"}}},
            "tables.accounts.attributes.risk",
        ),
        ({"columns": {"plan": "churn_risk"}}, "deliveries.hubspot writes"),
        ({"columns": {"plan": {"expr": 'upper("Churn Risk")'}}}, "deliveries.hubspot writes"),
        ({"where": "churn_risk > 0.5"}, "tables.accounts.where"),
        ({"from": "bi/churnml_scores.parquet"}, "deliveries.tables.bi writes"),
        ({"also": [{"from": "y.csv", "attributes": {"risk": "churn_risk"}}]}, "deliveries.hubspot writes"),
        ({"from": "x.csv", "via": {"from": "churnml_scores_history.csv", "column": "id"}}, "via.from"),
    ],
)
def test_a_field_that_churnml_writes_can_never_be_a_feature(table, told):
    from churnml.config import Config

    targets = {
        "hubspot": {"token": "t", "fields": {"churn_risk": "churn_probability"}},
        "tables": {"bi": {"folder": "bi"}},
    }
    tables = {**COMPANY["tables"], "accounts": {"from": "accounts.csv", **table}}
    with pytest.raises(ValueError, match="can never be a feature") as error:
        Config.model_validate({**COMPANY, "tables": tables, "deliveries": targets})
    assert told in str(error.value)


def test_the_id_by_which_accounts_are_matched_may_be_read():
    from churnml.config import Config

    tables = {**COMPANY["tables"], "accounts": {"from": "a.csv", "columns": {"account_id": "Churnml_Account_Id__c"}}}
    assert Config.model_validate({**COMPANY, "tables": tables})


def test_names_are_compared_as_exports_write_them():
    assert own_name("Organization_Fields.churnml_health") == own_name("CHURNML HEALTH")
    assert own_name("cf_ChurnmlHealth") != own_name("churnml_band")


def write_config(folder: Path, deliveries: str) -> Path:
    path = folder / "c.yaml"
    text = "name: acme\nsource: {folder: raw}\nlabel: {churn: silence}\ntables: {events: {from: e.csv}}\n"
    path.write_text(text + deliveries, encoding="utf-8")
    return path


def test_a_secret_in_the_file_is_refused_and_one_in_the_environment_is_masked(tmp_path, monkeypatch):
    from churnml.config import load_config

    with pytest.raises(ConfigError, match="A secret stands in the config") as error:
        load_config(write_config(tmp_path, "deliveries: {hubspot: {token: pat-na1-abcdef}}\n"))
    assert "pat-na1-abcdef" not in str(error.value)
    monkeypatch.setenv("HUBSPOT_TOKEN", "pat-na1-abcdef")
    config = load_config(write_config(tmp_path, "deliveries: {hubspot: {token: '${HUBSPOT_TOKEN}'}}\n"))
    assert "pat-na1-abcdef" not in json.dumps(config.as_dict())
    assert config.deliveries.hubspot.token.get_secret_value() == "pat-na1-abcdef"


def test_a_machine_that_only_trains_needs_no_secret_and_one_that_delivers_is_told(world, tmp_path):
    from churnml.config import load_config
    from churnml.deliveries import deliver

    text = "deliveries: {salesforce: {url: 'https://x.example', token: '${NO_SUCH_SECRET}', fields: {H__c: band}}}\n"
    config = load_config(write_config(tmp_path, text))
    world.publish()
    done = deliver(world.store, CONFIG, config.deliveries, clock=lambda: datetime(2026, 3, 2, tzinfo=UTC))
    assert "NO_SUCH_SECRET" in str(done.targets[0].stopped)


def test_a_secret_that_is_missing_stops_its_own_target_only_and_no_dry_run(world, tmp_path):
    section = {"url": "https://x.example", "token": "${NO_SUCH_SECRET}", "fields": {"H__c": "band"}}
    hook = {"webhook_url": "${NO_SUCH_HOOK}"}
    world.with_target(salesforce=section, slack={"cs": hook}, tables={"bi": {"folder": "bi"}})
    world.publish()
    world.alert()
    shown = {one.target: one.requests for one in world.preview()}
    assert shown["salesforce"][0].headers["authorization"] == "***"
    assert shown["slack.cs"][0].url.endswith("***")
    done = {one.target: one for one in world.deliver("salesforce", None).targets}
    assert done["salesforce"].stopped.startswith("no_secret: The environment has no variable NO_SUCH_SECRET. Set it")
    assert done["slack.cs"].stopped.startswith("no_secret")
    assert done["tables.bi"].accepted == 1
    assert set(world.states("salesforce").values()) | set(world.states("slack.cs").values()) == {"waiting"}
    (finding,) = world.check("salesforce", Answers())[:1]
    assert (finding.ok, "NO_SUCH_SECRET" in finding.what) == (False, True)
