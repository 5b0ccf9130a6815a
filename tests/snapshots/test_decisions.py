"""Decisions to come and ends that came, as timelines; and that they say what the labels say."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from churnml.config import Config, LabelConfig
from churnml.snapshots import coming_decisions, seen_ends, spine
from churnml.tables import Tables

LABEL = LabelConfig(churn="contractual", grace_days=14)
AS_OF = pd.Timestamp("2025-07-01")


def decided(terms: list[dict], as_of: pd.Timestamp = AS_OF) -> tuple[float, float]:
    """Return the days to the next decision of account ``a``, and the length of its term in months."""
    frame = pd.DataFrame([{"account_id": "a", **term} for term in terms])
    frame["subscription_id"] = [str(number) for number in range(len(frame))]
    tables = Tables.from_pandas({"subscriptions": frame}, observed_until=date(2026, 6, 1))
    found = coming_decisions(pd.DataFrame({"account_id": ["a"], "as_of": as_of}), tables, LABEL).iloc[0]
    return found["next_decision_days"], round(found["contract_days"] / (365.25 / 12), 2)


def term(start: str, end: str | None, **more: object) -> dict:
    return {"started_on": start, "ends_on": end, **more}


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        pytest.param([term("2025-01-01", "2026-01-01")], (184, 12), id="an annual contract"),
        pytest.param([term("2025-06-10", "2025-07-10")], (9, 1), id="a monthly one"),
        pytest.param([term("2025-06-01", "2025-07-01")], (0, 1), id="the decision of as_of itself is not known yet"),
        pytest.param([term("2025-01-01", None)], (np.nan, np.nan), id="no agreed end, no decision"),
        pytest.param([term("2025-06-25", "2025-07-02")], (np.nan, np.nan), id="weekly terms are any time"),
        pytest.param(
            [term("2025-01-01", "2026-01-01", terminated_on="2025-04-01"), term("2025-04-01", "2026-01-01")],
            (184, 12),
            id="more seats on the way to the same end: one term of a year",
        ),
        pytest.param(
            [term("2024-01-10", "2025-01-10"), term("2025-01-20", "2026-01-10")],
            (193, 12),
            id="a renewal that came late is still a year",
        ),
        pytest.param(
            [term("2025-01-01", "2025-10-01"), term("2025-06-10", "2025-07-10", product="other")],
            (92, 9),
            id="of two plans the one that ends last",
        ),
        pytest.param(
            [term("2025-01-01", "2025-10-01"), term("2025-01-01", "2026-04-01", is_addon=True)],
            (92, 9),
            id="an add-on keeps nobody",
        ),
        pytest.param(
            [term("2024-08-01", "2025-08-01"), term("2025-08-01", "2026-08-01", known_at="2025-06-15")],
            (396, 12),
            id="a renewal that is signed moves the decision",
        ),
        pytest.param(
            [term("2024-08-01", "2025-08-01"), term("2025-08-01", "2026-08-01", known_at="2025-07-01")],
            (31, 12),
            id="one signed on as_of is not known",
        ),
        pytest.param(
            [term("2025-01-01", "2026-01-01", terminated_on="2025-09-01", notice_at="2025-08-01")],
            (184, 12),
            id="a notice to come is not known",
        ),
    ],
)
def test_decisions_as_known_at_the_date(terms: list[dict], expected: tuple[float, float]) -> None:
    assert decided(terms) == pytest.approx(expected, nan_ok=True, abs=0.01)


def test_what_becomes_known_later_moves_no_decision() -> None:
    known = [term("2024-08-01", "2025-08-01")]
    later = [
        {**known[0], "terminated_on": "2025-07-20", "notice_at": "2025-07-02"},
        term("2025-08-01", "2028-08-01", known_at="2025-07-05"),
        term("2025-07-02", "2025-12-01", product="other"),
    ]
    assert decided(known) == decided(later) == (31, 12)


def _history(accounts: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(4)
    rows = []
    for number in range(accounts):
        start = pd.Timestamp("2024-01-01") + pd.Timedelta(days=int(rng.integers(0, 300)))
        months = 12 if number % 3 == 0 else 1
        for _ in range(24 // months):
            end = start + pd.DateOffset(months=months)
            rows.append({"account_id": f"a{number}", "started_on": start, "ends_on": end})
            if rng.random() < (0.35 if months == 12 else 0.06):
                break
            start = end + pd.Timedelta(days=int(rng.integers(0, 10)) if rng.random() < 0.2 else 0)
    frame = pd.DataFrame(rows)
    frame = frame[frame["started_on"] < pd.Timestamp("2025-12-01")]
    return frame.assign(subscription_id=np.arange(len(frame)).astype(str))


def _config(label: dict) -> Config:
    return Config.model_validate(
        {
            "name": "t",
            "source": {"folder": "."},
            "tables": {name: {"from": "s.csv"} for name in ("subscriptions", "events")},
            "label": label,
        }
    )


@pytest.mark.slow
@pytest.mark.parametrize("gap", [0, 20])
def test_ends_say_what_the_labels_say(gap: int) -> None:
    config = _config({"churn": "contractual", "gap_days": gap, "further_horizons_days": [30, 180]})
    tables = Tables.from_pandas({"subscriptions": _history()}, observed_until=date(2025, 12, 1))
    rows = spine(tables, config)
    ends = seen_ends(rows, tables, config.label)
    for column, days in (("churned_30d", 30), ("churned", 90), ("churned_180d", 180)):
        labelled = rows[column].notna()
        inside = (ends["ended_days"] >= gap) & (ends["ended_days"] < gap + days)
        assert (rows.loc[labelled, column] == inside[labelled]).all()
        assert rows.loc[labelled, column].sum() > 5
        told = (ends["seen_days"] >= gap + days) & ~(ends["ended_days"] < gap)
        assert (told == labelled).all()


def test_silences_say_what_the_labels_say() -> None:
    rng = np.random.default_rng(2)
    days = pd.date_range("2025-01-01", "2025-12-01", freq="D", inclusive="left")
    found = []
    for number in range(40):
        stops = rng.integers(60, 600)
        active = days[(rng.random(len(days)) < 0.08) & (np.arange(len(days)) < stops)]
        found.append(pd.DataFrame({"account_id": f"a{number}", "occurred_at": active, "event_type": "login"}))
    events = pd.concat(found, ignore_index=True)
    events["user_id"] = "u"
    everyone = pd.DataFrame({"account_id": "keeper", "occurred_at": days, "event_type": "login", "user_id": "k"})
    tables = Tables.from_pandas({"events": pd.concat([events, everyone])}, observed_until=date(2025, 12, 1))
    config = _config({"churn": "silence", "horizon_days": 90, "silence_days": 45, "further_horizons_days": [60]})
    rows = spine(tables, config)
    ends = seen_ends(rows, tables, config.label)
    for column, horizon in (("churned_60d", 60), ("churned", 90)):
        labelled = rows[column].notna()
        assert (rows.loc[labelled, column] == (ends["ended_days"] < horizon)[labelled]).all()
        assert 10 < rows.loc[labelled, column].sum() < labelled.sum() - 10
    assert ends["ended_days"].min() == 44
    assert coming_decisions(rows, tables, config.label).isna().all(axis=None)


def test_ends_are_of_churn_alone() -> None:
    tables = Tables.from_pandas({"subscriptions": _history(5)}, observed_until=date(2025, 12, 1))
    label = LabelConfig(churn="contractual", target="expansion")
    with pytest.raises(ValueError, match="churn"):
        seen_ends(pd.DataFrame({"account_id": ["a0"], "as_of": AS_OF}), tables, label)
