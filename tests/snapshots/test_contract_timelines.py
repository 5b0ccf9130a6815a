"""Labels as timelines: what happened to one account, and the label expected at each as-of date."""

from __future__ import annotations

from datetime import date
from itertools import pairwise

import pandas as pd
import pytest

from churnml.config import Config
from churnml.snapshots import spine
from churnml.tables import Tables

GONE, STAYS, UNKNOWN, ABSENT = 1.0, 0.0, None, "absent"


def config(*, horizon=30, gap=0, grace=14, **label) -> Config:
    return Config.model_validate(
        {
            "name": "t",
            "source": {"folder": "."},
            "tables": {"subscriptions": {"from": "s.csv"}},
            "label": {"churn": "contractual", "horizon_days": horizon, "gap_days": gap, "grace_days": grace, **label},
            "snapshots": {"first": "2025-02-01"},
        }
    )


def labels(terms: list[dict], conf: Config, until: str = "2026-01-01") -> dict[str, object]:
    """Return month → label of account ``a``; other accounts keep the data wide open."""
    frame = pd.DataFrame([{"account_id": "a", **term} for term in terms])
    frame["subscription_id"] = [str(number) for number in range(len(frame))]
    tables = Tables.from_pandas(
        {"subscriptions": frame},
        observed_from=date(2025, 1, 1),
        observed_until=pd.Timestamp(until).date(),
    )
    rows = spine(tables, conf)
    found = {f"{row.as_of:%m-%d}": (None if pd.isna(row.churned) else row.churned) for row in rows.itertuples()}
    months = pd.date_range("2025-02-01", until, freq="MS")
    return {f"{day:%m-%d}": found.get(f"{day:%m-%d}", ABSENT) for day in months}


def term(start: str, end: str | None = None, **more) -> dict:
    return {"started_on": f"2025-{start}", "ends_on": None if end is None else f"2025-{end}", **more}


TIMELINES = [
    pytest.param(
        [term("01-01", "03-01"), term("03-01", "06-01")],
        {},
        {"02-01": STAYS, "03-01": STAYS, "04-01": STAYS, "05-01": STAYS, "06-01": GONE, "07-01": ABSENT},
        id="a renewal is not churn; the end on as_of itself is",
    ),
    pytest.param(
        [term("01-01", "05-20")],
        {},
        {"03-01": STAYS, "04-01": STAYS, "05-01": GONE, "06-01": ABSENT},
        id="the last end takes effect inside the window",
    ),
    pytest.param(
        [term("01-01", "05-20")],
        {"gap": 14},
        {"04-01": STAYS, "05-01": GONE, "06-01": ABSENT},
        id="an end just behind the gap counts",
    ),
    pytest.param(
        [term("01-01", "05-10")],
        {"gap": 14},
        {"03-01": STAYS, "04-01": GONE, "05-01": UNKNOWN, "06-01": ABSENT},
        id="churn inside the gap has no label",
    ),
    pytest.param(
        [term("01-01", "05-20"), term("06-03", "09-01")],
        {},
        {"05-01": STAYS, "06-01": ABSENT, "07-01": STAYS, "08-01": STAYS, "09-01": GONE},
        id="a follow-up on the last day of grace is a renewal",
    ),
    pytest.param(
        [term("01-01", "05-20"), term("06-04", "09-01")],
        {},
        {"05-01": GONE, "06-01": ABSENT, "07-01": STAYS, "09-01": GONE},
        id="a day later it is churn, and the reactivated account is new",
    ),
    pytest.param(
        [term("01-01", "05-10"), term("03-01", "08-10")],
        {},
        {"04-01": STAYS, "05-01": STAYS, "06-01": STAYS, "07-01": STAYS, "08-01": GONE},
        id="of two overlapping subscriptions the later end decides",
    ),
    pytest.param(
        [term("01-01", "09-10"), term("02-05", "04-10")],
        {},
        {"04-01": STAYS, "08-01": STAYS, "09-01": GONE},
        id="a short one inside a long one does not end it",
    ),
    pytest.param(
        [term("01-01", "06-20", notice_at="2025-04-15 10:00")],
        {},
        {"04-01": STAYS, "05-01": ABSENT, "06-01": ABSENT},
        id="notice known before as_of takes the account out of the cohort",
    ),
    pytest.param(
        [term("01-01", "06-20", notice_at="2025-06-01 00:00")],
        {},
        {"05-01": STAYS, "06-01": GONE},
        id="notice at midnight of as_of is not known yet",
    ),
    pytest.param(
        [term("01-01", "06-20", notice_at="2025-04-15"), term("02-01", "09-20")],
        {},
        {"05-01": STAYS, "06-01": STAYS, "09-01": GONE},
        id="notice for one of two subscriptions does not lose the account",
    ),
    pytest.param(
        [term("01-01", None, terminated_on="2025-05-20")],
        {},
        {"04-01": STAYS, "05-01": GONE, "06-01": ABSENT},
        id="an evergreen contract ends when it is terminated, and nobody knew before",
    ),
    pytest.param(
        [term("01-01", "12-01", terminated_on="2025-05-20")],
        {},
        {"05-01": GONE, "06-01": ABSENT},
        id="mid-term termination",
    ),
    pytest.param(
        [term("01-01", "05-20"), term("05-20", "09-01", is_addon=True)],
        {},
        {"05-01": GONE, "06-01": ABSENT},
        id="an add-on keeps nobody alive",
    ),
    pytest.param(
        [term("01-01", "05-20"), term("05-20", "09-10", known_at="2025-04-10")],
        {},
        {"04-01": STAYS, "05-01": STAYS, "06-01": STAYS, "09-01": GONE},
        id="a renewal signed ahead",
    ),
]


@pytest.mark.parametrize(("terms", "settings", "expected"), TIMELINES)
def test_timeline(terms, settings, expected):
    found = labels(terms, config(**settings))
    assert {day: found[day] for day in expected} == expected


def test_unfinished_window_nulls_every_row_of_the_date_not_only_the_negatives():
    frame = pd.DataFrame(
        {
            "subscription_id": ["1", "2"],
            "account_id": ["leaves", "stays"],
            "started_on": ["2025-01-01", "2025-01-01"],
            "ends_on": ["2025-06-05", None],
        }
    )
    tables = Tables.from_pandas(
        {"subscriptions": frame}, observed_from=date(2025, 1, 1), observed_until=date(2025, 7, 1)
    )
    rows = spine(tables, config()).set_index(["as_of", "account_id"])["churned"].unstack()
    # The window of 1 June ends on 1 July, its grace on 15 July: not observed, although the churner is known by then.
    assert rows.loc["2025-06-01"].isna().all()
    assert rows.loc["2025-05-01"].tolist() == [0.0, 0.0]
    assert rows.loc["2025-07-01":, "stays"].isna().all()


def test_window_is_observed_to_the_day():
    conf = config(horizon=30, grace=14)
    exact = labels([term("01-01", None)], conf, until="2025-07-15")
    short = labels([term("01-01", None)], conf, until="2025-07-14")
    assert exact["06-01"] == STAYS
    assert short["06-01"] is UNKNOWN


def test_churn_on_is_told_only_where_the_label_is_final():
    frame = pd.DataFrame(
        {"subscription_id": ["1"], "account_id": ["a"], "started_on": ["2025-01-01"], "ends_on": ["2025-05-20"]}
    )
    tables = Tables.from_pandas(
        {"subscriptions": frame}, observed_from=date(2025, 1, 1), observed_until=date(2026, 1, 1)
    )
    rows = spine(tables, config()).set_index("as_of")["churn_on"]
    assert rows["2025-05-01"] == pd.Timestamp("2025-05-20")
    assert rows[:"2025-04-01"].isna().all()


def test_arr_counts_addons_and_only_what_runs():
    frame = pd.DataFrame(
        {
            "subscription_id": ["1", "2", "3"],
            "account_id": ["a", "a", "a"],
            "started_on": ["2025-01-01", "2025-01-01", "2025-01-01"],
            "ends_on": ["2025-12-01", "2025-12-01", "2025-02-15"],
            "is_addon": [False, True, True],
            "mrr": [100.0, 20.0, 5.0],
        }
    )
    tables = Tables.from_pandas(
        {"subscriptions": frame}, observed_from=date(2025, 1, 1), observed_until=date(2026, 1, 1)
    )
    arr = spine(tables, config()).set_index("as_of")["arr"]
    assert arr["2025-02-01"] == 12 * 125
    assert arr["2025-03-01"] == 12 * 120


def test_snapshots_before_renewals_use_only_ends_known_by_then():
    frame = pd.DataFrame(
        {
            "subscription_id": ["1", "2"],
            "account_id": ["a", "b"],
            "started_on": ["2025-01-01", "2025-04-01"],
            "ends_on": ["2025-07-01", "2025-05-01"],
        }
    )
    tables = Tables.from_pandas(
        {"subscriptions": frame}, observed_from=date(2025, 1, 1), observed_until=date(2026, 1, 1)
    )
    anchored = config().snapshots.model_copy(update={"before_renewal_days": (60, 30)})
    conf = config(horizon=31).model_copy(update={"snapshots": anchored})
    rows = spine(tables, conf)
    assert [(row.account_id, f"{row.as_of:%m-%d}") for row in rows.itertuples()] == [("a", "05-02"), ("a", "06-01")]
    assert rows["churned"].tolist() == [0.0, 1.0]


def test_trials_make_customers_only_where_the_config_says_so():
    """Five trials of 14 days at MRR 0, one of which becomes a customer, and a customer whose plan becomes free."""
    rows = [(f"trial {n}", f"2025-03-{n + 1:02d}", f"2025-03-{n + 15:02d}", 0.0) for n in range(5)]
    rows += [("trial 0", "2025-03-15", None, 50.0), ("customer", "2025-01-01", None, 80.0)]
    rows += [("goes free", "2025-01-01", "2025-03-20", 80.0), ("goes free", "2025-03-20", None, 0.0)]
    rows += [("unknown price", "2025-01-01", None, None)]
    # Another account signs something every month, so that the contracts are seen to reach to the end.
    months = [f"{day:%Y-%m-%d}" for day in pd.date_range("2025-01-01", "2026-01-01", freq="MS")]
    rows += [("monthly", start, end, 10.0) for start, end in pairwise(months)]
    frame = pd.DataFrame(rows, columns=["account_id", "started_on", "ends_on", "mrr"])
    frame["subscription_id"] = [str(number) for number in range(len(frame))]
    tables = Tables.from_pandas(
        {"subscriptions": frame}, observed_from=date(2025, 1, 1), observed_until=date(2026, 1, 1)
    )
    weekly = {"snapshots": {"first": "2025-02-01", "every": "week"}}
    churned = {}
    for trials in ("count", "leave_out"):
        settings = config(trials=trials).model_dump(by_alias=True) | weekly
        found = spine(tables, Config.model_validate(settings))
        churned[trials] = set(found.loc[found["churned"] == 1, "account_id"])
        assert {"customer", "goes free", "unknown price", "trial 0"} <= set(found["account_id"])
        assert ("trial 1" in set(found["account_id"])) is (trials == "count")
    assert churned == {"count": {"trial 1", "trial 2", "trial 3", "trial 4"}, "leave_out": set()}
