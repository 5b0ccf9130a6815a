"""What the runs return: facts for a program, and reports of them that JSON is made of."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from churnml.features import FamilyUse, FeatureSet
from churnml.language import Argument, Text
from churnml.registry import Bundle
from churnml.registry.promotion import Decision
from churnml.sources import Loaded, SetAside, TableUse, ToolCoverage
from churnml.training.publication import Publication

if TYPE_CHECKING:
    from churnml.evaluation import Tuning
    from churnml.explain.lifetime import Lifetime
    from churnml.monitoring import Alarm

__all__ = [
    "CheckReport",
    "Checked",
    "FrameReport",
    "Prepared",
    "Scored",
    "ScoringReport",
    "Simulated",
    "Trained",
    "TrainingReport",
    "expected_column",
    "rejected_counts",
    "scored_by",
    "warnings_of",
]

Rejected = Mapping[str, Mapping[str, int]]
"""Table → reason → rows set aside."""


@dataclass(frozen=True)
class Simulated:
    """A simulated company: where it lies, what it was made with, and the rows of each table."""

    folder: Path
    accounts: int
    months: int
    seed: int
    tables: Mapping[str, int]


@dataclass(frozen=True)
class CheckReport:
    """Rows of each canonical table, the period observed (its end exclusive), and what was set aside or noted."""

    tables: Mapping[str, int]
    observed_from: date
    observed_until: date
    rejected: Rejected
    notes: Sequence[Text]
    fingerprint: str
    tools: Sequence[ToolCoverage] = ()
    use: Sequence[TableUse] = ()
    families: Sequence[FamilyUse] = ()
    set_aside: Sequence[SetAside] = ()


@dataclass(frozen=True)
class Checked:
    """What checking the raw data found.

    Parameters
    ----------
    loaded : Loaded
        The canonical tables, what was set aside, notes.
    families : sequence of FamilyUse
        What the tables allow of each feature family.
    """

    loaded: Loaded
    families: Sequence[FamilyUse] = ()

    def report(self) -> CheckReport:
        """Return what a reader of the outcome wants to know."""
        tables = self.loaded.tables
        return CheckReport(
            tables=dict(self.loaded.counts),
            observed_from=tables.observed_from,
            observed_until=tables.observed_until,
            rejected=rejected_counts(self.loaded),
            notes=list(self.loaded.notes),
            fingerprint=self.loaded.fingerprint,
            tools=list(self.loaded.coverage),
            use=list(self.loaded.use),
            families=list(self.families),
            set_aside=list(self.loaded.set_aside),
        )


@dataclass(frozen=True)
class FrameReport:
    """The size of a training frame, and where it was written."""

    rows: int
    accounts: int
    snapshots: Sequence[date]
    labelled: int
    churned: int
    features: int
    skipped: Mapping[str, Text]
    rejected: Rejected
    notes: Sequence[Text]
    path: Path | None = None


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
    skipped : mapping of str to Text
        Family or feature → why it is off.
    """

    loaded: Loaded
    feature_set: FeatureSet
    frame: pd.DataFrame
    skipped: Mapping[str, Text] = field(default_factory=dict)

    def as_text(self) -> pd.DataFrame:
        """Return the frame with words as text instead of categories, as the model that MLflow holds takes it."""
        words = self.frame.select_dtypes("category").columns
        return self.frame.assign(**{name: self.frame[name].astype("object") for name in words})

    def report(self, path: Path | None = None) -> FrameReport:
        """Return what a reader of the outcome wants to know; `path` is where the frame was written."""
        return FrameReport(
            rows=len(self.frame),
            accounts=int(self.frame["account_id"].nunique()),
            snapshots=[pd.Timestamp(as_of).date() for as_of in sorted(self.frame["as_of"].unique())],
            labelled=int(self.frame["churned"].notna().sum()),
            churned=int((self.frame["churned"] == 1).sum()),
            features=len(self.feature_set),
            skipped=dict(self.skipped),
            rejected=rejected_counts(self.loaded),
            notes=list(self.loaded.notes),
            path=path,
        )


@dataclass(frozen=True)
class TrainingReport:
    """What a training came to: verdict, backtest, where the model is, and what the gate decided."""

    verdict: str
    verdict_reason: Argument
    kind: str
    kind_reason: Argument
    scored_by: str
    warnings: Sequence[Text]
    backtest: Mapping[str, Any]
    model_uri: str
    run_id: str
    bundle: Path
    model_version: str
    promotion: Decision
    rejected: Rejected
    notes: Sequence[Argument]
    tuning: Tuning | None


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
        ``pooled`` and ``folds``, see `churnml.evaluation.Backtest`.
    predictions : DataFrame
        The backtest's rows: account_id, as_of, fold, churned, arr, p_model and ``p_<rule>`` per rule.
    model_uri, run_id : str
        In MLflow.
    rejected : mapping
        Table → reason → rows set aside.
    notes : sequence of Text or what one is made of
        What a reader of the numbers should know.
    tuning : Tuning, optional
        Where a budget was given.
    """

    bundle: Bundle
    decision: Decision
    backtest: Mapping[str, Any]
    predictions: pd.DataFrame
    model_uri: str
    run_id: str
    rejected: Rejected
    notes: Sequence[Argument]
    tuning: Tuning | None = None

    def report(self) -> TrainingReport:
        """Return what a reader of the outcome wants to know."""
        manifest, info = self.bundle.manifest, self.bundle.model.info
        return TrainingReport(
            verdict=manifest.verdict,
            verdict_reason=manifest.verdict_reason,
            kind=info.kind,
            kind_reason=info.kind_reason,
            scored_by=scored_by(self.bundle),
            warnings=warnings_of(self.bundle),
            backtest=self.backtest,
            model_uri=self.model_uri,
            run_id=self.run_id,
            bundle=self.bundle.path,
            model_version=self.bundle.version,
            promotion=self.decision,
            rejected=self.rejected,
            notes=self.notes,
            tuning=self.tuning,
        )


@dataclass(frozen=True)
class ScoringReport:
    """What a scoring came to; the scores themselves are in the files."""

    target: str
    as_of: date
    accounts: int
    bands: Mapping[str, int]
    verdict: str
    verdict_reason: Argument
    scored_by: str
    warnings: Sequence[Text]
    backtest: Mapping[str, Any]
    model_uri: str
    bundle: Path
    model_version: str
    scored_with: str
    scores: Path
    explanations: Path
    rejected: Rejected


@dataclass(frozen=True)
class Scored:
    """A scored snapshot.

    Parameters
    ----------
    table : DataFrame
        One row per account, highest expected loss first: the scores, account details and ``reasons``.
    explanations : collection of mapping
        As they are stored (`churnml.explain.stored`), with suggested plays, in the table's order; unpacked one by one.
    path : Path
        ``scores.parquet``.
    as_of : date
        The snapshot's date.
    bundle : Bundle
        The model that scored.
    rejected : mapping
        Table → reason → rows set aside.
    alarms : sequence of Alarm
        What is wrong with the data that was scored, such as a feed that stopped.
    lifetimes : mapping of str to Lifetime
        Account → when it will be lost, and what it is worth until then; empty where no survival curves are shown.
    """

    table: pd.DataFrame
    explanations: Collection[Mapping[str, Any]]
    path: Path
    as_of: date
    bundle: Bundle
    rejected: Rejected
    alarms: Sequence[Alarm] = ()
    lifetimes: Mapping[str, Lifetime] = field(default_factory=dict)

    def report(self) -> ScoringReport:
        """Return what a reader of the outcome wants to know."""
        bands, manifest = self.table["band"].value_counts(), self.bundle.manifest
        return ScoringReport(
            target=self.bundle.model.target,
            as_of=self.as_of,
            accounts=len(self.table),
            bands={band: int(bands.get(band, 0)) for band in ("green", "yellow", "red", "unknown")},
            verdict=manifest.verdict,
            verdict_reason=manifest.verdict_reason,
            scored_by=scored_by(self.bundle),
            warnings=[*(alarm.said for alarm in self.alarms), *warnings_of(self.bundle)],
            backtest=manifest.backtest,
            model_uri=f"models:/{manifest.name}@champion",
            bundle=self.bundle.path,
            model_version=self.bundle.version,
            scored_with=self.bundle.version,
            scores=self.path,
            explanations=self.path.with_name("explanations.json"),
            rejected=self.rejected,
        )


def expected_column(target: str) -> str:
    """Return the column that accounts are ranked by: what is expected to be lost, or gained by expansion."""
    return "expected_gain" if target == "expansion" else "expected_loss"


def scored_by(bundle: Bundle) -> str:
    """Return what gives the probabilities: ``"model"``, or the name of a rule where the model failed its gate."""
    return "model" if bundle.model.rule is None else bundle.model.rule.name


def warnings_of(bundle: Bundle) -> list[Text]:
    """Return what a reader of a bundle's scores must know: one sentence each, none where all is well."""
    return [*_rules_warning(bundle), *_target_warning(bundle)]


def _rules_warning(bundle: Bundle) -> list[Text]:
    """Return, where the rules score, one sentence that says so and why."""
    if bundle.manifest.verdict == Publication.PUBLISHABLE:
        return []
    target = bundle.model.target
    rule = bundle.model.rule
    by = (
        Text.of("warning-failed_model")
        if rule is None
        else Text.of("card-by-rule", rule=Text.of(f"card-rule.{rule.name}"))
    )
    noun, expected = Text.of(f"target-{target}"), Text.of(f"warning-{expected_column(target)}")
    reason = bundle.manifest.verdict_reason
    return [Text.of("warning-rules", target=noun, expected=expected, by=by, reason=reason)]


def _target_warning(bundle: Bundle) -> list[Text]:
    """Return, where something else than churn is predicted, one sentence on the health score beside it."""
    target = bundle.model.target
    if target == "churn":
        return []
    return [Text.of("warning-target", target=Text.of(f"target-{target}"))]


def rejected_counts(loaded: Loaded) -> dict[str, dict[str, int]]:
    """Return table → reason → rows set aside."""
    out: dict[str, dict[str, int]] = {}
    for row in loaded.rejected.itertuples():
        reasons = out.setdefault(str(row.table), {})
        reasons[str(row.reason)] = reasons.get(str(row.reason), 0) + int(row.rows)  # type: ignore[arg-type]
    return out
