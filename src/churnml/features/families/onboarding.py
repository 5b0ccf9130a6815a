"""Onboarding 導入: how far the account has come with what it set out to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from churnml.features.aggregates import Aggregate, Source, number, share
from churnml.features.family import Family
from churnml.features.inputs import Inputs, numbers
from churnml.features.keys import Floats
from churnml.features.measures import Words
from churnml.features.visible import days_between

if TYPE_CHECKING:
    import ibis.expr.types as ir

__all__ = ["ONBOARDING"]

ONBOARDING = Family("onboarding")

_NONE_PLANNED = "no milestone is planned"


def _needs(*names: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return (("milestones", names),)


def _milestones(inputs: Inputs) -> ir.Table:
    rows = inputs.known("milestones")
    return rows.mutate(reached=rows.completed_at.notnull(), early=rows.kind == "onboarding")


_MILESTONES = Source("milestones", _milestones)


@ONBOARDING.measure(
    "milestones_done", "milestones",
    Words(
        "milestones reached", "達成済みマイルストーン数", "Milestones reached before `as_of`.",
        "基準日までに達成されたマイルストーン数。",
    ),
    missing=_NONE_PLANNED, of=_MILESTONES, table="milestones", needs=_needs("completed_at"), windowed=False,
    risk_direction=-1,
)  # fmt: skip
def milestones_done(rows: ir.Table) -> Aggregate:
    return number(rows.count(where=rows.reached))


@ONBOARDING.measure(
    "milestones_overdue", "milestones",
    Words(
        "milestones overdue", "期限超過マイルストーン数",
        "Milestones whose due day is before `as_of` and that were not reached by then.",
        "期限を過ぎても未達成のマイルストーン数。",
    ),
    missing=_NONE_PLANNED, of=_MILESTONES, table="milestones", needs=_needs("completed_at", "due_on"), windowed=False,
    risk_direction=1,
)  # fmt: skip
def milestones_overdue(rows: ir.Table) -> Aggregate:
    due = (rows.due_on.cast("timestamp(6)") < rows.as_of).fill_null(False)
    return number(rows.count(where=due & ~rows.reached))


@ONBOARDING.measure(
    "onboarding_completion", "share",
    Words(
        "onboarding completed", "オンボーディング完了率",
        "Onboarding milestones reached ÷ onboarding milestones planned before `as_of`.",
        "基準日までに計画された導入マイルストーンの達成率。",
    ),
    missing="no onboarding milestone is planned", of=_MILESTONES, table="milestones",
    needs=_needs("completed_at", "kind"), windowed=False, risk_direction=-1,
)  # fmt: skip
def onboarding_completion(rows: ir.Table) -> Aggregate:
    return share(rows.count(where=rows.early & rows.reached), rows.count(where=rows.early))


@ONBOARDING.measure(
    "days_to_first_value", "days",
    Words(
        "days to first value", "初回価値実現までの日数",
        "Days from the account's first known fact to its first milestone of kind `value`.",
        "最初の記録から最初の価値マイルストーン達成までの日数。",
    ),
    missing="no value milestone was reached yet", of=_MILESTONES, table="milestones",
    needs=_needs("completed_at", "kind"), windowed=False, kind="age", risk_direction=1,
)  # fmt: skip
def days_to_first_value(rows: ir.Table) -> Aggregate:
    def since_start(inputs: Inputs, window: None, age: pd.Series) -> Floats:
        days: Floats = inputs.keys.day - numbers(age) - inputs.started
        return days

    return Aggregate((days_between(rows.completed_at, rows.as_of).max(where=rows.kind == "value"),), since_start)


@ONBOARDING.measure(
    "days_since_last_milestone", "days",
    Words(
        "days since the last milestone", "最終マイルストーンからの日数",
        "Days from the last milestone reached to `as_of`.", "最後に達成したマイルストーンから基準日までの日数。",
    ),
    missing="no milestone was reached yet", of=_MILESTONES, table="milestones", needs=_needs("completed_at"),
    windowed=False, kind="age",
    risk_direction=0,
)  # fmt: skip
def days_since_last_milestone(rows: ir.Table) -> Aggregate:
    return number(days_between(rows.completed_at, rows.as_of).min())
