"""Silence churn as timelines."""

from __future__ import annotations

from datetime import date

import pandas as pd
import pytest

from churnml.config import Config
from churnml.errors import TimelineError
from churnml.snapshots import cohort_at, spine
from churnml.tables import Tables


def config(*, horizon=60, silence=None, gap=0, **cohort) -> Config:
    return Config.model_validate(
        {
            "name": "t",
            "source": {"folder": "."},
            "tables": {"events": {"from": "e.csv"}},
            "label": {"churn": "silence", "horizon_days": horizon, "silence_days": silence, "gap_days": gap},
            "cohort": cohort,
            "snapshots": {"first": "2025-02-01"},
        }
    )


def tables(days: list[str], known: dict[str, str] | None = None) -> Tables:
    frame = pd.DataFrame({"occurred_at": pd.to_datetime([f"2025-{day}" for day in days], format="mixed")})
    frame["account_id"], frame["event_type"], frame["user_id"] = "a", "use", "u"
    if known:
        frame["known_at"] = frame["occurred_at"].dt.strftime("%m-%d").map(known).pipe(pd.to_datetime)
    return Tables.from_pandas({"events": frame}, observed_from=date(2025, 1, 1), observed_until=date(2026, 1, 1))


def labels(rows: pd.DataFrame) -> dict[str, float]:
    return {f"{row.as_of:%m-%d}": row.churned for row in rows.itertuples()}


def test_silent_for_the_whole_window_is_churn():
    found = labels(spine(tables(["01-10", "02-20", "03-30"]), config()))
    # 1 February: events on 20 Feb and 30 Mar. 1 March: 30 March. 1 April: nothing until 31 May.
    assert found == {"02-01": 0.0, "03-01": 0.0, "04-01": 1.0, "05-01": 1.0}


def test_an_event_at_the_first_midnight_after_the_window_does_not_save():
    assert labels(spine(tables(["03-30", "05-31"]), config()))["04-01"] == 1.0
    assert labels(spine(tables(["03-30", "05-30 23:59:59"]), config()))["04-01"] == 0.0


def test_a_shorter_silence_inside_the_window_is_churn_too():
    events = tables(["03-30", "04-10", "05-20"])
    assert labels(spine(events, config(horizon=60, silence=60)))["04-01"] == 0.0
    # 11 April to 19 May are 39 silent days.
    assert labels(spine(events, config(horizon=60, silence=39)))["04-01"] == 1.0
    assert labels(spine(events, config(horizon=60, silence=40)))["04-01"] == 0.0


def test_reactivation_brings_the_account_back():
    found = labels(spine(tables(["01-20", "06-15"]), config()))
    assert found == {"02-01": 1.0, "03-01": 1.0, "07-01": 1.0, "08-01": 1.0}


def test_gap_moves_the_window():
    found = labels(spine(tables(["03-30", "04-05"]), config(gap=10)))
    assert found["04-01"] == 1.0


def test_labels_wait_for_the_whole_window():
    found = labels(spine(tables(["10-30", "11-20"]), config(horizon=60)))
    assert found["11-01"] == 0.0
    assert pd.isna(found["12-01"])


def test_cohort_sees_only_what_had_arrived():
    late = tables(["01-20"], known={"01-20": "2025-03-15"})
    found = labels(spine(late, config(horizon=60, active_within_days=90)))
    assert list(found) == ["04-01"]


def test_cohort_rules():
    events = tables(["01-05", "01-20", "02-10"])
    assert list(labels(spine(events, config(min_events=3)))) == ["03-01", "04-01"]
    assert list(labels(spine(events, config(min_users=2)))) == []
    assert list(labels(spine(events, config(min_tenure_days=55)))) == ["03-01", "04-01"]


def test_the_spine_of_today_equals_the_history():
    events = tables(["01-10", "02-20", "03-30"])
    history = spine(events, config())
    history = history[history["as_of"] == "2025-04-01"].reset_index(drop=True)
    pd.testing.assert_frame_equal(cohort_at(events, config(), pd.Timestamp("2025-04-01")), history)


def test_a_date_outside_the_data_is_refused():
    with pytest.raises(TimelineError, match="outside the observed period"):
        cohort_at(tables(["01-10"]), config(), pd.Timestamp("2027-01-01"))
