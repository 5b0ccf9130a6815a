"""The published KPIs over the API."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, date, datetime
from typing import Any

from churnml.api.key_figures import KpiMonth
from churnml.retention import KpiRow
from churnml.store import Actor

MOMENT = datetime(2026, 3, 1, 5, tzinfo=UTC)


def row(month: int, group: str | None = None, **known: Any) -> dict[str, Any]:
    empty = dict.fromkeys(field.name for field in fields(KpiRow))
    counts = {"accounts": 10, "new_accounts": 1, "lost_accounts": 2, "mrr": 5000.0}
    counts |= dict.fromkeys((field.name for field in fields(KpiRow) if field.name.startswith("mrr_")), 0.0)
    which = {"month_on": f"2026-{month:02d}-01", "group_by": group and "plan", "group": group}
    return {**empty, **counts, **which, **known}


def test_published_kpis_are_answered_by_month_and_group(own: Any) -> None:
    nothing = own.get("/v1/kpis")
    assert (nothing.status_code, nothing.json()["code"]) == (404, "service.no_kpis")
    rows = [row(1), row(2, grr=0.9, nrr=1.1), row(1, "basic"), row(2, "basic"), row(2, "pro")]
    terms = {"currency": "EUR", "grace_days": 14, "gross_margin": 0.8, "yearly_discount": 0.1}
    figures = own.state.store.key_figures(own.state.settings.name)
    figures.keep(date(2026, 3, 1), {"as_of": "2026-03-01", **terms, "rows": rows}, Actor("test", MOMENT))
    whole = own.get("/v1/kpis").json()
    assert (whole["kpis_as_of"], whole["published_at"]) == ("2026-03-01", "2026-03-01T05:00:00Z")
    assert {name: whole[name] for name in terms} == terms
    assert [(month["month_on"], month["grr"], month["nrr"]) for month in whole["months"]] == [
        ("2026-01-01", None, None),
        ("2026-02-01", 0.9, 1.1),
    ]
    groups = own.get("/v1/kpis", params={"by": "plan", "months": 1}).json()
    assert [(month["month_on"], month["group"]) for month in groups["months"]] == [
        ("2026-02-01", "basic"),
        ("2026-02-01", "pro"),
    ]
    wrong = own.get("/v1/kpis", params={"by": "owner"})
    assert wrong.status_code == 422
    assert wrong.json()["errors"][0]["detail"] == "must be one of: plan"


def test_a_month_has_every_kpi() -> None:
    assert set(KpiMonth.model_fields) == {field.name for field in fields(KpiRow)} - {"group_by"}


def test_what_the_scoring_kept_beside_them_is_answered(own: Any) -> None:
    cohort = {"quarter": "2026Q1", "accounts": 3, "mrr": 200.0, "kept": [1.0, 0.5], "mrr_kept": [1.0, None]}
    month = {
        "month_on": "2026-03-01", "accounts": 2, "arr": 1800.0, "expected": 1500.0, "low": 1200.0, "high": 1800.0,
        "scored": 2, "made_on": "2026-02-01", "came": None, "by_curve": 2,
    }  # fmt: skip
    report = {"currency": "EUR", "grace_days": 14, "gross_margin": 0.8, "yearly_discount": 0.1, "rows": [row(1)]}
    worth = {
        "group_by": None, "group": None, "source": "curves", "as_of": "2026-03-01", "accounts": 9, "value": 120.0,
        "low": 100.0, "high": 150.0, "total": 1080.0, "within": 0.5, "gross_margin": 0.8, "yearly_discount": 0.1,
        "level": 0.8,
    }  # fmt: skip
    by_plan = {**worth, "group_by": "plan", "group": "basic", "accounts": 4}
    report["lifetime_values"] = [worth, by_plan]
    record = {
        "source": "published", "months": [{**month, "came": 1000.0}], "quarters": [], "months_inside": 0,
        "quarters_inside": 0, "months_by_curves": 1, "months_by_curves_inside": 0,
    }  # fmt: skip
    company = {"forecast": [month], "past": [{**month, "came": 1000.0}], "records": [record]}
    report |= {"cohorts": [cohort], "company": company}
    figures = own.state.store.key_figures(own.state.settings.name)
    figures.keep(date(2026, 3, 1), report, Actor("test", MOMENT))
    answer = own.get("/v1/kpis").json()
    assert answer["cohorts"] == [cohort]
    assert answer["forecast"] == [month]
    assert answer["past_forecasts"][0]["came"] == 1000.0
    assert answer["forecast_records"] == [record]
    assert answer["phases"] == []
    assert answer["lifetime_values"] == [{name: value for name, value in worth.items() if name != "group_by"}]
    report["rows"].append(row(1, "basic"))
    figures.keep(date(2026, 3, 1), report, Actor("test", MOMENT))
    (basic,) = own.get("/v1/kpis", params={"by": "plan"}).json()["lifetime_values"]
    assert (basic["group"], basic["accounts"]) == ("basic", 4)
