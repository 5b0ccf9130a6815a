"""A feature that is missing in training and there at scoring, or the other way round, is found."""

import numpy as np
import pandas as pd
import pytest

from churnml.evaluation.missing_shares import missing_shares
from churnml.features import FeatureSet, reference_catalogue

NAMES = ("mrr_percentile", "events_28d", "csat_28d", "plan")


@pytest.fixture(scope="module")
def features():
    return FeatureSet([reference_catalogue()[name] for name in NAMES])


def _rows(dates, accounts, rng, **missing):
    rows = pd.DataFrame(
        {
            "account_id": np.tile([f"a{n}" for n in range(accounts)], len(dates)),
            "as_of": np.repeat(dates, accounts),
            "mrr_percentile": 0.5,
            "events_28d": 1.0,
            "csat_28d": 4.0,
            "plan": "gold",
        }
    )
    for name, share in missing.items():
        rows[name] = rows[name].astype("object").where(rng.random(len(rows)) >= share, None)
    return rows


@pytest.fixture
def rng():
    return np.random.default_rng(5)


DATES = pd.date_range("2025-01-01", periods=12, freq="MS")


def test_ranks_that_only_scoring_has_and_a_column_that_is_no_longer_filled(rng, features):
    training = _rows(DATES, 150, rng, mrr_percentile=0.93, csat_28d=0.6)
    scored = _rows(DATES[-1:] + pd.DateOffset(months=4), 150, rng, csat_28d=1.0)
    found = missing_shares(training, scored, features)
    assert found["feature"].tolist() == ["mrr_percentile", "csat_28d"]
    assert found["training"].tolist() == pytest.approx([0.93, 0.6], abs=0.03)
    assert found["scoring"].tolist() == [0.0, 1.0]


def test_words_are_compared_too(rng, features):
    found = missing_shares(_rows(DATES, 150, rng), _rows(DATES[-1:], 150, rng, plan=0.5), features)
    assert found["feature"].tolist() == ["plan"]


def test_noise_and_the_beginning_of_the_data_are_no_finding(rng, features):
    training = _rows(DATES, 150, rng, csat_28d=0.5)
    early = training["as_of"] < DATES[6]
    training.loc[early, "events_28d"] = None
    assert missing_shares(training, _rows(DATES[-1:], 150, rng, csat_28d=0.5), features).empty


def test_few_accounts_prove_little(rng, features):
    assert missing_shares(_rows(DATES, 8, rng, csat_28d=0.4), _rows(DATES[-1:], 8, rng), features).empty
