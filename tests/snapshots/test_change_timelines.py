"""Expansion and contraction as timelines: what ran under contract, and the label expected at each as-of date."""

from __future__ import annotations

import json
from datetime import date
from functools import cache
from itertools import pairwise

import pandas as pd
import pytest
from pydantic import ValidationError

from churnml.config import Config
from churnml.errors import DataError
from churnml.snapshots import spine
from churnml.tables import Tables

YES, NO, UNKNOWN, ABSENT = 1.0, 0.0, None, "absent"


def config(target: str, *, horizon=30, gap=0, grace=14, tables=("subscriptions", "opportunities"), **label) -> Config:
    return Config.model_validate(
        {
            "name": "t",
            "source": {"folder": "."},
            "tables": {name: {"from": f"{name}.csv"} for name in tables},
            "label": {
                "target": target,
                "churn": "contractual",
                "horizon_days": horizon,
                "gap_days": gap,
                "grace_days": grace,
                **label,
            },
            "snapshots": {"first": "2025-02-01"},
        }
    )


def rows_of(terms: list[dict], deals: list[dict], conf: Config, until: str = "2026-01-01") -> pd.DataFrame:
    frames = {"subscriptions": pd.DataFrame([{"account_id": "a", **term} for term in terms])}
    if deals:
        frames["opportunities"] = pd.DataFrame([{"account_id": "a", "kind": "upsell", **deal} for deal in deals])
    for name, frame in frames.items():
        key = {"subscriptions": "subscription_id", "opportunities": "opportunity_id"}[name]
        frame[key] = [str(number) for number in range(len(frame))]
    tables = Tables.from_pandas(frames, observed_from=date(2025, 1, 1), observed_until=pd.Timestamp(until).date())
    return spine(tables, conf)


@cache
def company(target: str, settings: str) -> pd.DataFrame:
    """Return the spine of one company whose accounts are all the timelines with these settings, named by their ids."""
    # Another account signs something every month, so that the contracts are seen to reach to the end.
    months = pd.date_range("2025-01-01", "2026-01-01", freq="MS")
    terms = [{"account_id": "another", "started_on": a, "ends_on": b} for a, b in pairwise(months)]
    deals = []
    for case in EXPANSIONS if target == "expansion" else CONTRACTIONS:
        own_terms, own_deals, own_settings, _ = case.values
        if json.dumps(own_settings) == settings:
            terms += [{**one, "account_id": case.id} for one in own_terms]
            deals += [{**one, "account_id": case.id} for one in own_deals]
    return rows_of(terms, deals, config(target, **json.loads(settings)))


def labels(target: str, account: str, settings: dict) -> dict[str, object]:
    """Return month → label of a timeline."""
    rows = company(target, json.dumps(settings))
    rows = rows[rows["account_id"] == account]
    found = {f"{row.as_of:%m-%d}": (None if pd.isna(row.churned) else row.churned) for row in rows.itertuples()}
    months = pd.date_range("2025-02-01", "2026-01-01", freq="MS")
    return {f"{day:%m-%d}": found.get(f"{day:%m-%d}", ABSENT) for day in months}


def term(start: str, end: str | None = None, mrr: float | None = 100.0, seats: float | None = 10, **more) -> dict:
    ends = None if end is None else f"2025-{end}"
    return {"started_on": f"2025-{start}", "ends_on": ends, "mrr": mrr, "seats": seats, **more}


EXPANSIONS = [
    pytest.param(
        [term("01-01", "05-20"), term("05-20", None, mrr=120)],
        [],
        {},
        {"04-01": NO, "05-01": YES, "06-01": NO},
        id="a renewal at a higher price takes effect inside the window",
    ),
    pytest.param(
        [term("01-01", "05-01"), term("05-01", None, mrr=120)],
        [],
        {},
        {"04-01": NO, "05-01": YES, "06-01": NO},
        id="a rise on as_of itself counts: nobody knew the day before",
    ),
    pytest.param(
        [term("01-01", "05-20"), term("05-20", None, mrr=109)],
        [],
        {},
        {"05-01": NO},
        id="less than the share is none",
    ),
    pytest.param(
        [term("01-01", "05-20"), term("05-20", None, mrr=110)],
        [],
        {},
        {"05-01": YES},
        id="the share itself counts",
    ),
    pytest.param(
        [term("01-01", "05-20"), term("05-20", None, mrr=120)],
        [],
        {"expansion_by": ["seats", "deals"]},
        {"05-01": NO},
        id="a price rise is none where only seats and deals count",
    ),
    pytest.param(
        [term("01-01", "05-20"), term("05-20", None, seats=12)],
        [],
        {"expansion_by": ["seats"]},
        {"05-01": YES, "06-01": NO},
        id="seats",
    ),
    pytest.param(
        [term("01-01"), term("05-20", None, mrr=20, seats=None, is_addon=True)],
        [],
        {},
        {"05-01": YES, "06-01": NO},
        id="an add-on raises MRR",
    ),
    pytest.param(
        [term("01-01")],
        [{"created_at": "2025-03-10", "closed_at": "2025-05-31 17:00", "outcome": "won"}],
        {},
        {"03-01": NO, "04-01": NO, "05-01": NO, "06-01": NO},
        id="a deal on the first day after the window of 30 days",
    ),
    pytest.param(
        [term("01-01")],
        [{"created_at": "2025-03-10", "closed_at": "2025-05-30 17:00", "outcome": "won"}],
        {},
        {"04-01": NO, "05-01": YES, "06-01": NO},
        id="a deal won",
    ),
    pytest.param(
        [term("01-01")],
        [
            {"created_at": "2025-03-10", "closed_at": "2025-05-12 00:00", "outcome": "lost"},
            {"created_at": "2025-03-10", "closed_at": "2025-05-12 00:00", "outcome": "won", "kind": "renewal"},
            {"created_at": "2025-03-10", "closed_at": None, "outcome": None},
        ],
        {},
        {"05-01": NO},
        id="a deal lost, a renewal and an open deal are none",
    ),
    pytest.param(
        [term("01-01", "05-20"), term("05-15", "09-01")],
        [],
        {},
        {"05-01": NO, "06-01": NO},
        id="a renewal that overlaps by five days is no doubling",
    ),
    pytest.param(
        [term("01-01", "05-25"), term("04-26", None)],
        [],
        {},
        {"03-01": NO, "04-01": NO, "05-01": NO},
        id="a renewal at the same price, a month early, is none",
    ),
    pytest.param(
        [term("01-01", "05-10"), term("06-01", None, mrr=150)],
        [],
        {"horizon": 60},
        {"04-01": NO, "05-01": NO, "07-01": NO},
        id="an account that left and came back larger is a new one",
    ),
    pytest.param(
        [term("01-01", "05-20"), term("05-28", "09-10", known_at="2025-05-28")],
        [],
        {},
        {"05-01": NO, "07-01": NO},
        id="a renewal eight days late is no expansion from nothing",
    ),
    pytest.param(
        [term("01-01", "05-10"), term("05-10", None, mrr=150)],
        [],
        {"gap": 14},
        {"04-01": YES, "05-01": UNKNOWN, "06-01": NO},
        id="a rise inside the gap has no label",
    ),
    pytest.param(
        [term("01-01", "05-20"), term("05-20", None, mrr=150, known_at="2025-04-15")],
        [],
        {},
        {"04-01": NO, "05-01": UNKNOWN, "06-01": NO},
        id="a rise signed before as_of is nothing left to predict",
    ),
    pytest.param(
        [term("01-01", "05-20", mrr=None, seats=None), term("05-20", None, mrr=150)],
        [],
        {"expansion_by": ["mrr", "seats"]},
        {"05-01": UNKNOWN, "06-01": NO},
        id="nothing to judge by: no label",
    ),
    pytest.param(
        [term("01-01", "05-20")],
        [],
        {},
        {"05-01": NO, "06-01": ABSENT},
        id="an account that churns did not expand",
    ),
    pytest.param(
        [term("01-01", "05-20"), term("05-20", "09-01", mrr=130), term("09-01", None, mrr=100)],
        [],
        {},
        {"05-01": YES, "08-01": NO, "09-01": NO},
        id="a fall is no expansion",
    ),
]


@pytest.mark.parametrize(("terms", "deals", "settings", "expected"), EXPANSIONS)
def test_expansion(request, terms, deals, settings, expected):
    found = labels("expansion", request.node.callspec.id, settings)
    assert {day: found[day] for day in expected} == expected


CONTRACTIONS = [
    pytest.param(
        [term("01-01", "05-20"), term("05-20", None, mrr=80)],
        [],
        {},
        {"04-01": NO, "05-01": YES, "06-01": NO},
        id="a renewal at a lower price",
    ),
    pytest.param(
        [term("01-01", "05-20"), term("05-20", None, mrr=91)],
        [],
        {},
        {"05-01": NO},
        id="less than the share is none",
    ),
    pytest.param(
        [term("01-01"), term("01-01", None, mrr=30, is_addon=True, terminated_on="2025-05-20")],
        [],
        {},
        {"04-01": NO, "05-01": YES, "06-01": NO},
        id="an add-on is dropped",
    ),
    pytest.param(
        [
            term("01-01"),
            term("01-01", None, mrr=30, is_addon=True, terminated_on="2025-05-20", notice_at="2025-04-15"),
        ],
        [],
        {},
        {"04-01": NO, "05-01": UNKNOWN, "06-01": NO},
        id="notice for the add-on was given before as_of",
    ),
    pytest.param(
        [term("01-01", "05-20")],
        [],
        {},
        {"04-01": NO, "05-01": NO, "06-01": ABSENT},
        id="churn is no contraction",
    ),
    pytest.param(
        [term("01-01", "05-20"), term("01-01", "05-12", mrr=50)],
        [],
        {},
        {"05-01": NO},
        id="a part that ends within the grace days before churn belongs to the churn",
    ),
    pytest.param(
        [term("01-01", "07-20"), term("01-01", "05-12", mrr=50)],
        [],
        {"horizon": 90},
        {"05-01": YES, "06-01": NO},
        id="a fall well before churn counts",
    ),
    pytest.param(
        [term("01-01", "05-20"), term("05-28", None)],
        [],
        {},
        {"05-01": NO, "06-01": NO},
        id="a lapse before a late renewal is none",
    ),
    pytest.param(
        [term("01-01", "05-20"), term("06-10", None, mrr=50)],
        [],
        {},
        {"05-01": NO, "07-01": NO},
        id="an account that comes back smaller is new",
    ),
    pytest.param(
        [term("01-01", "05-10")],
        [],
        {"gap": 14},
        {"04-01": NO, "05-01": UNKNOWN},
        id="churn inside the gap has no label",
    ),
]


@pytest.mark.parametrize(("terms", "deals", "settings", "expected"), CONTRACTIONS)
def test_contraction(request, terms, deals, settings, expected):
    found = labels("contraction", request.node.callspec.id, settings)
    assert {day: found[day] for day in expected} == expected


def test_every_row_of_an_unfinished_window_is_null_and_the_day_is_told():
    terms = [term("01-01", "05-20"), term("05-20", None, mrr=120)]
    rows = rows_of(terms, [], config("expansion", further_horizons_days=[90]), until="2025-06-14").set_index("as_of")
    assert rows["churned"].isna().tolist() == [False, False, False, False, True]
    assert rows["churned_90d"].isna().tolist() == [False, False, True, True, True]
    later = rows_of(terms, [], config("expansion", further_horizons_days=[90])).set_index("as_of")
    assert later.loc["2025-05-01", "churn_on"] == pd.Timestamp("2025-05-20")
    assert later["churn_on"].notna().sum() == 1
    assert later.loc[["2025-03-01", "2025-04-01"], "churned_90d"].tolist() == [1.0, 1.0]


def test_data_that_cannot_show_the_target_is_an_error():
    bare = [{"started_on": "2025-01-01", "ends_on": None}]
    with pytest.raises(DataError, match="shows a contraction") as caught:
        rows_of(bare, [], config("contraction"))
    assert "subscriptions.mrr" in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"target": "upsell"}, "expansion"),
        ({"target": "contraction", "churn": "silence"}, "needs contracts"),
        ({"target": "contraction", "change_share": 1.0}, "cannot fall by all"),
        ({"target": "expansion", "expansion_by": []}, "at least 1"),
        ({"target": "expansion", "expansion_by": ["deals"], "tables": ("subscriptions",)}, "no table is mapped"),
    ],
)
def test_targets_that_cannot_be_are_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        config(**settings)
