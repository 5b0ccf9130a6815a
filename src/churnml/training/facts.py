"""What is known of a fitted model beside its numbers: how it was made, on what, and what its backtest said."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from churnml.language import Argument
from churnml.metrics.intervals import Interval
from churnml.training.publication import Publication

__all__ = ["EnsembleFacts", "ModelInfo", "TunedOn", "TuningSummary"]


class TunedOn(BaseModel):
    """What a search for parameters looked at.

    Parameters
    ----------
    as_of_from, as_of_until : str
        ISO dates of the first and the last snapshot.
    judged_on : str
        Later dates or other accounts.
    folds, judged_rows, judged_churners : int
        Inner folds, the rows that they judged on, and how many of them churned.
    """

    model_config = ConfigDict(frozen=True)

    as_of_from: str
    as_of_until: str
    judged_on: str
    folds: int
    judged_rows: int
    judged_churners: int


class TuningSummary(BaseModel):
    """What a search for parameters came to, see `churnml.evaluation.Tuning`; `trials` counts them."""

    model_config = ConfigDict(frozen=True)

    applied: bool
    reason: Argument
    params: Mapping[str, float | int] = Field(default_factory=dict)
    gain: Interval | None = None
    trials: int = 0
    tuned_on: TunedOn | None = None
    resumed: int = 0


class EnsembleFacts(BaseModel):
    """How an ensemble was made.

    Parameters
    ----------
    judged_rows, judged_churners : int
        Rows that no model judged on them had seen, and how many of them churned.
    folds : int
        Inner folds.
    trees_log_loss, linear_log_loss, blend_log_loss : float or None
        Log loss of each part and of the blend on the judged rows.
    trees, leaves : int or None
        Of each booster; None without trees.
    penalty : float or None
        Inverse L2 strength of the regression; None without one.
    trust : float
        Share of other companies' coefficients that the regression is pulled to, 0–1.
    linear_weight : float
        Weight of the regression, 0–1.
    drift : float
        What the level was moved from the training rate, log-odds.
    seasonal : bool
        Whether the time of year moves the level.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    judged_rows: int = 0
    judged_churners: int = 0
    folds: int = 0
    trees_log_loss: float | None = None
    linear_log_loss: float | None = None
    blend_log_loss: float | None = None
    trees: int | None = None
    leaves: int | None = None
    penalty: float | None = None
    trust: float = 0.0
    linear_weight: float = 0.0
    drift: float = 0.0
    seasonal: bool = False


class ModelInfo(EnsembleFacts):
    """What a churn model was asked, fitted to, and found to be worth.

    Parameters
    ----------
    target : {"churn", "expansion", "contraction"}
        What it predicts.
    kind : {"lightgbm", "logistic", "blend"}
        What was fitted.
    kind_reason : Text
        Why, in words.
    tuned_on : str
        What its inner folds judged it on: later dates or other accounts.
    rows, accounts, churned_rows, churned_accounts : int
        Of the training frame.
    as_of_from, as_of_until : date
        First and last snapshot it learnt from.
    calibration : str
        Method of the calibration.
    verdict : Publication or None
        What the backtest decided; None before anything was decided.
    verdict_reason : Text
        One sentence with the numbers.
    rule : str or None
        Name of the rule that scores instead.
    tuning : TuningSummary or None
        Summary of a search for parameters.
    learnt_rows : int or None
        Rows that it was fitted to, where that is known: all that churned and, where there are very many, a sample of
        those that stayed.
    """

    target: Literal["churn", "expansion", "contraction"] = "churn"
    kind: Literal["lightgbm", "logistic", "blend"]
    kind_reason: Argument
    tuned_on: str
    rows: int
    accounts: int
    churned_rows: int
    churned_accounts: int
    as_of_from: date
    as_of_until: date
    calibration: str
    verdict: Publication | None = None
    verdict_reason: Argument = ""
    rule: str | None = None
    tuning: TuningSummary | None = None
    learnt_rows: int | None = None
