"""Company, Team and Proof, on four accounts whose numbers were worked out on paper."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anyio.from_thread import BlockingPortal
from pydantic import TypeAdapter
from tests.pages.browsing import Browser, settings_of
from tests.pages.two_owners import figures

from churnml.language import Day, Quantity, Text, words
from churnml.metrics.intervals import Interval
from churnml.monitoring.alarms import Alarm
from churnml.monitoring.performance import Performance, Promise
from churnml.monitoring.report import MonitoringReport
from churnml.monitoring.retraining import RetrainingDecision
from churnml.pipeline.company import CompanyFigures
from churnml.retention import ForecastMonth, KpiReport, LifetimeValue, Panel, company_kpis
from churnml.serving.state import ServingState
from churnml.store import Actor, Alert, Snapshot, Store, Task
from churnml.store.alerts import keep_alert
from churnml.store.monitoring import Retraining
from churnml.store.tasks import keep_task
from churnml.store.writes import changing
from churnml.tables import Tables

DAY = pd.Timestamp
NOW = datetime.now(UTC)
RENEWAL = date(2026, 3, 5)
TERMS = [
    ("stays", "2025-01-01", "2027-01-01", 100.0),
    ("grows", "2025-01-01", "2025-12-10", 100.0),
    ("grows", "2025-12-10", "2026-12-10", 150.0),
    ("leaves", "2025-01-01", "2025-12-20", 50.0),
    ("=odd", "2025-12-05", "2026-12-05", 30.0),
]
PAGES = (
    "/company", "/company?by=plan", "/company/renewals", "/company/renewals/2026-03", "/company/cohorts",
    "/company/journey", "/company/growth", "/team", "/proof",
)  # fmt: skip


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory, portal: BlockingPortal) -> Iterator[Browser]:
    settings = settings_of(tmp_path_factory.mktemp("managers"))
    terms = pd.DataFrame(TERMS, columns=["account_id", "started_on", "ends_on", "mrr"])
    terms = terms.assign(product="crm", subscription_id=[str(place) for place in range(len(terms))])
    observed = {"observed_from": date(2025, 1, 1), "observed_until": date(2026, 2, 1)}
    found = company_kpis(
        Panel(Tables.from_pandas({"subscriptions": terms}, **observed)), ("plan",), currency="EUR", rows=True
    )
    found_cohorts = {name: np.asarray(found.cohorts[name]) for name in found.cohorts}
    report = TypeAdapter(KpiReport).dump_python(found.report, mode="json")
    ahead = ForecastMonth(date(2026, 3, 1), 2, 1800.0, 1500.0, 1200.0, 1800.0, 2)
    worth = LifetimeValue(None, None, "curves", date(2026, 2, 1), 3, 400.0, 300.0, 500.0, 1200.0, 0.5, 0.8, 0.1, 0.8)
    report["lifetime_values"] = [
        *TypeAdapter(list[LifetimeValue]).dump_python(
            [worth, replace(worth, group_by="plan", group="crm")], mode="json"
        )
    ]
    report["company"] = TypeAdapter(CompanyFigures).dump_python(figures(ahead), mode="json")
    rows = {month.isoformat(): columns for month, columns in found.months.items()}
    rows["cohorts"] = found_cohorts
    rows["worth"] = {
        "account_id": np.array(["stays", "grows", "=odd"], dtype=object),
        "mrr": np.array([100.0, 150.0, 30.0]),
        "residual_low": np.array([500.0, 300.0, 50.0]),
        "residual_high": np.array([700.0, 500.0, 90.0]),
        "residual_value": np.array([600.0, 530.0, 70.0]),
        "by_plan": np.array(["crm", "crm", ""], dtype=object),
    }
    rows["renewals"] = {
        "account_id": np.array(["stays", "grows"], dtype=object),
        "arr": np.array([1200.0, 600.0]),
        "churn_probability": np.array([0.25, 0.0]),
        "renewal_on": np.array([RENEWAL.isoformat()] * 2, dtype=object),
    }
    scores = pd.DataFrame(
        {
            "account_id": ["stays", "grows", "=odd"],
            "name": ["Stays Ltd", "Grows Ltd", None],
            "churn_probability": [0.5, 0.1, 0.1],
            "health_score": [20.0, 80.0, 80.0],
            "band": ["red", "green", "green"],
            "coverage": 1.0,
            "arr": [1200.0, 1800.0, 360.0],
            "expected_loss": [600.0, 180.0, 36.0],
            "owner": ["ann", "ann", "bob"],
            "last_contact_on": ["2026-01-29", None, None],
        }
    )
    with Store(settings.store_url) as store:
        store.publish(Snapshot("acme", date(2026, 2, 1), NOW, "v1", "0f", scores))
        store.key_figures("acme").keep(date(2026, 2, 1), report, Actor("cli", NOW), rows)
        for on in (date(2026, 1, 31), date(2026, 2, 1)):
            store.monitoring("acme").keep(_monitored(on), [], Actor("cli", NOW))
        retrained = Retraining(NOW, "retrained", "v0", "v1", True, (), "It is better by 0.01.")
        store.monitoring("acme").keep_retraining(retrained, Actor("cli", NOW))
    state = ServingState(settings)
    state.start()
    try:
        yield Browser(portal, state)
    finally:
        state.stop()


def _monitored(on: date) -> MonitoringReport:
    said = Text.of("alarm-MON101", table="tickets", day=Day(on="2026-01-28"), expected=Quantity(value=40))
    stopped = Alarm("MON101", "tickets", date(2026, 1, 28), said, severe=True)
    promise = Promise(Interval(0.81, 0.76, 0.86), Interval(3.1, None, None), Interval(0.2, None, None), 0.04)
    return MonitoringReport(
        "acme", on, NOW, "v1", (), (stopped,), (), 100, (), RetrainingDecision(False, (), "v1", 30, 120),
        performance=Performance(promise, (), None),
    )  # fmt: skip


def test_past_forecasts_are_counted_and_what_no_curve_made_is_said(browser: Browser) -> None:
    card = browser.get("/company/renewals").text.split('id="record"')[1]
    assert "0 of 1 months and 1 of 1 quarters came inside" in card
    assert "2025 Q4" in card
    assert "€3,600" in card
    assert "No past forecast by curves is kept yet" in card


def test_lifetime_value_comes_from_curves_with_the_accounts_behind_it(browser: Browser) -> None:
    page = browser.get("/company?by=plan").text
    assert "€300 – €500 · accounts’ curves" in page.replace("\u2060", "").replace("\u00a0", " ")
    assert page.count("€400") == 3  # the card, all accounts, the plan
    # A month before, no curves are known: the card counts by contracts as it did.
    assert "accounts’ curves" not in browser.get("/company?month=2025-11-01").text.split('id="worth"')[0]
    behind = browser.get("/company/list?of=worth&by=plan&group=crm").text
    assert "Stays Ltd" in behind
    assert "=odd" not in behind
    assert "€1,130" in behind
    assert "€800" not in behind, "bounds are not summed up"
    assert browser.get("/company/list?of=worth&format=csv").text.count("\n") == 4


def post(browser: Browser, path: str, fields: dict[str, str]) -> Any:
    return browser.request("POST", path, data=fields)


@pytest.mark.parametrize("lang", ["en", "ja"])
@pytest.mark.parametrize("path", PAGES)
def test_every_page_in_every_language(browser: Browser, path: str, lang: str) -> None:
    page = browser.get(f"{path}{'&' if '?' in path else '?'}lang={lang}")
    assert page.status_code == 200
    assert f'<html lang="{lang}">' in page.text
    assert "style=" not in page.text
    if lang == "ja":
        assert not re.search(r"<h[12][^>]*>[A-Za-z ]{6,}</h", page.text), "a heading is not translated"


def test_every_number_leads_to_the_accounts_behind_it(browser: Browser) -> None:
    page = browser.get("/company?month=2025-12-01")
    # In December three accounts pay 250; one of them leaves (50), one grows by 50, one comes (30).
    assert "€250" in page.text
    links = {
        link.replace("&amp;", "&")
        for link in re.findall(r'href="(/company/accounts\?month=2025-12-01[^"]+)"', page.text)
    }
    assert len(links) > 12
    for link in links:
        assert browser.get(link).status_code == 200, link
    lost = browser.get("/company/accounts?month=2025-12-01&kpi=lost_accounts")
    assert "1 account" in lost.text
    assert "leaves" in lost.text
    assert "stays" not in lost.text
    grown = browser.get("/company/accounts?month=2025-12-01&kpi=mrr_expansion&by=plan&group=crm").text
    assert 'href="/accounts/grows"' in grown
    assert "Grows Ltd" in grown
    assert browser.get("/company/accounts?month=2025-12-01&kpi=nothing").status_code == 404
    assert browser.get("/company/accounts?month=2099-01-01&kpi=grr").status_code == 404


def test_cohorts_lead_to_their_accounts(browser: Browser) -> None:
    page = browser.get("/company/cohorts").text
    assert len(re.findall(r'href="/company/list\?of=cohort&amp;quarter=2025Q1&amp;after=\d"', page)) == 4
    # Of the three that began in January 2025 one has left by the end of the year; one pays 50 more by then.
    first, last = (browser.get(f"/company/list?of=cohort&quarter=2025Q1&after={after}").text for after in (0, 3))
    assert "3 accounts" in first
    assert "2 accounts" in last
    assert "leaves" not in last
    assert "€250" in last
    assert browser.get("/company/list?of=past&month_on=x").status_code == 404


def test_rows_as_csv_are_the_rows_and_no_formula(browser: Browser) -> None:
    answer = browser.get("/company/accounts?month=2025-12-01&kpi=mrr_new&format=csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert list(csv.DictReader(io.StringIO(answer.text))) == [
        {"account_id": "'=odd", "mrr_end": "30.0", "new_mrr": "30.0"}
    ]
    months = list(csv.DictReader(io.StringIO(browser.get("/company?format=csv").text)))
    assert [row["mrr"] for row in months][-1] == "250.0"


def test_a_call_stands_beside_the_forecast(browser: Browser) -> None:
    due = browser.get("/company/renewals/2026-03")
    assert "Stays Ltd" in due.text
    token = re.search(r'name="form_token" value="([^"]+)"', due.text)
    assert token is not None
    given = {"form_token": token[1], "account_id": "stays", "page": "1"}
    assert "€1,000" in post(browser, "/company/renewals/2026-03", {**given, "arr": "1,000"}).text
    # The score expects 1,200 × 0.75 of the same account.
    renewals = browser.get("/company/renewals").text
    assert "€1,000 <small>(1)" in renewals
    assert "€900" in renewals
    assert "outside" in renewals
    assert "0 of 1 months" in renewals
    refused = post(browser, "/company/renewals/2026-03", {**given, "arr": "much"})
    assert refused.status_code == 422
    assert post(browser, "/company/renewals/2026-03", {**given, "arr": "1", "account_id": "nobody"}).status_code == 404
    assert post(browser, "/company/renewals/2026-03", {**given, "form_token": "x", "arr": "1"}).status_code == 403
    post(browser, "/company/renewals/2026-03", {**given, "arr": ""})
    assert "€1,000" not in browser.get("/company/renewals").text


def test_the_team_and_its_tasks(browser: Browser) -> None:
    def task(owner: str, due: date, step: str) -> Task:
        return Task(
            account_id="stays", alert="silence", playbook="save", step=step, title=words("Call"), role="csm",
            owner=owner, opened_on=due, due_on=due, alert_id=1,
        )  # fmt: skip

    store = browser.state.store
    with changing(store._engine) as connection:
        alert = Alert(
            account_id="stays", kind="silence", severity="high", owner="ann", opened_on=NOW.date(),
            updated_on=NOW.date(), due_at=NOW, text=Text.of("alert-silence", n=Quantity(value=30, unit="days")),
        )  # fmt: skip
        number = keep_alert(connection, "acme", alert)
        for days, step in ((-3, "late"), (2, "soon"), (30, "far")):
            one = task("ann", NOW.date() + timedelta(days=days), step).model_copy(update={"alert_id": number})
            keep_task(connection, "acme", one)
    rows = {row["owner"]: row for row in csv.DictReader(io.StringIO(browser.get("/team?format=csv").text))}
    ann = rows["ann"]
    assert (ann["accounts"], ann["arr"], ann["red"], ann["red_arr"]) == ("2", "3000.0", "1", "1200.0")
    assert (ann["open"], ann["overdue"], ann["week"], ann["done"]) == ("3", "1", "2", "0")
    assert ann["contacted"] == "1"  # a touchpoint on 29 January, facts being known up to 1 February
    page = browser.get("/team")
    token = re.search(r'name="form_token" value="([^"]+)"', page.text)
    assert token is not None
    moved = post(browser, "/team/hand-over", {"form_token": token[1], "from": "ann", "to": "bob"})
    assert "3 tasks handed over" in moved.text
    rows = {row["owner"]: row for row in csv.DictReader(io.StringIO(browser.get("/team?format=csv").text))}
    assert (rows["ann"]["open"], rows["bob"]["open"]) == ("0", "3")
    assert post(browser, "/team/hand-over", {"form_token": token[1], "from": "bob", "to": "bob"}).status_code == 422


def test_the_proof_names_missed_churn_and_false_alarms(browser: Browser) -> None:
    page = browser.get("/proof").text
    # One of two green ones churned with ARR 600, the only red one stayed.
    assert re.search(r"Missed</dt><dd><a [^>]+>1</a><small>100 % · €600", page)
    assert re.search(r"False alarms</dt><dd><a [^>]+>1</a><small>100 %", page)
    assert "1 / 3" in page
    assert "expected: 0.8" in page
    assert browser.get("/proof/accounts?band=purple").status_code == 404


def test_the_proof_says_what_monitoring_found_and_since_when(browser: Browser) -> None:
    page = browser.get("/proof").text
    assert re.search(r'<li class="late">tickets has stopped: no row since [^<]+<small>since 31 Jan', page)
    assert "0.81 (0.76–0.86)" in page
    assert "It is better by 0.01." in page
    assert re.search(r"trained anew</th><td>v1</td><td>in force", page)


def test_before_the_first_monitoring_the_proof_says_how_it_begins(nothing_scored: Browser) -> None:
    assert "churnml monitor" in nothing_scored.get("/proof").text


def test_before_the_first_figures_a_page_says_what_to_do(nothing_scored: Browser) -> None:
    for path in ("/company", "/company/renewals", "/company/cohorts", "/team", "/proof"):
        page = nothing_scored.get(path)
        assert page.status_code == 200, path
    assert "No figures yet" in nothing_scored.get("/company").text
