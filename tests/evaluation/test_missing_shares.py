"""A feature that is missing in training and there at scoring, or the other way round, is found."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from churnml.evaluation.missing_shares import missing_shares
from churnml.evaluation.pauses import Pauses, usual_pause
from churnml.features import FeatureSet, reference_catalogue
from churnml.tables import Tables

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


def test_dates_of_three_rows_are_judged_together(rng, features):
    """By itself such a date has every value now and then, and would let any share pass."""
    days = pd.date_range("2024-01-01", periods=300, freq="D")
    training = _rows(days, 3, rng, mrr_percentile=0.8)
    by_day = training["mrr_percentile"].isna().groupby(training["as_of"]).mean()
    assert by_day.min() == 0.0
    scored = _rows(days[-1:] + pd.DateOffset(months=4), 100, rng)
    assert missing_shares(training, scored, features)["feature"].tolist() == ["mrr_percentile"]
    assert missing_shares(_rows(days, 3, rng), scored, features).empty


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


def test_a_share_that_some_training_date_had_is_nothing_new(rng, features):
    training = _rows(DATES, 150, rng, csat_28d=0.2)
    training.loc[training["as_of"] == DATES[8], "csat_28d"] = None
    scored = _rows(DATES[-1:] + pd.DateOffset(months=4), 150, rng, csat_28d=1.0)
    assert missing_shares(training, scored, features).empty
    training.loc[training["as_of"] == DATES[8], "csat_28d"] = 4.0
    assert missing_shares(training, scored, features)["feature"].tolist() == ["csat_28d"]


def test_a_hundred_features_of_chance_alone_raise_no_finding(rng):
    spec = reference_catalogue()["csat_28d"]
    many = FeatureSet([replace(spec, name=f"measure_{number}") for number in range(100)])
    for _ in range(20):
        values = np.where(rng.random((12 * 60, 100)) < 0.5, np.nan, 1.0)
        training = pd.DataFrame(values, columns=many.names).assign(
            account_id=np.tile(np.arange(60), 12), as_of=np.repeat(DATES, 60)
        )
        scored = pd.DataFrame(np.where(rng.random((60, 100)) < 0.5, np.nan, 1.0), columns=many.names)
        assert missing_shares(training, scored.assign(as_of=DATES[-1]), many).empty


SENT = pd.date_range("2025-01-01", periods=12, freq="30D")


def _mails(days=SENT, word="sent", facts=50):
    return pd.DataFrame({"day": days, "word": word, "facts": facts})


def test_a_window_that_falls_between_two_mails_is_no_finding(rng, features):
    between = SENT[-1] + pd.Timedelta(days=29)
    scored = _rows([between], 150, rng, csat_28d=1.0)
    training = _rows(DATES, 150, rng, csat_28d=0.2)
    assert not missing_shares(training, scored, features).empty
    assert missing_shares(training, scored, features, lambda _, days, on: usual_pause(_mails(), days, on)).empty


def test_a_column_that_is_no_longer_filled_is_found_though_its_table_pauses_at_times(rng, features):
    training = _rows(DATES, 150, rng, csat_28d=0.2)
    living = SENT[-1] + pd.Timedelta(days=10)
    for mails, on in (
        (_mails(), living),  # the facts are there, the value is not
        (_mails(), SENT[-1] + pd.Timedelta(days=46)),  # a pause half again as long as any before
        (
            pd.concat([_mails(), _mails(SENT[:-3], "opened", 20)]),
            SENT[-1] + pd.Timedelta(days=29),
        ),  # a kind that stopped
        (pd.concat([_mails(), _mails(SENT[:6], "unsubscribed", 1)]), living),
    ):
        scored = _rows([on], 150, rng, csat_28d=1.0)
        found = missing_shares(
            training, scored, features, lambda _, days, on, mails=mails: usual_pause(mails, days, on)
        )
        assert found["feature"].tolist() == ["csat_28d"]


def test_pauses_are_read_off_the_tables(rng):
    sent = pd.DataFrame(
        {"account_id": "a", "campaign_id": "c", "contact_id": "p", "kind": "delivered", "occurred_at": SENT}
    )
    tables = Tables.from_pandas({"campaign_events": sent.assign(campaign_event_id=range(12))})
    pauses = Pauses(tables)
    assert pauses("campaign_events", 28, SENT[5])
    assert not pauses("campaign_events", 28, SENT[5] + pd.Timedelta(days=1))
    assert not pauses("events", 28, SENT[5])
