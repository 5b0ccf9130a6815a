"""Why an account is scored no more, from what was known on the day."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime

import pandas as pd
import pytest

from churnml.config import Config
from churnml.pipeline.lookup import last_score, last_scored
from churnml.snapshots import Departure, departures
from churnml.store import Departed, Snapshot, Store
from churnml.tables import Tables

DAY = pd.Timestamp("2025-06-01")


def config(churn: str) -> Config:
    return Config.model_validate(
        {
            "name": "t",
            "source": {"folder": "."},
            "tables": {"events": {"from": "e.csv"}, "subscriptions": {"from": "s.csv"}},
            "label": {"churn": churn, "horizon_days": 60},
        }
    )


def publish(store: Store, when: date, *accounts: str, left: Mapping[str, Departure] | None = None) -> None:
    scores = pd.DataFrame(
        {"account_id": accounts, "churn_probability": 0.2, "health_score": 55.0, "band": "yellow", "coverage": 1.0}
    )
    moment = datetime(when.year, when.month, when.day, tzinfo=UTC)
    gone = {account: Departed(one.last, one.why, one.on) for account, one in (left or {}).items()}
    store.publish(Snapshot("t", when, moment, "v", "h", scores, departures=gone))


def left(config: Config, tables: Tables, store: Store, as_of: pd.Timestamp, *cohort: str) -> dict[str, Departure]:
    return departures(tables, config.label, last_scored(config, store, as_of.date(), cohort), as_of)


@pytest.fixture
def store() -> Iterator[Store]:
    with Store("sqlite://") as opened:
        publish(opened, date(2025, 4, 1), "ended", "notice", "stays", "other")
        publish(opened, date(2025, 5, 1), "notice", "stays", "other")
        yield opened


def test_a_contract_that_ended_or_is_under_notice_is_told_as_known(store: Store) -> None:
    terms = pd.DataFrame(
        {
            "account_id": ["ended", "notice", "stays", "other"],
            "subscription_id": list("1234"),
            "started_on": pd.Timestamp("2025-01-01"),
            "ends_on": pd.to_datetime(["2025-04-16", "2025-12-31", "2025-12-31", "2025-12-31"]),
            "notice_at": pd.to_datetime([None, "2025-05-20", None, "2025-07-01"]),
        }
    )
    tables = Tables.from_pandas(
        {"subscriptions": terms}, observed_from=date(2025, 1, 1), observed_until=date(2025, 8, 1)
    )
    found = left(config("contractual"), tables, store, DAY, "stays")
    assert found == {
        "ended": Departure(date(2025, 4, 1), "ended", date(2025, 4, 16)),
        "notice": Departure(date(2025, 5, 1), "notice", date(2025, 5, 20)),
        # Its notice came later: on this day nobody could know why it is not in the cohort.
        "other": Departure(date(2025, 5, 1), "left", None),
    }
    publish(store, DAY.date(), "stays", left=found)
    snapshot = store.latest("t")
    assert snapshot is not None
    last = last_score(config("contractual"), store, snapshot, "notice")
    assert last is not None
    assert last[1]["frozen"]["text_en"].startswith("Notice was given on 20 May 2025.")
    assert [fact["code"] for fact in last[1]["indicators"]] == ["notice"]
    assert last_score(config("contractual"), store, snapshot, "nobody") is None
    # What is known is carried on, long after the readings have left the window that is looked at.
    later = left(config("contractual"), tables, store, pd.Timestamp("2025-11-01"), "stays")
    assert later["ended"] == found["ended"]
    assert later["other"].why == "notice"


def test_silence_is_told_with_the_last_day_of_use(store: Store) -> None:
    events = pd.DataFrame(
        {
            "account_id": ["ended", "notice", "stays", "ended"],
            "user_id": "u",
            "event_type": "use",
            "occurred_at": pd.to_datetime(["2025-03-10", "2025-05-30", "2025-05-30", "2025-03-20"]),
        }
    )
    tables = Tables.from_pandas({"events": events}, observed_from=date(2025, 1, 1), observed_until=date(2025, 8, 1))
    found = left(config("silence"), tables, store, DAY, "stays")
    assert found["ended"] == Departure(date(2025, 4, 1), "silent", date(2025, 3, 20))
    assert found["notice"].why == "left"


def test_nobody_left(store: Store) -> None:
    tables = Tables.from_pandas({}, observed_from=date(2025, 1, 1), observed_until=date(2025, 8, 1))
    assert left(config("silence"), tables, store, DAY, "ended", "notice", "stays", "other") == {}
