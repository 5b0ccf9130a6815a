"""What managers look at, kept at scoring: the forecast, past forecasts against what came, outcomes of scores."""

from __future__ import annotations

from datetime import UTC, date, datetime
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml
from tests.companies.curves import curves_of

from churnml.config import load_config
from churnml.pipeline import kpis, publish_kpis
from churnml.pipeline.company import publish_company
from churnml.retention import KpiReport
from churnml.retention.curve_columns import curve_columns
from churnml.sources import Loaded
from churnml.sources.usability import TableUse
from churnml.store import Actor, Snapshot, Store
from churnml.store.erasure import Traces
from churnml.tables import Tables
from churnml.training.survival_verdict import FarTest, PastRenewals, SurvivalRole, SurvivalVerdict

NOW = datetime(2026, 2, 1, 6, tzinfo=UTC)
TERMS = [
    ("stays", "2025-01-05", "2025-11-10", 100.0),
    ("stays", "2025-11-10", "2026-11-10", 100.0),
    ("shrinks", "2025-01-05", "2025-11-20", 100.0),
    ("shrinks", "2025-11-20", "2026-11-20", 60.0),
    ("leaves", "2025-01-05", "2025-11-25", 50.0),
    ("later", "2025-01-05", "2026-12-31", 10.0),
]


def _company(folder):
    """Return the config of a company whose terms are `TERMS`, and its tables."""
    tables = {"accounts": {"from": "a.parquet"}, "subscriptions": {"from": "s.parquet"}}
    settings = {"name": "acme", "source": {"folder": "raw"}, "tables": tables, "currency": "EUR"}
    label = {"churn": "contractual", "horizon_days": 60, "gap_days": 0}
    (folder / "acme.yaml").write_text(yaml.safe_dump({**settings, "label": label, "workspace": "workspace"}))
    config = load_config(folder / "acme.yaml")
    (folder / "workspace").mkdir()
    terms = pd.DataFrame(TERMS, columns=["account_id", "started_on", "ends_on", "mrr"])
    terms = terms.assign(product="crm", subscription_id=[str(place) for place in range(len(terms))])
    known = Tables.from_pandas(
        {"subscriptions": terms, "accounts": pd.DataFrame({"account_id": ["stays", "shrinks", "leaves", "later"]})},
        observed_from=date(2025, 1, 1),
        observed_until=date(2026, 2, 1),
    )
    use = TableUse("subscriptions", 6, 4, 1.0, date(2025, 1, 5), date(2026, 1, 30), 390, 1, ())
    aside = pd.DataFrame({"table": ["subscriptions"], "reason": ["CHK020 key"], "rows": [3]})
    return config, Loaded(known, aside, "f", [], {"subscriptions": 6}, use=[use])


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    config, loaded = _company(tmp_path_factory.mktemp("company"))
    with Store(config.store_url) as store:
        for as_of, replayed in ((date(2025, 10, 15), False), (date(2025, 10, 20), True)):
            scores = pd.DataFrame(
                {
                    "account_id": ["stays", "shrinks", "leaves"],
                    "churn_probability": [0.1, 0.2, 0.9 if replayed else 0.5],
                    "health_score": 50.0,
                    "band": ["red", "green", "green"],
                    "coverage": 1.0,
                    "arr": [1200.0, 1200.0, 600.0],
                    "days_to_renewal": [(date(2025, 11, day) - as_of).days for day in (10, 20, 25)],
                }
            )
            info = {"replayed": True} if replayed else {}
            store.publish(Snapshot("acme", as_of, NOW, "v1", "0f", scores, info=info))
    now = pd.DataFrame({"account_id": ["stays", "later"], "arr": [1200.0, 120.0], "churn_probability": [0.25, 0.5]})
    now["days_to_renewal"] = [30.0, 333.0]
    now["plan"], now["segment"], now["owner"] = ["crm", "pro"], ["S", None], ["ann", "ann"]
    curves = curves_of(
        ["stays", "later"],
        date(2026, 2, 1),
        days=[float("nan")] * 2,
        risk=[0.5] * 2,
        monthly=[0.0, 0.1],
        arr=now["arr"],
    )
    assert publish_company(config, loaded, now, date(2026, 2, 1), NOW, curves)
    assert not publish_company(config, loaded, now, date(2026, 1, 1), NOW)
    bare = KpiReport(date(2026, 2, 1), "EUR", 14, 0.7, 0.1, ())
    with Store(config.store_url) as store:
        kept = store.key_figures("acme")
        report = kept.newest().report
        # What `churnml kpis --publish` keeps has the margin that was asked for, and all else stays.
        assert publish_kpis(config, bare)
        again = kept.newest().report
        assert (again["gross_margin"], again["company"]) == (0.7, report["company"])
        parts = {
            name: kept.rows(name)
            for name in ("2025-11-01", "accounts", "renewals", "realised", "past", "cohorts", "worth", "nothing")
        }
        yield report, parts


def test_the_forecast_counts_what_comes_due(published):
    company = published[0]["company"]
    march, december = company["forecast"]
    assert (march["month_on"], march["arr"], march["expected"], march["scored"]) == ("2026-03-01", 1200.0, 900.0, 1)
    # Due in the last twelve months: 250 a month in November, of which 100 + 60 go on.
    assert company["later_rate"] == pytest.approx(160 / 250)
    assert (december["month_on"], december["scored"]) == ("2026-12-01", 0)
    assert december["expected"] == pytest.approx(120 * 160 / 250)


def test_a_month_that_is_over_is_held_against_its_forecast(published):
    (november,) = published[0]["company"]["past"]
    # Made on 15 October; what was replayed on the 20th was never in force.
    assert (november["month_on"], november["made_on"], november["arr"]) == ("2025-11-01", "2025-10-15", 3000.0)
    assert november["expected"] == pytest.approx(1200 * 0.9 + 1200 * 0.8 + 600 * 0.5)
    assert november["came"] == 1200.0 + 720.0


def test_forecasts_by_curves_are_held_against_what_came_as_they_were_published(tmp_path):
    config, loaded = _company(tmp_path)
    made_on, later = date(2025, 9, 30), date(2026, 2, 1)
    scores = pd.DataFrame(
        {
            "account_id": ["stays", "shrinks", "leaves"],
            "churn_probability": [0.0, 0.0, 0.0],
            "health_score": 50.0,
            "band": "green",
            "coverage": 1.0,
            "arr": [1200.0, 1200.0, 600.0],
            "days_to_renewal": [41.0, 51.0, 56.0],
        }
    )
    curves = curves_of(
        list(scores["account_id"]), made_on, days=scores["days_to_renewal"], risk=[0.1, 0.2, 0.5], monthly=0.0,
        arr=scores["arr"], spread=1.0,
    )  # fmt: skip
    scores = scores.merge(curve_columns(curves, made_on), on="account_id")
    with Store(config.store_url) as store:
        store.publish(Snapshot("acme", made_on, NOW, "v1", "0f", scores, curves=curves))
    assert publish_company(config, loaded, scores, made_on, NOW, curves)
    with Store(config.store_url) as store:
        (ahead,) = store.key_figures("acme").newest().report["company"]["forecast"]
    assert ahead["expected"] == pytest.approx(1200 * 0.9 + 1200 * 0.8 + 600 * 0.5)
    assert ahead["by_curve"] == 3
    verdict = SurvivalVerdict(
        SurvivalRole.SERVES,
        "served",
        far=FarTest(date(2025, 1, 1), 3, 1, {}, {}, True),
        past_months=(PastRenewals(date(2025, 3, 1), 9, 900.0, 800.0, 700.0, 850.0, 600.0),),
    )
    now = scores[scores["account_id"] == "stays"]
    assert publish_company(config, loaded, now, later, NOW, (), verdict)
    with Store(config.store_url) as store:
        company = store.key_figures("acme").newest().report["company"]
    (november,) = company["past"]
    assert november == {**ahead, "came": 1200.0 + 720.0}
    record, rederived = company["records"]
    assert (record["source"], record["months_by_curves"], record["months_by_curves_inside"]) == ("published", 1, 1)
    (quarter,) = record["quarters"]
    assert (quarter["month_on"], quarter["made_on"], quarter["came"]) == ("2025-10-01", "2025-09-30", 1920.0)
    assert (rederived["source"], rederived["months_inside"], len(rederived["months"])) == ("rederived", 0, 1)
    assert rederived["months"][0]["made_on"] == "2025-01-01"
    found = pipeline_kpis(config, loaded)
    assert [one.source for one in found] == ["published", "rederived"]


def pipeline_kpis(config, loaded):
    """Return what `churnml kpis` tells of past forecasts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("churnml.pipeline.key_figures.check", lambda *_: SimpleNamespace(loaded=loaded))
        return kpis(config).forecast_records


def test_scores_are_held_against_outcomes(published):
    company = published[0]["company"]
    realised = company["realised"]
    assert (realised["first"], realised["readings"], realised["churned"]) == ("2025-10-15", 3, 1)
    assert realised["expected"] == pytest.approx(0.8)
    assert (realised["missed"], realised["false_alarms"], realised["roc_auc"]) == (1, 1, 1.0)
    assert company["realised_from"] == "2026-04-16"
    (table,) = company["tables"]
    assert (table["rows"], table["set_aside"], table["behind_days"]) == (6, 3, 1)


def test_the_accounts_behind_are_kept(published):
    report, parts = published
    november = parts["2025-11-01"]
    whole = next(row for row in report["rows"] if row["month_on"] == "2025-11-01" and row["group_by"] is None)
    assert november["mrr_due"].sum() == whole["mrr_due"] == 250.0
    assert november["mrr_renewed"].sum() == whole["mrr_renewed"] == 160.0
    assert set(november["account_id"][november["lost"]]) == {"leaves"}
    assert parts["renewals"]["renewal_on"].tolist() == ["2026-03-03", "2026-12-31"]
    realised = parts["realised"]
    assert set(realised["account_id"][realised["churned"] == 1]) == {"leaves"}
    assert set(parts["accounts"]["account_id"]) == {"stays", "shrinks", "later"}
    past = parts["past"]
    assert dict(zip(past["account_id"], past["came"], strict=True)) == {
        "stays": 1200.0,
        "shrinks": 720.0,
        "leaves": 0.0,
    }
    assert set(past["month_on"]) == {"2025-11-01"}
    assert (parts["cohorts"]["mrr_begun"].sum(), set(parts["cohorts"]["quarter"])) == (260.0, {"2025Q1"})
    assert parts["nothing"] is None


def test_lifetime_value_is_the_mean_of_what_accounts_are_worth(published):
    report, parts = published
    whole, crm, pro = report["lifetime_values"]
    assert [(one["group_by"], one["group"], one["accounts"]) for one in (whole, crm, pro)] == [
        (None, None, 2),
        ("plan", "crm", 1),
        ("plan", "pro", 1),
    ]
    assert {one["source"] for one in (whole, crm, pro)} == {"curves"}
    # 100 and 10 a month at a margin of .8; a month of 30 days costs 1.1 ** (-30 / 365.25), nothing after 122 months.
    # One is there for sure, of the others a tenth leaves in each month and pays for half of it.
    month = 1.1 ** (-30 / 365.25)
    safe = sum(80.0 * month ** (number + 0.5) for number in range(122))
    leaves = sum(8.0 * 0.95 * 0.9**number * month ** (number + 0.5) for number in range(24))
    # After the curve the extrapolation counts who is left at the end of each month.
    leaves += sum(8.0 * 0.9 ** (24 + number) * month ** (23.5 + number) for number in range(1, 99))
    assert crm["value"] == pytest.approx(safe)
    assert pro["value"] == pytest.approx(leaves, rel=1e-6)
    assert whole["total"] == pytest.approx(safe + leaves, rel=1e-6)
    assert whole["value"] == pytest.approx((safe + leaves) / 2, rel=1e-6)
    assert crm["low"] == pytest.approx(safe) == crm["high"]  # every refit says that it stays
    assert pro["low"] < pro["value"] < pro["high"]
    assert (whole["as_of"], whole["gross_margin"], whole["level"]) == ("2026-02-01", 0.8, 0.8)
    worth = parts["worth"]
    assert worth["residual_value"].sum() == pytest.approx(whole["total"])
    assert worth["by_plan"].tolist() == ["crm", "pro"]


def test_an_erased_account_is_behind_no_number(tmp_path):
    columns = {"account_id": np.array(["gone", "stays"], dtype=object), "mrr": np.array([1.0, 2.0])}
    with Store(f"sqlite:///{tmp_path / 'store.db'}") as store:
        store.key_figures("acme").keep(date(2026, 2, 1), {"rows": []}, Actor("cli", NOW), {"2026-01-01": columns})
        erasure = store.erasure("acme", Traces("gone", ["gone"]))
        held = erasure.held()["key_figure_rows"]
        assert held == [{"config": "acme", "part": "2026-01-01", "account_id": "gone", "mrr": 1.0}]
        assert erasure.erase("subject", NOW)["key_figure_rows"] == 1
        left = store.key_figures("acme").rows("2026-01-01")
        assert {name: values.tolist() for name, values in left.items()} == {"account_id": ["stays"], "mrr": [2.0]}
