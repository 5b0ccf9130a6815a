"""Each planted leak is found by its check; the clean company raises none."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from churnml.config import Config
from churnml.evaluation.audit import CHECKS, Finding, audit, leaks
from churnml.features.spec import FeatureSet, FeatureSpec
from churnml.snapshots.splits import Split

Cut = Callable[..., list[Split]]


def planted(frame: pd.DataFrame, features: FeatureSet, name: str, values: object, **fields: object) -> tuple:
    extra = FeatureSpec(name, "context", "", "", name, name, "accounts", **fields)
    return frame.assign(**{name: values}), FeatureSet([*features, extra])


def found(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.code: finding for finding in findings if finding.status == "found"}


def test_the_clean_company_raises_none(company: pd.DataFrame, features: FeatureSet, config: Config, cut: Cut) -> None:
    findings = audit(company, features, cut(company), config.label, lambda day: company[company["as_of"] == day])
    assert [finding.code for finding in findings] == list(CHECKS)
    # Without tables there are no attributes and no facts to look at.
    assert [finding.code for finding in findings if finding.status != "clear"] == ["CHK110", "CHK112"]
    assert leaks(findings) == []


def test_pure_noise_raises_none(noise: pd.DataFrame, features: FeatureSet, config: Config, cut: Cut) -> None:
    assert found(audit(noise, features, cut(noise), config.label)) == {}


def test_an_implausible_feature(company: pd.DataFrame, features: FeatureSet, config: Config, cut: Cut) -> None:
    rng = np.random.default_rng(0)
    leak = company["churned"] * 3 + rng.normal(size=len(company))
    frame, more = planted(company, features, "days_until_end", leak)
    result = found(audit(frame, more, cut(frame), config.label))
    assert set(result) == {"CHK101"}
    assert result["CHK101"].where == ("days_until_end",)
    assert "AUC 0.9" in str(result["CHK101"].what)


def test_a_feature_that_sees_the_future(company: pd.DataFrame, features: FeatureSet, config: Config, cut: Cut) -> None:
    def cut_off(day: pd.Timestamp) -> pd.DataFrame:
        rows = company[company["as_of"] == day].copy()
        rows.iloc[:7, rows.columns.get_loc("nps_last")] = -1.0
        rows["plan"] = rows["plan"].astype("object")
        return rows.sample(frac=1.0, random_state=0)

    result = found(audit(company, features, cut(company), config.label, cut_off))
    assert set(result) == {"CHK102"}
    assert result["CHK102"].where == ("nps_last",)
    assert "7 of 400" in str(result["CHK102"].what)


def test_an_account_known_only_with_hindsight(
    company: pd.DataFrame, features: FeatureSet, config: Config, cut: Cut
) -> None:
    def fewer(day: pd.Timestamp) -> pd.DataFrame:
        return company[company["as_of"] == day].iloc[3:]

    result = found(audit(company, features, cut(company), config.label, fewer))
    assert "3 accounts are known" in str(result["CHK102"].what)


@pytest.mark.parametrize("filled", [True, False])
def test_a_column_filled_only_for_churners(
    company: pd.DataFrame, features: FeatureSet, config: Config, cut: Cut, filled: bool
) -> None:
    rng = np.random.default_rng(0)
    chosen = (company["churned"] == 1) & (rng.random(len(company)) < 0.3)
    values = np.where(chosen == filled, rng.normal(size=len(company)), np.nan)
    frame, more = planted(company, features, "exit_survey_score", values)
    result = found(audit(frame, more, cut(frame), config.label))
    assert set(result) == {"CHK103"}
    assert result["CHK103"].where == ("exit_survey_score",)


def test_a_status_written_after_the_outcome(
    company: pd.DataFrame, features: FeatureSet, config: Config, cut: Cut
) -> None:
    status = np.where((company["churned"] == 1) & (np.arange(len(company)) % 2 == 0), "cancelled", "active")
    frame, more = planted(company, features, "status", pd.Categorical(status), categorical=True)
    result = found(audit(frame, more, cut(frame), config.label))
    assert set(result) == {"CHK104"}
    assert "cancelled" in str(result["CHK104"].what)


def test_copied_rows(company: pd.DataFrame, features: FeatureSet, config: Config, cut: Cut) -> None:
    splits = cut(company)
    early = company[company["as_of"] == "2023-02-01"]
    copied = early.assign(as_of=splits[-1].test[-1])
    frame = pd.concat([company[company["as_of"] != splits[-1].test[-1]], copied], ignore_index=True)
    assert set(found(audit(frame, features, splits, config.label))) == {"CHK105"}


def test_labels_that_reach_into_the_test_period(
    company: pd.DataFrame, features: FeatureSet, config: Config, cut: Cut
) -> None:
    result = found(audit(company, features, cut(company, purge_days=31), config.label))
    assert set(result) == {"CHK106"}
    assert result["CHK106"].where == ("fold 1", "fold 2")


def test_a_change_of_the_churn_rate(company: pd.DataFrame, features: FeatureSet, config: Config, cut: Cut) -> None:
    rng = np.random.default_rng(0)
    frame = company.copy()
    late = (frame["as_of"] >= "2023-11-01").to_numpy()
    frame.loc[late, "churned"] = (rng.random(int(late.sum())) < 0.6).astype(float)
    result = found(audit(frame, features, cut(frame), config.label))
    assert set(result) == {"CHK107", "CHK108"}
    assert result["CHK108"].where == ("2023-11-01",)


def test_survivors_only(company: pd.DataFrame, features: FeatureSet, config: Config, cut: Cut) -> None:
    frame = company.copy()
    frame.loc[frame["as_of"] < "2023-05-01", "churned"] = 0.0
    result = found(audit(frame, features, cut(frame), config.label))
    assert "CHK109" in result
    assert result["CHK109"].where == ("2023-05-01",)
    assert "CHK107" not in result


def test_without_labels_nothing_applies(company: pd.DataFrame, features: FeatureSet, config: Config) -> None:
    findings = audit(company.assign(churned=np.nan), features, [], config)
    assert {finding.status for finding in findings} == {"not_applicable"}
