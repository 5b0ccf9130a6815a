"""Twelve accounts over fifteen months, every KPI worked out on paper."""

from __future__ import annotations

from datetime import date
from itertools import pairwise

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churnml.retention import kpi_history
from churnml.tables import Tables

DAY = pd.Timestamp
MONTHLY = [f"{day:%Y-%m-%d}" for day in pd.date_range("2025-01-01", "2026-01-01", freq="MS")]

TERMS = [
    # account, start, end, MRR, product, add-on
    ("steady", "2024-06-01", "2025-06-01", 100, "crm", False),
    ("steady", "2025-06-01", "2026-06-01", 100, "crm", False),
    ("late", "2024-04-28", "2025-04-28", 100, "crm", False),  # eight days late, over the first of May
    ("late", "2025-05-06", "2026-05-06", 100, "crm", False),
    ("early", "2024-09-10", "2025-09-10", 200, "crm", False),  # two weeks early, over the first of September
    ("early", "2025-08-25", "2026-08-25", 200, "crm", False),
    ("grows", "2024-07-01", "2025-07-01", 100, "crm", False),
    ("grows", "2025-07-01", "2026-07-01", 150, "crm", False),
    ("shrinks", "2024-10-01", "2025-10-01", 100, "crm", False),
    ("shrinks", "2025-10-01", "2026-10-01", 60, "crm", False),
    ("leaves", "2024-12-01", "2025-12-01", 100, "crm", False),
    ("returns", "2024-03-01", "2025-03-01", 50, "crm", False),
    ("returns", "2025-05-01", "2026-05-01", 50, "crm", False),  # two months later: a new account
    ("new", "2025-06-15", "2026-06-15", 80, "crm", False),
    ("three", "2024-11-28", "2025-11-28", 100, "crm", False),  # all three five days late, over the first of December
    ("three", "2024-11-28", "2025-11-28", 40, "desk", False),
    ("three", "2024-11-28", "2025-11-28", 10, "sso", True),
    ("three", "2025-12-03", "2026-12-03", 100, "crm", False),
    ("three", "2025-12-03", "2026-12-03", 40, "desk", False),
    ("three", "2025-12-03", "2026-12-03", 10, "sso", True),
    ("add-on dropped", "2024-10-01", "2025-10-01", 100, "crm", False),
    ("add-on dropped", "2025-10-01", "2026-10-01", 100, "crm", False),
    ("add-on dropped", "2024-05-15", "2025-05-15", 20, "sso", True),
    *(("monthly", start, end, 30, "crm", False) for start, end in pairwise(MONTHLY)),  # leaves on 1 January
    ("changes plan", "2025-09-01", "2026-01-30", 120, "crm", False),
    ("changes plan", "2026-02-02", "2027-02-02", 160, "crm pro", False),  # three days later, over the first
]


def tables(rows, until: date) -> Tables:
    frame = pd.DataFrame(rows, columns=["account_id", "started_on", "ends_on", "mrr", "product", "is_addon"])
    frame["subscription_id"] = [str(number) for number in range(len(frame))]
    return Tables.from_pandas({"subscriptions": frame}, observed_from=date(2025, 1, 1), observed_until=until)


@pytest.fixture(scope="module")
def history() -> pd.DataFrame:
    return kpi_history(tables(TERMS, date(2026, 4, 15)), yearly_discount=0.0).set_index("month_on")


# month: accounts, MRR at its start, logos lost, GRR, NRR, renewed by logo, by value
BY_HAND = {
    "2025-01": (10, 1050, 0, 1, 1, 1 / 1, 30 / 30),
    "2025-02": (10, 1050, 1, 1000 / 1050, 1000 / 1050, 1 / 2, 30 / 80),
    "2025-03": (9, 1000, 0, 1, 1, 1, 1),
    "2025-04": (9, 1000, 0, 1, 1, 2 / 2, 1),  # the account that comes back on 1 May is new
    "2025-05": (10, 1050, 0, 1030 / 1050, 1030 / 1050, 2 / 2, 130 / 150),  # an add-on is no logo
    "2025-06": (10, 1030, 0, 1, 1080 / 1030, 2 / 2, 130 / 130),
    "2025-07": (11, 1160, 0, 1, 1, 1, 1),
    "2025-08": (11, 1160, 0, 1, 1, 1, 1),
    "2025-09": (12, 1280, 0, 1240 / 1280, 1240 / 1280, 4 / 4, 390 / 430),
    "2025-10": (12, 1240, 0, 1, 1, 1, 1),
    "2025-11": (12, 1240, 1, 1140 / 1240, 1140 / 1240, 2 / 3, 180 / 280),
    "2025-12": (11, 1140, 1, 1110 / 1140, 1110 / 1140, 0, 0),
    "2026-01": (10, 1110, 0, 1, 1, 1, 120 / 120),
    "2026-02": (10, 1110, 0, 1, 1150 / 1110, None, None),
    "2026-03": (10, 1150, 0, 1, 1, None, None),
}


@pytest.mark.parametrize("month", BY_HAND)
def test_a_month(history, month):
    accounts, mrr, lost, grr, nrr, by_logo, by_value = BY_HAND[month]
    row = history.loc[DAY(month)]
    assert (row["accounts"], row["mrr"], row["lost_accounts"]) == (accounts, mrr, lost)
    assert row["logo_churn_rate"] == pytest.approx(lost / accounts)
    assert (row["grr"], row["nrr"]) == (pytest.approx(grr), pytest.approx(nrr))
    for name, expected in (("renewal_rate", by_logo), ("renewal_rate_value", by_value)):
        assert pd.isna(row[name]) if expected is None else row[name] == pytest.approx(expected), name


def test_a_year_is_measured_not_compounded(history):
    yearly = history[["logo_churn_rate_ttm", "grr_ttm", "nrr_ttm"]]
    assert yearly.iloc[:11].isna().all().all()
    # On 1 April 2025 nine accounts pay 1000. A year on two have left (130), two pay less (60), one pays more (50).
    last = yearly.loc[DAY("2026-03-01")]
    assert last.tolist() == [pytest.approx(2 / 9), pytest.approx(0.81), pytest.approx(0.86)]


def test_expansion_counts_accounts(history):
    grown = history["expansion_rate"]
    assert grown[grown > 0].round(9).to_dict() == {DAY("2025-06-01"): 0.1, DAY("2026-02-01"): 0.1}


def test_a_lifetime_is_longer_than_the_year_that_tells_it(history):
    row = history.loc[DAY("2026-03-01")]
    assert row["ltv"] > 0.8 * row["arpa"] * 12


def test_groups_add_up_to_the_whole(history):
    by_plan = kpi_history(tables(TERMS, date(2026, 4, 15)), group_by="plan")
    for name in ("accounts", "mrr", "lost_accounts"):
        whole = by_plan.groupby("month_on")[name].sum()
        assert whole.tolist() == history[name].tolist(), name
    assert by_plan["group"].unique().tolist() == ["crm", "crm pro"]
    pro = by_plan[by_plan["group"] == "crm pro"].set_index("month_on")
    assert pro.loc[DAY("2026-03-01"), ["accounts", "mrr", "nrr"]].tolist() == [1, 160.0, 1.0]


@st.composite
def unchanged_companies(draw):
    """Accounts with one to three products or add-ons, renewed at their price, early or late within grace."""
    rows = []
    for account in range(draw(st.integers(1, 4))):
        for number in range(draw(st.integers(1, 3))):
            length = draw(st.sampled_from([30, 91, 365]))
            start = DAY("2024-06-01") + pd.Timedelta(days=draw(st.integers(0, 200)))
            addon = number > 0 and draw(st.booleans())
            mrr = float(draw(st.integers(1, 500)))
            while start < DAY("2026-06-01"):
                end = start + pd.Timedelta(days=length)
                rows.append((f"a{account}", start, end, mrr, f"p{number}", addon))
                start = end + pd.Timedelta(days=draw(st.integers(-min(31, length // 2), 14)))
    return rows


@pytest.mark.slow
@settings(max_examples=6, deadline=None)
@given(unchanged_companies())
def test_who_changes_nothing_is_retained_wholly(rows):
    found = kpi_history(tables(rows, date(2026, 3, 15)))
    assert len(found) == 14
    for name in ("grr", "nrr", "grr_ttm", "nrr_ttm", "renewal_rate", "renewal_rate_value"):
        assert (found[name].dropna() == 1).all(), name
    assert (found[["logo_churn_rate", "expansion_rate"]] == 0).all().all()
