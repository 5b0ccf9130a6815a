"""What a reader is told of when an account will be lost: the curve, the risk at its renewal, and both in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

from churnml.language import Argument, Day, Quantity, Text

__all__ = ["Bounds", "Lifetime", "Peers", "RenewalDriver"]


@dataclass(frozen=True)
class Bounds:
    """A number and between what the data leave it."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class RenewalDriver:
    """A feature that raises the risk at the next decision.

    Parameters
    ----------
    feature : str
    label : Text or Words
    log_odds : float
        What it adds, above 0.
    """

    feature: str
    label: Argument
    log_odds: float


@dataclass(frozen=True)
class Peers:
    """The other accounts that a curve is drawn beside.

    Parameters
    ----------
    by : {"plan", "segment", "all"}
        What they share with the account.
    group : str or None
        Their plan or segment.
    accounts : int
        How many they are, the account itself left out.
    survival : tuple of floats
        Share of them that is expected to be there still after 1, 2 … months of 30 days; as many as the account's own.
    """

    by: Literal["plan", "segment", "all"]
    group: str | None
    accounts: int
    survival: tuple[float, ...]

    @property
    def sentence(self) -> Text:
        """Who they are, in words."""
        return Text.of(f"survival-peers_{self.by}", n=self.accounts, group=self.group or "")


@dataclass(frozen=True)
class Lifetime:
    """When an account will be lost, and what it is worth until then.

    Parameters
    ----------
    account_id : str
    next_decision_on : date or None
        End of its term, as known; None where none is agreed within 24 months.
    renewal_risk : Bounds or None
        Chance that it is lost there if it gets there, 0–1.
    lost_within : mapping of int to float
        Days → chance of being lost within them, 0–1: 30, 90, 180, 360, 720, as far as the curve reaches.
    survival, survival_low, survival_high : tuple of 24 floats
        Chance of being there still after 1 … 24 months of 30 days, and its bounds; fewer with churn by silence, where
        no more of the past is known.
    expected_end : date or None
        By this day half of such accounts are lost; None: not within 24 months.
    earliest, latest : date or None
        Between which days the bounds of the curve put that; None: not within 24 months.
    mrr : float or None
    residual_value : Bounds or None
        Discounted gross profit to come, ten years at most; None where no MRR is known, or the curve ends before 24
        months.
    expected_loss : float or None
        Chance of being lost within the label's horizon, times ARR.
    avoidable_loss : float or None
        What it would be worth more if it did not leave within 24 months: no effort can save more.
    sentence : Text
    renewal_drivers : tuple of RenewalDriver
        What raises the risk at the next decision most, three at most; associated with it, not its cause.
    peers : Peers or None
        None where there are too few.
    value_within : float or None
        What of the residual value falls within the 24 months of the curve.
    value_draws : tuple of floats
        The residual value by each refitted model, in their order; bounds of a sum over accounts come of sums of these.
        They are not stored.
    decision_draws : tuple of floats
        Chance of being lost by the end of the 30 days in which the next decision falls, by each refitted model; empty
        where none falls within the curve. They are not stored.
    """

    account_id: str
    next_decision_on: date | None
    renewal_risk: Bounds | None
    lost_within: Mapping[int, float]
    survival: tuple[float, ...]
    survival_low: tuple[float, ...]
    survival_high: tuple[float, ...]
    expected_end: date | None
    earliest: date | None
    latest: date | None
    mrr: float | None
    residual_value: Bounds | None
    expected_loss: float | None
    avoidable_loss: float | None
    sentence: Argument
    renewal_drivers: tuple[RenewalDriver, ...] = ()
    peers: Peers | None = None
    value_within: float | None = None
    value_draws: tuple[float, ...] = ()
    decision_draws: tuple[float, ...] = ()

    @property
    def sentences(self) -> tuple[Argument, ...]:
        """What the curve says in words: when half of such accounts are lost, then the risk at the renewal."""
        if self.renewal_risk is None or self.next_decision_on is None:
            return (self.sentence,)
        value, low, high = (
            Quantity(value=round(one, 2), unit="share", digits=0)
            for one in (self.renewal_risk.value, self.renewal_risk.low, self.renewal_risk.high)
        )
        on = Day(on=self.next_decision_on.isoformat())
        return self.sentence, Text.of("survival-at_renewal", day=on, value=value, low=low, high=high)
