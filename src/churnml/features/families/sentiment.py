"""Sentiment 満足度: what people at the account answered when asked, and whether they answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from churnml.features.aggregates import Aggregate, Source, combined, number, share
from churnml.features.family import Family
from churnml.features.inputs import Inputs
from churnml.features.visible import days_between, inside

if TYPE_CHECKING:
    import ibis.expr.types as ir

__all__ = ["SENTIMENT"]

SENTIMENT = Family("sentiment")

_ANSWERS = (("surveys", ("sent_at", "responded_at", "score")),)
_SENT = (("surveys", ("sent_at", "responded_at")),)
_NEVER = "no_nps_answer"


def _surveys(inputs: Inputs) -> ir.Table:
    return inputs.known("surveys")


def _nps_moments(inputs: Inputs) -> ir.Table:
    """Return the moments at which NPS answers came, the latest at place 0."""
    import ibis

    rows = inputs.rows(_SURVEYS.name, _SURVEYS.rows)
    given = rows.filter(rows.kind == "nps", rows.score.notnull(), rows.responded_at.notnull())
    moments = given.group_by("key_code", "as_of", "responded_at").agg(score=given.score.mean())
    latest_first = ibis.window(group_by="key_code", order_by=moments.responded_at.desc())
    return moments.mutate(place=ibis.row_number().over(latest_first))


_SURVEYS = Source("surveys", _surveys)
_NPS = Source("nps", _nps_moments)


@SENTIMENT.measure(
    "nps_last", "points",
    missing=_NEVER, of=_NPS, table="surveys", needs=_ANSWERS, windowed=False, risk_direction=-1,
)  # fmt: skip
def nps_last(rows: ir.Table) -> Aggregate:
    return number(rows.score.max(where=rows.place == 0))


@SENTIMENT.measure(
    "nps_age_days", "days",
    missing=_NEVER, of=_NPS, table="surveys", needs=_ANSWERS, windowed=False, kind="age", actionable=False,
    risk_direction=0,
)  # fmt: skip
def nps_age_days(rows: ir.Table) -> Aggregate:
    return number(days_between(rows.responded_at, rows.as_of).min())


@SENTIMENT.measure(
    "nps_change", "points",
    missing="fewer_than_two", of=_NPS, table="surveys", needs=_ANSWERS, windowed=False,
    kind="trend", risk_direction=-1,
)  # fmt: skip
def nps_change(rows: ir.Table) -> Aggregate:
    return combined(np.subtract, nps_last(rows), number(rows.score.max(where=rows.place == 1)))


@SENTIMENT.measure(
    "survey_response_rate", "share",
    missing="no_survey_sent", of=_SURVEYS, table="surveys", needs=_SENT, risk_direction=-1,
)  # fmt: skip
def survey_response_rate(rows: ir.Table, w: int) -> Aggregate:
    sent = inside(rows.sent_at, rows, w)
    return share(rows.count(where=sent & rows.responded_at.notnull()), rows.count(where=sent))


@SENTIMENT.measure(
    "survey_silence_days", "days",
    missing="no_survey_known", of=_SURVEYS, table="surveys", needs=_SENT, windowed=False, kind="age",
    risk_direction=1,
)  # fmt: skip
def survey_silence_days(rows: ir.Table) -> Aggregate:
    return number(days_between(rows.responded_at.max().fill_null(rows.sent_at.min()), rows.as_of.max()))
