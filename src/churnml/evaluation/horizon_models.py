"""Models of further horizons: fitted and backtested like the primary one, each on its own labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pandas as pd

from churnml.config import CapacityConfig, LabelConfig, LearningConfig, ModelConfig, SnapshotConfig, SplitConfig
from churnml.config.needs import HorizonSections, LearningSections
from churnml.errors import Said, TimelineError, TrainingError
from churnml.evaluation.backtest import Backtest, backtest
from churnml.evaluation.report import HorizonFold, HorizonReport, HorizonVerdict
from churnml.features.spec import FeatureSet
from churnml.language import Text
from churnml.progress import Progress
from churnml.snapshots.labels import horizon_column
from churnml.snapshots.splits import Split, splits
from churnml.training.fitting import Evidence, fit_judged, with_fallback
from churnml.training.model import ChurnModel
from churnml.training.publication import Publication

__all__ = ["backtest_horizons", "fit_horizons"]

_SEEDS = 1


@dataclass(frozen=True)
class _Horizon:
    """The sections of a backtest at one horizon."""

    label: LabelConfig
    model: ModelConfig
    seed: int
    capacity: CapacityConfig
    splits: SplitConfig
    snapshots: SnapshotConfig


def fit_horizons(
    frame: pd.DataFrame,
    feature_set: FeatureSet,
    config: LearningSections,
    model: ChurnModel,
    tested: Mapping[int, Evidence] | None = None,
) -> ChurnModel:
    """Return the model with one further model per ``label.further_horizons_days``.

    Each learns from the rows whose label at its own horizon is final, on the same features and with the same way of
    tuning and calibrating; one seed instead of ``model.seeds``. Where a rule gives the primary horizon's probability,
    the same rule, fitted to each horizon's labels, gives the others'; where a further horizon's own backtest failed,
    its best rule gives that one's.

    Parameters
    ----------
    frame : DataFrame
        Spine and features; the spine has a label column per further horizon.
    feature_set : FeatureSet
        Columns to learn from.
    config : Config
        Any object with the sections `label`, `model`, and `seed`.
    model : ChurnModel
        Of the primary horizon.
    tested : mapping, optional
        Horizon, days → what decides its fate; from `backtest_horizons`.

    Raises
    ------
    TrainingError
        A horizon's labels hold too few of either outcome; the message names the horizon.
    """
    models = {}
    for days in sorted(config.label.further_horizons_days):
        own = _learning(config, days)
        with _named(days):
            rows = _asked(frame, days)
            rows = rows[rows["churned"].notna()]
            own_test = (tested or {}).get(days)
            models[days] = fit_judged(rows, feature_set, own, own_test, where=f"horizon of {days} days")
        if model.rule is not None:
            models[days] = with_fallback(models[days], rows, [model.rule.name])
        elif own_test is not None and own_test.verdict.verdict is not Publication.PUBLISHABLE:
            models[days] = with_fallback(models[days], rows, own_test.rules_by_loss)
    return replace(model, horizon_models=models)


def backtest_horizons(
    frame: pd.DataFrame, feature_set: FeatureSet, config: HorizonSections, progress: Progress | None = None
) -> dict[int, HorizonReport]:
    """Backtest each further horizon's model, before its probabilities give way to the primary horizon's.

    The folds are cut by the same rules as the primary's and purged by the horizon's own length: a longer horizon's
    newest test snapshots are older, for its labels are final later.

    Returns
    -------
    dict
        Horizon, days → its report.

    Raises
    ------
    TimelineError
        The history is too short for a fold at a horizon; the message names the horizon.
    TrainingError
        See `fit_horizons`.
    """
    reports = {}
    for days in sorted(config.label.further_horizons_days):
        rows, learning = _asked(frame, days), _learning(config, days)
        own = _Horizon(
            label=learning.label,
            model=learning.model,
            seed=config.seed,
            capacity=config.capacity,
            splits=config.splits,
            snapshots=config.snapshots,
        )

        def say(line: Said, days: int = days) -> None:
            if progress is not None:
                progress(Text.of("progress-horizon", days=days, line=line))

        with _named(days):
            tested = backtest(rows, feature_set, splits(rows, own), own, progress=say)
        reports[days] = HorizonReport(
            horizon_days=days,
            base_rate=float(rows["churned"].mean()),
            seeds=own.model.seeds,
            folds=tuple(_fold(tested, split) for split in tested.splits),
            pooled=tested.compared(tested.predictions, tested.intervals),
            verdict=HorizonVerdict(tested.verdict.verdict, tested.verdict.reason),
            rules_by_loss=tuple(tested.rules_by_loss),
            estimator=tested.estimator,
            linear_weights=tested.linear_weights,
        )
    return reports


def _fold(tested: Backtest, split: Split) -> HorizonFold:
    rows = tested.predictions[tested.predictions["fold"] == split.name]
    return HorizonFold(
        name=split.name,
        train_until=split.train[-1].date(),
        test_from=split.test[0].date(),
        test_until=split.test[-1].date(),
        model=tested.metrics(rows, "p_model"),
    )


def _asked(frame: pd.DataFrame, days: int) -> pd.DataFrame:
    """Return the frame with the labels of a further horizon."""
    return frame.assign(churned=frame[horizon_column(days)])


def _learning(config: LearningSections, days: int) -> LearningConfig:
    """Return what fitting reads, as if this horizon were the only one."""
    model = config.model.model_copy(update={"seeds": _SEEDS})
    return LearningConfig(label=config.label.at_horizon(days), model=model, seed=config.seed)


@contextmanager
def _named(days: int) -> Iterator[None]:
    """Name the horizon in errors, and the way out."""
    try:
        yield
    except (TimelineError, TrainingError) as error:
        raise type(error)(
            f"At the horizon of {days} days: {error.what}",
            where=f"label.further_horizons_days ({error.where})" if error.where else "label.further_horizons_days",
            got=error.got,
            expected=error.expected,
            remedy=f"Leave {days} out of label.further_horizons_days, or: {error.remedy}",
            code=error.code,
        ) from error
