"""What is kept for an account's page: all timelines at once, and the weeks behind a reason."""

from __future__ import annotations

from datetime import date
from functools import partial

import pandas as pd
import pytest

from churnml.explain.happenings import timeline, timelines
from churnml.explain.series import weekly
from churnml.snapshots import contracts_at
from churnml.tables import Tables

_AS_OF = date(2026, 3, 10)


@pytest.fixture(scope="module")
def tables() -> Tables:
    day = partial(pd.to_datetime, format="ISO8601")
    return Tables.from_pandas(
        {
            "subscriptions": pd.DataFrame(
                {
                    "subscription_id": ["1", "2", "3", "4"],
                    "account_id": ["a", "a", "b", "b"],
                    "product": "Pro",
                    "seats": [5, 9, 4, 4],
                    "started_on": day(["2025-02-01", "2026-02-01", "2025-02-01", "2026-02-01"]),
                    "ends_on": day(["2026-02-01", "2027-02-01", "2026-02-01", "2027-02-01"]),
                    "notice_at": day([None, None, None, "2026-03-01"]),
                    "auto_renew": [True, True, False, False],
                }
            ),
            "tickets": pd.DataFrame(
                {
                    "ticket_id": ["t1", "t2", "t3"],
                    "account_id": ["a", "b", "b"],
                    "opened_at": day(["2026-03-01 10:00", "2026-03-09 23:00", "2026-03-10 00:00"]),
                    "escalated_at": day(["2026-03-02", None, None]),
                }
            ),
            "events": pd.DataFrame(
                {
                    "account_id": ["a", "a", "b", "a"],
                    "user_id": ["1", "2", "3", "1"],
                    "event_type": "open",
                    "occurred_at": day(["2026-03-09 23:59", "2026-03-03", "2026-02-20", "2026-03-10"]),
                    "event_count": [4, 1, 1, 9],
                }
            ),
        },
        observed_from=date(2026, 1, 1),
        observed_until=date(2026, 4, 1),
    )


def test_all_timelines_are_those_of_each(tables: Tables) -> None:
    every = timelines(tables, _AS_OF)
    assert set(every) == {"a", "b"}
    for account, told in every.items():
        assert told == timeline(tables, account, _AS_OF)
    assert [one.kind for one in every["b"]] == ["tickets"]
    assert [one.on for one in every["a"]] == ["2026-03-02", "2026-03-01", "2026-02-01"]


def test_weeks_end_on_the_day_before_and_count_what_is_known(tables: Tables) -> None:
    found = weekly(tables, _AS_OF)
    assert {len(values) for series in found.values() for values in series.values()} == {9}
    assert found["a"]["events"][-1] == 5.0
    assert found["a"]["users"][-1] == 2.0
    assert found["b"]["events"][-3:] == [1.0, 0.0, 0.0]
    assert found["b"]["tickets"][-1] == 1.0
    assert "tickets" in found["a"]


def test_a_contract_is_the_one_that_ends_last(tables: Tables) -> None:
    frame = contracts_at(tables, pd.Timestamp(_AS_OF)).set_index("account_id")
    assert frame["contract_ends_on"].dt.date.tolist() == [date(2027, 2, 1)] * 2
    assert frame["renewal"].tolist() == ["auto", "ends"]
    before = contracts_at(tables, pd.Timestamp("2026-02-20")).set_index("account_id")
    assert before["renewal"].tolist() == ["auto", "manual"]
