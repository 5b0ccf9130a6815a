"""Settings: changed rules, budget and playbooks are tried before they are in force."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from tests.pages.browsing import EVE

from churnml.actions import Basis
from churnml.serving.people.viewer import RIGHTS
from churnml.store import Store

_PLAYBOOKS = """
playbooks:
  - name: silence
    owner: csm
    due_days: 3
    title: {en: Break the silence, ja: 連絡の再開}
    steps: [{en: Call, ja: 電話する}]
    when: {alerts: [silence]}
"""


def _numbers(page: Any, rule: str) -> list[str]:
    """Return the cells of a rule's row in the preview."""
    preview = page.text.split('id="preview"')[1].split("</section>")[0]
    row = re.search(rf"<td>{rule}</td>(.*?)</tr>", preview, re.S)
    assert row is not None, preview
    return [re.sub("<.*?>", "", cell) for cell in re.findall(r"<td.*?</td>", row.group(1))]


@pytest.fixture
def eve(see: Any) -> Any:
    return see(replace(EVE, role="admin", rights=RIGHTS["admin"]))


def test_a_lower_threshold_opens_more_and_nothing_is_kept(eve: Any) -> None:
    store: Store = eve.state.store
    table = Basis.newest("acme", store).table
    silent = table.loc[table["touch"] != "tech", "days_since_last_event"]
    page = eve.get("/settings/rules")
    before = store.evaluations("acme").known()
    found = eve.press(page, "/settings/rules#preview", **{"threshold:silence": "10", "weekly_budget": "100"})
    now, then, alerts, _, _ = _numbers(found, "Silence")
    assert int(now) == (silent >= 28).sum()
    assert int(then) == (silent >= 10).sum() > int(now)
    assert sum(int(count) for count in re.findall(r"\w+ (\d+)", alerts)) <= int(then)
    assert re.search(r"ann \d+", alerts)
    assert "threshold: 10" in found.text
    assert "weekly_budget: 100" in found.text
    assert store.evaluations("acme").known() == before


def test_a_small_budget_holds_alerts_back(eve: Any) -> None:
    page = eve.get("/settings/rules")
    found = eve.press(page, "/settings/rules#preview", **{"threshold:silence": "5", "weekly_budget": "1"})
    held_back = int(_numbers(found, "Silence")[-1])
    assert held_back > 10
    assert "owners’ week is full" in found.text


def test_rules_and_playbooks_may_be_written_out(eve: Any) -> None:
    page = eve.get("/settings/rules")
    rules = "big_and_quiet: {when: [{field: arr, above: 20000}], title: {en: Big and quiet}, playbook: silence}"
    found = eve.press(page, "/settings/rules#preview", rules=rules, playbooks=_PLAYBOOKS, weekly_budget="500")
    now, then, _, tasks, _ = _numbers(found, "big and quiet")
    assert (int(now), int(then) > 5) == (0, True)
    assert sum(int(count) for count in re.findall(r"\w+ (\d+)", tasks)) > 5
    off = eve.press(page, "/settings/rules#preview", **{"on:silence": ""})
    assert int(_numbers(off, "Silence")[1]) == 0
    assert "enabled: false" in off.text


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"rules": "a: [1"}, "not valid YAML"),
        ({"rules": "silence: {treshold: 5}"}, "threshold"),
        ({"rules": "nonsense: {threshold: 5}"}, "nonsense"),
        ({"playbooks": "playbooks: 3"}, "playbooks"),
        ({"threshold:silence": "many"}, "This is no number"),
        ({"weekly_budget": "0"}, "weekly_budget"),
        ({"owner:silence": "nobody"}, "owner"),
    ],
)
def test_what_is_wrong_is_said_and_the_form_keeps_what_was_written(eve: Any, wrong: dict[str, str], said: str) -> None:
    page = eve.get("/settings/rules")
    answer = eve.press(page, "/settings/rules#preview", **wrong)
    assert answer.status_code == 422
    assert said in answer.text.split('role="alert">')[1].split("</p>")[0]
    assert "<details open>" in answer.text


def test_features_come_back_as_they_were_scored_from(eve: Any) -> None:
    store, snapshot = eve.state.store, eve.state.view.snapshot
    frame = store.features_frame(snapshot.id)
    one = frame.iloc[3].to_dict()
    assert store.features(snapshot.id, one.pop("account_id")) == one
    assert len(Basis.newest("acme", store).table) == snapshot.accounts
