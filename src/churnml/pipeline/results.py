"""What the runs return: facts for a program, and JSON-ready reports of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd

from churnml.evaluation.verdict import BASELINE_WORDS
from churnml.features import FeatureSet
from churnml.registry import Bundle
from churnml.registry.promotion import Decision
from churnml.sources import Loaded

__all__ = [
    "Checked",
    "Prepared",
    "Scored",
    "Trained",
    "expected_column",
    "rejected_counts",
    "scored_by",
    "warnings_of",
]


@dataclass(frozen=True)
class Checked:
    """What checking the raw data found.

    Parameters
    ----------
    loaded : Loaded
        The canonical tables, what was set aside, notes.
    """

    loaded: Loaded

    def as_dict(self) -> dict[str, Any]:
        """Return the outcome as JSON-ready data."""
        tables = self.loaded.tables
        return {
            "tables": dict(self.loaded.counts),
            "observed_from": tables.observed_from.isoformat(),
            "observed_until": tables.observed_until.isoformat(),
            "rejected": rejected_counts(self.loaded),
            "notes": list(self.loaded.notes),
            "fingerprint": self.loaded.fingerprint,
        }


@dataclass(frozen=True)
class Prepared:
    """A training frame and what it was made from.

    Parameters
    ----------
    loaded : Loaded
        The canonical tables.
    feature_set : FeatureSet
        The catalogue.
    frame : DataFrame
        Spine and features, one row per ``(account_id, as_of)``.
    skipped : mapping of str to str
        Family or feature → why it is off.
    """

    loaded: Loaded
    feature_set: FeatureSet
    frame: pd.DataFrame
    skipped: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the outcome as JSON-ready data."""
        labelled = self.frame["churned"].notna()
        return {
            "rows": len(self.frame),
            "accounts": int(self.frame["account_id"].nunique()),
            "snapshots": [f"{day:%Y-%m-%d}" for day in sorted(self.frame["as_of"].unique())],
            "labelled": int(labelled.sum()),
            "churned": int((self.frame["churned"] == 1).sum()),
            "features": len(self.feature_set),
            "skipped": dict(self.skipped),
            "rejected": rejected_counts(self.loaded),
            "notes": list(self.loaded.notes),
        }


@dataclass(frozen=True)
class Trained:
    """A trained, tracked and bundled model.

    Parameters
    ----------
    bundle : Bundle
        The new model.
    decision : Decision
        Whether it became the champion, and why.
    backtest : mapping
        ``pooled`` and ``folds``, see `churnml.training.Backtest.as_dict`.
    model_uri, run_id : str
        In MLflow.
    rejected : mapping
        Table → reason → rows set aside.
    notes : sequence of str
        What a reader of the numbers should know.
    tuning : mapping, optional
        `churnml.training.Tuning.as_dict`, where a budget was given.
    """

    bundle: Bundle
    decision: Decision
    backtest: Mapping[str, Any]
    model_uri: str
    run_id: str
    rejected: Mapping[str, Mapping[str, int]]
    notes: Sequence[str]
    tuning: Mapping[str, Any] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the outcome as JSON-ready data."""
        return {
            "verdict": self.bundle.manifest["verdict"],
            "verdict_reason": self.bundle.manifest["verdict_reason"],
            "kind": self.bundle.model.info.kind,
            "kind_reason": self.bundle.model.info.kind_reason,
            "scored_by": scored_by(self.bundle),
            "warnings": warnings_of(self.bundle),
            "backtest": dict(self.backtest),
            "model_uri": self.model_uri,
            "run_id": self.run_id,
            "bundle": str(self.bundle.path),
            "model_version": self.bundle.version,
            "promotion": self.decision.as_dict(),
            "rejected": {table: dict(reasons) for table, reasons in self.rejected.items()},
            "notes": list(self.notes),
            "tuning": None if self.tuning is None else dict(self.tuning),
        }


@dataclass(frozen=True)
class Scored:
    """A scored snapshot.

    Parameters
    ----------
    table : DataFrame
        One row per account, highest expected loss first: the scores, account details and ``reasons``.
    explanations : sequence of mapping
        JSON-ready, with suggested plays, in the table's order.
    path : Path
        ``scores.parquet``.
    as_of : date
        The snapshot's date.
    bundle : Bundle
        The model that scored.
    rejected : mapping
        Table → reason → rows set aside.
    """

    table: pd.DataFrame
    explanations: Sequence[Mapping[str, Any]]
    path: Path
    as_of: date
    bundle: Bundle
    rejected: Mapping[str, Mapping[str, int]]

    def as_dict(self) -> dict[str, Any]:
        """Return the outcome as JSON-ready data; the scores themselves are in the files."""
        bands = self.table["band"].value_counts()
        return {
            "target": self.bundle.model.target,
            "as_of": self.as_of.isoformat(),
            "accounts": len(self.table),
            "bands": {band: int(bands.get(band, 0)) for band in ("green", "yellow", "red", "unknown")},
            "verdict": self.bundle.manifest["verdict"],
            "verdict_reason": self.bundle.manifest.get("verdict_reason"),
            "scored_by": scored_by(self.bundle),
            "warnings": warnings_of(self.bundle),
            "backtest": self.bundle.manifest.get("backtest"),
            "model_uri": f"models:/{self.bundle.manifest['name']}@champion",
            "bundle": str(self.bundle.path),
            "model_version": self.bundle.version,
            "scored_with": self.bundle.version,
            "scores": str(self.path),
            "explanations": str(self.path.with_name("explanations.json")),
            "rejected": {table: dict(reasons) for table, reasons in self.rejected.items()},
        }


def expected_column(target: str) -> str:
    """Return the column that accounts are ranked by: what is expected to be lost, or gained by expansion."""
    return "expected_gain" if target == "expansion" else "expected_loss"


def scored_by(bundle: Bundle) -> str:
    """Return what gives the probabilities: ``"model"``, or the name of a rule where the model failed its gate."""
    return "model" if bundle.model.rule is None else bundle.model.rule.name


def warnings_of(bundle: Bundle) -> list[str]:
    """Return what a reader of a bundle's scores must know: one sentence each, none where all is well."""
    return [*_rules_warning(bundle), *_target_warning(bundle)]


def _rules_warning(bundle: Bundle) -> list[str]:
    """Return, where the rules score, one sentence that says so and why."""
    if bundle.manifest["verdict"] == "publishable":
        return []
    target = bundle.model.target
    by = f"the rule {BASELINE_WORDS[bundle.model.rule.name]!r}" if bundle.model.rule else "a model that failed its gate"
    expected = expected_column(target).replace("_", " ")
    return [
        f"The rules are used, not the model: {target} probability, {expected} and order come from {by}, health from "
        f"its measures. {bundle.manifest.get('verdict_reason') or ''}".strip()
    ]


def _target_warning(bundle: Bundle) -> list[str]:
    """Return, where something else than churn is predicted, one sentence on the health score beside it."""
    target = bundle.model.target
    if target == "churn":
        return []
    return [f"The model predicts {target}, not churn, so the health score is made of rules alone."]


def rejected_counts(loaded: Loaded) -> dict[str, dict[str, int]]:
    """Return table → reason → rows set aside."""
    out: dict[str, dict[str, int]] = {}
    for row in loaded.rejected.itertuples():
        reasons = out.setdefault(str(row.table), {})
        reasons[str(row.reason)] = reasons.get(str(row.reason), 0) + int(row.rows)  # type: ignore[arg-type]
    return out
