"""`HazardModel`: when accounts are lost, decision by decision and month by month, as scikit-learn knows estimators."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Literal, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from lightgbm.basic import LightGBMError
from scipy.special import expit, logit, ndtri
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from churnml.config import LearningConfig
from churnml.errors import BundleError, DataError, TrainingError
from churnml.features.spec import FeatureSet
from churnml.language import Text
from churnml.training.beta_geometric import BetaGeometric
from churnml.training.chance_learning import ChanceLearner, pooled
from churnml.training.questions import OfContracts, OfSilence
from churnml.training.risk import Chance
from churnml.training.silences import Silences
from churnml.training.stacking import asked_decisions, ended_at_decisions
from churnml.training.survival import Curves, Forecast

__all__ = ["HazardModel"]

Array = npt.NDArray[np.float64]
Kind = Literal["auto", "lightgbm", "logistic"]

_AT_ONCE = 4000
_FORMAT, _FILE = 2, "hazard.json"
_ROWS = {"contractual": 8_000, "silence": 24_000}
"""A silence may begin on any day: its steps are many, and each has few losses."""
_PARAMETERS = (
    "kind", "seeds", "calibration", "random_state", "late_days", "silence_days", "refits", "min_lost", "most_rows",
    "most_features",
)  # fmt: skip


class HazardModel(BaseEstimator):  # type: ignore[misc]
    """Discrete-time hazard of losing an account, on the same features as every other model here.

    Two chances are learnt, each by `churnml.training.ChurnClassifier` with its inner folds by date, its blend and its
    calibration: that an account which reaches a decision on its contract is lost there, and that it is lost in a month
    at no decision. Their product is one survival curve, from which every horizon's probability, the risk at the renewal
    and the expected end follow. With churn by silence the two are that it does nothing from ``as_of`` on, and that it
    falls silent in a week or four weeks after it has done something once more (`churnml.training.silences.Silences`).

    Parameters
    ----------
    features : FeatureSet
        Columns to learn from; the days to the renewal are left out, since the stack has them as its own.
    kind, params, seeds, calibration, random_state
        As for `churnml.training.ChurnClassifier`.
    late_days : int
        A renewal so many days late is still one: ``label.grace_days``. With churn by silence facts may come so many
        days late: ``label.settle_days``.
    silence_days : int
        Days without activity after which an account is lost; 0 where contracts say it.
    refits : int
        Models refitted to randomly weighed accounts, for intervals; 0 for none.
    min_lost : int
        Where fewer accounts were lost in one of the two ways, that chance is one rate for all.
    most_rows : int
        About so many rows of a stack are learnt from; more are thinned evenly.
    most_features : int
        So many numeric features are learnt from, one a measure: those that rank the losses best by themselves. Answers
        are few, and a fit takes seconds so, not minutes.

    Attributes
    ----------
    chances_ : dict
        The two fitted chances: ``at_decision`` and ``between`` decisions; with churn by silence ``at_once`` and
        ``later``.
    lost_ : dict
        Accounts lost in either way that were learnt from.
    rows_ : dict
        Rows of either stack.
    reach_days_ : int
        As far ahead the past can tell of.
    steps_ : Silences or None
        The steps of churn by silence.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> count, dates = 300, pd.to_datetime(["2024-01-01", "2024-04-01", "2024-07-01"])
    >>> snapshots = pd.DataFrame({"account_id": np.tile([f"a{i}" for i in range(count)], 3),
    ...     "as_of": np.repeat(dates, count), "use": np.tile(rng.normal(size=count), 3)})
    >>> snapshots["next_decision_days"], snapshots["contract_days"] = 40.0, 91.3125
    >>> lost = rng.random(3 * count) < 1 / (1 + np.exp(2 + 2 * snapshots["use"]))
    >>> snapshots["ended_days"], snapshots["seen_days"] = np.where(lost, 40.0, np.nan), 80.0
    >>> from churnml.features.spec import FeatureSpec
    >>> features = FeatureSet([FeatureSpec("use", "engagement", "", "", "use", "use", "events")])
    >>> model = HazardModel(features, kind="logistic", refits=0).fit(snapshots)
    >>> low, high = model.predict_survival(snapshots.assign(use=[-2.0] * 450 + [2.0] * 450)).point.renewal_risk[[0, -1]]
    >>> bool(low > 0.6), bool(high < 0.1)
    (True, True)

    See Also
    --------
    churnml.snapshots.coming_decisions, churnml.snapshots.seen_ends : The columns beside spine and features.
    """

    def __init__(
        self,
        features: FeatureSet,
        kind: Kind = "auto",
        params: Mapping[str, float | int | str | bool] | None = None,
        seeds: int = 1,
        calibration: Literal["auto", "platt", "isotonic", "beta", "none"] = "auto",
        random_state: int = 7,
        late_days: int = 14,
        silence_days: int = 0,
        refits: int = 8,
        min_lost: int = 7,
        most_rows: int = 8_000,
        most_features: int = 40,
    ) -> None:
        self.features = features
        self.kind = kind
        self.params = params
        self.seeds = seeds
        self.calibration = calibration
        self.random_state = random_state
        self.late_days = late_days
        self.silence_days = silence_days
        self.refits = refits
        self.min_lost = min_lost
        self.most_rows = most_rows
        self.most_features = most_features

    @classmethod
    def of(cls, features: FeatureSet, learning: LearningConfig, refits: int) -> Self:
        """Return the model that a config asks for, not fitted yet.

        Parameters
        ----------
        features : FeatureSet
        learning : LearningConfig
            The label, the estimator, and the seed.
        refits : int
        """
        label, model = learning.label, learning.model
        return cls(
            features,
            kind=model.kind,
            params=model.params,
            calibration=model.calibration,
            random_state=learning.seed,
            late_days=label.grace_days if label.churn == "contractual" else label.settle_days,
            silence_days=label.silence if label.churn == "silence" else 0,
            refits=refits,
            min_lost=model.min_churners,
            most_rows=_ROWS[label.churn],
        )

    def fit(self, frame: pd.DataFrame) -> Self:
        """Fit to snapshots, also to those whose windows are not over: as far as it is known what they lived through.

        Parameters
        ----------
        frame : DataFrame
            Spine and features, one row per ``(account_id, as_of)``, with `churnml.snapshots.coming_decisions` and
            `churnml.snapshots.seen_ends`; the spine's labels are not read.

        Raises
        ------
        DataError
            A column is missing.
        TrainingError
            Nobody was lost, or nobody stayed.
        """
        _check(frame, ["account_id", "as_of", "next_decision_days", "contract_days", "ended_days", "seen_days"])
        frame = frame.reset_index(drop=True)
        steps = Silences.of(frame, self.silence_days) if self.silence_days else None
        questions = self._questions(steps)
        stacks = dict(zip(questions.names, questions.stacks(frame, self.most_rows), strict=True))
        account = frame["account_id"].to_numpy(dtype="object").astype(str)
        self.rows_ = {name: len(stack.lost) for name, stack in stacks.items()}
        self.lost_ = {name: len(np.unique(account[stack.asked.row[stack.lost == 1]])) for name, stack in stacks.items()}
        if sum(self.lost_.values()) < self.min_lost:
            raise TrainingError(
                Text.of("fault-few_lost", n=str(sum(self.lost_.values())), least=str(self.min_lost)),
                where="training",
                got=Text.of("fault-few_lost.got", snapshots=len(frame), n=str(sum(self.rows_.values()))),
                code="training.too_few_churners",
            )
        draws = self._draws(account)
        self.norms_ = []
        if not self.silence_days:
            decided = ended_at_decisions(frame, self.late_days)
            self.norms_ = [BetaGeometric.fit(decided), *(BetaGeometric.fit(decided, one) for one in draws)]
        rows = np.unique(np.concatenate([stack.asked.row for stack in stacks.values()]))
        learner = ChanceLearner(self, frame, account, draws, rows)
        norms: Sequence[BetaGeometric | None] = (*self.norms_[:1], None, None)
        self.chances_ = {
            kind.name: learner.learn(stacks[kind.name], kind, norm)
            for kind, norm in zip(questions.kinds, norms, strict=False)
        }
        self.steps_ = steps
        return self

    @property
    def reach_days_(self) -> int:
        """As far ahead the past can tell of, days."""
        check_is_fitted(self, "chances_")
        return self._questions(self.steps_).reach_days

    def predict_survival(self, frame: pd.DataFrame) -> Forecast:
        """Return the curves of snapshots over 24 months of 30 days, and those of the refits.

        Parameters
        ----------
        frame : DataFrame
            ``as_of``, features and `churnml.snapshots.coming_decisions`; nothing of what came after is read.

        Raises
        ------
        DataError
            A column is missing.
        """
        check_is_fitted(self, "chances_")
        _check(frame, ["as_of", "next_decision_days", "contract_days"])
        parts = [
            self._curves(frame.iloc[start : start + _AT_ONCE].reset_index(drop=True))
            for start in range(0, max(len(frame), 1), _AT_ONCE)
        ]
        point, *draws = (_joined(curves) for curves in zip(*parts, strict=True))
        return Forecast(point, tuple(draws), self.reach_days_)

    def predict_proba(self, frame: pd.DataFrame, days: int = 90) -> Array:
        """Return the chances of staying and of being lost within so many days, of shape (n, 2)."""
        lost = self.predict_survival(frame).point.lost_within(days)
        return np.column_stack([1.0 - lost, lost])

    def renewal_contributions(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return what each feature adds to the log-odds of being lost at the next decision, before calibration.

        Parameters
        ----------
        frame : DataFrame
            As for `predict_survival`.

        Returns
        -------
        DataFrame
            On the index of `frame`, a column per feature; NaN where no decision comes within 24 months. Above 0 it
            raises the risk over that of the accounts that were learnt from; associated with it, not the cause. No
            column with churn by silence, which knows no decisions.
        """
        check_is_fitted(self, "chances_")
        _check(frame, ["as_of", "next_decision_days", "contract_days"])
        rows = frame.reset_index(drop=True)
        if self.silence_days:
            return pd.DataFrame(index=frame.index)
        asked = asked_decisions(rows)
        first = asked.taken(asked.place == 0)
        decision = self.chances_["at_decision"]
        added = np.full((len(rows), len(decision.features)), np.nan)
        added[first.row] = decision.contributions(rows, first)
        return pd.DataFrame(added, index=frame.index, columns=list(decision.features))

    def to_files(self) -> dict[str, str]:
        """Return the fitted model as text files, name → content, as bundles hold models.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            It is not fitted.
        """
        check_is_fitted(self, "chances_")
        parameters = {name: getattr(self, name) for name in _PARAMETERS}
        model = {
            "format": _FORMAT,
            "parameters": parameters | {"params": dict(self.params or {})},
            "features": self.features.as_dicts(),
            "lost": self.lost_,
            "rows": self.rows_,
            **{name: chance.as_dict() for name, chance in self.chances_.items()},
            "norms": [norm.as_dict() for norm in self.norms_],
            "steps": None if self.steps_ is None else vars(self.steps_),
        }
        return {_FILE: json.dumps(model, ensure_ascii=False, indent=1, sort_keys=True, allow_nan=False) + "\n"}

    @classmethod
    def from_files(cls, files: Mapping[str, str]) -> HazardModel:
        """Rebuild a fitted model from `to_files`; it gives the same numbers to the last digit.

        Raises
        ------
        BundleError
            The file is missing, of another format, or cannot be read.
        """
        try:
            model = json.loads(files[_FILE])
            if model["format"] != _FORMAT:
                raise ValueError(f"format {model['format']!r}, not {_FORMAT}")
            # Versions before churn by silence had a parameter more, and no steps.
            parameters = {
                name: value for name, value in model["parameters"].items() if name in (*_PARAMETERS, "params")
            }
            made = cls(FeatureSet.from_dicts(model["features"]), **parameters)
            steps = model.get("steps")
            made.steps_ = None if steps is None else Silences(**steps)
            made.lost_, made.rows_ = model["lost"], model["rows"]
            made.norms_ = [BetaGeometric.from_dict(one) for one in model["norms"]]
            made.chances_ = {name: Chance.from_dict(model[name]) for name in made._questions(made.steps_).names}
        except (KeyError, TypeError, ValueError, LightGBMError) as error:
            raise BundleError(
                Text.of("fault-hazard_unread"),
                where=_FILE,
                got=f"{type(error).__name__}: {error}",
                code="bundle.unreadable",
            ) from error
        return made

    def _questions(self, steps: Silences | None) -> OfContracts | OfSilence:
        return OfContracts(self.late_days) if steps is None else OfSilence(steps, self.late_days)

    def _curves(self, frame: pd.DataFrame) -> list[Curves]:
        questions = self._questions(self.steps_)
        first, second = questions.asked(frame)
        pairs = [self.chances_[name] for name in questions.names]
        chances = [chance.of(frame, asked) for chance, asked in zip(pairs, (first, second), strict=True)]
        # A refit differs by its accounts, and by a draw of how far such chances were off; evenly, for refits are few.
        off = [0.0, *_normal_scores(len(chances[0]) - 1)]
        spreads = [chance.spread(asked) for chance, asked in zip(pairs, (first, second), strict=True)]
        curves = []
        for place, score in enumerate(off):
            one, other = (side[place] for side in chances)
            if self.norms_:
                one = pooled(one, self.norms_[place].chances(frame, first), first.day)
            moved = (_moved(p, score * spread) for p, spread in zip((one, other), spreads, strict=True))
            curves.append(questions.curves(frame, first, *moved))
        return curves

    def _draws(self, account: npt.NDArray[np.str_]) -> list[Array]:
        """Return a random weight per snapshot for each refit, the same for all of an account (Rubin 1981)."""
        rng = np.random.default_rng(self.random_state)
        accounts, place = np.unique(account, return_inverse=True)
        return [rng.exponential(size=len(accounts))[place] for _ in range(self.refits)]


def _moved(p: Array, log_odds: Array) -> Array:
    return np.asarray(expit(logit(np.clip(p, 1e-12, 1.0 - 1e-12)) + log_odds))


def _normal_scores(count: int) -> list[float]:
    """Return so many numbers spread like a standard normal: mean 0, variance 1."""
    scores = np.asarray(ndtri((np.arange(count) + 0.5) / max(count, 1)))
    return list(scores / scores.std(ddof=1)) if count > 1 else [0.0] * count


def _joined(parts: Sequence[Curves]) -> Curves:
    """Put curves below each other; fewer decisions are filled with none."""
    width = max(part.decision_day.shape[1] for part in parts)

    def wide(values: Array) -> Array:
        return np.pad(values, ((0, 0), (0, width - values.shape[1])), constant_values=np.nan)

    return Curves(
        np.concatenate([wide(part.decision_day) for part in parts]),
        np.concatenate([wide(part.decision_risk) for part in parts]),
        np.concatenate([part.step_risk for part in parts]),
        parts[0].edges,
    )


def _check(frame: pd.DataFrame, columns: Sequence[str]) -> None:
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise DataError(Text.of("fault-curve_columns"), where=", ".join(missing), code="data.feature_missing")
