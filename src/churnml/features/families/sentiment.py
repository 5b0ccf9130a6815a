"""Sentiment 満足度: what people at the account answered when asked, and whether they answered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from churnml.features.inputs import Columns, Inputs, filled, numbers, ratio
from churnml.features.measures import Measure, Scope
from churnml.features.visible import days_between, inside

if TYPE_CHECKING:
    import ibis.expr.types as ir

__all__ = ["columns", "measures"]

_NEEDS = (("surveys", ("sent_at", "responded_at", "score")),)
_NEVER = "no NPS answer is known"

_MEASURES = (
    Measure(
        "nps_last", "points", _NEVER, "latest NPS answer (0–10)", "直近のNPS回答(0〜10)",
        "Score of the latest NPS answer known; the mean where several came at the same moment.",
        "直近のNPS回答の点数(同時刻に複数あれば平均)。",
        table="surveys", needs=_NEEDS, windowed=False, monotone=-1,
    ),
    Measure(
        "nps_age_days", "days", _NEVER, "age of the latest NPS answer", "直近NPS回答からの日数",
        "Days from the latest NPS answer to `as_of`.", "直近のNPS回答から基準日までの日数。",
        table="surveys", needs=_NEEDS, windowed=False, kind="age", actionable=False,
    ),
    Measure(
        "nps_change", "points", "fewer than two NPS answers are known", "change of NPS", "NPSの変化",
        "Latest NPS answer − the one before it.", "直近のNPS回答−その前の回答。",
        table="surveys", needs=_NEEDS, windowed=False, kind="trend", monotone=-1,
    ),
    Measure(
        "survey_response_rate", "share", "no survey was sent in the window", "survey response rate",
        "アンケート回答率", "Surveys sent in the last {w} days and answered before `as_of` ÷ surveys sent in them.",
        "過去{w}日間に送付したアンケートのうち基準日までに回答された割合。",
        table="surveys", needs=(("surveys", ("sent_at", "responded_at")),), monotone=-1,
    ),
    Measure(
        "survey_silence_days", "days", "no survey is known", "days without a survey answer", "アンケート未回答日数",
        "Days since the last survey answer of any kind; since the first survey sent when none was ever answered.",
        "最後のアンケート回答からの日数(未回答なら最初の送付からの日数)。",
        table="surveys", needs=(("surveys", ("sent_at", "responded_at")),), windowed=False, kind="age", monotone=1,
    ),
)  # fmt: skip


def measures(scope: Scope) -> Iterator[Measure]:
    """Yield the family's measures."""
    yield from _MEASURES


def columns(inputs: Inputs, windows: tuple[int, ...]) -> Columns:
    """Compute the family."""
    rows = inputs.known("surveys")
    answered = rows.responded_at.notnull()
    wanted: dict[str, ir.Value] = {
        "silence": days_between(rows.responded_at.max().fill_null(rows.sent_at.min()), rows.as_of.max())
    }
    for w in windows:
        sent = inside(rows.sent_at, rows, w)
        wanted[f"sent_{w}"] = rows.count(where=sent)
        wanted[f"answered_{w}"] = rows.count(where=sent & answered)
    known = inputs.gather(rows, wanted)
    out: Columns = {"survey_silence_days": numbers(known["silence"])}
    for w in windows:
        out[f"survey_response_rate_{w}d"] = ratio(filled(known[f"answered_{w}"]), filled(known[f"sent_{w}"]))
    return out | _nps(inputs, rows)


def _nps(inputs: Inputs, rows: ir.Table) -> Columns:
    """Look at the two latest moments at which an NPS answer came."""
    import ibis

    given = rows.filter(rows.kind == "nps", rows.score.notnull(), rows.responded_at.notnull())
    moments = given.group_by("key_code", "as_of", "responded_at").agg(score=given.score.mean())
    latest_first = ibis.window(group_by="key_code", order_by=moments.responded_at.desc())
    ranked = moments.mutate(place=ibis.row_number().over(latest_first))
    known = inputs.gather(
        ranked,
        {
            "last": ranked.score.max(where=ranked.place == 0),
            "before": ranked.score.max(where=ranked.place == 1),
            "age": days_between(ranked.responded_at, ranked.as_of).min(),
        },
    )
    last, before = numbers(known["last"]), numbers(known["before"])
    return {"nps_last": last, "nps_change": np.asarray(last - before), "nps_age_days": numbers(known["age"])}
