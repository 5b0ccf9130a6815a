"""Totals up to today among account attributes are found by what they agree with."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from churnml.evaluation.totals import totals_of_today
from churnml.language import render
from churnml.tables import Tables

START, END = pd.Timestamp("2024-01-01"), pd.Timestamp("2025-12-31")


@pytest.fixture(scope="module")
def tables() -> Tables:
    """Return 60 accounts, half of which left, with attributes of every sort."""
    rng = np.random.default_rng(4)
    count = 60
    ids = np.array([f"a{row:02d}" for row in range(count)])
    created = START + pd.to_timedelta(rng.integers(0, 300, count), unit="D")
    stayed = np.where(np.arange(count) % 2, (END - created).days, rng.integers(60, 320, count))
    uses = 20 + rng.integers(0, 200, count)
    owner = np.repeat(np.arange(count), uses)
    events = pd.DataFrame(
        {
            "account_id": ids[owner],
            "user_id": "u",
            "event_type": "login",
            "occurred_at": created[owner] + pd.to_timedelta(rng.random(len(owner)) * stayed[owner], unit="D"),
        }
    )
    last = events.groupby("account_id")["occurred_at"].max().reindex(ids).to_numpy()
    accounts = pd.DataFrame(
        {
            "account_id": ids,
            "created_on": created,
            "uses_in_all": uses,
            "months_here": (pd.DatetimeIndex(last) - created).days // 15,
            "employees": rng.integers(5, 500, count),
            "age_in_days": (END - created).days,
            "tier": rng.integers(1, 4, count),
        }
    )
    return Tables.from_pandas(
        {"accounts": accounts, "events": events}, observed_from=START.date(), observed_until=date(2025, 12, 31)
    )


def test_a_total_is_found_by_the_sum_that_it_is(tables: Tables) -> None:
    found = dict(totals_of_today(tables, ["uses_in_all", "months_here", "employees", "age_in_days", "tier"]))
    assert set(found) == {"uses_in_all", "months_here"}
    assert "the number of all rows of events" in render(found["uses_in_all"], "en")
    assert "the days that an account stayed" in render(found["months_here"], "en")


def test_words_and_few_values_are_no_totals(tables: Tables) -> None:
    assert totals_of_today(tables, ["tier"]) == []
    assert totals_of_today(tables, []) == []
