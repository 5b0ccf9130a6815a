"""What the health backtest says: its tables and figures, as they are shown and written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import pandas as pd
from pydantic import InstanceOf, PlainSerializer, TypeAdapter

from churnml.health.acceptance import Acceptance
from churnml.health.capacity import SizedRed
from churnml.health.verdict import HealthVerdict
from churnml.language import Text

__all__ = ["Advice", "HealthBacktest", "LeadTime", "LongTerms", "Ranking", "WeightShare"]


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a table's rows as JSON-ready data, days as ISO dates and NaN as None."""
    days = {day: frame[day].dt.strftime("%Y-%m-%d") for day in ("as_of", "churn_on") if day in frame}
    rows = frame.assign(**days).astype(object).where(frame.notna(), None).to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in rows]


Table = Annotated[InstanceOf[pd.DataFrame], PlainSerializer(_records)]


@dataclass(frozen=True)
class Advice:
    """What another setting would have made of the same history.

    Parameters
    ----------
    setting : str
        What to set in section ``health`` of the config.
    roc_auc : float
        Of the score with that setting.
    gain, low, high : float
        Its ROC AUC minus that of the configured score, with the 95 % interval.
    unknown_share : float
        Share of readings without a band with that setting.
    proposed : bool
        It surely ranks better, and leaves no more accounts without a band.
    """

    setting: str
    roc_auc: float
    gain: float
    low: float
    high: float
    unknown_share: float
    proposed: bool


@dataclass(frozen=True)
class WeightShare:
    """What one measure weighs with all data present.

    Parameters
    ----------
    measure, group : str
        The measure and its group.
    label : Text
        What to call it.
    percent : float
        Share of the whole weight.
    """

    measure: str
    group: str
    label: Text
    percent: float


@dataclass(frozen=True)
class LongTerms:
    """Accounts whose terms last over 180 days, about half a year before they left.

    Parameters
    ----------
    days_before : int
        Readings so many days before, up to 30 more.
    churners : int
        Those with such a reading.
    below_green : float or None
        Share of them that were below green, of those with a band; None without one.
    unknown : float or None
        Share of them without a band.
    green_share : float or None
        Share of green in all readings with a band of accounts with such terms.
    """

    days_before: int
    churners: int
    below_green: float | None
    unknown: float | None
    green_share: float | None


@dataclass(frozen=True)
class LeadTime:
    """Days from the first reading of the last unbroken run below green to churn.

    Parameters
    ----------
    churners : int
        Those who left; churners green at their last reading count with 0 days.
    median_days, lower_quartile_days, upper_quartile_days : float or None
        None without churners.
    """

    churners: int
    median_days: float | None
    lower_quartile_days: float | None
    upper_quartile_days: float | None


@dataclass(frozen=True)
class Ranking:
    """How well a score puts those first who left; at capacity: among as many as the team can contact."""

    roc_auc: float | None
    average_precision: float | None
    precision_at_capacity: float | None
    recall_at_capacity: float | None
    lift_at_capacity: float | None


@dataclass(frozen=True)
class HealthBacktest:
    """What a health score was worth over past dates.

    Parameters
    ----------
    name : str
        The score: a preset, or ``model_alone``.
    rows, churned : int
        Labelled readings, and those that churned within the horizon.
    base_rate : float
        ``churned ÷ rows``.
    dates : tuple of str
        ISO dates of the readings.
    bands : DataFrame
        ``band, rows, share, churned, churn_rate, lift, lift_low, lift_high`` (95 % by drawing accounts) and
        ``mean_probability``, the model's mean in the band, and ``told_over_happened`` with its interval: churners told
        ÷ churners.
    warning : DataFrame
        ``days_before, churners, below_green, unknown``: churners with a reading so many days before (up to 31 more),
        the share of them below green, and the share without a band.
    long_terms : LongTerms or None
        The same 180 days before, of accounts with terms over 180 days; None where no terms are known.
    lead_time : LeadTime
        How long before churn the score was below green.
    ranking : Ranking
        Of the accounts by the score.
    false_alarms, missed : DataFrame
        Ledgers: red readings that stayed, churners green at their last reading, with the code of the ``cause``; the
        strongest 50.
    false_alarm_count, missed_count : int
        How many there are in all.
    acceptance : tuple of AcceptanceLine
        What holds and, where a line does not, why; see `churnml.health.acceptance.acceptance`.
    verdict : HealthVerdict
        Of the model whose scores were replayed; with ``rules_only`` the readings are rules alone, as published.
    weights : tuple of WeightShare
        Of the newest fold's scale; empty for the model alone.
    capacity : SizedRed or None
        The red threshold that fits the team on the newest date, and what it would have caught over all readings.
    advice : tuple of Advice
        Of the configured score: what the other presets, and the model alone, would have made of this history.
    """

    name: str
    rows: int
    churned: int
    base_rate: float
    dates: tuple[str, ...]
    bands: Table
    warning: Table
    lead_time: LeadTime
    ranking: Ranking
    false_alarms: Table
    missed: Table
    false_alarm_count: int
    missed_count: int
    acceptance: Acceptance
    verdict: HealthVerdict = HealthVerdict.PUBLISHABLE
    weights: tuple[WeightShare, ...] = ()
    capacity: SizedRed | None = None
    advice: tuple[Advice, ...] = ()
    long_terms: LongTerms | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the backtest as JSON-ready data."""
        return dict(TypeAdapter(HealthBacktest).dump_python(self, mode="json"))
