"""The backtest: train on the past, predict the next period, compare with rules, fold by fold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd

from churnml.config import CapacityConfig, LearningConfig
from churnml.config.needs import BacktestSections
from churnml.evaluation.capacity import at_capacity
from churnml.evaluation.diagnostics import by_segment, decay, lead_time, ranking_stability, segments_of
from churnml.evaluation.report import (
    BacktestReport,
    CalibrationReport,
    CampaignCosts,
    Comparison,
    FoldReport,
    ProfitPoint,
    ProfitReport,
    SegmentMetrics,
    StabilityPair,
)
from churnml.evaluation.treatment import TreatmentReport, treatment_report
from churnml.evaluation.verdict import Verdict, judge
from churnml.features.spec import FeatureSet
from churnml.language import Argument, Text
from churnml.memory import give_back
from churnml.metrics.calibration import (
    beyond_noise,
    calibration_error,
    calibration_slope,
    expected_over_observed,
    risk_levels,
)
from churnml.metrics.headline import Summary, summary
from churnml.metrics.intervals import Interval, clustered_bootstrap, interval
from churnml.metrics.predictions import average_precision, brier, lift_at, log_loss, roc_auc
from churnml.metrics.profit import area_under_profit_curve, expected_maximum_profit, in_campaigns, profit_curve
from churnml.metrics.reliability import brier_decomposition, calibration_bins
from churnml.metrics.within_date import aligned_log_loss
from churnml.progress import Progress
from churnml.snapshots.splits import Split
from churnml.training.facts import ModelInfo
from churnml.training.fitting import fit_rows, regression_of
from churnml.training.model import ChurnModel
from churnml.training.rules import RULES, fit_rule, rules

__all__ = ["Backtest", "backtest"]

_REPEATS = 200
_INTERVALS = {
    "roc_auc": roc_auc,
    "average_precision": average_precision,
    "log_loss": log_loss,
    "brier": brier,
    "lift_at_10": lift_at,
}

_PER_FOLD = ("roc_auc", "log_loss")


@dataclass(frozen=True)
class Backtest:
    """Predictions for every test row by models that knew only its past, and what they are worth.

    Parameters
    ----------
    predictions : DataFrame
        account_id, as_of, fold, churned, churn_on, arr, p_model, and ``p_<baseline>`` per baseline.
    splits : tuple of Split
    capacity : CapacityConfig
        Share of accounts that can be contacted per snapshot, and what a contact costs and saves.
    seed : int
        Seed of the bootstrap.
    models : tuple of ModelInfo
        `info` of each fold's model.
    segments : DataFrame
        Segments of each prediction, in the rows of `predictions`.
    stale : DataFrame
        What the first fold's model says of every prediction, for `churnml.evaluation.diagnostics.decay`.
    target : str
        What was predicted; the profit of saving accounts is told for churn alone.
    estimator : {"model", "logistic"}
        What ``p_model`` are the probabilities of: the configured model, or the regression on all features, where the
        verdict publishes that instead; ``p_blend`` are the configured model's then.
    reason : Text
        Why the regression is published instead.
    window_days : int
        Length of the label window, gap included: campaigns that are valued lie so far apart.
    contacts : DataFrame, optional
        account_id and ``at`` of every contact that the vendor began, for `churnml.evaluation.treatment`.
    """

    predictions: pd.DataFrame
    splits: tuple[Split, ...]
    capacity: CapacityConfig
    seed: int
    models: tuple[ModelInfo, ...]
    segments: pd.DataFrame
    stale: pd.DataFrame
    target: str = "churn"
    estimator: Literal["model", "logistic"] = "model"
    reason: Argument = ""
    window_days: int = 0
    contacts: pd.DataFrame | None = None

    @property
    def baselines(self) -> list[str]:
        """Names of the baselines."""
        columns = [name for name in self.predictions.columns if name.startswith("p_") and name != "p_model"]
        # A rule that one fold's data did not allow cannot be compared over all of them.
        return [name.removeprefix("p_") for name in columns if self.predictions[name].notna().all()]

    @property
    def dates(self) -> pd.Series[int]:
        """A number per row that is the same within one snapshot date of one fold."""
        return self.predictions.groupby(["fold", "as_of"], sort=False).ngroup()

    @property
    def linear_weights(self) -> tuple[float, ...]:
        """What the regression weighs in each fold's blend; empty where there is no blend."""
        return tuple(info.linear_weight for info in self.models if info.kind == "blend")

    @cached_property
    def verdict(self) -> Verdict:
        """Whether the model may be published."""
        rows = self.predictions
        rivals = {name: rows[f"p_{name}"].to_numpy() for name in self.baselines}
        verdict = judge(rows["churned"], rows["p_model"], rivals, rows["account_id"], dates=self.dates, seed=self.seed)
        return replace(verdict, reason=self.reason) if self.reason else verdict

    @property
    def rules_by_loss(self) -> list[str]:
        """Names of the rules, the one with the lowest log loss within dates first: what scores where no model may."""
        rows, dates = self.predictions, self.dates
        losses = {
            name: aligned_log_loss(rows["churned"], rows[f"p_{name}"], dates)
            for name in self.baselines
            if name in RULES
        }
        return sorted(losses, key=lambda name: losses[name] or 0.0)

    @cached_property
    def intervals(self) -> dict[str, Interval]:
        """95 % intervals of the pooled metrics of the model; of ``ece`` freed from chance, else by drawing accounts."""
        rows = self.predictions
        freed = calibration_error(rows["churned"], rows["p_model"], rows["account_id"], seed=self.seed)
        return {**self._intervals(rows, list(_INTERVALS)), "ece": freed}

    def _intervals(self, rows: pd.DataFrame, names: Sequence[str]) -> dict[str, Interval]:
        draws = clustered_bootstrap(rows["account_id"], _REPEATS, self.seed)
        y, p = rows["churned"].to_numpy(), rows["p_model"].to_numpy()
        return {name: interval(_INTERVALS[name], y, p, draws) for name in names}

    def metrics(self, rows: pd.DataFrame, column: str) -> Summary:
        """Return the headline metrics of one column of probabilities over some of the predictions."""
        arr = rows["arr"].to_numpy(dtype=np.float64)
        return summary(
            rows["churned"], rows[column], share=self.capacity.share, value=arr, dates=rows["as_of"].to_numpy()
        )

    def compared(self, rows: pd.DataFrame, intervals: Mapping[str, Interval]) -> Comparison:
        """Return the metrics of the model and of every baseline over some of the predictions."""
        baselines = {name: self.metrics(rows, f"p_{name}") for name in self.baselines}
        return Comparison(self.metrics(rows, "p_model"), baselines, intervals)

    def report(self) -> BacktestReport:
        """Compute everything that the predictions tell: metrics, verdict, segments, capacity, profit, calibration."""
        rows, share = self.predictions, self.capacity.share
        return BacktestReport(
            pooled=self.compared(rows, self.intervals),
            folds=tuple(self._fold(split) for split in self.splits),
            verdict=self.verdict.report(),
            estimator=self.estimator,
            linear_weights=self.linear_weights,
            best_rule=self.rules_by_loss[0],
            segments=tuple(SegmentMetrics(**row) for row in _records(by_segment(rows, self.segments, self.seed))),
            capacity=at_capacity(rows, self.segments, share, self.seed),
            stability=tuple(_pair(row) for row in _records(ranking_stability(rows, share))),
            lead_time=lead_time(rows, share),
            decay=decay(self.stale, self.seed),
            profit=self._profit(),
            calibration=self._calibration(),
            treatment=self._treatment(),
        )

    def of_regression(self) -> Backtest:
        """Return the backtest of the regression on all features, with the configured model as a baseline beside it."""
        names = {"p_model": "p_blend", "p_logistic": "p_model"}
        stale = self.stale.drop(columns=["p_model", "p_old"])
        kinds = [info.model_copy(update={"kind": "logistic", "linear_weight": 1.0}) for info in self.models]
        return replace(
            self,
            predictions=self.predictions.rename(columns=names),
            stale=stale.rename(columns={"p_logistic": "p_model", "p_old_logistic": "p_old"}),
            models=tuple(kinds),
            estimator="logistic",
            reason=self.verdict.reason,
        )

    def _calibration(self) -> CalibrationReport:
        rows = self.predictions
        y, p, account = (rows[name].to_numpy() for name in ("churned", "p_model", "account_id"))
        tenths = risk_levels(y, p, account)
        return CalibrationReport(
            bins=tuple(calibration_bins(y, p)),
            brier=brier_decomposition(y, p),
            error=calibration_error(y, p, account, seed=self.seed),
            expected_over_observed=expected_over_observed(y, p, account),
            slope=calibration_slope(y, p, account),
            tenths=tenths,
            gaps=beyond_noise(tenths),
        )

    def _treatment(self) -> TreatmentReport | None:
        if self.target != "churn" or self.contacts is None or self.contacts.empty:
            return None
        return treatment_report(
            self.predictions,
            self.contacts,
            window_days=self.window_days,
            share=self.capacity.share,
            seed=self.seed,
        )

    def _fold(self, split: Split) -> FoldReport:
        rows = self.predictions[self.predictions["fold"] == split.name]
        compared = self.compared(rows, self._intervals(rows, _PER_FOLD))
        return FoldReport(
            model=compared.model,
            baselines=compared.baselines,
            intervals=compared.intervals,
            name=split.name,
            train_from=split.train[0].date(),
            train_until=split.train[-1].date(),
            test_from=split.test[0].date(),
            test_until=split.test[-1].date(),
        )

    def _profit(self) -> ProfitReport | None:
        """Return what contacting by this ranking is worth per account of a campaign; None without any ARR."""
        rows, money = self.predictions, self.capacity
        if self.target != "churn" or not rows["arr"].notna().any():
            return None
        rows = rows[in_campaigns(rows["as_of"].to_numpy(), self.window_days)]
        costs = CampaignCosts(money.contact_cost, money.offer_cost, money.save_rate)
        assumed = asdict(costs)
        y, arr = rows["churned"].to_numpy(), rows["arr"].to_numpy(dtype=np.float64, na_value=np.nan)
        rankings = {"model": "p_model", **{name: f"p_{name}" for name in self.baselines}}
        curve = profit_curve(y, rows["p_model"], arr, **assumed)
        curve = curve.iloc[np.unique(np.linspace(0, len(curve) - 1, 51).round().astype(int))]
        return ProfitReport(
            assumed=costs,
            campaigns=int(rows["as_of"].nunique()),
            every_days=self.window_days,
            expected_maximum={
                name: expected_maximum_profit(y, rows[column], arr, **assumed) for name, column in rankings.items()
            },
            area_under_curve={
                name: area_under_profit_curve(y, rows[column], arr, **assumed) for name, column in rankings.items()
            },
            curve=tuple(ProfitPoint(**row) for row in _records(curve)),
        )


def _pair(row: Mapping[str, Any]) -> StabilityPair:
    days = {name: pd.Timestamp(row[name]).date() for name in ("as_of", "next_as_of")}
    return StabilityPair(**{**row, **days})


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return rows as mappings of plain Python values, missing as None."""
    plain = frame.astype("object").where(frame.notna(), None)
    return [{str(key): value for key, value in row.items()} for row in plain.to_dict("records")]


def backtest(
    frame: pd.DataFrame,
    feature_set: FeatureSet,
    splits: Sequence[Split],
    config: BacktestSections,
    progress: Progress | None = None,
    *,
    contacts: pd.DataFrame | None = None,
) -> Backtest:
    """Backtest the model and its baselines over splits by date.

    Every fold learns everything from its own training dates: words, number of trees, penalty, calibration, and the
    scales of the rules. Where the verdict publishes the regression on all features instead of the configured model,
    the backtest returned is the regression's (`Backtest.estimator`).

    Parameters
    ----------
    frame : DataFrame
        Spine and features.
    feature_set : FeatureSet
        Columns to learn from.
    splits : sequence of Split
        From `churnml.snapshots.splits`.
    config : Config
        Any object with the sections `model`, `label`, `capacity`, and `seed`.
    progress : callable, optional
        Told one line per fold.
    contacts : DataFrame, optional
        account_id and ``at`` of every contact that the vendor began.

    Raises
    ------
    TrainingError
        A fold's training period has no churner, only churners, or too few.
    """
    learning = LearningConfig.of(config)
    parts, models, segments, stale = [], [], [], []
    oldest: tuple[ChurnModel, ChurnModel] | None = None
    for split in splits:
        if progress is not None:
            days = {"train": f"{split.train[-1]:%Y-%m-%d}", "test": f"{split.test[0]:%Y-%m-%d}"}
            progress(Text.of("progress-fold", fold=split.name, **days))
        test = frame[frame["churned"].notna() & frame["as_of"].isin(split.test)]
        part, pair = _fold(frame, test, split, feature_set, learning)
        parts.append(part)
        models.append(pair[0].info)
        segments.append(segments_of(test, feature_set.categorical))
        oldest = oldest or pair
        old = part[["account_id", "churned", "p_model", "p_logistic"]].copy()
        old["days"] = (part["as_of"] - splits[0].train[-1]).dt.days
        for column, now, first in zip(("p_old", "p_old_logistic"), ("p_model", "p_logistic"), oldest, strict=True):
            old[column] = part[now] if oldest is pair else first.probability_of(test)
        stale.append(old)
        give_back()
    tested = Backtest(
        predictions=pd.concat(parts, ignore_index=True),
        splits=tuple(splits),
        capacity=config.capacity,
        seed=config.seed,
        models=tuple(models),
        segments=pd.concat(segments, ignore_index=True),
        stale=pd.concat(stale, ignore_index=True),
        target=config.label.target,
        window_days=config.label.gap_days + config.label.horizon_days,
        contacts=contacts,
    )
    return tested.of_regression() if tested.verdict.scorer == "logistic" else tested


def _fold(
    frame: pd.DataFrame, test: pd.DataFrame, split: Split, feature_set: FeatureSet, learning: LearningConfig
) -> tuple[pd.DataFrame, tuple[ChurnModel, ChurnModel]]:
    """Return the fold's test rows with all probabilities, and the model and the regression fitted to its past."""
    train = frame[frame["churned"].notna() & frame["as_of"].isin(split.train)]
    model = fit_rows(train, feature_set, learning, where=split.name)
    part = test[["account_id", "as_of"]].copy()
    part["fold"] = split.name
    part["churned"] = test["churned"].to_numpy(dtype=np.float64)
    part["churn_on"] = test["churn_on"].to_numpy()
    part["arr"] = test["arr"].to_numpy(dtype=np.float64, na_value=np.nan)
    part["p_model"] = model.probability_of(test)
    for rule in rules(train, feature_set):
        part[f"p_{rule.name}"] = fit_rule(rule, train)(test)
    regression = regression_of(model, train, feature_set, learning, where=split.name)
    part["p_logistic"] = regression.probability_of(test)
    return part, (model, regression)
