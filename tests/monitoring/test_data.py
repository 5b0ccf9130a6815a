"""A day against the days before it: what is an alarm, and what is the season."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from churnml.monitoring import Budget, DataMonitor, data_health, profile
from churnml.tables import Tables

FIRST = date(2025, 1, 6)
DAYS = 240
AS_OF = FIRST + timedelta(days=DAYS)


def usage(seed: int = 0, days: int = DAYS) -> pd.DataFrame:
    """Return events of forty accounts: many on weekdays, few on weekends, three kinds."""
    rng = np.random.default_rng(seed)
    made = []
    for day in range(days):
        n = rng.poisson(150 if day % 7 < 5 else 30)
        made.append(
            pd.DataFrame(
                {
                    "account_id": rng.integers(0, 40, n).astype(str),
                    "user_id": rng.integers(0, 400, n).astype(str),
                    "event_type": rng.choice(["login", "export", "invite"], n, p=[0.6, 0.3, 0.1]),
                    "occurred_at": pd.Timestamp(FIRST)
                    + pd.Timedelta(days=day)
                    + pd.to_timedelta(rng.integers(0, 86_400, n), unit="s"),
                }
            )
        )
    return pd.concat(made, ignore_index=True)


def codes(events: pd.DataFrame, **more: pd.DataFrame) -> dict[str, str]:
    """Return the alarms of the last day: code → subject."""
    tables = Tables.from_pandas({"events": events, **more}, observed_from=FIRST, observed_until=AS_OF)
    health = data_health(profile(tables, AS_OF), AS_OF, since=FIRST)
    return {alarm.code: alarm.subject for alarm in health.alarms}


@pytest.fixture(scope="module")
def events() -> pd.DataFrame:
    return usage()


def since(events: pd.DataFrame, days: int) -> pd.Series:
    return events["occurred_at"] >= pd.Timestamp(AS_OF) - pd.Timedelta(days=days)


def test_a_quiet_day_has_no_alarm(events: pd.DataFrame) -> None:
    assert codes(events) == {}


def test_a_feed_that_stopped_is_named_and_its_echoes_are_not(events: pd.DataFrame) -> None:
    # The last day is a Saturday or Sunday of few events; two days without any are needed to tell.
    assert codes(events[~since(events, 2)]) == {"MON101": "events"}


def test_a_quiet_weekend_is_the_season_and_no_alarm(events: pd.DataFrame) -> None:
    tables = Tables.from_pandas({"events": events}, observed_from=FIRST, observed_until=AS_OF)
    monitor = DataMonitor(profile(tables, AS_OF), FIRST, AS_OF, Budget())
    sundays = [AS_OF - timedelta(days=back) for back in range(1, 60)]
    assert [day for day in sundays if monitor.judge(day).alarms] == []


def test_half_the_rows_is_an_alarm(events: pd.DataFrame) -> None:
    dropped = since(events, 7) & (np.arange(len(events)) % 2 == 0)
    assert codes(events[~dropped])["MON102"] == "events"


@pytest.mark.parametrize(("day", "found"), [("2026-03-17", ["MON102"]), ("2025-12-30", [])])
def test_a_holiday_that_comes_back_excuses_its_own_date_alone(day: str, found: list[str]) -> None:
    """Rows are as few in both years at the turn of the year: that tells nothing of a day in March."""
    rng = np.random.default_rng(4)
    days = pd.date_range("2024-01-01", day)
    usual = np.where(days.day_of_week < 5, 400.0, 30.0)
    quiet = np.where((days.month == 12) & (days.day >= 24) | (days.day_of_year <= 2), 0.2, 1.0)
    rows = rng.negative_binomial(usual * quiet / 3.0, 0.25).astype(float)
    rows[-1] = usual[-1] * 0.4
    profiled = pd.DataFrame({"table": "events", "measure": "rows", "column": "", "word": "", "day": days, "rows": rows})
    as_of = days[-1].date() + timedelta(days=1)
    health = data_health(profiled.assign(hits=rows), as_of, since=days[0].date())
    assert [alarm.code for alarm in health.alarms] == found


def test_a_renamed_event_is_a_word_that_stays_away_and_one_never_seen(events: pd.DataFrame) -> None:
    renamed = events.copy()
    renamed.loc[since(events, 3) & (events["event_type"] == "export"), "event_type"] = "export_v2"
    found = codes(renamed)
    assert found == {"MON104": "events.event_type", "MON105": "events.event_type"}


def test_a_column_that_is_empty_at_once_is_severe(events: pd.DataFrame) -> None:
    emptied = events.copy()
    emptied.loc[since(events, 1), "user_id"] = None
    tables = Tables.from_pandas({"events": emptied}, observed_from=FIRST, observed_until=AS_OF)
    alarms = data_health(profile(tables, AS_OF), AS_OF, since=FIRST).alarms
    assert [(alarm.code, alarm.subject, alarm.severe) for alarm in alarms] == [("MON103", "events.user_id", True)]


def test_a_day_that_was_loaded_twice_is_told_as_copies(events: pd.DataFrame) -> None:
    twice = pd.concat([events, events[since(events, 1)]], ignore_index=True)
    assert codes(twice)["MON106"] == "events"


def test_a_rise_of_prices_shows_in_the_accounts_own_invoices(events: pd.DataFrame) -> None:
    months = pd.date_range(FIRST, periods=8, freq="30D")
    invoices = pd.DataFrame(
        [(f"{account}-{day:%m%d}", str(account), day, 100.0 + account) for day in months for account in range(40)],
        columns=["invoice_id", "account_id", "issued_on", "amount"],
    )
    invoices["issued_on"] += pd.Timedelta(days=(pd.Timestamp(AS_OF) - months[-1]).days - 1)
    assert "MON108" not in codes(events, invoices=invoices)
    dearer = invoices["issued_on"] == invoices["issued_on"].max()
    invoices.loc[dearer, "amount"] *= 1.2
    assert codes(events, invoices=invoices)["MON108"] == "invoices.amount"


def test_a_table_of_two_rows_a_day_is_judged_by_the_week(events: pd.DataFrame) -> None:
    issued = pd.date_range(FIRST, AS_OF, freq="12h", inclusive="left")
    invoices = pd.DataFrame({"account_id": [str(n % 60) for n in range(len(issued))], "issued_on": issued.normalize()})
    invoices["invoice_id"] = invoices.index.astype(str)
    # Now and then an account has one seat more, and a seat less later on.
    invoices["amount"] = 100.0 + 10.0 * np.random.default_rng(1).binomial(2, 0.04, len(invoices))
    assert "MON108" not in codes(events, invoices=invoices)
    invoices.loc[invoices["issued_on"] >= pd.Timestamp(AS_OF - timedelta(days=6)), "amount"] *= 1.1
    tables = {"events": events, "invoices": invoices}
    loaded = Tables.from_pandas(tables, observed_from=FIRST, observed_until=AS_OF)
    (alarm,) = data_health(profile(loaded, AS_OF), AS_OF, since=FIRST).alarms
    assert (alarm.code, alarm.subject, alarm.since) == ("MON108", "invoices.amount", AS_OF - timedelta(days=7))
    assert "of the week up to" in str(alarm.said)


def test_a_table_with_too_little_history_is_not_judged(events: pd.DataFrame) -> None:
    young = events[since(events, 40)]
    first = AS_OF - timedelta(days=40)
    tables = Tables.from_pandas({"events": young}, observed_from=first, observed_until=AS_OF)
    health = data_health(profile(tables, AS_OF), AS_OF, since=first)
    assert health.unjudged == ("events",)
    assert health.alarms == ()


def test_the_budget_is_shared_by_all_tests_of_a_month() -> None:
    budget = Budget(1.0)
    by_area = [budget.level(area, tests=100) * 100 * 30.4375 for area in ("data", "drift", "performance")]
    assert sum(by_area) == pytest.approx(1.0)
