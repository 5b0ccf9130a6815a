"""Snapshots before renewals: ranks are there in training as they are at scoring."""

import pandas as pd
import pytest
import yaml

from churnml import features, snapshots
from churnml.config import load_config
from churnml.evaluation.missing_shares import missing_shares
from churnml.pipeline import prepare


@pytest.mark.slow
def test_ranks_are_missing_as_often_in_training_as_at_scoring(company, tmp_path):
    path = tmp_path / "renewals.yaml"
    settings = yaml.safe_load(company.read_text(encoding="utf-8"))
    settings["snapshots"] = {"before_renewal_days": [60, 30]}
    settings["label"].pop("further_horizons_days")
    settings["source"]["folder"] = str(company.parent / "raw")
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    config = load_config(path)
    prepared = prepare(config)
    tables, ranks = prepared.loaded.tables, [spec for spec in prepared.feature_set if spec.kind == "peer"]
    a_day = prepared.frame.groupby("as_of").size()
    assert a_day.median() < 5  # too few of a day to be ranked among each other
    rows = snapshots.cohort_at(tables, config, pd.Timestamp(tables.observed_until))
    everyone = snapshots.whole_cohorts(tables, config, rows)
    assert len(everyone) > len(rows)
    scored = features.compute(tables, rows, prepared.feature_set, config.features, cohort=everyone)
    only_ranks = features.FeatureSet(ranks)
    assert len(ranks) == 7
    assert prepared.frame[only_ranks.names].isna().mean().max() < 0.1
    assert missing_shares(prepared.frame, scored, only_ranks).empty
    # Ranked among the rows of their own day alone, they would be missing in training.
    alone = features.compute(tables, prepared.frame[["account_id", "as_of"]], only_ranks, config.features)
    assert set(missing_shares(alone, scored, only_ranks)["feature"]) == set(only_ranks.names)
