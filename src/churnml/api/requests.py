"""What the operations take."""

from __future__ import annotations

import math
from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from churnml.language import Language

__all__ = [
    "AccountId",
    "BatchRequest",
    "Body",
    "ExplainRequest",
    "FeedbackRequest",
    "OverrideRequest",
    "PredictRequest",
    "WhatIfRequest",
]

AccountId = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+$", strict=True)]
_Text = StringConstraints(pattern=r"^[^\x00]*$", strict=True)


def _value(value: Any) -> Any:
    """Let numbers, texts and null through; say of anything else what it is."""
    if value is None or isinstance(value, str):
        if value is not None and len(value) > 500:
            raise PydanticCustomError("feature_length", "a text may have 500 characters")
        return value
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise PydanticCustomError(_KINDS.get(type(value), "feature_object"), "must be a number, a text or null")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise PydanticCustomError("feature_finite", "must be a finite number; send null for an unknown value")
    return number


def _whole(value: Any) -> Any:
    """Take 30.0 for 30, as JSON does."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


_KINDS: dict[type, Literal["feature_truth", "feature_list"]] = {bool: "feature_truth", list: "feature_list"}


FeatureValue = Annotated[float | str | None, BeforeValidator(_value)]
Features = Annotated[dict[str, FeatureValue], Field(max_length=5000)]
_FEATURES = (
    "Feature name → number, text (categorical features) or null. A feature left out counts as null. "
    "`GET /v1/model` lists names, units and meanings"
)


class Body(BaseModel):
    """What every request's body is: strict about its keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), defer_build=True)


_NULL: JsonValue = {"type": "null"}
_ONE_OF: list[JsonValue] = [
    {
        "title": "By id",
        "required": ["account_id"],
        "properties": {"account_id": {"type": "string"}, "features": _NULL, "as_of": _NULL, "arr": _NULL},
    },
    {
        "title": "With features",
        "required": ["features"],
        "properties": {"features": {"type": "object"}, "account_id": _NULL},
    },
]


_EXAMPLE: dict[str, JsonValue] = {
    "logins_28d": 41, "events_28d": 420, "active_days_28d": 12, "active_users_28d": 5, "active_users_trend_28d": -0.47,
    "days_since_last_event": 3, "features_used_28d": 6, "core_feature_share_28d": 0.5, "tickets_opened_91d": 4,
    "ticket_resolution_rate_91d": 0.75, "nps_last": 6, "nps_age_days": 40, "invoices_overdue": 1, "champions_active": 1,
    "seats": 20, "mrr": 2000, "days_to_renewal": 75, "term_days": 365, "tenure_days": 400, "plan": "starter",
}  # fmt: skip
"""Features of every group that the health score is made of: enough for an answer that means something."""


class PredictRequest(Body):
    """One account: by its id from the scored snapshot, or with its features. Exactly one of the two."""

    account_id: AccountId | None = Field(None, description="Account of the scored snapshot")
    features: Features | None = Field(None, description=_FEATURES)
    as_of: date | None = Field(
        None, description="With features: the day before whose start they were known; default today (UTC)"
    )
    arr: float | None = Field(
        None,
        ge=0,
        le=1e15,
        allow_inf_nan=False,
        strict=True,
        description="With features: annual recurring revenue, for the expected loss. Unit: currency of the config",
    )

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": _ONE_OF,
            "examples": [
                {"account_id": "acc-0042"},
                {"features": _EXAMPLE, "arr": 24000.0},
            ],
        }
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.account_id is None) == (self.features is None):
            raise PydanticCustomError("account_or_features", "send exactly one of account_id and features")
        if self.account_id is not None and (self.as_of is not None or self.arr is not None):
            raise PydanticCustomError("goes_with_features", "as_of and arr go with features, not with account_id")
        return self


class ExplainRequest(PredictRequest):
    """One account to explain: by its id from the scored snapshot, or with its features. Exactly one of the two."""

    lang: Language | None = Field(None, description="Language of the sentences; default the config's")


_ITEMS = {"type": "array", "minItems": 1, "items": {"anyOf": [{"$ref": "#/components/schemas/PredictRequest"}, {}]}}
"""Items are checked one by one, so that a wrong one fails alone."""


class BatchRequest(Body):
    """Many accounts; each is answered on its own, and a wrong one fails alone."""

    items: Annotated[list[Any], WithJsonSchema(_ITEMS)] = Field(
        description="What `POST /v1/predict` takes, up to `serving.limits.max_batch` of them",
        min_length=1,
        examples=[[{"account_id": "acc-0042"}, {"features": {"active_users_28d": 5}}]],
    )


class WhatIfRequest(Body):
    """An account of the scored snapshot with some features changed."""

    account_id: AccountId = Field(description="Account of the scored snapshot", examples=["acc-0042"])
    changes: Features = Field(min_length=1, description="Feature name → the value to try")

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"account_id": "acc-0042", "changes": {"active_users_28d": 14}}]}
    )


class OverrideRequest(Body):
    """A CSM's judgement of an account; the system's stays visible beside it."""

    account_id: AccountId = Field(description="Account of the scored snapshot", examples=["acc-0042"])
    band: Literal["red", "yellow", "green"] = Field(description="The band in the CSM's judgement")
    reason: Annotated[str, _Text] = Field(
        min_length=3, max_length=2000, description="Why", examples=["New sponsor confirmed the renewal by phone."]
    )
    author: Annotated[str, _Text] = Field(min_length=1, max_length=200, description="Who says so", examples=["ann"])
    valid_days: Annotated[int, BeforeValidator(_whole)] = Field(
        30, ge=1, le=365, strict=True, description="Days the override holds. Unit: days"
    )


class FeedbackRequest(Body):
    """What a user says of an account's score or explanation."""

    account_id: AccountId = Field(description="Account of the scored snapshot", examples=["acc-0042"])
    kind: Literal["useful", "not_useful", "false_alarm", "missed", "saved", "lost"] = Field(
        description="`useful`/`not_useful`: the explanation; `false_alarm`/`missed`: the score; `saved`/`lost`: outcome"
    )
    comment: Annotated[str, _Text] | None = Field(
        None, max_length=2000, description="In words", examples=["They were on summer leave."]
    )
    author: Annotated[str, _Text] = Field(min_length=1, max_length=200, description="Who says so", examples=["ann"])
