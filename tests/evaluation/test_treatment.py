"""Contacts bend labels: found where they do, not where they do not, and said where nobody can tell."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from churnml.evaluation.treatment import TreatmentReport, treated, treatment_report
from churnml.language import phrases


def _world(
    seed: int, *, effect: float = 0.0, hidden: float = 0.0, accounts: int = 500
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Predictions of a model that is right without contacts, and contacts that go to the risky more often.

    A contact takes `effect` of the risk away; `hidden` is how much a trouble that the model does not see adds to the
    risk, while it draws contacts.
    """
    generator = np.random.default_rng(seed)
    account = np.repeat([f"a{number:04d}" for number in range(accounts)], 3)
    as_of = np.tile(pd.to_datetime(["2026-01-01", "2026-02-01", "2026-03-01"]), accounts)
    p = generator.beta(1.2, 6, len(account))
    trouble = generator.random(len(account)) < 0.2
    called = generator.random(len(account)) < np.clip(0.1 + p + 0.5 * trouble * (hidden > 0), 0, 0.9)
    risk = p * (1 + hidden * (trouble - 0.2)) * (1 - effect * called)
    churned = (generator.random(len(account)) < risk).astype(float)
    day = generator.integers(0, 90, len(account))
    left = pd.Series(as_of) + pd.to_timedelta(day, unit="D")
    rows = pd.DataFrame(
        {
            "account_id": account,
            "as_of": as_of,
            "fold": "fold 1",
            "churned": churned,
            "churn_on": left.where(churned > 0),
            "p_model": p,
        }
    )
    at = pd.Series(as_of) + pd.to_timedelta(generator.integers(0, 25, len(account)), unit="D")
    contacts = pd.DataFrame({"account_id": account, "at": at})[called]
    return rows, contacts


def _report(rows: pd.DataFrame, contacts: pd.DataFrame) -> TreatmentReport:
    return treatment_report(rows, contacts, window_days=90, share=0.1, seed=1)


def test_contacts_that_keep_customers_bend_the_labels() -> None:
    report = _report(*_world(1, effect=0.6))
    assert report.outcome == "bent"
    assert report.ratio.value is not None
    assert 1.6 < report.ratio.value < 3.6
    assert report.untreated.expected_over_observed.low is not None
    assert report.untreated.expected_over_observed.low < 1.2
    assert report.treated_share_riskiest is not None
    assert report.treated_share_others is not None
    assert report.treated_share_riskiest > report.treated_share_others


@pytest.mark.slow
def test_contacts_that_change_nothing_are_rarely_called_bent() -> None:
    outcomes = [_report(*_world(seed)).outcome for seed in range(20)]
    assert outcomes.count("none") >= 19


def test_trouble_that_only_people_see_is_told_as_such() -> None:
    assert _report(*_world(3, hidden=3.0)).outcome == "worse"


def test_contacts_of_everybody_tell_nothing() -> None:
    rows, _ = _world(4, effect=0.5)
    everybody = rows[["account_id"]].assign(at=rows["as_of"] + pd.Timedelta(days=1))
    report = _report(rows, everybody)
    assert report.outcome == "too_few"
    assert report.untreated.n == 0
    assert report.ratio.value is None


def test_who_left_before_the_landmark_is_in_neither_arm() -> None:
    rows, contacts = _world(5)
    report = _report(rows, contacts)
    early = (rows["churn_on"] < rows["as_of"] + pd.Timedelta(days=30)).sum()
    assert report.left_before == early > 0
    assert report.treated.n + report.untreated.n == len(rows) - early
    assert report.treated.churned + report.untreated.churned == rows["churned"].sum() - early


def test_an_early_departure_is_no_proof_for_contacts() -> None:
    """Contacts come at random times of the window: without the landmark, who stays longer is contacted more often."""
    rows, _ = _world(6, accounts=1500)
    generator = np.random.default_rng(6)
    at = rows["as_of"] + pd.to_timedelta(generator.integers(0, 90, len(rows)), unit="D")
    reached = rows["churn_on"].isna() | (at < rows["churn_on"])
    assert _report(rows, rows[["account_id"]].assign(at=at)[reached]).outcome == "none"


def test_only_contacts_after_the_question_count_and_the_order_of_rows_does_not() -> None:
    rows = pd.DataFrame(
        {"account_id": ["b", "a", "a"], "as_of": pd.to_datetime(["2026-01-01", "2026-02-01", "2026-01-01"])}
    )
    contacts = pd.DataFrame({"account_id": ["a", "b"], "at": pd.to_datetime(["2026-02-01 09:00", "2025-12-31 00:00"])})
    assert treated(rows, contacts, 30).tolist() == [False, True, False]
    assert treated(rows, contacts, 32).tolist() == [False, True, True]


@pytest.mark.parametrize("language", ["en", "ja"])
def test_every_outcome_has_words(language: str) -> None:
    for seed, more in ((1, {"effect": 0.6}), (2, {}), (3, {"hidden": 3.0})):
        said = phrases(language).text(_report(*_world(seed, **more)).reason)
        assert "30" in said
        assert "{" not in said
        assert "treatment-" not in said
