"""Several horizons at once: each label waits for its own window."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from churnml.config import Config
from churnml.snapshots import spine
from churnml.tables import Tables


def config(churn: str = "contractual", **label) -> Config:
    table = {"subscriptions": {"from": "s.csv"}} if churn == "contractual" else {"events": {"from": "e.csv"}}
    return Config.model_validate(
        {
            "name": "t",
            "source": {"folder": "."},
            "tables": table,
            "label": {"churn": churn, **label},
            "snapshots": {"first": "2025-02-01"},
        }
    )


@pytest.fixture
def terms() -> Tables:
    frame = pd.DataFrame(
        {
            "subscription_id": ["1", "2"],
            "account_id": ["leaves", "stays"],
            "started_on": ["2025-01-01", "2025-01-01"],
            "ends_on": ["2025-06-10", None],
        }
    )
    return Tables.from_pandas({"subscriptions": frame}, observed_from=date(2025, 1, 1), observed_until=date(2025, 9, 1))


def test_each_horizon_sees_through_its_own_window_and_waits_for_it(terms):
    rows = spine(terms, config(horizon_days=60, further_horizons_days=[30, 120], grace_days=14))
    assert list(rows.columns) == ["account_id", "as_of", "churned", "churn_on", "arr", "churned_30d", "churned_120d"]
    leaves = rows[rows["account_id"] == "leaves"]
    leaves = leaves.set_index(leaves["as_of"].dt.strftime("%m-%d"))
    seen = leaves.loc[:"06-01", ["churned_30d", "churned", "churned_120d"]]
    assert seen.loc["02-01"].tolist() == [0, 0, 0]
    assert seen.loc["03-01"].tolist() == [0, 0, 1]
    assert seen.loc["05-01"].tolist()[:2] == [0, 1]
    assert seen.loc["06-01"].tolist()[:2] == [1, 1]
    # 120 + 14 days after 1 May are 12 September: not observed, for nobody, although the churner is known by then.
    final = rows.groupby("as_of")[["churned_30d", "churned", "churned_120d"]].agg(lambda column: column.notna().all())
    mixed = rows.groupby("as_of")[["churned_30d", "churned", "churned_120d"]].agg(lambda column: column.notna().any())
    assert final.equals(mixed)
    newest = {name: f"{final.index[final[name]].max():%m-%d}" for name in final}
    assert newest == {"churned_30d": "07-01", "churned": "06-01", "churned_120d": "04-01"}


@pytest.mark.slow
@pytest.mark.parametrize("churn", ["contractual", "silence"])
def test_a_label_at_a_further_horizon_is_the_label_of_that_horizon_alone(terms, churn):
    rng = np.random.default_rng(0)
    if churn == "silence":
        days = pd.Timestamp("2025-01-01") + pd.to_timedelta(rng.integers(0, 240, 60), unit="D")
        events = pd.DataFrame(
            {"account_id": rng.choice(["a", "b", "c"], 60), "event_type": "login", "occurred_at": days}
        )
        tables = Tables.from_pandas({"events": events}, observed_from=date(2025, 1, 1), observed_until=date(2025, 9, 1))
    else:
        tables = terms
    settings = {"silence_days": 20} if churn == "silence" else {}
    together = spine(tables, config(churn, horizon_days=60, further_horizons_days=[30, 90], gap_days=7, **settings))
    for days in (30, 90):
        alone = spine(tables, config(churn, horizon_days=days, gap_days=7, **settings))
        pd.testing.assert_series_equal(together[f"churned_{days}d"], alone["churned"], check_names=False)


def test_the_default_silence_stays_that_of_the_primary_horizon():
    conf = config("silence", horizon_days=60, further_horizons_days=[180])
    assert conf.label.at_horizon(180).silence == 60
    assert conf.label.at_horizon(180).horizons == (180,)


@pytest.mark.parametrize(
    ("churn", "label", "message"),
    [
        ("contractual", {"horizon_days": 90, "further_horizons_days": [30, 90]}, "90 days is named twice"),
        ("contractual", {"further_horizons_days": [0]}, "greater than or equal to 1"),
        ("silence", {"horizon_days": 90, "further_horizons_days": [30]}, "set silence_days to 30 or less"),
        ("silence", {"horizon_days": 60, "silence_days": 70}, "longer than horizon_days"),
    ],
)
def test_horizons_that_cannot_be_are_refused(churn, label, message):
    with pytest.raises(ValidationError, match=message):
        config(churn, **label)
