"""Onboarding 導入: how far the account has come with what it set out to do."""

from __future__ import annotations

from collections.abc import Iterator

from churnml.features.inputs import Columns, Inputs, filled, numbers, ratio
from churnml.features.keys import Floats
from churnml.features.measures import Measure, Scope
from churnml.features.visible import days_between

__all__ = ["columns", "measures"]


def _needs(*names: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return (("milestones", names),)


_MEASURES = (
    Measure(
        "milestones_done", "milestones", "no milestone is planned", "milestones reached", "達成済みマイルストーン数",
        "Milestones reached before `as_of`.", "基準日までに達成されたマイルストーン数。",
        table="milestones", needs=_needs("completed_at"), windowed=False, monotone=-1,
    ),
    Measure(
        "milestones_overdue", "milestones", "no milestone is planned", "milestones overdue",
        "期限超過マイルストーン数", "Milestones whose due day is before `as_of` and that were not reached by then.",
        "期限を過ぎても未達成のマイルストーン数。",
        table="milestones", needs=_needs("completed_at", "due_on"), windowed=False, monotone=1,
    ),
    Measure(
        "onboarding_completion", "share", "no onboarding milestone is planned", "onboarding completed",
        "オンボーディング完了率", "Onboarding milestones reached ÷ onboarding milestones planned before `as_of`.",
        "基準日までに計画された導入マイルストーンの達成率。",
        table="milestones", needs=_needs("completed_at", "kind"), windowed=False, monotone=-1,
    ),
    Measure(
        "days_to_first_value", "days", "no value milestone was reached yet", "days to first value",
        "初回価値実現までの日数", "Days from the account's first known fact to its first milestone of kind `value`.",
        "最初の記録から最初の価値マイルストーン達成までの日数。",
        table="milestones", needs=_needs("completed_at", "kind"), windowed=False, kind="age", monotone=1,
    ),
    Measure(
        "days_since_last_milestone", "days", "no milestone was reached yet", "days since the last milestone",
        "最終マイルストーンからの日数", "Days from the last milestone reached to `as_of`.",
        "最後に達成したマイルストーンから基準日までの日数。",
        table="milestones", needs=_needs("completed_at"), windowed=False, kind="age",
    ),
)  # fmt: skip


def measures(scope: Scope) -> Iterator[Measure]:
    """Yield the family's measures."""
    yield from _MEASURES


def columns(inputs: Inputs) -> Columns:
    """Compute the family."""
    rows = inputs.known("milestones")
    reached, early = rows.completed_at.notnull(), rows.kind == "onboarding"
    overdue = (rows.due_on.cast("timestamp(6)") < rows.as_of).fill_null(False) & ~reached
    known = inputs.gather(
        rows,
        {
            "planned": rows.count(),
            "done": rows.count(where=reached),
            "overdue": rows.count(where=overdue),
            "steps": rows.count(where=early),
            "steps_done": rows.count(where=early & reached),
            "value_age": days_between(rows.completed_at, rows.as_of).max(where=rows.kind == "value"),
            "last_age": days_between(rows.completed_at, rows.as_of).min(),
        },
    )
    to_value: Floats = inputs.keys.day - numbers(known["value_age"]) - inputs.started
    return {
        "milestones_done": numbers(known["done"]),
        "milestones_overdue": numbers(known["overdue"]),
        "onboarding_completion": ratio(filled(known["steps_done"]), filled(known["steps"])),
        "days_to_first_value": to_value,
        "days_since_last_milestone": numbers(known["last_age"]),
    }
