"""Commercial 契約: what is under contract, at what price, and how near its renewal is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from churnml.features.aggregates import Aggregate, Source, combined, count, number, word
from churnml.features.family import Family
from churnml.features.inputs import Inputs, filled, numbers, ratio
from churnml.features.keys import Floats
from churnml.features.measures import FromRows, Measure, Scope
from churnml.features.visible import days_between
from churnml.snapshots.contract import subscription_frame
from churnml.snapshots.terms import superseded

if TYPE_CHECKING:
    import ibis.expr.types as ir

__all__ = ["COMMERCIAL"]

COMMERCIAL = Family("commercial")

_DAYS_OF_A_MONTH = 365.25 / 12

_NONE_RUNS = "no_plan_under_contract_as_of"


def _needs(*names: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return (("subscriptions", names),)


def _terms(inputs: Inputs) -> ir.Table:
    """Return the terms known at each `as_of`, with the end known by then as a timestamp (null = open)."""
    rows = inputs.known("subscriptions")
    rows = rows.mutate(
        begins=rows.started_on.cast("timestamp(6)"),
        ends=rows.terminated_on.fill_null(rows.ends_on).cast("timestamp(6)"),
        main=~rows.is_addon.fill_null(False),
    )
    return _without_overlaps(rows, inputs)


def _without_overlaps(rows: ir.Table, inputs: Inputs) -> ir.Table:
    """Let a term end where its successor began, once that is known; see `churnml.snapshots.terms`."""
    import ibis

    keys = inputs.keys
    terms = subscription_frame(inputs.tables, keys.accounts.tolist() if keys.part else None)
    replaced = terms.join(superseded(terms)).dropna(subset=["superseded_on"])
    if replaced.empty:
        return rows
    which = ["account_id", "product", "is_addon", "started_on", "ends_on"]
    pairs = ibis.memtable(
        replaced[[*which, "superseded_on", "superseded_known"]].drop_duplicates(which),
        schema=ibis.schema(
            dict.fromkeys(("account_id", "product"), "string")
            | {"is_addon": "boolean"}
            | dict.fromkeys(("started_on", "ends_on", "superseded_on", "superseded_known"), "timestamp(6)")
        ),
    )
    joined = rows.left_join(
        pairs,
        [
            rows.account_id.cast("string") == pairs.account_id,
            rows["product"].cast("string").identical_to(pairs["product"]),
            rows.main != pairs.is_addon,
            rows.begins == pairs.started_on,
            rows.ends_on.cast("timestamp(6)").identical_to(pairs.ends_on),
        ],
        rname="{name}_of_pair",
    )
    known = (joined.superseded_known < joined.as_of).fill_null(False)
    ends = known.ifelse(ibis.least(joined.ends.fill_null(joined.superseded_on), joined.superseded_on), joined.ends)
    return joined.mutate(ends=ends).select(rows.columns)


def _main_term(inputs: Inputs) -> ir.Table:
    """Return the running plan with the highest MRR; then the one begun last; then by identity."""
    import ibis

    rows = inputs.rows(_TERMS.name, _TERMS.rows)
    running = rows.filter(rows.main & _running(rows))
    order = ibis.window(
        group_by="key_code",
        order_by=[
            running.mrr.fill_null(-1.0).desc(),
            running.begins.desc(),
            running.subscription_id.fill_null(""),
            running["product"].fill_null(""),
        ],
    )
    return running.mutate(place=ibis.row_number().over(order)).filter(lambda t: t.place == 0)


_TERMS = Source("terms", _terms)
_MAIN = Source("main term", _main_term)


def _running(rows: ir.Table, back: int = 0) -> ir.BooleanValue:
    """Tell which terms ran on the day before ``as_of − back``."""
    import ibis

    then = rows.as_of - ibis.interval(days=back) if back else rows.as_of
    return (rows.begins < then) & (rows.ends.isnull() | (rows.ends >= then))


def _level(amount: ir.Value, running: ir.BooleanValue) -> Aggregate:
    """Return a sum over running terms: 0 where none runs, missing where terms run but none carries the number."""

    def finish(inputs: Inputs, window: int | None, terms: pd.Series, total: pd.Series) -> Floats:
        return np.where(filled(terms) == 0, 0.0, numbers(total))

    return Aggregate((running.cast("int32").sum(), amount.sum(where=running).cast("float64")), finish)


def _change(now: Floats, then: Floats) -> Floats:
    return ratio(now - then, then)


@COMMERCIAL.measure(
    "tenure_days", "days",
    missing="nothing_known_account", table="spine", windowed=False, kind="age",
    actionable=False,
    risk_direction=0,
)  # fmt: skip
def tenure_days(inputs: Inputs) -> Floats:
    return np.asarray(inputs.keys.day - inputs.started)


@COMMERCIAL.measure(
    "cohort_month", "months",
    missing="nothing_known_account", table="spine", windowed=False, actionable=False,
    risk_direction=0, optional=True,
)  # fmt: skip
def cohort_month(inputs: Inputs) -> Floats:
    # With the tenure it tells the calendar date, from which trees may learn the level of the training period.
    known = np.isfinite(inputs.started)
    day = np.where(known, inputs.started, 0).astype(np.int64).astype("datetime64[D]")
    months = day.astype("datetime64[M]").astype(np.int64) - 12 * 30
    return np.where(known, months, np.nan)


@COMMERCIAL.each
def plan(scope: Scope) -> Iterator[Measure]:
    """Declare the plan, which is the product where no plans are recorded."""
    column = "plan" if scope.tables.has("subscriptions", "plan") else "product"
    yield Measure(
        name="plan", family="commercial", unit="", missing=_NONE_RUNS,
        make=FromRows(_MAIN, lambda rows, _: word(rows["plan"].fill_null(rows["product"]).max())),
        table="subscriptions", needs=_needs(column), windowed=False, kind="category", actionable=False,
        categorical=True,
        risk_direction=0,
    )  # fmt: skip


@COMMERCIAL.measure(
    "mrr", "currency",
    missing="terms_run_but", of=_TERMS, table="subscriptions",
    needs=_needs("mrr"), windowed=False, actionable=False, ranked=True,
    risk_direction=0,
)  # fmt: skip
def mrr(rows: ir.Table, back: int = 0) -> Aggregate:
    return _level(rows.mrr, _running(rows, back))


@COMMERCIAL.measure(
    "seats", "seats",
    missing="plans_run_but", of=_TERMS, table="subscriptions",
    needs=_needs("seats"), windowed=False, actionable=False,
    risk_direction=0,
)  # fmt: skip
def seats(rows: ir.Table, back: int = 0) -> Aggregate:
    return _level(rows.seats, _running(rows, back) & rows.main)


@COMMERCIAL.measure(
    "mrr_per_seat", "currency",
    missing="no_seats_under", of=_TERMS, table="subscriptions", needs=_needs("mrr", "seats"),
    windowed=False, actionable=False,
    risk_direction=0,
)  # fmt: skip
def mrr_per_seat(rows: ir.Table, back: int = 0) -> Aggregate:
    return combined(ratio, mrr(rows, back), seats(rows, back))


@COMMERCIAL.measure(
    "discount_rate", "share",
    missing="no_plan_under_contract", of=_MAIN, table="subscriptions",
    needs=_needs("discount_rate"), windowed=False, actionable=False,
    risk_direction=0,
)  # fmt: skip
def discount_rate(rows: ir.Table) -> Aggregate:
    return number(rows.discount_rate.max())


@COMMERCIAL.measure(
    "billing_period_months", "months",
    missing=_NONE_RUNS, of=_MAIN, table="subscriptions", needs=_needs("billing_period_months"), windowed=False,
    actionable=False,
    risk_direction=0,
)  # fmt: skip
def billing_period_months(rows: ir.Table) -> Aggregate:
    return number(rows.billing_period_months.max())


@COMMERCIAL.measure(
    "auto_renew", "share",
    missing=_NONE_RUNS, of=_MAIN, table="subscriptions", needs=_needs("auto_renew"), windowed=False, kind="flag",
    actionable=False,
    risk_direction=-1, constrained=False,
)  # fmt: skip
def auto_renew(rows: ir.Table) -> Aggregate:
    return number(rows.auto_renew.cast("int32").max())


@COMMERCIAL.measure(
    "addons", "add-ons",
    missing="never", of=_TERMS, table="subscriptions", needs=_needs("is_addon"), windowed=False,
    risk_direction=-1, constrained=False,
)  # fmt: skip
def addons(rows: ir.Table) -> Aggregate:
    return count((~rows.main & _running(rows)).cast("int32").sum())


@COMMERCIAL.measure(
    "term_days", "days",
    missing="no_plan_under", of=_MAIN, table="subscriptions", needs=_needs("ends_on"),
    windowed=False, actionable=False,
    risk_direction=0,
)  # fmt: skip
def term_days(rows: ir.Table) -> Aggregate:
    return number(days_between(rows.begins, rows.ends_on).max())


@COMMERCIAL.measure(
    "days_into_term", "days",
    missing=_NONE_RUNS, of=_MAIN, table="subscriptions", needs=_needs("started_on"), windowed=False, kind="age",
    actionable=False,
    risk_direction=0,
)  # fmt: skip
def days_into_term(rows: ir.Table) -> Aggregate:
    return number(days_between(rows.begins, rows.as_of).max())


@COMMERCIAL.measure(
    "days_to_renewal", "days",
    missing="no_plan_under", of=_TERMS, table="subscriptions", needs=_needs("ends_on"),
    windowed=False, kind="age", actionable=False,
    risk_direction=0,
)  # fmt: skip
def days_to_renewal(rows: ir.Table) -> Aggregate:
    return number(days_between(rows.as_of, rows.ends).min(where=rows.main & _running(rows)))


@COMMERCIAL.measure(
    "renewals_so_far", "renewals",
    missing="never", of=_TERMS, table="subscriptions", needs=_needs("started_on"), windowed=False,
    actionable=False,
    risk_direction=0,
)  # fmt: skip
def renewals_so_far(rows: ir.Table) -> Aggregate:
    return combined(lambda terms: np.maximum(terms - 1, 0), count(rows.begins.nunique(where=rows.main)))


@COMMERCIAL.measure(
    "revenue_to_date", "currency",
    missing="terms_known_but", of=_TERMS, table="subscriptions",
    needs=_needs("mrr"), windowed=False, actionable=False, risk_direction=0,
)  # fmt: skip
def revenue_to_date(rows: ir.Table) -> Aggregate:
    import ibis

    until = ibis.least(rows.ends.fill_null(rows.as_of), rows.as_of)
    days = ibis.greatest(days_between(rows.begins, until), 0)

    def finish(inputs: Inputs, window: None, terms: pd.Series, total: pd.Series) -> Floats:
        return np.where(filled(terms) == 0, 0.0, numbers(total) / _DAYS_OF_A_MONTH)

    return Aggregate((rows.count(), (rows.mrr * days).sum()), finish)


@COMMERCIAL.measure(
    "mrr_change", "share",
    missing="account_no_mrr", of=_TERMS, table="subscriptions", needs=_needs("mrr"),
    kind="trend", actionable=False,
    risk_direction=-1, constrained=False,
)  # fmt: skip
def mrr_change(rows: ir.Table, w: int) -> Aggregate:
    return combined(_change, mrr(rows), mrr(rows, w))


@COMMERCIAL.measure(
    "seats_change", "share",
    missing="account_no_seats", of=_TERMS, table="subscriptions", needs=_needs("seats"),
    kind="trend", actionable=False,
    risk_direction=-1, constrained=False,
)  # fmt: skip
def seats_change(rows: ir.Table, w: int) -> Aggregate:
    return combined(_change, seats(rows), seats(rows, w))


@COMMERCIAL.measure(
    "price_change", "share",
    missing="no_price_per", of=_TERMS, table="subscriptions",
    needs=_needs("mrr", "seats"), kind="trend", actionable=False,
    risk_direction=1, constrained=False,
)  # fmt: skip
def price_change(rows: ir.Table, w: int) -> Aggregate:
    return combined(_change, mrr_per_seat(rows), mrr_per_seat(rows, w))


@COMMERCIAL.measure(
    "events_per_mrr", "events",
    missing="account_has_no_mrr", table="subscriptions",
    needs=(("events", ("event_type",)), ("subscriptions", ("mrr",))), after=("mrr",), risk_direction=-1,
)  # fmt: skip
def events_per_mrr(inputs: Inputs, w: int) -> Floats:
    return ratio(inputs.events.events(w), inputs.made["mrr"])
