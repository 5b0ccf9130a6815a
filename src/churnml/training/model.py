"""`ChurnModel`: what a bundle holds and what scoring runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit

from churnml.errors import BundleError
from churnml.features.spec import FeatureSet
from churnml.language import Text
from churnml.training.encoding import encode
from churnml.training.ensemble import Ensemble
from churnml.training.facts import ModelInfo
from churnml.training.horizons import anchored
from churnml.training.linear import Linear
from churnml.training.publication import Publication
from churnml.training.rules import RuleModel
from churnml.training.trees import Trees

__all__ = ["ChurnModel"]

Array = npt.NDArray[np.float64]

_FORMAT = 1
_MODEL = "model.json"
_FEATURES = "features.json"
_LINEAR = "linear.json"
_FALLBACK = "fallback.json"
_ROWS_AT_ONCE = 16_384


@dataclass(frozen=True)
class ChurnModel:
    """A fitted, calibrated churn model and everything needed to apply it.

    Parameters
    ----------
    features : FeatureSet
        Columns it reads, in order.
    categories : mapping
        Words of each categorical column, in code order.
    base_rate : float
        Churn rate of the rows it was fitted on.
    horizon_days : int
        Length of the label window it predicts.
    ensemble : Ensemble
        The estimator.
    info : ModelInfo
        Verdict and reason, kind, dates and rows of training, how it was tuned.
    horizon_models : mapping
        Horizon in days → the model of that horizon, on the same features; empty where one horizon is asked for.
    fallback : RuleModel, optional
        The rule that gives the probabilities while ``info.verdict`` is ``"rules_only"``.
    """

    features: FeatureSet
    categories: Mapping[str, list[str]]
    base_rate: float
    horizon_days: int
    ensemble: Ensemble
    info: ModelInfo
    horizon_models: Mapping[int, ChurnModel] = field(default_factory=dict)
    fallback: RuleModel | None = None

    @property
    def rule(self) -> RuleModel | None:
        """The rule that scores instead of the model: where the model failed its gate and there is a fallback."""
        return self.fallback if self.info.verdict == Publication.RULES_ONLY else None

    @property
    def horizons(self) -> tuple[int, ...]:
        """Every horizon it predicts, days, the shortest first."""
        return tuple(sorted((self.horizon_days, *self.horizon_models)))

    @property
    def target(self) -> str:
        """What it predicts: churn, expansion or contraction."""
        return self.info.target

    @property
    def output(self) -> str:
        """Name of the probability wherever it is written, e.g. ``churn_probability``."""
        return f"{self.target}_probability"

    @property
    def horizon_columns(self) -> dict[int, str]:
        """Horizon in days → name of its probability; where there is one horizon, that is `output`."""
        return {days: f"{self.output}_{days}d" if self.horizon_models else self.output for days in self.horizons}

    def matrix(self, frame: pd.DataFrame) -> Array:
        """Return the model's columns as floats (n, k): words coded, unknown words and nulls NaN.

        A model that knows a season has one column more: what the time of year adds to the raw log-odds at the row's
        ``as_of``, 0 in a frame without dates.

        Raises
        ------
        DataError
            A column is missing or is no number.
        """
        columns = encode(frame, self.features.names, self.categories)
        if self.ensemble.season is None:
            return columns
        none = np.full(len(frame), np.datetime64("NaT", "D"))
        dates = pd.to_datetime(frame["as_of"]).to_numpy().astype("datetime64[D]") if "as_of" in frame else none
        return np.column_stack([columns, self.ensemble.seasonal(dates)])

    def _split(self, X: Array) -> tuple[Array, Array]:
        """Return the features' columns and what the time of year adds."""
        k = len(self.features)
        return (X[:, :k], X[:, k]) if X.shape[1] > k else (X, np.zeros(len(X)))

    def log_odds(self, X: Array) -> Array:
        """Return the model's raw log-odds of churn, before calibration, of shape (n,); also where a rule scores."""
        columns, season = self._split(X)
        return self.ensemble.log_odds(columns) + season

    def contributions(self, X: Array) -> Array:
        """Return (n, k + 1) contributions to the log-odds, the expected value last; a row sums to its log-odds."""
        columns, season = self._split(X)
        parts = self.ensemble.contributions(columns)
        # A season is the same for every account of a date: it moves what is expected, not what tells accounts apart.
        parts[:, -1] += season
        return parts

    def probability(self, X: Array) -> Array:
        """Return the calibrated probability of churn within the horizon, of shape (n,): the model's or the rule's."""
        return self.scores(X)[1]

    def probability_of(self, frame: pd.DataFrame) -> Array:
        """Return the calibrated probability of every row of a frame, of shape (n,), some thousand rows at a time.

        The same as ``probability(matrix(frame))``, without a matrix as large as the frame.
        """
        return self.scores_of(frame)[1]

    def scores_of(self, frame: pd.DataFrame) -> tuple[Array, Array]:
        """Return what ``scores(matrix(frame))`` does, some thousand rows at a time."""
        parts = [frame.iloc[at : at + _ROWS_AT_ONCE] for at in range(0, max(len(frame), 1), _ROWS_AT_ONCE)]
        log_odds, probability = zip(*(self.scores(self.matrix(part)) for part in parts), strict=True)
        return np.concatenate(log_odds), np.concatenate(probability)

    def scores(self, X: Array) -> tuple[Array, Array]:
        """Return log-odds and the calibrated probability that is published, both of shape (n,).

        They are the model's, and the rule's where a rule scores: its log-odds are those of its probability.
        """
        rule = self.rule
        if rule is None:
            log_odds = self.log_odds(X)
            return log_odds, self.calibrated(log_odds)
        names = self.features.names
        columns = {name: X[:, names.index(name)] for name in rule.rule.columns}
        log_odds = rule.log_odds(pd.DataFrame(columns, index=range(len(X))))
        return log_odds, np.asarray(expit(log_odds))

    def by_horizon(self, frame: pd.DataFrame, probability: Array) -> dict[int, Array]:
        """Return the probability of every horizon, days → (n,), the shortest first; a longer one is never smaller.

        Parameters
        ----------
        frame : DataFrame
            Rows of features.
        probability : array of shape (n,)
            Calibrated probability at the model's own horizon, which stays as it is; see
            `churnml.training.horizons.anchored`.
        """
        chances = {days: other.probability_of(frame) for days, other in self.horizon_models.items()}
        chances[self.horizon_days] = probability
        columns = anchored(
            np.column_stack([chances[days] for days in self.horizons]), self.horizons.index(self.horizon_days)
        )
        return {days: columns[:, place] for place, days in enumerate(self.horizons)}

    def calibrated(self, log_odds: npt.ArrayLike) -> Array:
        """Return the probability that goes with raw log-odds, of the same shape."""
        return self.ensemble.calibrator(log_odds)

    def with_info(self, **facts: Any) -> ChurnModel:
        """Return the same model with facts of `info` replaced.

        Raises
        ------
        pydantic.ValidationError
            `ModelInfo` has no such fact, or it cannot have that value.
        """
        return replace(self, info=ModelInfo.model_validate({**self.info.model_dump(), **facts}))

    def to_files(self) -> dict[str, str]:
        """Return the model as text files, name → content: JSON, and LightGBM's text format per booster."""
        ensemble = self.ensemble
        boosters = ensemble.trees.texts() if ensemble.trees is not None else []
        names = [f"booster-{number}.txt" for number in range(1, len(boosters) + 1)]
        model = {
            "format": _FORMAT,
            "base_rate": self.base_rate,
            "horizon_days": self.horizon_days,
            "categories": dict(self.categories),
            **ensemble.settings(),
            "boosters": names,
            "linear": _LINEAR if ensemble.linear is not None else None,
            "info": self.info.model_dump(mode="json", exclude_none=True),
            "further_horizons_days": sorted(self.horizon_models),
        }
        files = {_MODEL: _json(model), _FEATURES: _json(self.features.as_dicts())}
        files.update(zip(names, boosters, strict=True))
        if ensemble.linear is not None:
            files[_LINEAR] = _json(ensemble.linear.as_dict())
        if self.fallback is not None:
            files[_FALLBACK] = _json(self.fallback.as_dict())
        for days, other in self.horizon_models.items():
            own = {name: text for name, text in other.to_files().items() if name != _FEATURES}
            files.update({f"{_prefix(days)}{name}": text for name, text in own.items()})
        return files

    @classmethod
    def from_files(cls, files: Mapping[str, str]) -> ChurnModel:
        """Rebuild a model from `to_files`; it gives the same numbers to the last digit.

        Raises
        ------
        BundleError
            A file is missing, of another format, or cannot be read.
        """
        model = _read(files, _MODEL)
        if model.get("format") != _FORMAT:
            raise BundleError(
                Text.of("fault-model_format"),
                where=_MODEL,
                got=repr(model.get("format")),
                expected=str(_FORMAT),
                code="bundle.format",
            )
        try:
            texts = [_text(files, name) for name in model["boosters"]]
            trees = Trees.from_texts(texts) if texts else None
            linear = Linear.from_dict(_read(files, _LINEAR)) if model["linear"] else None
            return cls(
                features=FeatureSet.from_dicts(_read(files, _FEATURES)),
                categories=model["categories"],
                base_rate=float(model["base_rate"]),
                horizon_days=int(model["horizon_days"]),
                ensemble=Ensemble.of_settings(trees, linear, model),
                info=ModelInfo.model_validate(model["info"]),
                fallback=RuleModel.from_dict(_read(files, _FALLBACK)) if _FALLBACK in files else None,
                horizon_models={
                    days: cls._horizon_model(files, days) for days in model.get("further_horizons_days", [])
                },
            )
        except (KeyError, TypeError, ValueError, lgb.basic.LightGBMError) as error:
            raise BundleError(
                Text.of("fault-model_unread"),
                where=_MODEL,
                got=f"{type(error).__name__}: {error}",
                code="bundle.unreadable",
            ) from error

    @classmethod
    def _horizon_model(cls, files: Mapping[str, str], days: int) -> ChurnModel:
        """Read the model of a further horizon, which shares the features."""
        prefix = _prefix(days)
        own = {name.removeprefix(prefix): text for name, text in files.items() if name.startswith(prefix)}
        return cls.from_files({**own, _FEATURES: _text(files, _FEATURES)})


def _prefix(days: int) -> str:
    return f"horizon-{days}-"


def _json(data: Any) -> str:
    return json.dumps(data, ensure_ascii=False, indent=1, sort_keys=True, allow_nan=False) + "\n"


def _text(files: Mapping[str, str], name: str) -> str:
    if name not in files:
        raise BundleError(
            Text.of("fault-model_file", name=name),
            where=name,
            got=", ".join(sorted(files)) or Text.of("fault-model_file.none"),
            code="bundle.missing_file",
        )
    return files[name]


def _read(files: Mapping[str, str], name: str) -> Any:
    try:
        return json.loads(_text(files, name))
    except json.JSONDecodeError as error:
        raise BundleError(
            Text.of("fault-model_json", name=name), where=name, got=str(error), code="bundle.unreadable"
        ) from error
