"""What may be shown of survival curves, and what that rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any, Self

from pydantic import TypeAdapter

from churnml.language import Argument

__all__ = ["FarTest", "Gain", "NearTest", "PastRenewals", "SurvivalRole", "SurvivalVerdict"]


class SurvivalRole(StrEnum):
    """What becomes of a company's curves.

    Examples
    --------
    >>> SurvivalRole("serves").serves, SurvivalRole("refused").serves
    (True, False)
    """

    SERVES = "serves"
    """Over 12 months they are nearer to what happened than curves without features: they are shown."""

    REFUSED = "refused"
    """They are not: nothing of them is shown."""

    LEFT_OUT = "left_out"
    """The data cannot tell: nothing was learnt, or nothing could be judged."""

    @property
    def serves(self) -> bool:
        """Whether curves are shown."""
        return self is SurvivalRole.SERVES


@dataclass(frozen=True)
class Gain:
    """By how much one is better than another, with its 95 % interval, accounts drawn whole; None: not to be told."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class NearTest:
    """The curve's own chance within the label's horizon beside that of the model of this horizon, on the same rows.

    Parameters
    ----------
    rows, lost : int
    roc_auc, log_loss : mapping
        ``hazard`` and ``horizon``.
    roc_auc_gain, log_loss_gain : Gain
        Of the curve.
    not_worse : bool
        Neither is worse beyond noise, nor by more than the margin.
    """

    rows: int
    lost: int
    roc_auc: Mapping[str, float | None]
    log_loss: Mapping[str, float | None]
    roc_auc_gain: Gain
    log_loss_gain: Gain
    not_worse: bool


@dataclass(frozen=True)
class FarTest:
    """Curves of one past date beside what happened in the 12 months after it.

    Parameters
    ----------
    as_of : date
    accounts, lost : int
    brier : mapping
        Curve → integrated Brier score: ``hazard``, ``kaplan_meier``, ``beta_geometric`` (with churn by silence
        ``recency``), and ``cox`` where lifelines is installed.
    gains : mapping
        Rival → by how much the hazard model is below it.
    below_all : bool
    """

    as_of: date
    accounts: int
    lost: int
    brier: Mapping[str, float]
    gains: Mapping[str, Gain]
    below_all: bool


@dataclass(frozen=True)
class PastRenewals:
    """What came due in a month or quarter after the far test's date, what curves expected of it, and what came; ARR.

    Parameters
    ----------
    month_on : date
        First day of it.
    accounts : int
    arr, expected, low, high, came : float
        As in `churnml.retention.ForecastMonth`.
    """

    month_on: date
    accounts: int
    arr: float
    expected: float
    low: float
    high: float
    came: float


@dataclass(frozen=True)
class SurvivalVerdict:
    """Whether curves are shown, and why.

    Parameters
    ----------
    role : SurvivalRole
    reason : Text
        One sentence with the numbers.
    near : NearTest or None
    far : FarTest or None
    monthly_growth : float
        By how much the recurring revenue of accounts that stay grows in 30 days.
    learnt_from : mapping
        Accounts lost ``at_decision`` and ``between`` that the model learnt from, or ``at_once`` and ``later``.
    past_months, past_quarters : tuple of PastRenewals
        What the curves of the far test's date expected of the renewals of the 12 months after it, and what came.
    """

    role: SurvivalRole
    reason: Argument
    near: NearTest | None = None
    far: FarTest | None = None
    monthly_growth: float = 0.0
    learnt_from: Mapping[str, int] = field(default_factory=dict)
    past_months: tuple[PastRenewals, ...] = ()
    past_quarters: tuple[PastRenewals, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the verdict as JSON-ready data."""
        return dict(TypeAdapter(SurvivalVerdict).dump_python(self, mode="json"))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Rebuild the verdict from `as_dict`."""
        verdict: Self = TypeAdapter(cls).validate_python(dict(data))
        return verdict
