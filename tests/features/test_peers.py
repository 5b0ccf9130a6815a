"""Ranks among peers are taken among that day's whole cohort, however few rows are asked about."""

import numpy as np
import pandas as pd
import pytest

from churnml import features
from churnml.config import Config
from churnml.tables import Tables

DAYS = pd.date_range("2026-03-01", periods=5, freq="7D")


@pytest.fixture(scope="module")
def company():
    rng = np.random.default_rng(3)
    accounts = [f"a{n:02d}" for n in range(30)]
    events = pd.DataFrame(
        {
            "account_id": rng.choice(accounts, 900),
            "user_id": rng.choice(["u", "v", "w"], 900),
            "event_type": rng.choice(["login", "report"], 900),
            "occurred_at": pd.Timestamp("2026-01-01") + pd.to_timedelta(rng.integers(0, 100 * 24, 900), unit="h"),
        }
    )
    terms = pd.DataFrame(
        {
            "account_id": accounts,
            "subscription_id": accounts,
            "product": rng.choice(["gold", "silver"], 30),
            "started_on": "2025-12-01",
            "mrr": rng.integers(1, 9, 30) * 100.0,
            "seats": rng.integers(1, 9, 30),
        }
    )
    tables = Tables.from_pandas(
        {"events": events, "subscriptions": terms},
        observed_from=pd.Timestamp("2026-01-01").date(),
        observed_until=pd.Timestamp("2026-04-11").date(),
    )
    config = Config.model_validate(
        {
            "name": "peers",
            "source": {"folder": "raw"},
            "label": {"churn": "silence"},
            "tables": {"events": {"from": "e"}, "subscriptions": {"from": "s"}},
            "features": {"windows_days": [7, 28]},
        }
    ).features
    cohort = pd.DataFrame({"account_id": np.repeat(accounts, len(DAYS)), "as_of": [*DAYS] * 30})
    return tables, config, features.catalogue(tables, config), cohort


@pytest.mark.slow
def test_a_row_alone_on_its_date_has_the_rank_it_has_in_the_cohort(company):
    tables, config, catalogue, cohort = company
    ranks = [spec.name for spec in catalogue if spec.kind == "peer"]
    everyone = features.compute(tables, cohort, catalogue, config)
    few = cohort.sample(7, random_state=1)
    alone = features.compute(tables, few, catalogue, config)
    among = features.compute(tables, few, catalogue, config, cohort=cohort)
    assert len(ranks) == 6
    assert alone[ranks].isna().all(axis=None)
    pd.testing.assert_frame_equal(among, everyone.loc[few.index], check_categorical=False)
    assert among[ranks].notna().all(axis=None)


def test_whole_cohorts_are_not_made_twice(company):
    tables, config, catalogue, cohort = company
    pd.testing.assert_frame_equal(
        features.compute(tables, cohort, catalogue, config, cohort=cohort),
        features.compute(tables, cohort, catalogue, config),
    )


def test_a_cohort_of_other_dates_ranks_nobody(company):
    tables, config, catalogue, cohort = company
    one = cohort.iloc[[0]]
    made = features.compute(tables, one, catalogue, config, cohort=cohort[cohort["as_of"] != one["as_of"].iloc[0]])
    assert np.isnan(made["mrr_percentile"].iloc[0])


def test_a_feature_of_ones_own_sees_the_rank_in_the_cohort(company, tmp_path):
    tables, config, _, cohort = company
    (tmp_path / "own.py").write_text(
        "from churnml.features import feature\n\n\n@feature('twice', 'engagement', 'share')\n"
        "def twice(frame):\n    return 2 * frame['events_percentile']\n",
        encoding="utf-8",
    )
    config = config.model_copy(update={"modules": (str(tmp_path / "own.py"),)})
    catalogue = features.catalogue(tables, config)
    made = features.compute(tables, cohort.iloc[[3]], catalogue, config, cohort=cohort)
    assert made["twice"].iloc[0] == 2 * made["events_percentile"].iloc[0]


def test_frames_made_in_one_reading_are_those_made_one_by_one(company):
    tables, config, catalogue, cohort = company
    few = features.FeatureSet([spec for spec in catalogue if spec.kind == "peer" or spec.categorical])
    spines = [
        cohort[cohort["as_of"] == DAYS[1]].sample(7, random_state=1),
        cohort[cohort["as_of"] == DAYS[3]].assign(arr=1.0),
        cohort.iloc[:0],
    ]
    made = features.compute_each(tables, spines, few, config, cohort=cohort)
    for own, spine in zip(made[:2], spines, strict=False):
        alone = features.compute(tables, spine, few, config, cohort=cohort)
        pd.testing.assert_frame_equal(own, alone, check_exact=True)
    assert made[2].empty
    assert made[2].columns.tolist() == [*cohort.columns, *few.names]
