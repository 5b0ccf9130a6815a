"""The weighted score that a model must beat is the health preset that is published."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from tests.companies.frames import company, config, features

from churnml.config import Config
from churnml.errors import BundleError
from churnml.features.spec import FeatureSet
from churnml.health import HealthScale, score_health
from churnml.training.rules import Rule, RuleModel, fit_rule, rules

__all__ = ["company", "config", "features"]


@pytest.fixture(scope="module")
def reference(company: pd.DataFrame, features: FeatureSet) -> Rule:
    return next(rule for rule in rules(company, features) if rule.name == "reference")


def test_the_reference_rule_ranks_as_the_published_preset_does(
    company: pd.DataFrame, features: FeatureSet, config: Config, reference: Rule
) -> None:
    rows = company.tail(800)
    assert config.health.preset == "reference"
    scale = HealthScale.fit(company, config, features)
    scores = rows[["account_id", "as_of"]].assign(churn_probability=0.1)
    published = score_health(rows, scores, scale=scale, base_rate=0.1, verdict="rules_only")["health_score"]
    assert np.array_equal(-reference.score(rows), published.to_numpy())
    assert published.nunique() > 100


def test_it_reads_the_nearest_window_and_no_more_than_it_weighs(reference: Rule) -> None:
    # Logins count per seat or user only, and this company has neither.
    read = {"events_28d", "core_feature_share_28d", "tickets_opened_28d", "nps_last", "days_to_renewal"}
    assert {"logins_28d", "invoices_overdue", "mrr"}.isdisjoint(reference.columns)
    assert read <= set(reference.columns)


def test_an_account_of_which_nothing_is_known_gets_the_typical_risk(company: pd.DataFrame, reference: Rule) -> None:
    model = fit_rule(reference, company)
    blank = company.head(3).assign(**dict.fromkeys(reference.columns, np.nan))
    assert np.isnan(reference.score(blank)).all()
    assert model(blank) == pytest.approx(1 / (1 + np.exp(-model.intercept)))


def test_a_rule_of_an_older_bundle_is_refused_with_what_to_do(company: pd.DataFrame, reference: Rule) -> None:
    data = fit_rule(reference, company).as_dict()
    older = {key: value for key, value in data.items() if key not in ("card", "places")} | {"groups": []}
    with pytest.raises(BundleError, match="Train again"):
        RuleModel.from_dict(older)
