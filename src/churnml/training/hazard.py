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
from churnml.training.risk import Chance
from churnml.training.stacking import (
    DECISION_EXTRAS,
    MONTH_DAYS,
    MONTH_EXTRAS,
    MONTHS,
    asked_decisions,
    asked_months,
    decision_grid,
    decision_stack,
    ended_at_decisions,
    month_stack,
)
from churnml.training.survival import Curves, Forecast

__all__ = ["HazardModel"]

Array = npt.NDArray[np.float64]
Kind = Literal["auto", "lightgbm", "logistic"]

_AT_ONCE = 4000
_FORMAT, _FILE = 2, "hazard.json"
_PARAMETERS = (
    "kind", "seeds", "calibration", "random_state", "late_days", "first_day", "refits", "min_lost", "most_rows",
    "most_features",
)  # fmt: skip


class HazardModel(BaseEstimator):  # type: ignore[misc]
    """Discrete-time hazard of losing an account, on the same features as every other model here.

    Two chances are learnt, each by `churnml.training.ChurnClassifier` with its inner folds by date, its blend and its
    calibration: that an account which reaches a decision on its contract is lost there, and that it is lost in a month
    at no decision. Their product is one survival curve, from which every horizon's probability, the risk at the renewal
    and the expected end follow. Churn by silence has no decisions, and the second alone.

    Parameters
    ----------
    features : FeatureSet
        Columns to learn from; the days to the renewal are left out, since the stack has them as its own.
    kind, params, seeds, calibration, random_state
        As for `churnml.training.ChurnClassifier`.
    late_days : int
        A renewal so many days late is still one: ``label.grace_days``.
    first_day : int
        Nobody is lost earlier: ``label.silence - 1`` with churn by silence.
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
    decision_, month_ : fitted chances
    lost_ : dict
        Accounts lost ``at_decision`` and ``between`` that were learnt from.
    rows_ : dict
        Rows of either stack.

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
        first_day: int = 0,
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
        self.first_day = first_day
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
            late_days=label.grace_days if label.churn == "contractual" else 0,
            first_day=label.silence - 1 if label.churn == "silence" else 0,
            refits=refits,
            min_lost=model.min_churners,
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
        stacks = {
            "at_decision": decision_stack(frame, self.late_days, self.most_rows),
            "between": month_stack(frame, self.late_days, self.most_rows, self.first_day),
        }
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
        decided = ended_at_decisions(frame, self.late_days)
        draws = self._draws(account)
        self.norms_ = [BetaGeometric.fit(decided), *(BetaGeometric.fit(decided, one) for one in draws)]
        learner = ChanceLearner(self, frame, account, draws)
        self.decision_ = learner.learn(stacks["at_decision"], DECISION_EXTRAS, self.norms_[0])
        self.month_ = learner.learn(stacks["between"], MONTH_EXTRAS)
        return self

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
        check_is_fitted(self, "month_")
        _check(frame, ["as_of", "next_decision_days", "contract_days"])
        parts = [
            self._curves(frame.iloc[start : start + _AT_ONCE].reset_index(drop=True))
            for start in range(0, max(len(frame), 1), _AT_ONCE)
        ]
        point, *draws = (_joined(curves) for curves in zip(*parts, strict=True))
        return Forecast(point, tuple(draws))

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
            raises the risk over that of the accounts that were learnt from; associated with it, not the cause.
        """
        check_is_fitted(self, "month_")
        _check(frame, ["as_of", "next_decision_days", "contract_days"])
        rows = frame.reset_index(drop=True)
        asked = asked_decisions(rows)
        first = asked.taken(asked.place == 0)
        added = np.full((len(rows), len(self.decision_.features)), np.nan)
        added[first.row] = self.decision_.contributions(rows, first)
        return pd.DataFrame(added, index=frame.index, columns=list(self.decision_.features))

    def to_files(self) -> dict[str, str]:
        """Return the fitted model as text files, name → content, as bundles hold models.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            It is not fitted.
        """
        check_is_fitted(self, "month_")
        parameters = {name: getattr(self, name) for name in _PARAMETERS}
        model = {
            "format": _FORMAT,
            "parameters": parameters | {"params": dict(self.params or {})},
            "features": self.features.as_dicts(),
            "lost": self.lost_,
            "rows": self.rows_,
            "at_decision": self.decision_.as_dict(),
            "between": self.month_.as_dict(),
            "norms": [norm.as_dict() for norm in self.norms_],
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
            made = cls(FeatureSet.from_dicts(model["features"]), **model["parameters"])
            made.lost_, made.rows_ = model["lost"], model["rows"]
            made.norms_ = [BetaGeometric.from_dict(one) for one in model["norms"]]
            made.decision_, made.month_ = Chance.from_dict(model["at_decision"]), Chance.from_dict(model["between"])
        except (KeyError, TypeError, ValueError, LightGBMError) as error:
            raise BundleError(
                Text.of("fault-hazard_unread"),
                where=_FILE,
                got=f"{type(error).__name__}: {error}",
                code="bundle.unreadable",
            ) from error
        return made

    def _curves(self, frame: pd.DataFrame) -> list[Curves]:
        grid = decision_grid(frame)
        decisions, months = asked_decisions(frame), asked_months(frame)
        closed = months.day + MONTH_DAYS <= self.first_day
        curves = []
        at_decisions, between = self.decision_.of(frame, decisions), self.month_.of(frame, months)
        # A refit differs by its accounts, and by a draw of how far such chances were off; evenly, for refits are few.
        off = [0.0, *_normal_scores(len(at_decisions) - 1)]
        spreads = [chance.spread(asked) for chance, asked in ((self.decision_, decisions), (self.month_, months))]
        for at, other, norm, score in zip(at_decisions, between, self.norms_, off, strict=True):
            risk = np.full(grid.shape, np.nan)
            both = pooled(at, norm.chances(frame, decisions), decisions.day)
            risk[decisions.row, decisions.place] = _moved(both, score * spreads[0])
            other = np.where(closed, 0.0, _moved(other, score * spreads[1]))
            curves.append(Curves(grid, risk, other.reshape(len(frame), MONTHS)))
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
        np.concatenate([part.month_risk for part in parts]),
    )


def _check(frame: pd.DataFrame, columns: Sequence[str]) -> None:
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise DataError(Text.of("fault-curve_columns"), where=", ".join(missing), code="data.feature_missing")
