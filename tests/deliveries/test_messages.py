"""Chat, webhooks and mail: told once, signed, inside their limits, and never into our own network."""

from __future__ import annotations

import json
import smtplib
from datetime import datetime, timedelta

import httpx
import pytest
import time_machine

from churnml.deliveries.faults import Fault
from churnml.deliveries.guard import Guarded
from churnml.deliveries.targets.slack import card as slack_card
from churnml.deliveries.targets.teams import card as teams_card
from churnml.language import Text, words
from churnml.store import Actor

from .conftest import NOW, scored, silent
from .contract import APIS, Answers, Contract, needs_contracts

SLACK = "https://hooks.slack.com/services/T0/B0/s3cret"
TEAMS = "https://example.logic.azure.com/workflows/w1/triggers/manual/paths/invoke?api-version=2016-06-01&sig=s3cret"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def slack(world):
    world.with_target(slack={"cs": {"webhook_url": SLACK}})
    world.publish()
    world.alert()
    return world


def test_a_card_says_why_the_number_and_where(slack):
    target = Answers(httpx.Response(200, text="ok"))
    assert slack.deliver("slack.cs", target).targets[0].accepted == 1
    body = target.bodies()[0]
    assert body["text"] == "Company 1: No use for 30 days"
    assert body["blocks"][-1]["elements"][0]["url"] == "https://churnml.example/accounts/acc-1"
    assert "*Health*\n35 (red)" in [field["text"] for field in body["blocks"][2]["fields"]]


def test_a_message_is_told_once_although_its_number_moves_every_day(slack):
    slack.deliver("slack.cs", Answers(httpx.Response(200, text="ok")))
    slack.later(days=1)
    slack.alert(silent(value=31.0, updated_on=slack.now.date()))
    assert slack.deliver("slack.cs", Answers()).targets[0].calls == 0


@pytest.mark.parametrize("lost", [httpx.ReadTimeout("lost"), httpx.Response(200, text="<html>"), httpx.Response(500)])
def test_a_message_whose_answer_is_lost_is_never_sent_twice_but_listed(slack, lost):
    assert slack.deliver("slack.cs", Answers(lost)).targets[0].unknown == 1
    slack.later(days=3)
    done = slack.deliver("slack.cs", Answers()).targets[0]
    assert (done.calls, done.next_at) == (0, None)
    (dead,) = slack.store.deliveries("acme").find()
    assert dead.state == "unknown"
    slack.store.deliveries("acme").resend(slack.now, ids=[dead.id])
    assert slack.deliver("slack.cs", Answers(httpx.Response(200, text="ok"))).targets[0].accepted == 1


def test_a_hook_that_is_gone_keeps_the_queue(slack):
    done = slack.deliver("slack.cs", Answers(httpx.Response(404, text="no_service"))).targets[0]
    assert done.stopped.startswith("hook_gone")
    assert slack.states("slack.cs") == {"alert:1": "waiting"}
    assert "s3cret" not in done.stopped


def test_names_cannot_make_links_or_call_everybody(world):
    world.with_target(slack={"cs": {"webhook_url": SLACK}})
    world.publish(scored(health={"acc-1": 35.0}, names={"acc-1": "<!channel> & [x](https://evil.example)" * 20}))
    world.alert()
    target = Answers(httpx.Response(200, text="ok"))
    world.deliver("slack.cs", target)
    body = target.bodies()[0]
    assert "<!channel>" not in body["text"]
    assert len(body["blocks"][0]["text"]["text"]) <= 150


def test_a_japanese_card_is_japanese(slack):
    from churnml.deliveries import deliver

    target = Answers(httpx.Response(200, text="ok"))
    deliver(slack.store, "acme", slack.section, language="ja", clock=lambda: slack.now, transports={"slack.cs": target})
    assert "30日間利用なし" in target.bodies()[0]["text"]


def test_teams_takes_a_card_and_proves_nothing(world):
    world.with_target(teams={"cs": {"webhook_url": TEAMS}})
    world.publish()
    world.alert()
    target = Answers(httpx.Response(202))
    assert world.deliver("teams.cs", target).targets[0].sent == 1
    world.later(minutes=10)
    done = world.deliver("teams.cs", Answers()).targets[0]
    assert (done.calls, world.states("teams.cs")) == (0, {"alert:1": "sent"})


def test_a_card_for_teams_stays_under_its_limit():
    long = {"subject": "x" * 9000, "why": "y" * 90_000, "facts": [["a", "b" * 2000]] * 20, "owner": "ann", "page": None,
            "button": "Open"}  # fmt: skip
    assert len(json.dumps(teams_card(long)).encode()) <= 28_000
    assert len(slack_card(long)["blocks"][1]["text"]["text"]) <= 3000


@needs_contracts
@pytest.mark.shared_data
def test_cards_keep_to_the_contracts(slack):
    contract = Contract("slack/incoming_webhook.openapi.json")
    contract.queue(429, "slow", **{"Retry-After": "2"})
    contract.queue(200, "ok")
    assert slack.deliver("slack.cs", contract).targets[0].accepted == 1
    assert 2 in slack.waited
    slack.with_target(teams={"cs": {"webhook_url": TEAMS}})
    teams = Contract("teams/workflow_webhook.openapi.json")
    teams.queue(202)
    assert slack.deliver("teams.cs", teams).targets[0].sent == 1
    import jsonschema

    schema = json.loads((APIS / "teams/adaptive-card-1.5.schema.json").read_text(encoding="utf-8"))
    card = json.loads(teams.seen[0].content)["attachments"][0]["content"]
    jsonschema.Draft7Validator(schema).validate(card) if "draft-07" in schema.get("$schema", "") else (
        jsonschema.Draft6Validator(schema).validate(card)
    )


@pytest.fixture
def webhook(world):
    world.with_target(webhooks={"ours": {"url": "https://hooks.example.com/in", "signing_secret": SECRET}})
    world.publish()
    world.alert()
    return world


def test_a_webhook_is_signed_and_its_id_stays_the_same_when_it_is_sent_again(webhook):
    from standardwebhooks import Webhook

    target = Answers(httpx.ReadTimeout("lost"), *[httpx.Response(200)] * 2)
    assert webhook.deliver("webhooks.ours", target).targets[0].accepted == 2
    alerts = [request for request in target.seen if b"alert.opened" in request.content]
    assert len(alerts) == 2
    assert alerts[0].headers["webhook-id"] == alerts[1].headers["webhook-id"]
    assert alerts[0].content == alerts[1].content
    with time_machine.travel(NOW + timedelta(seconds=30), tick=False):
        told = Webhook(SECRET).verify(alerts[1].content, dict(alerts[1].headers))
    assert told["type"] == "alert.opened"
    assert told["data"]["account_id"] == "acc-1"
    assert any(b"snapshot.published" in request.content for request in target.seen)


def test_a_change_of_an_alert_is_a_new_message(webhook):
    target = Answers(*[httpx.Response(204)] * 3)
    webhook.deliver("webhooks.ours", target)
    webhook.store.alerts("acme").change(1, Actor("ann", webhook.now), state="closed", outcome="saved")
    webhook.deliver("webhooks.ours", target)
    ids = [request.headers["webhook-id"] for request in target.seen]
    assert len(set(ids)) == 3
    assert json.loads(target.seen[-1].content)["type"] == "alert.closed"


def test_a_receiver_that_fails_is_tried_by_the_convention_and_one_that_is_gone_is_not(webhook):
    done = webhook.deliver("webhooks.ours", Answers(*[httpx.Response(400)] * 4)).targets[0]
    assert done.retried == 4, "at once, after five seconds, and then after five minutes"
    assert 300 <= (done.next_at - webhook.now).total_seconds() <= 361
    webhook.later(minutes=7)
    done = webhook.deliver("webhooks.ours", Answers(httpx.Response(410))).targets[0]
    assert done.stopped.startswith("gone")


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "fd00::1", "0.0.0.0"])
def test_a_name_that_leads_into_our_own_network_is_refused(address):
    inner = Answers()
    guard = Guarded(inner, lambda host, port: ["203.0.113.9", address] if False else [address])
    with pytest.raises(Fault, match="not public"):
        guard.handle_request(httpx.Request("POST", "https://hooks.example.com/in"))
    assert inner.seen == []


def test_the_address_that_was_judged_is_the_one_that_is_used():
    inner = Answers(httpx.Response(200))
    Guarded(inner, lambda host, port: ["93.184.216.34"]).handle_request(
        httpx.Request("POST", "https://hooks.example.com/in")
    )
    (request,) = inner.seen
    assert request.url.host == "93.184.216.34"
    assert request.headers["host"] == "hooks.example.com"
    assert request.extensions["sni_hostname"] == "hooks.example.com"
    with pytest.raises(Fault, match="HTTPS"):
        Guarded(Answers()).handle_request(httpx.Request("POST", "http://hooks.example.com/in"))


@needs_contracts
@pytest.mark.shared_data
def test_our_signatures_are_those_of_the_vectors():
    from standardwebhooks import Webhook

    vectors = json.loads((APIS / "webhooks/standard_webhooks_vectors.json").read_text(encoding="utf-8"))["vectors"]
    for vector in vectors:
        if vector["valid"] and " " not in vector["webhook-signature"]:
            at = datetime.fromtimestamp(int(vector["webhook-timestamp"]), NOW.tzinfo)
            signed = Webhook(vector["secret"]).sign(vector["webhook-id"], at, vector["body"])
            assert signed == vector["webhook-signature"]


class Server:
    """An SMTP server as smtplib sees one."""

    sent: list = []  # noqa: RUF012
    fails: BaseException | None = None

    def __init__(self, *_, **__):
        pass

    def starttls(self, **_):
        pass

    def login(self, *_):
        pass

    def send_message(self, message):
        if Server.fails is not None:
            raise Server.fails
        Server.sent.append(message)

    def close(self):
        pass


@pytest.fixture
def mail(world, monkeypatch):
    monkeypatch.setattr(smtplib, "SMTP", Server)
    Server.sent, Server.fails = [], None
    section = {"host": "smtp.example.com", "sender": "churnml@example.com", "user": "u", "password": "p4ssword",
               "to": ["team@example.com"], "owners": {"ann": "ann@example.com", "bob": "bob@example.com"}}  # fmt: skip
    world.with_target(emails={"daily": section})
    world.publish()
    world.alert()
    return world


def test_a_check_logs_in_and_sends_nothing(mail, monkeypatch):
    monkeypatch.setattr(Server, "quit", Server.close, raising=False)
    (finding,) = mail.check("emails.daily", None)
    assert (finding.ok, finding.what.startswith("smtp.example.com:587 takes the login of u")) == (True, True)
    monkeypatch.setattr(Server, "login", _refuses)
    (finding,) = mail.check("emails.daily", None)
    assert (finding.ok, finding.what.startswith("login: reconnect")) == (False, True)
    assert "p4ssword" not in finding.what
    monkeypatch.setattr(smtplib, "SMTP", _nobody)
    (finding,) = mail.check("emails.daily", None)
    assert (finding.ok, finding.remedy) == (False, "Correct host, port or security.")
    assert Server.sent == []


def _refuses(*_: object) -> None:
    raise smtplib.SMTPAuthenticationError(535, b"no")


def _nobody(*_: object, **__: object) -> None:
    raise ConnectionRefusedError("refused")


def test_everybody_gets_their_own_digest_once_a_day(mail):
    assert mail.deliver("emails.daily", None).targets[0].accepted == 2
    assert sorted(message["To"] for message in Server.sent) == ["ann@example.com", "team@example.com"]
    text = Server.sent[0].get_content()
    assert "Company 1: No use for 30 days" in text
    assert "https://churnml.example/accounts/acc-1" in text
    mail.publish()
    assert mail.deliver("emails.daily", None).targets[0].accepted == 0


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (smtplib.SMTPRecipientsRefused({"x": (550, b"no such user")}), "refused"),
        (smtplib.SMTPDataError(451, b"try later"), "waiting"),
        (smtplib.SMTPServerDisconnected("lost"), "unknown"),
    ],
)
def test_a_mail_that_fails_has_its_outcome(mail, error, state):
    Server.fails = error
    mail.deliver("emails.daily", None)
    assert set(mail.states("emails.daily").values()) == {state}


def test_an_account_cannot_write_headers(mail):
    mail.alert(silent("acc-2", text=Text.of("alert-own", title=words("a\r\nBcc: x@evil.example"))))
    mail.deliver("emails.daily", None)
    assert all(message["Bcc"] is None for message in Server.sent)
