"""What a backtest found, as one frozen, typed tree: computed once, turned into JSON by the library at the edge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from pydantic import TypeAdapter

from churnml.evaluation.capacity import CapacityReport
from churnml.evaluation.diagnostics import Decay, LeadTime
from churnml.evaluation.treatment import TreatmentReport
from churnml.evaluation.verdict import VerdictReport
from churnml.language import Argument
from churnml.metrics.calibration import RiskLevel
from churnml.metrics.headline import Summary
from churnml.metrics.intervals import Interval
from churnml.metrics.profit import CampaignProfit
from churnml.metrics.reliability import BrierParts, CalibrationBin
from churnml.metrics.within_date import Estimate
from churnml.training.publication import Publication

__all__ = [
    "BacktestReport",
    "CalibrationReport",
    "CampaignCosts",
    "Comparison",
    "FoldReport",
    "HorizonFold",
    "HorizonReport",
    "HorizonVerdict",
    "ProfitPoint",
    "ProfitReport",
    "SegmentMetrics",
    "StabilityPair",
]


@dataclass(frozen=True)
class Comparison:
    """The model beside its baselines on the same rows; `intervals` are the model's, by drawing accounts."""

    model: Summary
    baselines: Mapping[str, Summary]
    intervals: Mapping[str, Interval]


@dataclass(frozen=True)
class FoldReport(Comparison):
    """One fold: what it learnt from, what it was tested on, and how it did."""

    name: str
    train_from: date
    train_until: date
    test_from: date
    test_until: date


@dataclass(frozen=True)
class SegmentMetrics:
    """The model within one value of one segmentation; undefined metrics are None."""

    segment: str
    value: str
    n: int
    positives: int
    churn_rate: float
    mean_probability: float
    roc_auc: float | None
    roc_auc_low: float | None
    roc_auc_high: float | None
    log_loss: float | None
    ece: float | None
    lift_at_10: float | None


@dataclass(frozen=True)
class StabilityPair:
    """How alike the rankings of two consecutive snapshots are; see `churnml.evaluation.diagnostics`."""

    fold: str
    as_of: date
    next_as_of: date
    accounts: int
    spearman: float | None
    kept: float | None


@dataclass(frozen=True)
class CampaignCosts:
    """What a contact and an offer cost, currency, and which share of contacted churners is assumed to stay."""

    contact_cost: float
    offer_cost: float
    save_rate: float


@dataclass(frozen=True)
class ProfitPoint:
    """One point of the profit curve; see `churnml.metrics.profit.profit_curve`."""

    contacted: float
    share: float
    profit: float


@dataclass(frozen=True)
class ProfitReport:
    """What contacting by each ranking is worth, at costs that are assumed.

    Parameters
    ----------
    assumed : CampaignCosts
    campaigns, every_days : int
        Test dates that count as campaigns, and how far apart they lie at least: a label window, so that no churner is
        saved twice. Sums of the curve are over all of them.
    expected_maximum : mapping
        Ranking → profit per account of a campaign.
    area_under_curve : mapping
        Ranking → share of the perfect ranking's profit.
    curve : tuple of ProfitPoint
        The model's.
    """

    assumed: CampaignCosts
    campaigns: int
    every_days: int
    expected_maximum: Mapping[str, CampaignProfit]
    area_under_curve: Mapping[str, float | None]
    curve: tuple[ProfitPoint, ...]


@dataclass(frozen=True)
class CalibrationReport:
    """Told against happened.

    Parameters
    ----------
    bins : tuple of CalibrationBin
        Of equal mass.
    brier : BrierParts or None
    error : Interval
        Mean gap, freed from what chance adds to it; see `churnml.metrics.calibration_error`.
    expected_over_observed, slope : Estimate
        Churners told ÷ churners; slope of outcomes on told log-odds. Both are 1 where calibrated.
    tenths : tuple of RiskLevel
        Told and happened by tenths of risk, the safest first.
    gaps : tuple of RiskLevel
        Tenths at which the two differ beyond noise: a limit of the model, told wherever its probabilities are.
    """

    bins: tuple[CalibrationBin, ...]
    brier: BrierParts | None
    error: Interval
    expected_over_observed: Estimate
    slope: Estimate
    tenths: tuple[RiskLevel, ...]
    gaps: tuple[RiskLevel, ...] = ()


@dataclass(frozen=True)
class HorizonFold:
    """One fold of a further horizon's backtest."""

    name: str
    train_until: date
    test_from: date
    test_until: date
    model: Summary


@dataclass(frozen=True)
class HorizonVerdict:
    """The verdict at a further horizon."""

    verdict: Publication
    reason: Argument


@dataclass(frozen=True)
class HorizonReport:
    """The backtest of a further horizon, days."""

    horizon_days: int
    base_rate: float
    seeds: int
    folds: tuple[HorizonFold, ...]
    pooled: Comparison
    verdict: HorizonVerdict
    rules_by_loss: tuple[str, ...]
    estimator: Literal["model", "logistic"]
    linear_weights: tuple[float, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON-ready data."""
        return dict(TypeAdapter(HorizonReport).dump_python(self, mode="json"))


@dataclass(frozen=True)
class BacktestReport:
    """Everything a backtest found; made by `churnml.evaluation.Backtest.report`.

    Parameters
    ----------
    pooled : Comparison
        Over every test row.
    folds : tuple of FoldReport
        Oldest first.
    verdict : VerdictReport
    estimator : {"model", "logistic"}
        What the model's figures are of; see `churnml.evaluation.Backtest`.
    linear_weights : tuple of float
        What the regression weighs in each fold's blend.
    best_rule : str
        What scores where no model may.
    segments : tuple of SegmentMetrics
    capacity : CapacityReport
    stability : tuple of StabilityPair
    lead_time : LeadTime
    decay : Decay
    profit : ProfitReport or None
        None without any ARR, and for targets other than churn.
    calibration : CalibrationReport
    treatment : TreatmentReport or None
        Whether contacts have bent the labels; None without any contact on record, and for targets other than churn.
    """

    pooled: Comparison
    folds: tuple[FoldReport, ...]
    verdict: VerdictReport
    estimator: Literal["model", "logistic"]
    linear_weights: tuple[float, ...]
    best_rule: str
    segments: tuple[SegmentMetrics, ...]
    capacity: CapacityReport
    stability: tuple[StabilityPair, ...]
    lead_time: LeadTime
    decay: Decay
    profit: ProfitReport | None
    calibration: CalibrationReport
    treatment: TreatmentReport | None

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON-ready data."""
        return dict(TypeAdapter(BacktestReport).dump_python(self, mode="json"))
