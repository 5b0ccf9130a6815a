"""Nothing that becomes known at or after an as_of moves a feature of that as_of."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from tests.companies import events as companies

from churnml import features
from churnml.config import Config
from churnml.tables import TABLES, Tables


def _compute(frames, spine, feature_set=None):
    config = Config.model_validate(
        {
            "name": "random",
            "source": {"folder": "raw"},
            "label": {"churn": "silence"},
            "tables": {name: {"from": name} for name in frames},
            "features": {
                "windows_days": [7, 28],
                "attributes": ["segment"],
                "event_types": ["export", "report", "share"],
            },
        }
    ).features
    tables = Tables.from_pandas(frames, observed_from=companies.BEGIN.date(), observed_until=companies.END.date())
    feature_set = feature_set or features.catalogue(tables, config)
    return features.compute(tables, spine, feature_set, config), feature_set


def _with_future(frames, more, as_of):
    """Add another company's facts, none of them known before `as_of`, and let open matters end after it."""
    out = {}
    for name, frame in frames.items():
        late = more[name].copy()
        late["known_at"] = pd.to_datetime(late["known_at"]).where(pd.to_datetime(late["known_at"]) >= as_of, as_of)
        key = next((column for column in TABLES[name].key if column != "account_id" and column != "known_at"), None)
        if key is not None:
            late[key] = "later" + late[key]
        grown = pd.concat([frame.astype("object"), late.astype("object")], ignore_index=True)
        for column in dict.fromkeys(times[-1] for times in TABLES[name].revealed.values()):
            if column in grown:
                moment = as_of + pd.Timedelta(days=3)
                # Notice given before as_of tells the end: a later end must not be made up for it.
                told = grown["notice_at"].notna() if column == "terminated_on" else False
                grown[column] = grown[column].where(grown[column].notna() | told, moment)
        out[name] = grown
    return out


@pytest.mark.slow
@settings(max_examples=3, deadline=None, derandomize=True, phases=(Phase.explicit, Phase.generate))
@given(st.integers(0, 2**32 - 1), st.integers(25, 100))
def test_later_knowledge_changes_no_feature(seed, day):
    frames, _ = companies.company(seed)
    more, _ = companies.company(seed + 1)
    if not all(len(frame) for frame in (*frames.values(), *more.values())):
        return
    as_of = companies.BEGIN + pd.Timedelta(days=day)
    spine = pd.DataFrame({"account_id": ["a", "b", "c", "nobody"], "as_of": as_of})
    grown = _with_future(frames, more, as_of)
    before, feature_set = _compute(frames, spine)
    after, _ = _compute(grown, spine, feature_set)
    pd.testing.assert_frame_equal(after, before, check_categorical=False)


@pytest.mark.slow
def test_the_property_test_can_fail():
    frames, _ = companies.company(5)
    as_of = companies.BEGIN + pd.Timedelta(days=90)
    spine = pd.DataFrame({"account_id": ["a"], "as_of": [as_of]})
    before, feature_set = _compute(frames, spine)
    grown = dict(frames)
    early = (
        frames["tickets"]
        .iloc[:1]
        .assign(
            account_id="a",
            ticket_id="new",
            opened_at=as_of - np.timedelta64(2, "D"),
            known_at=as_of - np.timedelta64(1, "s"),
        )
    )
    grown["tickets"] = pd.concat([frames["tickets"], early], ignore_index=True)
    after, _ = _compute(grown, spine, feature_set)
    assert after["tickets_opened_7d"].iloc[0] == before["tickets_opened_7d"].iloc[0] + 1


@pytest.mark.parametrize(
    ("occurred", "as_of", "counted"),
    [
        ("2024-02-29 00:00", "2024-02-29", 0),  # as_of itself is not before as_of
        ("2024-02-28 23:59:59.999999", "2024-02-29", 1),
        ("2024-02-29 23:00", "2024-03-01", 1),
        ("2024-02-29 00:00", "2024-03-07", 1),  # the left edge is inside, over a leap day
        ("2024-02-28 23:59:59.999999", "2024-03-07", 0),
    ],
)
def test_window_edges_at_midnight_and_over_a_leap_day(occurred, as_of, counted):
    event = {"account_id": "a", "user_id": "u", "event_type": "x", "occurred_at": pd.Timestamp(occurred)}
    tables = Tables.from_pandas(
        {"events": pd.DataFrame([event])},
        observed_from=companies.BEGIN.date(),
        observed_until=companies.END.date(),
    )
    config = Config.model_validate(
        {
            "name": "edge",
            "source": {"folder": "raw"},
            "label": {"churn": "silence"},
            "tables": {"events": {"from": "events"}},
            "features": {"windows_days": [7]},
        }
    ).features
    spine = pd.DataFrame({"account_id": ["a"], "as_of": [pd.Timestamp(as_of)]})
    made = features.compute(tables, spine, features.catalogue(tables, config), config)
    assert made["events_7d"].iloc[0] == counted
    assert made["active_users_7d"].iloc[0] == counted
