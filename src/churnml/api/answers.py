"""What the operations answer. Every answer says from what and from when it is."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from churnml.api.problems import ProblemAnswer
from churnml.language import Language

__all__ = [
    "AccountsAnswer",
    "Answer",
    "BatchAnswer",
    "BatchItem",
    "ExplainAnswer",
    "HistoryPoint",
    "OverrideMade",
    "FeedbackMade",
    "FrozenAnswer",
    "Reasoning",
    "IndicatorAnswer",
    "DriverAnswer",
    "FeedbackAnswer",
    "Freshness",
    "HealthAnswer",
    "HistoryAnswer",
    "OverrideAnswer",
    "OverridesAnswer",
    "Part",
    "PredictAnswer",
    "Warn",
    "WhatIfAnswer",
]

Band = Literal["red", "yellow", "green", "unknown"]
Share = Field(ge=0, le=1)


class Part(BaseModel):
    """What every answer and part of one is: frozen."""

    model_config = ConfigDict(frozen=True, protected_namespaces=(), defer_build=True)


class Freshness(Part):
    """How old the answer's facts are."""

    state: Literal["fresh", "ageing", "stale"] = Field(
        description="`fresh`: facts up to 8 days old; `ageing`: up to 35 days; `stale`: older, or left "
        "over because the daily run has published nothing since",
        examples=["fresh"],
    )
    age_days: float = Field(ge=0, description="Days from `as_of` to now. Unit: days", examples=[1.3])
    scored_hours_ago: float = Field(ge=0, description="Hours since it was scored. Unit: hours", examples=[2.5])


class Warn(Part):
    """Something a reader should know before relying on the answer."""

    code: str = Field(description="Stable code, made for programs", examples=["stale"])
    message: str = Field(description="In words", examples=["The facts are 41 days old."])


class Answer(Part):
    """What every answer carries."""

    as_of: date | None = Field(
        description="Only facts known before this day began (UTC) count", examples=["2026-11-01"]
    )
    scored_at: datetime | None = Field(description="When it was scored (UTC)", examples=["2026-11-01T04:12:09Z"])
    model_version: str | None = Field(description="Version of the model that scored", examples=["3f1a9c0b7e55"])
    config_version: str | None = Field(description="Hash of the config it was scored with", examples=["9d8f2b11c0aa"])
    coverage: float | None = Field(
        ge=0,
        le=1,
        description="Share of the health score's weight that had data; of lists the mean. Range: 0–1",
        examples=[0.92],
    )
    freshness: Freshness | None = Field(description="How old the facts are; null where nothing is scored yet")
    warnings: list[Warn] = Field(
        description="What to know before relying on the answer; empty when all is well", examples=[[]]
    )


class FrozenAnswer(Part):
    """Why the score is the account's last, and will not change."""

    as_of: date = Field(description="Date of the last score", examples=["2026-10-01"])
    why: Literal["ended", "notice", "silent", "left"] = Field(
        description="`ended`: the contract ended; `notice`: notice was given; `silent`: no activity; `left`: it is no "
        "longer among the accounts that are scored"
    )
    on: date | None = Field(description="Since when; null where it is not known", examples=["2026-10-14"])
    text: str = Field(
        description="In words",
        examples=["The contract ended on 14 October 2026. This is its last score, of 1 October 2026; …"],
    )


class PredictAnswer(Answer):
    """The risk and health of one account."""

    account_id: str | None = Field(description="The account; null when features were sent", examples=["acc-0042"])
    source: Literal["stored", "computed"] = Field(
        description="`stored`: from the scored snapshot; `computed`: from the features sent"
    )
    churn_probability: float = Field(
        ge=0, le=1, description="Calibrated probability of churn within `horizon_days`. Range: 0–1", examples=[0.31]
    )
    horizon_days: int | None = Field(description="How far ahead the probability looks. Unit: days", examples=[90])
    horizons: dict[str, float] = Field(
        description="Horizon in days → calibrated probability of churn within it, every horizon the model answers; a "
        "longer one never has a smaller probability. Range: 0–1",
        examples=[{"30": 0.12, "90": 0.31, "180": 0.44}],
    )
    base_rate: float | None = Field(ge=0, le=1, description="Churn rate in training. Range: 0–1", examples=[0.046])
    lift: float | None = Field(ge=0, description="`churn_probability` ÷ `base_rate`", examples=[6.7])
    health_score: float | None = Field(
        ge=0, le=100, description="Health, higher is healthier; null without data. Range: 0–100", examples=[34.5]
    )
    band: Band = Field(description="Band of the health score", examples=["red"])
    verdict: str | None = Field(
        description="`publishable`, or `rules_only` when the model failed its gate", examples=["publishable"]
    )
    arr: float | None = Field(ge=0, description="Annual recurring revenue. Unit: `currency`", examples=[24000.0])
    expected_loss: float | None = Field(
        ge=0, description="`churn_probability` × `arr`. Unit: `currency`", examples=[7440.0]
    )
    currency: str | None = Field(description="Currency of all amounts", examples=["USD"])
    reasons: list[str] = Field(description="What limited the health score, in words", examples=[[]])
    renewal_risk: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Chance that the account is lost at its next renewal if it gets there. Range: 0–1; null where no "
        "curve tells it",
        examples=[0.23],
    )
    expected_end: date | None = Field(
        None,
        description="By this day half of such accounts are lost; null: not within 24 months, or no curve tells it",
        examples=["2028-03-01"],
    )
    residual_value: float | None = Field(
        None,
        ge=0,
        description="What the account is still worth, discounted gross profit to come. Unit: `currency`; null where no "
        "curve tells it",
        examples=[41200.0],
    )
    frozen: FrozenAnswer | None = Field(
        None, description="Set when the account has left: this is its last score, kept as it was", examples=[None]
    )


class DriverAnswer(Part):
    """One reason: a group of features, told by its leading one."""

    family: str = Field(description="Family of the group", examples=["engagement"])
    group: str = Field(description="Name of the group", examples=["active_users_28d"])
    feature: str = Field(description="The leading feature", examples=["active_users_28d"])
    label: str = Field(description="What it is called", examples=["active users"])
    unit: str = Field(description="What it is counted in; empty for words", examples=["users"])
    value: float | str | None = Field(description="The account's value. Unit: `unit`; null is missing", examples=[5.0])
    previous: float | None = Field(description="The value before. Unit: `unit`", examples=[14.0])
    previous_on: str | None = Field(
        description="Date of the earlier snapshot; null: the window before", examples=["2026-10-04"]
    )
    percentile: float | None = Field(
        ge=0, le=1, description="Share of comparable accounts below. Range: 0–1", examples=[0.08]
    )
    segment: str = Field(description="Comparable accounts; empty for all", examples=["smb"])
    typical: float | None = Field(description="Their median. Unit: `unit`", examples=[12.0])
    low: float | None = Field(description="Mean where risk is lowest. Unit: `unit`", examples=[19.0])
    middle: float | None = Field(description="Mean where risk is middling. Unit: `unit`", examples=[11.0])
    high: float | None = Field(description="Mean where risk is highest. Unit: `unit`", examples=[6.0])
    effect_log_odds: float | None = Field(
        description="Contribution to the log-odds of churn; above 0 raises; null when told from rules", examples=[0.84]
    )
    effect_points: float = Field(
        description="From the model: change of the churn probability, percentage points. From rules: health points "
        "lost. Above 0 is worse",
        examples=[11.2],
    )
    actionable: bool = Field(description="A CSM can act on it; otherwise it is context")
    features: list[str] = Field(description="All features of the group that count", examples=[["active_users_28d"]])
    sentence: str = Field(
        description="The fact in words",
        examples=["5 active users in the last 28 days, 14 in the 28 days before (−64 %)"],
    )


class IndicatorAnswer(Part):
    """A hard fact beside the score."""

    code: str = Field(description="Stable code", examples=["invoice_overdue"])
    feature: str = Field(description="The feature that tells it", examples=["invoices_overdue"])
    value: float = Field(description="Its value", examples=[2.0])
    text: str = Field(description="In words", examples=["2 invoices are overdue"])


class Reasoning(Part):
    """Why an account scores as it does: associated with the risk, never claimed to cause it."""

    source: Literal["model", "rules"] = Field(description="What the drivers are told from")
    summary: str = Field(
        description="One sentence",
        examples=["31 % churn probability within 90 days, 6.7 × the average."],
    )
    raising: list[DriverAnswer] = Field(description="What raises the risk and can be acted on, strongest first")
    lowering: list[DriverAnswer] = Field(description="What lowers it, strongest first")
    told: list[str] = Field(
        description="What a reader is told of the risk, in words: hard facts, then what raises it",
        examples=[["2 invoices are overdue", "3 features used in the last 28 days, 12 in the 28 days before (−75 %)"]],
    )
    other_signals: str | None = Field(
        description="What all other signals together do to the probability, in words",
        examples=["Other signals together: +1.2 points"],
    )
    context: list[DriverAnswer] = Field(description="Strongest facts nobody can act on")
    families: dict[str, float] = Field(
        description="Family → net effect: log-odds (model) or health points (rules); above 0 raises the risk",
        examples=[{"engagement": 0.84, "support": -0.1}],
    )
    indicators: list[IndicatorAnswer] = Field(description="Hard facts")
    csm_sentiment: str | None = Field(description="The CSM's own judgement", examples=["worried"])
    expected_log_odds: float | None = Field(description="Log-odds of the average account", examples=[-3.1])
    log_odds: float | None = Field(
        description="This account's log-odds: the average plus the sum of `families`", examples=[-0.9]
    )


class ExplainAnswer(PredictAnswer):
    """The risk and health of one account, and why."""

    lang: Language = Field(description="Language of the sentences")
    explanation: Reasoning = Field(description="Why it scores so")


class BatchItem(Part):
    """The answer to one item of a batch: a result or a problem."""

    index: int = Field(ge=0, description="Place of the item in the request, from 0", examples=[0])
    status: int = Field(description="HTTP status that the item alone would have got", examples=[200])
    result: PredictAnswer | None = Field(None, description="The answer, when the status is 200")
    problem: ProblemAnswer | None = Field(None, description="The problem, when it is not")


class BatchAnswer(Answer):
    """The answers to a batch, in its order."""

    succeeded: int = Field(ge=0, description="Items answered", examples=[2])
    failed: int = Field(ge=0, description="Items refused", examples=[0])
    results: list[BatchItem] = Field(description="One for each item, in order")


class OverrideAnswer(Part):
    """A CSM's judgement of an account."""

    id: int = Field(description="Number of the override", examples=[17])
    account_id: str = Field(description="The account", examples=["acc-0042"])
    band: Band = Field(description="The band in the CSM's judgement")
    reason: str = Field(description="Why", examples=["New sponsor confirmed the renewal by phone."])
    author: str = Field(description="Who said so", examples=["ann"])
    system_band: Band | None = Field(description="The system's band when the override was made")
    system_score: float | None = Field(description="The system's health score then. Range: 0–100", examples=[34.5])
    created_at: datetime = Field(description="When it was made (UTC)")
    expires_at: datetime = Field(description="When it ends by itself (UTC)")
    ended_at: datetime | None = Field(None, description="When it was ended before (UTC)")
    ended_by: str | None = Field(None, description="Who ended it")


class HealthAnswer(PredictAnswer):
    """An account's health as a CSM sees it: the system's score, and the override in force beside it."""

    name: str | None = Field(description="The account's name", examples=["Acme Ltd"])
    owner: str | None = Field(description="Who looks after it", examples=["ann"])
    segment: str | None = Field(description="Its segment", examples=["smb"])
    days_to_renewal: float | None = Field(description="Days from `as_of` to the renewal. Unit: days", examples=[41.0])
    effective_band: Band = Field(description="The override's band if one is in force, else `band`")
    override: OverrideAnswer | None = Field(description="The override in force")
    top_reasons: list[str] | None = Field(
        None,
        description="With `include=reasons`: what a reader is told of the risk, in words; else null",
        examples=[["2 invoices are overdue"]],
    )
    rules_score: float | None = Field(description="Part of the weighted measures. Range: 0–100", examples=[41.0])
    model_score: float | None = Field(description="Part of the model. Range: 0–100", examples=[28.0])


class HistoryPoint(Part):
    """An account's score at one `as_of`."""

    as_of: date = Field(description="Only facts known before this day began count")
    scored_at: datetime = Field(description="When it was scored (UTC)")
    model_version: str = Field(description="Version of the model that scored", examples=["3f1a9c0b7e55"])
    config_version: str = Field(description="Hash of the config it was scored with", examples=["9d8f2b11c0aa"])
    churn_probability: float = Field(ge=0, le=1, description="Range: 0–1", examples=[0.31])
    health_score: float | None = Field(description="Range: 0–100", examples=[34.5])
    band: Band = Field(description="Band of the health score")
    coverage: float | None = Field(description="Range: 0–1", examples=[0.92])


class HistoryAnswer(Answer):
    """An account's scores over time, newest first; of each `as_of` the last that was scored."""

    account_id: str = Field(description="The account", examples=["acc-0042"])
    points: list[HistoryPoint] = Field(description="Newest first")


class AccountsAnswer(Answer):
    """A page of accounts, highest expected loss first."""

    total: int = Field(ge=0, description="Accounts that match the filters", examples=[118])
    accounts: list[HealthAnswer] = Field(description="This page")
    next_cursor: str | None = Field(description="Cursor of the next page; null on the last one")


class WhatIfAnswer(Answer):
    """An account as it is and with the changes: what the model associates, not what a change would cause."""

    account_id: str = Field(description="The account", examples=["acc-0042"])
    before: PredictAnswer = Field(description="With the stored features, by the model in force")
    after: PredictAnswer = Field(description="With the changes")
    probability_change: float = Field(description="After − before. Range: −1–1", examples=[-0.12])
    health_change: float | None = Field(description="After − before, points. Range: −100–100", examples=[9.5])


class OverridesAnswer(Answer):
    """Overrides: those in force, or all of one account."""

    overrides: list[OverrideAnswer] = Field(description="Newest first for one account, else by account")


class OverrideMade(Answer):
    """The override that was set or ended."""

    override: OverrideAnswer = Field(description="The override")


class FeedbackAnswer(Part):
    """Feedback as it was recorded."""

    id: int = Field(description="Number of the feedback", examples=[5])
    account_id: str = Field(description="The account", examples=["acc-0042"])
    kind: str = Field(description="What it says", examples=["false_alarm"])
    comment: str | None = Field(description="In words", examples=["They were on summer leave."])
    author: str = Field(description="Who said so", examples=["ann"])
    created_at: datetime = Field(description="When (UTC)")
    snapshot_id: int | None = Field(None, description="The snapshot it speaks of", examples=[12])


class FeedbackMade(Answer):
    """The feedback that was recorded."""

    feedback: FeedbackAnswer = Field(description="The feedback")
