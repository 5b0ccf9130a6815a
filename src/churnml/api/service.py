"""What is answered of the model in force, and of the service itself."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from churnml.api.answers import Answer, Part

__all__ = ["AliveAnswer", "FeatureAnswer", "ModelAnswer", "ReadyAnswer"]


class FeatureAnswer(Part):
    """A feature of the model."""

    name: str = Field(description="Name to use in requests", examples=["active_users_28d"])
    family: str = Field(description="Family", examples=["engagement"])
    unit: str = Field(description="Unit; empty for words", examples=["users"])
    description: str = Field(description="What it is", examples=["Distinct users with an event in 28 days."])
    missing: str = Field(description="What a null means", examples=["no user is known"])
    categorical: bool = Field(description="It takes a text rather than a number")
    words: list[str] | None = Field(description="Texts the model knows; others count as null", examples=[["free"]])


class ModelAnswer(Answer):
    """The model in force."""

    name: str = Field(description="Name of the registered model", examples=["acme"])
    verdict: str = Field(description="`publishable`, or `rules_only`", examples=["publishable"])
    scored_by: str = Field(description="What gives the probabilities: `model`, or the rule's name", examples=["model"])
    horizon_days: int = Field(description="How far ahead it looks. Unit: days", examples=[90])
    base_rate: float = Field(ge=0, le=1, description="Churn rate in training. Range: 0–1", examples=[0.046])
    created_at: str | None = Field(description="When it was trained", examples=["2026-11-01T03:58:41+00:00"])
    features: list[FeatureAnswer] = Field(description="What it reads, in order")


class AliveAnswer(Answer):
    """The process runs; what it serves may still be nothing."""

    status: Literal["alive"] = Field(description="The process answers")


class ReadyAnswer(Answer):
    """Whether the service can answer."""

    status: Literal["ready"] = Field(description="The service can answer")
    snapshot: bool = Field(description="Accounts can be asked for by id")
    model: bool = Field(description="Features can be sent")
