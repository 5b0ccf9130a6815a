"""A company of Ann's and Bob's accounts: what is not Ann's is called HIDDEN, and some names are traps."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import numpy as np
import pandas as pd
from pydantic import TypeAdapter

from churnml.evaluation.realised import realised_figures
from churnml.language import Quantity, Text, words
from churnml.pipeline.company import CompanyFigures, TableHealth
from churnml.retention import ForecastMonth, KpiReport, Panel, company_kpis, forecast_record
from churnml.store import Actor, Alert, Decided, Snapshot, Store, Task
from churnml.tables import Tables

__all__ = ["DUE", "SCRIPT", "figures", "keep_company", "publish"]

SCRIPT = "<script>alert(1)</script>\"'&"
DUE = date(2026, 3, 5)
_NAMES = {
    "ann-1": (SCRIPT, "ann"),
    "ann-2": ("=HYPERLINK(1)", "ann"),
    'odd"><img src=x>': (None, '"><img src=x>'),
    "concealed": ("HIDDEN of Bob", "bob"),
    "concealed-hand": ("HIDDEN by hand", "ann"),
    "concealed-none": ("HIDDEN of nobody", None),
    "given": ("Given to Ann", "bob"),
}
_LEFT = "concealed-left"


def publish(store: Store, today: date) -> None:
    """Fill a store with two weeks of scores, with alerts, tasks, a note and what Bob was given by hand."""
    ids = list(_NAMES)
    scores = pd.DataFrame(
        {
            "account_id": ids,
            "name": [_NAMES[one][0] for one in ids],
            "churn_probability": 0.4,
            "health_score": 30.0,
            "band": "red",
            "coverage": 1.0,
            "arr": 1200.0,
            "expected_loss": 480.0,
            "owner": [_NAMES[one][1] for one in ids],
            "segment": SCRIPT,
            "plan": "@plan",
            "phase": "adoption",
            "contract_ends_on": pd.Timestamp(today + timedelta(days=20)),
            "days_to_renewal": 20.0,
            "change_30d": -9.0,
        }
    )
    before = scores.assign(band="green", health_score=80.0)
    for as_of, table in ((today - timedelta(days=7), before), (today, scores)):
        at = datetime.combine(as_of, time(0, 1), UTC)
        store.publish(Snapshot("acme", as_of, at, "3", "0f", table))
    now = Actor("cli", datetime.combine(today, time(0, 2), UTC))
    alerts, tasks = [], []
    for account, owner in (("ann-1", "ann"), ("concealed", "bob"), ("given", "ann")):
        alerts.append(
            Alert(
                account_id=account, kind="silence", severity="high", owner=owner, opened_on=today, updated_on=today,
                shown_on=today, due_at=now.now, text=Text.of("alert-silence", n=Quantity(value=30, unit="days")),
                playbook="save", tasked_on=today, avoidable_loss=100.0,
            )
        )  # fmt: skip
        tasks.append(
            Task(
                account_id=account, alert="silence", playbook="save", step="call", title=words(f"Call {account}"),
                role="csm", owner=owner, opened_on=today, due_on=today, due_days=1,
            )
        )  # fmt: skip
    decided = Decided(alerts, {alert.key: "opened" for alert in alerts}, tasks)
    store.evaluations("acme").evaluate(today, lambda _: decided, now)
    for account, text in (("ann-1", SCRIPT), ("concealed", "HIDDEN note")):
        store.notes("acme").add(text, "Bob", now, account_id=account)
    store.owners("acme").choose("bob", {"concealed-hand": "ann"}, now)


def keep_company(store: Store, today: date) -> None:
    """Keep figures of the same accounts, and of one of Bob's that has left."""
    owners = {**{key: owner or "" for key, (_, owner) in _NAMES.items()}, _LEFT: "bob"}
    terms = pd.DataFrame(
        {
            "account_id": list(owners),
            "started_on": "2025-01-01",
            "ends_on": ["2027-01-01"] * (len(owners) - 1) + ["2025-12-20"],
            "mrr": 100.0,
            "product": list(owners.values()),
            "subscription_id": [str(place) for place in range(len(owners))],
        }
    )
    observed = {"observed_from": date(2025, 1, 1), "observed_until": date(2026, 2, 1)}
    found = company_kpis(
        Panel(Tables.from_pandas({"subscriptions": terms}, **observed)), ("plan",), currency="EUR", rows=True
    )
    report: dict[str, Any] = TypeAdapter(KpiReport).dump_python(found.report, mode="json")
    report["rows"] += [{**row, "group_by": "owner"} for row in report["rows"] if row["group_by"] == "plan"]
    report["phases"] = [
        {
            "phase": phase, "accounts": len(_NAMES), "mrr": 700.0, "median_days": 40.0, "limit_days": 60.0,
            "stalled": 2, "stalled_mrr": 200.0, "moves": {"renewal": 2}, "illegal": 0,
        }
        for phase in ("adoption", "utilisation")
    ]  # fmt: skip
    report["rfm"] = [
        {"recency": recency, "frequency": 4, "accounts": recency, "mrr": 100.0 * recency} for recency in (1, 3, 5)
    ]
    report["growth"] = [{"segment": SCRIPT, "accounts": 7, "arr": 8400.0, "room_arr": 2400.0}]
    ahead = ForecastMonth(date(2026, 3, 1), 7, 8400.0, 6300.0, 5000.0, 7600.0, 7)
    report["company"] = TypeAdapter(CompanyFigures).dump_python(figures(ahead), mode="json")
    rows: dict[str, Any] = {}
    for month, columns in found.months.items():
        by_owner = {name.replace("by_plan", "by_owner"): values for name, values in columns.items() if "by_" in name}
        rows[month.isoformat()] = {**columns, **by_owner}
    ids, count = np.array(list(_NAMES), dtype=object), len(_NAMES)
    owner = np.array([one or "" for _, one in _NAMES.values()], dtype=object)
    rows["renewals"] = {
        "account_id": ids,
        "arr": np.full(count, 1200.0),
        "churn_probability": np.full(count, 0.25),
        "renewal_on": np.array([DUE.isoformat()] * count, dtype=object),
    }
    rows["accounts"] = {
        "account_id": ids, "owner": owner, "phase": np.array(["adoption"] * count, dtype=object),
        "segment": np.array([SCRIPT] * count, dtype=object), "mrr": np.full(count, 100.0),
        "days_in_phase": np.full(count, 70.0), "stalled": np.ones(count), "recency": np.full(count, 5.0),
        "frequency": np.full(count, 4.0), "monetary": np.full(count, 3.0), "room_arr": np.full(count, 300.0),
    }  # fmt: skip
    rows["moves"] = {
        "account_id": ids, "moved_at": np.array(["2026-01-05"] * count, dtype=object),
        "days_in_phase": np.full(count, 9.0),
        "before": np.array(["adoption"] * count, dtype=object), "after": np.array(["renewal"] * count, dtype=object),
    }  # fmt: skip
    rows["past"] = {
        "account_id": ids, "month_on": np.array(["2025-12-01"] * count, dtype=object), "arr": np.full(count, 1200.0),
        "churn_probability": np.full(count, 0.5), "came": np.full(count, 900.0),
    }  # fmt: skip
    rows["cohorts"] = {name: np.asarray(found.cohorts[name]) for name in found.cohorts}
    rows["realised"] = {
        "account_id": ids, "as_of": np.array(["2025-10-01"] * count, dtype=object), "arr": np.full(count, 1200.0),
        "band": np.array(["red"] * count, dtype=object), "churned": np.zeros(count),
        "churn_probability": np.full(count, 0.5),
    }  # fmt: skip
    store.key_figures("acme").keep(date(2026, 2, 1), report, Actor("cli", datetime.combine(today, time(1), UTC)), rows)


def figures(month: ForecastMonth) -> CompanyFigures:
    """What is kept beside the KPIs: the forecast of one month, one that has passed, and three readings."""
    readings = pd.DataFrame(
        {
            "as_of": pd.Timestamp("2025-10-01"),
            "churn_probability": [0.5, 0.2, 0.1],
            "band": ["red", "green", "green"],
            "arr": [1200.0, 600.0, 1200.0],
            "churned": [0.0, 1.0, 0.0],
            "model_version": "v1",
        }
    )
    over = ForecastMonth(date(2025, 12, 1), 2, 1800.0, 1600.0, 1500.0, 1800.0, 2, date(2025, 11, 20), 1200.0)
    quarter = ForecastMonth(date(2025, 10, 1), 6, 4800.0, 4000.0, 3500.0, 4800.0, 6, date(2025, 9, 20), 3600.0)
    record = forecast_record("published", [over], [quarter])
    assert record is not None
    return CompanyFigures(
        forecast=(month,),
        past=(over,),
        records=(record,),
        later_rate=0.9,
        looks_until=date(2026, 5, 1),
        realised=realised_figures(readings),
        realised_from=date(2026, 5, 15),
        experiment=None,
        tables=(TableHealth("events", 100, 5, date(2026, 1, 20), 12, 0.75),),
    )
