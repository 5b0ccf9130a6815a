"""Is there leakage in what a model is trained on."""

from __future__ import annotations

import pandas as pd

from churnml import features as features_room
from churnml import snapshots
from churnml.config import Config
from churnml.evaluation.audit import Finding
from churnml.evaluation.audit import audit as audit_frame
from churnml.pipeline.preparation import prepare
from churnml.progress import Stages

__all__ = ["audit"]


def audit(config: Config, stages: Stages | None = None) -> list[Finding]:
    """Look for leaks: coded checks on the training frame, one of them by cutting the future off."""
    stages = stages or Stages()
    prepared = prepare(config, stages)
    tables = prepared.loaded.tables

    def recompute(as_of: pd.Timestamp) -> pd.DataFrame:
        past = tables.known_before(as_of.date())
        spine = snapshots.cohort_at(past, config, as_of)
        cohort = snapshots.whole_cohorts(past, config, spine)
        return features_room.compute(past, spine, prepared.feature_set, config.features, cohort=cohort)

    with stages("audit"):
        folds = snapshots.splits(prepared.frame, config)
        return audit_frame(prepared.frame, prepared.feature_set, folds, config.label, recompute, tables)
