"""Tasks that people finish in a CRM: finished here too, once, with who and when, and within the budget."""

from __future__ import annotations

from datetime import date, datetime

import httpx
import pytest

from .contract import Contract, needs_contracts
from .test_tasks import SECTIONS, Tools


def in_crm(world, name, **tasks):
    """Write tasks to a CRM, and return what stands there."""
    section = {**SECTIONS[name], "tasks": {"owners": {"ann": "77", "bob": "78"}, **tasks}}
    world.with_target(**{name: section})
    world.publish()
    return Tools()


def task(world, number):
    """Return a task as it stands, and its history."""
    return world.tasks.get(number)


@pytest.fixture(params=["salesforce", "hubspot", "zoho"])
def name(request):
    return request.param


def test_what_was_finished_there_is_done_here_by_the_crm_on_its_day(world, name):
    tools = in_crm(world, name)
    number = world.task()
    world.deliver(name, tools)
    world.later(days=2)
    tools.finish(at="2026-03-03T10:20:30.000+00:00")
    done = world.deliver(name, tools).targets[0]
    assert (done.finished, done.accepted, done.refused) == (1, 0, 0)
    after, events = task(world, number)
    assert (after.state, after.finished_by, after.finished_on) == ("done", name, date(2026, 3, 3))
    last = events[-1]
    assert (last.actor, last.action, last.at) == (name, "done", world.now)
    assert last.detail["there"] == name
    assert datetime.fromisoformat(last.detail["changed_there"]).date() == date(2026, 3, 3)
    (audited,) = [one for one in world.store.audit() if one.actor == name]
    assert (audited.action, audited.subject) == ("tasks.change", "acc-1 utilisation call")


def test_nothing_is_written_back_and_a_second_run_does_nothing_more(world, name):
    tools = in_crm(world, name)
    number = world.task()
    world.deliver(name, tools)
    tools.finish()
    world.later(hours=2)
    before = dict(tools.one())
    for finished in (1, 0, 0):
        assert world.deliver(name, tools).targets[0].finished == finished
        world.later(hours=2)
    assert tools.one() == before
    assert not {"PATCH", "PUT"} & {method for method, _ in tools.seen}
    assert len([one for one in task(world, number)[1] if one.action == "done"]) == 1
    assert world.states(name) == {f"task:{number}": "accepted"}
    assert world.store.deliveries("acme").find() == [], "nothing is left for a person to settle"


def test_the_step_that_it_lets_begin_is_told_in_the_same_run(world, name):
    tools = in_crm(world, name)
    first = world.task("call")
    then = world.task("offer", position=1, state="waiting", after=("call",))
    world.deliver(name, tools)
    tools.finish()
    world.later(hours=2)
    assert world.deliver(name, tools).targets[0].accepted == 1
    assert set(world.states(name)) == {f"task:{first}", f"task:{then}"}
    assert task(world, then)[0].due_on == date(2026, 3, 4)


def test_another_tool_hears_of_it(world):
    section = {
        "salesforce": {**SECTIONS["salesforce"], "tasks": True},
        "hubspot": {**SECTIONS["hubspot"], "tasks": True},
    }
    world.with_target(**section)
    world.publish()
    world.task()
    crm, other = Tools(), Tools()
    _both(world, crm, other)
    crm.finish()
    world.later(hours=2)
    _both(world, crm, other)
    assert other.one()["hs_task_status"] == "COMPLETED"
    assert other.one()["hs_task_body"].startswith("Done by salesforce, 2 March 2026")


def _both(world, salesforce, hubspot):
    from churnml.deliveries import deliver

    from .conftest import CONFIG, every_day

    deliver(
        world.store, CONFIG, world.section, clock=lambda: world.now, wait=world._wait, calendar=every_day,
        transports={"salesforce": salesforce, "hubspot": hubspot},
    )  # fmt: skip


def test_who_opens_it_again_here_is_not_overruled(world, name):
    tools = in_crm(world, name)
    number = world.task()
    world.deliver(name, tools)
    tools.finish()
    world.later(hours=2)
    world.deliver(name, tools)
    world.answer(number, state="open")
    world.later(hours=2)
    world.deliver(name, tools)
    assert task(world, number)[0].state == "open"
    assert tools.one().get("Status", tools.one().get("hs_task_status")).upper().replace(" ", "_") == "NOT_STARTED"


def test_a_change_here_and_an_end_there_at_once_come_to_the_end(world, name):
    tools = in_crm(world, name)
    number = world.task()
    world.deliver(name, tools)
    world.deliver(name, tools)
    tools.finish()
    world.answer(number, owner="bob")
    world.later(minutes=1)
    # It was asked a minute ago, so the change goes first and finds the task closed.
    assert world.deliver(name, tools).targets[0].refused == 1
    world.later(minutes=1)
    assert world.deliver(name, tools).targets[0].finished == 1
    assert task(world, number)[0].state == "done"
    assert world.store.deliveries("acme").find() == []


def test_what_was_deleted_there_is_told_at_once_and_stays_open_here(world):
    tools = in_crm(world, "salesforce")
    number = world.task()
    world.deliver("salesforce", tools)
    tools.delete()
    world.later(hours=2)
    assert world.deliver("salesforce", tools).targets[0].refused == 1
    assert world.rows("salesforce")[f"task:{number}"].reason == "deleted"
    assert task(world, number)[0].state == "open"
    assert world.deliver("salesforce", tools).targets[0].calls == 0


def test_it_is_asked_once_in_so_many_minutes_and_never_where_the_config_says_so(world, name):
    tools = in_crm(world, name, read_back_minutes=30)
    world.task()
    world.deliver(name, tools)
    asked = []
    for _ in range(4):
        world.later(minutes=10)
        asked.append(world.deliver(name, tools).targets[0].calls > 0)
    assert asked == [True, False, False, True]
    tools = in_crm(world, name, read_back_minutes=None)
    tools.finish()
    world.later(days=1)
    assert world.deliver(name, tools).targets[0].calls == 0


def test_many_tasks_are_one_call_and_half_of_the_days_budget_is_left_for_writing(world, name, monkeypatch):
    monkeypatch.setattr("churnml.deliveries.reading_back._AT_ONCE", 3)
    tools = in_crm(world, name)
    for step in range(4):
        world.task(f"step{step}")
    world.deliver(name, tools)
    world.later(days=1)
    start = len(tools.seen)
    world.deliver(name, tools)
    login = name == "zoho"
    assert len(tools.seen) - start == 2 + login
    world.with_target(**{name: {**SECTIONS[name], "tasks": True, "daily_calls": 2 + 2 * login}})
    world.later(days=1)
    start = len(tools.seen)
    world.deliver(name, tools)
    assert len(tools.seen) - start == 1 + login


def test_a_pause_that_the_crm_asks_for_is_kept_and_nothing_is_lost(world):
    tools = in_crm(world, "hubspot")
    number = world.task()
    world.deliver("hubspot", tools)
    tools.finish()
    world.later(hours=2)

    class Busy(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            return httpx.Response(429, headers={"Retry-After": "600"}, json={"policyName": "TEN_SECONDLY_ROLLING"})

    stopped = world.deliver("hubspot", Busy()).targets[0]
    assert stopped.calls == 1
    assert stopped.stopped.startswith("rate_limit")
    assert world.deliver("hubspot", tools).targets[0].calls == 0
    world.later(minutes=11)
    assert world.deliver("hubspot", tools).targets[0].finished == 1
    assert task(world, number)[0].state == "done"


def test_a_run_that_is_cut_short_leaves_nothing_half_done(world, monkeypatch):
    tools = in_crm(world, "salesforce")
    number = world.task()
    world.deliver("salesforce", tools)
    tools.finish()
    world.later(hours=2)
    with monkeypatch.context() as patched:
        patched.setattr("churnml.store.tasks.record_task_event", _dies)
        with pytest.raises(RuntimeError):
            world.deliver("salesforce", tools)
    assert task(world, number)[0].state == "open"
    assert world.rows("salesforce")[f"task:{number}"].held["state"] == "open"
    assert world.deliver("salesforce", tools).targets[0].finished == 1


def _dies(*_: object) -> None:
    raise RuntimeError("the process ends")


def test_a_dry_run_shows_what_would_be_asked(world):
    tools = in_crm(world, "salesforce")
    world.task()
    world.deliver("salesforce", tools)
    world.later(hours=2)
    (planned,) = world.preview()
    assert planned.records == 0
    assert "FROM Task WHERE Id IN ('" in httpx.URL(planned.requests[0].url).params["q"]


def test_targets_that_tell_nothing_are_not_asked(world):
    pytest.importorskip("standardwebhooks")
    world.with_target(webhooks={"own": {
        "url": "https://hooks.example.com/x", "signing_secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "alerts": None, "snapshots": False, "tasks": True,
    }})  # fmt: skip
    world.publish()
    number = world.task()
    told = []

    class Hears(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            told.append(request)
            return httpx.Response(204)

    world.deliver("webhooks.own", Hears())
    world.later(days=1)
    world.deliver("webhooks.own", Hears())
    assert len(told) == 1
    assert task(world, number)[0].state == "open"


@needs_contracts
@pytest.mark.shared_data
def test_every_question_keeps_to_the_contract(world, name):
    paths = {"salesforce": "salesforce/salesforce_rest", "hubspot": "hubspot/hubspot_crm", "zoho": "zoho/zoho_crm"}
    tools = in_crm(world, name)
    number = world.task()
    contract = Contract(f"{paths[name]}.openapi.json", tools.handle_request)
    check = contract.handle_request

    def handle(request: httpx.Request) -> httpx.Response:
        # The login of Zoho is another server's, and of no contract.
        return tools.handle_request(request) if request.url.host == "accounts.zoho.com" else check(request)

    contract.handle_request = handle
    world.deliver(name, contract)
    tools.finish()
    world.later(hours=2)
    assert world.deliver(name, contract).targets[0].finished == 1
    assert task(world, number)[0].state == "done"
