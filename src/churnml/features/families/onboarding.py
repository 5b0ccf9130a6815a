"""Onboarding 導入: how far the account has come with what it set out to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from churnml.features.aggregates import Aggregate, Source, number, share
from churnml.features.family import Family
from churnml.features.inputs import Inputs, numbers
from churnml.features.keys import Floats
from churnml.features.visible import days_between

if TYPE_CHECKING:
    import ibis.expr.types as ir

__all__ = ["ONBOARDING"]

ONBOARDING = Family("onboarding")

_NONE_PLANNED = "no_milestone_planned"


def _needs(*names: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return (("milestones", names),)


def _milestones(inputs: Inputs) -> ir.Table:
    rows = inputs.known("milestones")
    return rows.mutate(reached=rows.completed_at.notnull(), early=rows.kind == "onboarding")


_MILESTONES = Source("milestones", _milestones)


@ONBOARDING.measure(
    "milestones_done", "milestones",
    missing=_NONE_PLANNED, of=_MILESTONES, table="milestones", needs=_needs("completed_at"), windowed=False,
    risk_direction=-1,
)  # fmt: skip
def milestones_done(rows: ir.Table) -> Aggregate:
    return number(rows.count(where=rows.reached))


@ONBOARDING.measure(
    "milestones_overdue", "milestones",
    missing=_NONE_PLANNED, of=_MILESTONES, table="milestones", needs=_needs("completed_at", "due_on"), windowed=False,
    risk_direction=1,
)  # fmt: skip
def milestones_overdue(rows: ir.Table) -> Aggregate:
    due = (rows.due_on.cast("timestamp(6)") < rows.as_of).fill_null(False)
    return number(rows.count(where=due & ~rows.reached))


@ONBOARDING.measure(
    "onboarding_completion", "share",
    missing="no_onboarding_milestone", of=_MILESTONES, table="milestones",
    needs=_needs("completed_at", "kind"), windowed=False, risk_direction=-1,
)  # fmt: skip
def onboarding_completion(rows: ir.Table) -> Aggregate:
    return share(rows.count(where=rows.early & rows.reached), rows.count(where=rows.early))


@ONBOARDING.measure(
    "days_to_first_value", "days",
    missing="no_value_milestone", of=_MILESTONES, table="milestones",
    needs=_needs("completed_at", "kind"), windowed=False, kind="age", risk_direction=1,
)  # fmt: skip
def days_to_first_value(rows: ir.Table) -> Aggregate:
    def since_start(inputs: Inputs, window: None, age: pd.Series) -> Floats:
        days: Floats = inputs.keys.day - numbers(age) - inputs.started
        return days

    return Aggregate((days_between(rows.completed_at, rows.as_of).max(where=rows.kind == "value"),), since_start)


@ONBOARDING.measure(
    "days_since_last_milestone", "days",
    missing="no_milestone_reached", of=_MILESTONES, table="milestones", needs=_needs("completed_at"),
    windowed=False, kind="age",
    risk_direction=0,
)  # fmt: skip
def days_since_last_milestone(rows: ir.Table) -> Aggregate:
    return number(days_between(rows.completed_at, rows.as_of).min())
