"""The engine on a company small enough to work out by hand."""

import numpy as np
import pandas as pd
import pytest

from churnml import features
from churnml.config import Config
from churnml.tables import Tables


def _config(**extra):
    return Config.model_validate(
        {
            "name": "tiny",
            "source": {"folder": "raw"},
            "label": {"churn": "silence"},
            "tables": {"events": {"from": "events.csv"}},
            "features": {"windows_days": [7, 28], **extra},
        }
    ).features


def _events(rows):
    frame = pd.DataFrame(rows, columns=["account_id", "user_id", "event_type", "occurred_at", "known_at"])
    frame["occurred_at"] = pd.to_datetime(frame["occurred_at"])
    frame["known_at"] = pd.to_datetime(frame["known_at"]).fillna(frame["occurred_at"])
    return frame


def _frame(rows, as_of, config=None, **tables):
    given = Tables.from_pandas(
        {"events": _events(rows), **tables},
        observed_from=pd.Timestamp("2026-01-01").date(),
        observed_until=pd.Timestamp("2026-06-01").date(),
    )
    config = config or _config()
    spine = pd.DataFrame(as_of, columns=["account_id", "as_of"])
    spine["as_of"] = pd.to_datetime(spine["as_of"])
    return features.compute(given, spine, features.catalogue(given, config), config)


ROWS = [
    ("a", "u1", "login", "2026-03-02 09:00", None),
    ("a", "u1", "report", "2026-03-02 10:00", None),
    ("a", "u2", "report", "2026-03-07 10:00", None),
    ("a", "u1", "report", "2026-03-09 00:00", None),
    ("a", "u3", "report", "2026-03-04 10:00", "2026-03-20 08:00"),
]


def test_window_is_closed_at_its_left_edge_and_open_at_its_right():
    frame = _frame(ROWS, [("a", "2026-03-09"), ("a", "2026-03-10")])
    assert frame["events_7d"].tolist() == [3.0, 2.0]
    assert frame["active_users_7d"].tolist() == [2.0, 2.0]
    assert frame["active_days_7d"].tolist() == [2.0, 2.0]
    assert frame["days_since_last_event"].tolist() == [2.0, 1.0]


def test_late_fact_counts_from_the_day_after_it_was_known():
    frame = _frame(ROWS, [("a", "2026-03-20"), ("a", "2026-03-21")])
    assert frame["events_28d"].tolist() == [4.0, 5.0]
    assert frame["active_users_28d"].tolist() == [2.0, 3.0]
    assert frame["events_7d"].tolist() == [0.0, 0.0]


def test_young_account_has_a_rate_over_its_own_days():
    frame = _frame(ROWS, [("a", "2026-03-05")])
    assert frame["active_day_rate_28d"].tolist() == [pytest.approx(1 / 3)]
    assert np.isnan(frame["events_trend_7d"].iloc[0])


def test_rows_may_repeat_come_unsorted_and_lack_history():
    rows = [("b", "2026-04-01"), ("a", "2026-03-10"), ("a", "2026-03-09"), ("a", "2026-03-10")]
    frame = _frame(ROWS, rows)
    assert frame["account_id"].tolist() == ["b", "a", "a", "a"]
    assert frame["events_7d"].tolist() == [0.0, 2.0, 3.0, 2.0]
    assert np.isnan(frame["days_since_last_event"].iloc[0])
