"""Search for LightGBM parameters within a time budget, on rows that no reported number is made of."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import ndtri

from churnml.config import LearningConfig, ModelConfig
from churnml.config.needs import LearningSections
from churnml.errors import UsageError
from churnml.features.spec import FeatureSet
from churnml.language import Argument, Quantity, Text
from churnml.metrics.intervals import Interval, clustered_bootstrap
from churnml.progress import Progress
from churnml.snapshots.splits import Split
from churnml.training.choice import choose
from churnml.training.estimator import Plan
from churnml.training.facts import TunedOn, TuningSummary
from churnml.training.fitting import check_churners, classifier_of
from churnml.training.judging import judged_rows, straightened_losses
from churnml.training.trees import DEFAULTS, BinnedRows, tree_settings, validation_curve

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["Trial", "Tuning", "budget_seconds", "check_installed", "tune"]

Array = npt.NDArray[np.float64]

_RANGES: dict[str, tuple[float, float, bool]] = {
    "num_leaves": (3, 31, True),
    "learning_rate": (0.01, 0.15, True),
    "min_data_in_leaf": (10, 200, True),
    "min_sum_hessian_in_leaf": (0.5, 10.0, True),
    "lambda_l2": (0.5, 100.0, True),
    "feature_fraction": (0.3, 1.0, False),
    "bagging_fraction": (0.4, 1.0, False),
}
"""Parameter → lowest, highest, whether the scale is logarithmic; whole numbers where the lowest is one."""

_REPEATS = 400
_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}
_STATES = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "interrupted", "RUNNING": "interrupted"}


@dataclass(frozen=True)
class Trial:
    """One set of parameters that was tried.

    Parameters
    ----------
    number : int
    defaults : bool
        Whether these are the defaults; trial 0 unless that was interrupted.
    state : {"complete", "pruned", "interrupted"}
    params : mapping
        LightGBM parameters.
    log_loss : float or None
        Pooled over the tuning folds; of a pruned trial over those it got to.
    """

    number: int
    defaults: bool
    state: str
    params: Mapping[str, float | int]
    log_loss: float | None


@dataclass(frozen=True)
class Tuning:
    """What a search found, whether it is used, and why.

    Parameters
    ----------
    applied : bool
        Whether `params` replace the defaults.
    reason : Text
        Why.
    params : mapping
        The best parameters found; empty where nothing was searched.
    gain : Interval or None
        What they gain in log loss per row over the defaults on the tuning folds, with a
        95 % interval that draws accounts and allows for the number of trials.
    trials : tuple of Trial
        Every trial of the study, those of earlier runs among them.
    tuned_on : TunedOn or None
        Rows, churners, folds and dates that were tuned on.
    resumed : int
        Trials that an earlier run had left.
    """

    applied: bool
    reason: Argument
    params: Mapping[str, float | int] = field(default_factory=dict)
    gain: Interval | None = None
    trials: tuple[Trial, ...] = ()
    tuned_on: TunedOn | None = None
    resumed: int = 0

    def summary(self) -> TuningSummary:
        """Return the outcome without its trials, for the model's `info`."""
        return TuningSummary(
            applied=self.applied,
            reason=self.reason,
            params=self.params,
            gain=self.gain,
            trials=len(self.trials),
            tuned_on=self.tuned_on,
            resumed=self.resumed,
        )

    def configured(self, model: ModelConfig) -> ModelConfig:
        """Return the section to train with: with the parameters where they are used."""
        if not self.applied:
            return model
        return model.model_copy(update={"params": {**model.params, **self.params}})


def budget_seconds(text: str) -> float:
    """Read a time budget such as ``300s``, ``5m``, ``1h`` or ``300``.

    Raises
    ------
    UsageError
        It is none of these, or not above zero.

    Examples
    --------
    >>> budget_seconds("5m"), budget_seconds("300s"), budget_seconds("90")
    (300.0, 300.0, 90.0)
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smh]?)\s*", text)
    seconds = float(match[1]) * _UNITS[match[2]] if match else 0.0
    if not 0 < seconds < math.inf:
        raise UsageError(Text.of("fault-budget"), where="--budget", got=repr(text), code="usage.budget")
    return seconds


def check_installed() -> None:
    """Refuse to tune where optuna is not installed.

    Raises
    ------
    UsageError
        It is not.
    """
    try:
        import optuna  # noqa: F401
    except ModuleNotFoundError as error:
        raise UsageError(
            Text.of("fault-optuna"), where="--budget", remedy="pip install 'churnml[tune]'", code="usage.extra_missing"
        ) from error


def tune(
    frame: pd.DataFrame,
    feature_set: FeatureSet,
    splits: Sequence[Split],
    config: LearningSections,
    *,
    budget: float,
    study: str = "churnml",
    storage: str | None = None,
    most_trials: int | None = None,
    progress: Progress | None = None,
) -> Tuning:
    """Search LightGBM parameters by Optuna and say whether they should replace the defaults.

    Only the training part of the **oldest** backtest fold is looked at: every label there is final before the first
    reported test snapshot, so no number of the backtest has been tuned on. Within it each trial is judged on
    consecutive later blocks of dates by models of their own past (the inner folds that also choose the number of
    trees); its value is the pooled log loss, and after each block a trial worse than the median of the others is
    dropped. Trial 0 are the defaults. Parameters that ``model.params`` names are held.

    The best trial replaces the defaults only where the whole model (trees, blend with the logistic regression, straight
    calibration line) has a lower loss with it by more than noise: the difference is paired by row, its error comes from
    drawing accounts, and the 95 % interval is widened to the number of trials it was picked from (Bonferroni).

    Parameters
    ----------
    frame : DataFrame
        Spine and features.
    feature_set : FeatureSet
        Columns to learn from.
    splits : sequence of Split
        Of the backtest, oldest first.
    config : Config
        Any object with the sections `model`, `label`, and `seed`, which seeds the sampler.
    budget : float
        Seconds; no new trial begins when it, and the comparison with the defaults in the end, would not be done in
        time. The defaults are always tried.
    study : str
        Name under which the trials are kept: the same name goes on where an earlier run stopped.
    storage : str, optional
        SQLAlchemy URL where trials are kept as they finish; default: in memory.
    most_trials : int, optional
        End after so many new trials, though time is left.
    progress : callable, optional
        Told one line per trial.

    Raises
    ------
    UsageError
        optuna is not installed.
    TrainingError
        The training part has too few churners.

    References
    ----------
    Akiba et al. 2019, 10.1145/3292500.3330701 (Optuna); Bergstra et al. 2011, NeurIPS 24 (TPE).
    """
    check_installed()
    rows = frame[frame["churned"].notna() & frame["as_of"].isin(splits[0].train)]
    check_churners(rows, LearningConfig.of(config), f"tuning ({splits[0].name})")
    classifier = classifier_of(feature_set, LearningConfig.of(config))
    groups = rows["account_id"].to_numpy(dtype="object").astype(str)
    X, y = _matrix(rows, feature_set), rows["churned"].to_numpy(dtype=np.float64)
    plan = classifier.plan(X, y, dates=rows["as_of"].to_numpy(), groups=groups)
    judged = judged_rows(plan.folds)
    tuned_on = TunedOn(
        as_of_from=f"{rows['as_of'].min():%Y-%m-%d}",
        as_of_until=f"{rows['as_of'].max():%Y-%m-%d}",
        judged_on=classifier.judged_on_,
        folds=len(plan.folds),
        judged_rows=len(judged),
        judged_churners=int(y[judged].sum()),
    )
    if classifier.kind_ == "logistic":
        return Tuning(False, Text.of("tuning-no_trees", reason=classifier.reason_), tuned_on=tuned_on)
    if not plan.folds:
        return Tuning(False, Text.of("tuning-too_short"), tuned_on=tuned_on)
    with _optuna(storage) as (optuna, backend):
        search = _Search(optuna, plan, config, progress)
        trials, resumed = search.run(study, backend, budget, most_trials)
    tuning = _judged(trials, plan, config, groups[judged])
    return replace(tuning, trials=trials, tuned_on=tuned_on, resumed=resumed)


def _matrix(rows: pd.DataFrame, feature_set: FeatureSet) -> Array:
    from churnml.training.encoding import categories_of, encode

    return encode(rows, feature_set.names, categories_of(rows, feature_set.categorical))


@contextmanager
def _optuna(storage: str | None) -> Iterator[tuple[ModuleType, Any]]:
    """Give optuna, quiet, and the place where trials are kept."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    backend = optuna.storages.RDBStorage(storage) if storage is not None else None
    try:
        yield optuna, backend
    finally:
        optuna.logging.set_verbosity(before)
        if backend is not None:
            backend.remove_session()
            backend.engine.dispose()


class _Search:
    """The trials of one study."""

    def __init__(self, optuna: ModuleType, plan: Plan, config: LearningSections, progress: Progress | None) -> None:
        self._optuna, self._plan, self._config = optuna, plan, config
        self._progress = progress
        binned = BinnedRows(plan.matrix, plan.outcome, plan.recipe.categorical, plan.recipe.trees[0])
        self._parts = [binned.fold(fold.train, fold.valid) for fold in plan.folds]
        self._ranges = {name: value for name, value in _RANGES.items() if name not in config.model.params}

    def run(self, name: str, backend: Any, budget: float, most: int | None) -> tuple[tuple[Trial, ...], int]:
        """Run new trials; return all of them, and how many there were before."""
        optuna = self._optuna
        study = optuna.create_study(
            study_name=name,
            storage=backend,
            load_if_exists=True,
            direction="minimize",
            pruner=optuna.pruners.MedianPruner(n_startup_trials=5),
        )
        before = len(study.trials)
        # The same seed would only try the earlier run's trials again.
        study.sampler = optuna.samplers.TPESampler(seed=self._config.seed + before)
        if not any(trial.defaults and trial.state == "complete" for trial in map(_plain, study.trials)):
            defaults = {**DEFAULTS, **self._plan.recipe.trees[0].params}
            study.enqueue_trial({key: defaults[key] for key in self._ranges}, user_attrs={"defaults": True})
        study.optimize(self._trial, timeout=budget, n_trials=most, callbacks=[self._tell, _Reserve(budget)])
        return tuple(_plain(trial) for trial in study.trials), before

    def _trial(self, trial: Any) -> float:
        params = {**self._config.model.params, **{name: self._suggest(trial, name) for name in self._ranges}}
        (shape,) = tree_settings(params)
        plan, recipe = self._plan, self._plan.recipe
        total, rows = np.zeros(shape.max_trees), 0
        for step, fold in enumerate(plan.folds):
            train, valid = self._parts[step]
            _, curve = validation_curve(train, valid, settings=shape, seed=recipe.seeds[0], monotone=recipe.monotone)
            total, rows = total + curve * len(fold.valid), rows + len(fold.valid)
            trial.report(float(total.min()) / rows, step)
            if trial.should_prune():
                raise self._optuna.TrialPruned
        return float(total.min()) / rows

    def _suggest(self, trial: Any, name: str) -> float | int:
        low, high, log = self._ranges[name]
        if isinstance(low, int):
            return int(trial.suggest_int(name, low, int(high), log=log))
        return float(trial.suggest_float(name, low, high, log=log))

    def _tell(self, study: Any, trial: Any) -> None:
        if self._progress is not None:
            finished = _plain(trial)
            value = "–" if finished.log_loss is None else f"{finished.log_loss:.5f}"
            arguments = {"loss": value, "state": str(finished.state), "best": f"{study.best_value:.5f}"}
            self._progress(Text.of("progress-trial", n=finished.number, **arguments))


class _Reserve:
    """Ends the trials while there is time left for the final comparison, which takes about as long as two of them."""

    def __init__(self, budget: float) -> None:
        self._budget, self._started, self._longest = budget, None, 0.0

    def __call__(self, study: Any, trial: Any) -> None:
        if self._started is None:
            self._started = trial.datetime_start
        self._longest = max(self._longest, trial.duration.total_seconds())
        spent = (trial.datetime_complete - self._started).total_seconds()
        if spent + 3.0 * self._longest > self._budget:
            study.stop()


def _plain(trial: Any) -> Trial:
    reached = trial.intermediate_values
    value = trial.value if trial.value is not None else reached[max(reached)] if reached else None
    defaults = bool(trial.user_attrs.get("defaults"))
    return Trial(trial.number, defaults, _STATES.get(trial.state.name, "waiting"), dict(trial.params), value)


def _judged(trials: Sequence[Trial], plan: Plan, config: LearningSections, groups: npt.NDArray[Any]) -> Tuning:
    """Return the best trial and whether it beats the defaults by more than noise."""
    finished = [trial for trial in trials if trial.state == "complete" and trial.log_loss is not None]
    best = min(finished, key=lambda trial: (trial.log_loss, trial.number))
    tried = len(trials)
    if best.defaults:
        return Tuning(False, Text.of("tuning-none_lower", tried=tried), best.params)
    recipe = plan.recipe
    tuned = replace(recipe, trees=tree_settings({**config.model.params, **best.params}))
    outcome = plan.outcome[judged_rows(plan.folds)]
    losses = [
        straightened_losses(outcome, scores)
        for one in (recipe, tuned)
        if (scores := choose(plan.matrix, plan.outcome, plan.folds, one).scores) is not None
    ]
    gained = losses[0] - losses[1]
    value = float(gained.mean())
    accounts, account = np.unique(groups, return_inverse=True)
    own, rows = np.bincount(account, weights=gained), np.bincount(account).astype(np.float64)
    draws = clustered_bootstrap(accounts, _REPEATS, config.seed)
    error = float(np.std([float(draw @ own / (draw @ rows)) for draw in draws], ddof=1))
    reach = float(ndtri(1 - 0.025 / max(len(trials) - 1, 1))) * error
    low, high = value - reach, value + reach
    gain = Interval(value, low, high)
    bounds = {name: Quantity(value=one, digits=5) for name, one in (("gain", value), ("low", low), ("high", high))}
    code = "tuning-better" if gain.above_zero else "tuning-noise"
    return Tuning(gain.above_zero, Text.of(code, trial=best.number, tried=tried, **bounds), best.params, gain)
