"""A renewal that begins before its predecessor ends doubles neither MRR nor seats nor ARR."""

from __future__ import annotations

from datetime import date

import pandas as pd
import pytest

from churnml import features
from churnml.config import Config
from churnml.snapshots import cohort_at
from churnml.tables import Tables

TERMS = [
    ("renewed", "2025-01-10", "2026-01-10", 100.0, 10),
    ("renewed", "2025-12-31", "2026-12-31", 100.0, 10),
    ("plain", "2025-01-10", "2026-12-31", 100.0, 10),
    ("raised", "2025-01-10", "2026-01-10", 100.0, 10),
    ("raised", "2025-12-20", "2026-12-20", 150.0, 10),
    ("side by side", "2025-01-10", "2026-01-10", 100.0, 10),
    ("side by side", "2025-08-01", "2026-08-01", 50.0, 5),
]


@pytest.fixture(scope="module", params=["crm", None], ids=["product", "no product"])
def known(request):
    """Return a function as_of → the accounts' contract features and ARR at it."""
    terms = pd.DataFrame(TERMS, columns=["account_id", "started_on", "ends_on", "mrr", "seats"])
    terms = terms.assign(subscription_id=[str(row) for row in range(len(terms))], product=request.param)
    tables = Tables.from_pandas(
        {"subscriptions": terms}, observed_from=date(2025, 1, 1), observed_until=date(2026, 3, 1)
    )
    config = Config.model_validate(
        {
            "name": "t",
            "source": {"folder": "."},
            "tables": {"subscriptions": {"from": "s.csv"}},
            "label": {"churn": "contractual", "horizon_days": 30},
        }
    )
    catalogue = features.catalogue(tables, config.features)

    def at(as_of: str) -> pd.DataFrame:
        spine = cohort_at(tables, config, pd.Timestamp(as_of))
        return features.compute(tables, spine, catalogue, config.features).set_index("account_id")

    return at


@pytest.mark.slow
def test_while_both_run_the_new_term_counts_alone(known):
    at = known("2026-01-06")
    assert at["arr"].to_dict() == {"plain": 1200.0, "raised": 1800.0, "renewed": 1200.0, "side by side": 1800.0}
    assert at["mrr"].to_dict() == {"plain": 100.0, "raised": 150.0, "renewed": 100.0, "side by side": 150.0}
    assert at.loc[["renewed", "raised", "side by side"], "seats"].tolist() == [10, 10, 15]
    assert at.loc[["renewed", "raised"], "days_to_renewal"].tolist() == [359, 348]
    assert at.loc["renewed", "mrr_change_28d"] == 0
    assert at.loc["raised", "mrr_change_28d"] == 0.5


@pytest.mark.slow
def test_before_the_new_term_is_known_the_old_one_counts(known):
    at = known("2025-12-20")
    assert at.loc[["renewed", "raised"], "mrr"].tolist() == [100.0, 100.0]
    assert at.loc["renewed", "days_to_renewal"] == 21
    assert known("2025-12-31").loc["renewed", "days_to_renewal"] == 10
