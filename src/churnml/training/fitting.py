"""Fit the final model on every labelled row, and check beforehand that a model can be made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, Protocol

import numpy as np
import pandas as pd

from churnml.config import LearningConfig
from churnml.errors import TrainingError
from churnml.features.spec import FeatureSet
from churnml.language import Argument, Quantity, Text
from churnml.training.encoding import categories_of, encode
from churnml.training.estimator import ChurnClassifier
from churnml.training.experience import expected_coefficients
from churnml.training.facts import ModelInfo
from churnml.training.model import ChurnModel
from churnml.training.publication import Publication
from churnml.training.rules import fit_rule, rules
from churnml.training.sampling import learning_rows

__all__ = [
    "Evidence",
    "Judgement",
    "check_churners",
    "classifier_of",
    "fit",
    "fit_judged",
    "fit_rows",
    "regression_of",
    "with_fallback",
]


class Judgement(Protocol):
    """Whether a model may be published, and why: what `churnml.evaluation.Verdict` says."""

    @property
    def verdict(self) -> Publication:
        """The outcome."""

    @property
    def reason(self) -> Argument:
        """One sentence with the numbers."""


class Evidence(Protocol):
    """What a model's fate is decided by: a `churnml.evaluation.Backtest`, which this room does not know."""

    @property
    def verdict(self) -> Judgement:
        """Whether the model may be published."""

    @property
    def rules_by_loss(self) -> Sequence[str]:
        """Names of rules, the one to publish first where the model may not be."""

    @property
    def estimator(self) -> Literal["model", "logistic"]:
        """What was judged: the configured model, or the regression on all features alone."""

    @property
    def linear_weights(self) -> Sequence[float]:
        """What the regression weighed in each blend that was judged."""


def fit(
    frame: pd.DataFrame,
    feature_set: FeatureSet,
    learning: LearningConfig,
    backtest: Evidence | None = None,
) -> ChurnModel:
    """Fit the model that is published: on all rows whose label is final.

    Parameters
    ----------
    frame : DataFrame
        Spine and features; rows without a label are left out.
    feature_set : FeatureSet
        Columns to learn from.
    learning : LearningConfig
        What is predicted and how far ahead, the estimator, and the seed.
    backtest : Evidence, optional
        Evidence for the verdict that goes into ``info``. Without it the verdict is ``"rules_only"``: nothing shows
        that the model beats a rule. With a backtest that the model failed, the rule with the lowest log loss there is
        fitted to all rows beside it and gives every probability instead (`ChurnModel.rule`).

    Raises
    ------
    TrainingError
        Nobody churned, everybody did, or fewer than ``model.min_churners`` accounts did.
    """
    model = fit_judged(frame, feature_set, learning, backtest)
    if backtest is None:
        return model.with_info(verdict=Publication.RULES_ONLY, verdict_reason=Text.of("verdict-not_tested"))
    verdict = backtest.verdict
    model = model.with_info(verdict=verdict.verdict, verdict_reason=verdict.reason)
    if verdict.verdict is Publication.PUBLISHABLE:
        return model
    return with_fallback(model, frame[frame["churned"].notna()], backtest.rules_by_loss)


def fit_judged(
    rows: pd.DataFrame,
    feature_set: FeatureSet,
    learning: LearningConfig,
    evidence: Evidence | None,
    where: str = "training",
) -> ChurnModel:
    """Fit to the labelled ones of some rows what the evidence is about: the configured model, or the regression alone.

    Raises
    ------
    TrainingError
        See `fit`.
    """
    model = fit_rows(rows, feature_set, learning, where=where)
    if evidence is None:
        return model
    if evidence.estimator == "logistic":
        return regression_of(model, rows, feature_set, learning, where).with_info(
            kind="logistic", kind_reason=Text.of("kind-regression_better")
        )
    weights = evidence.linear_weights
    if model.info.kind != "blend" or not weights:
        return model
    low, high = (Quantity(value=round(one, 2), unit="share", digits=0) for one in (min(weights), max(weights)))
    span = Text.of("kind-one_share", low=low) if low == high else Text.of("kind-shares", low=low, high=high)
    return model.with_info(kind_reason=Text.of("kind-in_folds", reason=model.info.kind_reason, span=span))


def regression_of(
    model: ChurnModel, rows: pd.DataFrame, feature_set: FeatureSet, learning: LearningConfig, where: str = "training"
) -> ChurnModel:
    """Return the regression on all features: the one that a blend was made with, else fitted to the same rows."""
    rival = model.ensemble.logistic
    if rival is not None:
        return replace(model, ensemble=rival)
    return fit_rows(rows, feature_set, learning, kind="logistic", where=where)


def with_fallback(model: ChurnModel, rows: pd.DataFrame, order: Sequence[str]) -> ChurnModel:
    """Return a model that failed its gate with the rule that gives its probabilities instead.

    Parameters
    ----------
    model : ChurnModel
    rows : DataFrame
        Labelled rows to fit the rule to: the model's features and ``churned``.
    order : sequence of str
        Names of rules; the first that the model's features allow is taken, in the end the base rate.
    """
    by_name = {rule.name: rule for rule in rules(rows, model.features)}
    name = next((name for name in order if name in by_name), "base_rate")
    return replace(model, fallback=fit_rule(by_name[name], rows)).with_info(verdict=Publication.RULES_ONLY, rule=name)


def fit_rows(
    rows: pd.DataFrame,
    feature_set: FeatureSet,
    learning: LearningConfig,
    kind: Literal["auto", "lightgbm", "logistic"] | None = None,
    where: str = "training",
) -> ChurnModel:
    """Fit a model to labelled rows.

    Parameters
    ----------
    rows : DataFrame
        Rows of one training period; those without a label are left out.
    feature_set, learning
        As for `fit`.
    kind : str, optional
        Instead of ``learning.model.kind``.
    where : str
        Name of the period, for messages.

    Raises
    ------
    TrainingError
        See `fit`.
    """
    place = np.flatnonzero(rows["churned"].notna())
    known = rows[["account_id", "as_of", "churned"]].iloc[place]  # the features of a large frame are not copied
    check_churners(known, learning, where)
    categories = categories_of(rows[feature_set.categorical].iloc[place], feature_set.categorical)
    sample = learning_rows(known, learning.model.stayers_per_churner, learning.seed)
    learnt = known.iloc[sample.place]
    classifier = classifier_of(feature_set, learning, kind)
    classifier.fit(
        encode(rows.iloc[place[sample.place]], feature_set.names, categories),
        learnt["churned"].to_numpy(dtype=np.float64),
        dates=learnt["as_of"].to_numpy(),
        groups=learnt["account_id"].to_numpy(dtype="object").astype(str),
        sample_weight=sample.weights,
    )
    churned = known["churned"] == 1
    info = ModelInfo(
        **classifier.ensemble_.facts.model_dump(),
        target=learning.label.target,
        kind=classifier.kind_,
        kind_reason=classifier.reason_.saying(many=Text.of(f"card-many.{learning.label.target}")),
        tuned_on=classifier.judged_on_,
        rows=len(known),
        accounts=int(known["account_id"].nunique()),
        churned_rows=int(churned.sum()),
        churned_accounts=int(known.loc[churned, "account_id"].nunique()),
        learnt_rows=len(learnt),
        as_of_from=known["as_of"].min().date(),
        as_of_until=known["as_of"].max().date(),
        calibration=classifier.ensemble_.calibrator.method,
    )
    base_rate = float(churned.mean())
    return ChurnModel(feature_set, categories, base_rate, learning.label.horizon_days, classifier.ensemble_, info)


def classifier_of(
    feature_set: FeatureSet,
    learning: LearningConfig,
    kind: Literal["auto", "lightgbm", "logistic"] | None = None,
) -> ChurnClassifier:
    """Return the estimator that a config asks for, not yet fitted; `kind` instead of the config's."""
    label, model = learning.label, learning.model
    # Directions and other companies' coefficients are of the risk of churn, and say nothing of another target.
    declared = label.target == "churn"
    return ChurnClassifier(
        kind=kind or model.kind,
        params=model.params,
        seeds=model.seeds,
        calibration=model.calibration,
        purge_days=label.purge_days,
        categorical=[index for index, spec in enumerate(feature_set) if spec.categorical],
        monotone=[spec.monotone if declared and not spec.categorical else 0 for spec in feature_set],
        directions=[spec.monotone or spec.risk_direction for spec in feature_set] if declared else None,
        random_state=learning.seed,
        expected=expected_coefficients(feature_set) if declared else None,
    )


def check_churners(rows: pd.DataFrame, learning: LearningConfig, where: str) -> None:
    """Refuse rows that no model can be made of.

    Raises
    ------
    TrainingError
        No rows, no churner, only churners, or fewer churned accounts than ``model.min_churners``.
    """
    label, least = learning.label, learning.model.min_churners
    churned = int((rows["churned"] == 1).sum())
    accounts = {side: int(rows.loc[rows["churned"] == side, "account_id"].nunique()) for side in (0, 1)}
    if len(rows) == 0:
        raise TrainingError(Text.of("fault-no_rows"), where=where, code="training.no_rows")
    target = label.target
    happened, held = Text.of(f"target-happened.{target}"), Text.of(f"target-held.{target}")
    got = Text.of(
        "fault-training_rows",
        n=churned,
        happened=happened,
        rows=len(rows),
        first=f"{rows['as_of'].min():%Y-%m-%d}",
        last=f"{rows['as_of'].max():%Y-%m-%d}",
    )
    if churned == 0:
        raise TrainingError(
            Text.of("fault-training_none", happened=happened, held=held, least=least),
            where=where,
            got=got,
            remedy=Text.of(f"fault-training_none.check-{target}"),
            code="training.no_churner",
        )
    if churned == len(rows):
        raise TrainingError(
            Text.of("fault-training_every", happened=happened, held=held),
            where=where,
            got=got,
            remedy=Text.of(f"fault-training_every.check-{target}"),
            code="training.all_churned",
        )
    if min(accounts.values()) < least:
        few, count = (happened, accounts[1]) if accounts[1] < least else (held, accounts[0])
        raise TrainingError(
            Text.of("fault-training_few", few=few, n=count, least=least),
            where=where,
            got=got,
            code="training.too_few_churners",
        )
