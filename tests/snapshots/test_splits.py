"""Splits by date: purged, refused when they leak, loud when impossible."""

from __future__ import annotations

import pandas as pd
import pytest

from churnml.config import Config
from churnml.errors import TimelineError, TrainingError
from churnml.snapshots import splits


def config(**more) -> Config:
    return Config.model_validate(
        {
            "name": "t",
            "source": {"folder": "."},
            "tables": {"subscriptions": {"from": "s.csv"}},
            "label": {"churn": "contractual", "horizon_days": 90},
            "model": {"min_churners": 3},
            **more,
        }
    )


def history(months=18, churners=3, start="2024-01-01") -> pd.DataFrame:
    rows = [
        {"account_id": f"a{number}", "as_of": day, "churned": float(number < churners)}
        for day in pd.date_range(start, periods=months, freq="MS")
        for number in range(10)
    ]
    return pd.DataFrame(rows)


def test_rolling_folds_are_purged_and_ordered():
    found = splits(history(), config(splits={"folds": 3, "test_snapshots": 2}))
    assert [split.name for split in found] == ["fold 1", "fold 2", "fold 3"]
    assert found[-1].test == (pd.Timestamp("2025-05-01"), pd.Timestamp("2025-06-01"))
    assert found[-1].train[-1] == pd.Timestamp("2025-01-01")  # 1 February + 90 days = 2 May: too late
    for split in found:
        assert split.test[0] - split.train[-1] >= pd.Timedelta(days=90)
        assert len(split.purged(list(pd.date_range("2024-01-01", periods=18, freq="MS")))) >= 2


def test_rows_without_a_label_are_never_split():
    frame = history()
    frame.loc[frame["as_of"] >= "2025-05-01", "churned"] = float("nan")
    assert splits(frame, config())[-1].test[-1] == pd.Timestamp("2025-04-01")


def test_folds_without_enough_churned_accounts_are_left_out():
    frame = history(months=10, churners=3)
    frame.loc[(frame["account_id"] == "a2") & (frame["as_of"] < "2024-04-01"), "churned"] = 0.0
    found = splits(frame, config(splits={"folds": 5, "test_snapshots": 2}))
    # Trained until March the two others left in six rows: two accounts, not six churners.
    assert [split.train[-1] for split in found] == [pd.Timestamp("2024-05-01")]


@pytest.mark.parametrize(
    ("label", "last"),
    [
        ({"churn": "contractual", "grace_days": 0}, "2025-01-01"),
        ({"churn": "contractual", "grace_days": 40}, "2024-12-01"),
        ({"churn": "contractual", "grace_days": 40, "settle_days": 30}, "2024-11-01"),
        ({"churn": "silence", "grace_days": 40}, "2025-01-01"),
        ({"churn": "silence", "settle_days": 30}, "2025-01-01"),
        ({"churn": "silence", "settle_days": 31}, "2024-12-01"),
    ],
)
def test_what_trains_was_known_when_the_test_began(label, last):
    """The first test snapshot is 2025-05-01, the horizon 90 days: a lapse may be renewed, a fact may come late."""
    tables = {name: {"from": f"{name}.csv"} for name in ("subscriptions", "events")}
    asked = config(label={"horizon_days": 90, **label}, splits={"folds": 1, "test_snapshots": 2}, tables=tables)
    (found,) = splits(history(), asked)
    assert found.train[-1] == pd.Timestamp(last)
    assert found.train[-1] + pd.Timedelta(days=asked.label.purge_days) <= found.test[0]


def test_a_fixed_split_leaves_out_labels_that_were_not_known_yet():
    fixed = [{"train_until": "2024-12-01", "test_from": "2025-03-01", "test_until": "2025-06-01"}]
    (found,) = splits(history(), config(splits={"fixed": fixed}))
    assert found.train[-1] == pd.Timestamp("2024-11-01")  # 1 December + 90 days of horizon + 14 of grace = 15 March
    assert found.test[0] == pd.Timestamp("2025-03-01")


def test_a_fixed_split_that_leaks_names_the_latest_honest_date():
    fixed = [{"train_until": "2024-12-01", "test_from": "2025-01-01", "test_until": "2025-03-01"}]
    with pytest.raises(TimelineError, match="leaks") as caught:
        splits(history(), config(splits={"fixed": fixed}))
    assert "2024-10-03" in str(caught.value)


def test_a_gap_on_an_odd_panel_fails_loudly_when_it_purges_nothing():
    # Snapshots stamped a few days apart: the label windows of a "previous" snapshot overlap the test period.
    frame = history(months=3)
    frame["as_of"] = frame["as_of"].map(
        dict(zip(frame["as_of"].unique(), pd.date_range("2025-01-01", periods=3, freq="5D"), strict=True))
    )
    with pytest.raises(TimelineError, match="too short"):
        splits(frame, config())


def test_too_short_a_history_says_what_is_needed():
    with pytest.raises(TimelineError, match="too short") as caught:
        splits(history(months=4), config())
    assert "104 days" in str(caught.value)


@pytest.mark.parametrize(("churners", "code"), [(0, "training.no_churner"), (10, "training.all_churned")])
def test_one_class_is_an_error_with_a_remedy(churners, code):
    with pytest.raises(TrainingError) as caught:
        splits(history(churners=churners), config())
    assert caught.value.code == code
    assert caught.value.remedy


def test_no_label_at_all():
    frame = history()
    frame["churned"] = float("nan")
    with pytest.raises(TimelineError, match="final label"):
        splits(frame, config())
