"""The section `alerts`: which rules are on, how strict they are, who answers, and how much a person can take."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from churnml.config.section import Section
from churnml.language import Text, WrongValueError

__all__ = [
    "Absence",
    "AlertRuleConfig",
    "AlertsConfig",
    "Condition",
    "OwnerConfig",
    "Role",
    "Severity",
    "TaskRole",
    "Touch",
    "Weekday",
]

Severity = Literal["low", "medium", "high", "critical"]
Role = Literal["csm", "manager", "support", "finance", "sales"]
TaskRole = Literal["csm", "manager", "support", "finance", "sales", "automation"]
Touch = Literal["high", "low", "tech"]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class Condition(Section):
    """One comparison of an alert rule of your own; all of a rule must hold."""

    field: str = Field(
        description="A feature, or `health_score`, `health_change_30d`, `health_peak_30d`, `churn_probability`, `arr`, "
        "`band`, `segment`, `touch`"
    )
    above: float | None = Field(None, description="Holds above this number")
    below: float | None = Field(None, description="Holds below this number")
    equals: str | None = Field(None, description="Holds where the word is this")
    clear: float | None = Field(None, description="The cause is gone only beyond this number; default the bound itself")

    @model_validator(mode="after")
    def _one_comparison(self) -> Self:
        if sum(bound is not None for bound in (self.above, self.below, self.equals)) != 1:
            raise WrongValueError(Text.of("wrong-one_of", names="above, below, equals"))
        if self.clear is not None and (
            self.equals is not None
            or (self.above is not None and self.clear > self.above)
            or (self.below is not None and self.clear < self.below)
        ):
            raise WrongValueError(Text.of("wrong-clear"))
        return self


class AlertRuleConfig(Section):
    """Changes a built-in rule, or, with `when`, makes one of your own."""

    enabled: bool = Field(True, description="Off: the rule never opens an alert")
    threshold: float | None = Field(None, description="The rule's number; what it counts is in docs/alerts.md")
    severity: Severity | None = Field(None, description="How urgent")
    due_hours: Annotated[int, Field(ge=1)] | None = Field(None, description="Hours until somebody has to have answered")
    owner: Role | None = Field(None, description="Who answers; `csm` is the account's own")
    playbook: str | None = Field(None, description="Playbook to work by")
    segments: tuple[str, ...] = Field((), description="Only accounts of these segments; empty = all")
    touch: tuple[Touch, ...] = Field(("high", "low"), description="Only accounts looked after in these ways")
    title: dict[str, str] = Field(default_factory=dict, description="Own rule: its words by language, e.g. `{en: …}`")
    when: tuple[Condition, ...] = Field((), description="Own rule: what must hold")


class Absence(Section):
    """Days on which an owner is away, both inclusive."""

    first: date = Field(description="First day away")
    last: date = Field(description="Last day away")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.last < self.first:
            raise WrongValueError(Text.of("wrong-absence"))
        return self


class OwnerConfig(Section):
    """One owner of accounts, as the accounts table names them."""

    manager: str | None = Field(None, description="Gets the manager's steps of this owner's accounts")
    deputy: str | None = Field(None, description="Takes the alerts while the owner is away or has left")
    away: tuple[Absence, ...] = Field((), description="Absences")
    left: bool = Field(False, description="Has left the company: everything goes to the deputy, else to the queue")
    timezone: str | None = Field(None, description="Zone of this owner's working days; default the team's")
    workdays: tuple[Weekday, ...] = Field((), description="Working days of this owner; empty = the team's")
    holidays: tuple[date, ...] = Field((), description="Days off of this owner, beside the team's")

    @field_validator("timezone")
    @classmethod
    def _zone_exists(cls, name: str | None) -> str | None:
        return None if name is None else _zone(name)


class AlertsConfig(Section):
    """Alerts: rules over each scoring; one alert per account, rule and episode."""

    enabled: bool = Field(True, description="Evaluate the rules after each scoring")
    weekly_budget: int = Field(15, ge=1, description="New alerts an owner gets in seven days; the rest is held back")
    cooldown_days: int = Field(14, ge=0, description="So long a closed alert is reopened, not followed by another")
    hysteresis_points: float = Field(5.0, ge=0, description="Health points past the threshold before a cause is gone")
    save_rate: float = Field(
        0.3, gt=0, le=1, description="Share of the expected loss that a contact is assumed to avoid; ranks alerts"
    )
    queue: str = Field("queue", description="Owner of what nobody owns, and of what tech touch needs a person for")
    roles: dict[Role, str] = Field(
        default_factory=dict, description="Role → the person or queue that has its work; default the role's own name"
    )
    automations: dict[str, str] = Field(
        default_factory=dict,
        description="Automation that really runs → what runs it; only a step that names one of these is given to it",
    )
    modules: tuple[str, ...] = Field(
        (), description="Modules of your own rules (`churnml.alert_rule`): dotted names, or .py files beside the config"
    )
    timezone: str = Field("UTC", description="Zone of the team's working days")
    workdays: tuple[Weekday, ...] = Field(("mon", "tue", "wed", "thu", "fri"), min_length=1, description="Working days")
    holidays: tuple[date, ...] = Field((), description="Days off")
    owners: dict[str, OwnerConfig] = Field(default_factory=dict, description="Owner → deputy, absences")
    rules: dict[str, AlertRuleConfig] = Field(default_factory=dict, description="Rule → what differs from its default")

    @field_validator("timezone")
    @classmethod
    def _zone_exists(cls, name: str) -> str:
        return _zone(name)


def _zone(name: str) -> str:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise WrongValueError(Text.of("wrong-time_zone.example", name=repr(name))) from None
    return name
