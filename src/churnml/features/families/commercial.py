"""Commercial 契約: what is under contract, at what price, and how near its renewal is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from churnml.features.inputs import Columns, Inputs, Recipes, filled, numbers, ratio
from churnml.features.keys import Floats
from churnml.features.measures import Measure, Scope
from churnml.features.visible import days_between

if TYPE_CHECKING:
    import ibis.expr.types as ir

__all__ = ["columns", "measures", "recipes"]

_NONE_RUNS = "no plan is under contract at `as_of`"


def _needs(*names: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return (("subscriptions", names),)


_PLAIN = (
    Measure(
        "mrr", "currency", "terms run but none carries an MRR; 0 when no term runs", "MRR", "MRR(月次経常収益)",
        "Monthly recurring revenue of the terms running on the day before `as_of`.",
        "基準日前日に有効な契約の月次経常収益。",
        table="subscriptions", needs=_needs("mrr"), windowed=False, actionable=False,
    ),
    Measure(
        "seats", "seats", "plans run but none carries seats; 0 when no plan runs", "seats", "契約シート数",
        "Seats of the plans running on the day before `as_of`.", "基準日前日に有効なプランの契約シート数。",
        table="subscriptions", needs=_needs("seats"), windowed=False, actionable=False,
    ),
    Measure(
        "mrr_per_seat", "currency", "no seats are under contract", "MRR per seat", "シートあたりMRR",
        "MRR ÷ seats under contract.", "MRR÷契約シート数。",
        table="subscriptions", needs=_needs("mrr", "seats"), windowed=False, actionable=False,
    ),
    Measure(
        "discount_rate", "share", _NONE_RUNS + ", or it carries no discount", "discount", "割引率",
        "Discount on the list price of the main plan.", "主契約の定価に対する割引率。",
        table="subscriptions", needs=_needs("discount_rate"), windowed=False, actionable=False,
    ),
    Measure(
        "billing_period_months", "months", _NONE_RUNS, "billing period", "請求期間",
        "Months billed at once on the main plan.", "主契約の一括請求月数。",
        table="subscriptions", needs=_needs("billing_period_months"), windowed=False, actionable=False,
    ),
    Measure(
        "auto_renew", "share", _NONE_RUNS, "automatic renewal", "自動更新",
        "1 when the main plan renews by itself, 0 when not.", "主契約が自動更新なら1、そうでなければ0。",
        table="subscriptions", needs=_needs("auto_renew"), windowed=False, kind="flag", actionable=False,
    ),
    Measure(
        "addons", "add-ons", "never missing", "add-ons", "アドオン数",
        "Add-on terms running on the day before `as_of`.", "基準日前日に有効なアドオン契約の数。",
        table="subscriptions", needs=_needs("is_addon"), windowed=False,
    ),
    Measure(
        "term_days", "days", _NONE_RUNS + ", or it is open-ended", "length of the term", "契約期間",
        "Agreed length of the main plan's running term.", "主契約の現契約期間の長さ。",
        table="subscriptions", needs=_needs("ends_on"), windowed=False, actionable=False,
    ),
    Measure(
        "days_into_term", "days", _NONE_RUNS, "days since the term began", "契約開始からの日数",
        "Days from the start of the main plan's running term to `as_of`.", "主契約の現契約開始から基準日までの日数。",
        table="subscriptions", needs=_needs("started_on"), windowed=False, kind="age", actionable=False,
    ),
    Measure(
        "days_to_renewal", "days", _NONE_RUNS + ", or it is open-ended", "days to renewal", "契約更新までの日数",
        "Days from `as_of` to the next end of a running plan, as agreed or known by then.",
        "基準日から有効なプランの次の満了日までの日数。",
        table="subscriptions", needs=_needs("ends_on"), windowed=False, kind="age", actionable=False,
    ),
    Measure(
        "renewals_so_far", "renewals", "never missing", "renewals so far", "これまでの更新回数",
        "Plan terms begun before `as_of`, the first one not counted.", "基準日前に開始したプラン契約数(初回を除く)。",
        table="subscriptions", needs=_needs("started_on"), windowed=False, actionable=False,
    ),
    Measure(
        "mrr_change", "share", "the account had no MRR {w} days before", "MRR change", "MRRの変化率",
        "MRR at `as_of` against {w} days before: (now − then) ÷ then.", "{w}日前と比べたMRRの変化率。",
        table="subscriptions", needs=_needs("mrr"), kind="trend", actionable=False,
    ),
    Measure(
        "seats_change", "share", "the account had no seats {w} days before", "seat change", "シート数の変化率",
        "Seats at `as_of` against {w} days before: (now − then) ÷ then.", "{w}日前と比べた契約シート数の変化率。",
        table="subscriptions", needs=_needs("seats"), kind="trend", actionable=False,
    ),
    Measure(
        "price_change", "share", "no price per seat is known for both days", "change of price per seat",
        "シート単価の変化率", "MRR per seat at `as_of` against {w} days before: (now − then) ÷ then.",
        "{w}日前と比べたシートあたりMRRの変化率。",
        table="subscriptions", needs=_needs("mrr", "seats"), kind="trend", actionable=False,
    ),
    Measure(
        "events_per_mrr", "events", "the account has no MRR", "events per MRR", "MRRあたりのイベント数",
        "Events of the last {w} days ÷ MRR.", "過去{w}日間のイベント数÷MRR。",
        table="subscriptions", needs=(("events", ("event_type",)), ("subscriptions", ("mrr",))), monotone=-1,
    ),
)  # fmt: skip

_TENURE = Measure(
    "tenure_days", "days", "nothing is known of the account before `as_of`", "tenure", "利用期間",
    "Days from the account's first known fact to `as_of`.", "最初の記録から基準日までの日数。",
    table="spine", windowed=False, kind="age", actionable=False,
)  # fmt: skip


def measures(scope: Scope) -> Iterator[Measure]:
    """Yield the family's measures."""
    yield _TENURE
    column = "plan" if scope.tables.has("subscriptions", "plan") else "product"
    yield Measure(
        "plan", "", _NONE_RUNS, "plan", "プラン", "Plan of the main term running on the day before `as_of`.",
        "基準日前日に有効な主契約のプラン。", table="subscriptions", needs=_needs(column), windowed=False,
        kind="category", actionable=False, categorical=True,
    )  # fmt: skip
    yield from _PLAIN


def columns(inputs: Inputs, windows: tuple[int, ...]) -> Columns:
    """Compute the family."""
    out: Columns = {"tenure_days": inputs.keys.day - inputs.started}
    if "subscriptions" not in inputs.tables:
        return out
    rows = _terms(inputs)
    state = inputs.gather(rows, _state(rows, windows))
    main = inputs.aligned(_main_term(rows))
    out |= {name: numbers(main[name]) for name in _MAIN_NUMBERS}
    out["plan"] = main["plan"].to_numpy(dtype=object)
    out["addons"], out["renewals_so_far"] = filled(state["addons"]), np.maximum(filled(state["terms"]) - 1, 0)
    out["mrr"], out["seats"] = _level(state, "mrr", 0), _level(state, "seats", 0)
    out["mrr_per_seat"] = ratio(out["mrr"], out["seats"])
    out["days_to_renewal"] = numbers(state["days_to_renewal"])
    for w in windows:
        mrr, seats = _level(state, "mrr", w), _level(state, "seats", w)
        out[f"mrr_change_{w}d"] = _change(out["mrr"], mrr)
        out[f"seats_change_{w}d"] = _change(out["seats"], seats)
        out[f"price_change_{w}d"] = _change(out["mrr_per_seat"], ratio(mrr, seats))
    return out


def recipes(inputs: Inputs, windows: tuple[int, ...], mrr: Callable[[], Floats]) -> Recipes:
    """Return how the features are made that also look at events; `mrr` gives the running MRR."""
    return {f"events_per_mrr_{w}d": partial(_per_mrr, inputs, mrr, w) for w in windows}


def _per_mrr(inputs: Inputs, mrr: Callable[[], Floats], w: int) -> Floats:
    return ratio(inputs.book.events(w), mrr())


_MAIN_NUMBERS = ("discount_rate", "billing_period_months", "auto_renew", "term_days", "days_into_term")


def _terms(inputs: Inputs) -> ir.Table:
    """Return the terms known at each `as_of`, with the end known by then as a timestamp (null = open)."""
    rows = inputs.known("subscriptions")
    return rows.mutate(
        begins=rows.started_on.cast("timestamp(6)"),
        ends=rows.terminated_on.fill_null(rows.ends_on).cast("timestamp(6)"),
        main=~rows.is_addon.fill_null(False),
    )


def _state(rows: ir.Table, windows: tuple[int, ...]) -> dict[str, ir.Value]:
    """Sum up the terms running just before `as_of`, and just before each window began."""
    wanted = {
        "addons": (~rows.main & _running(rows, 0)).cast("int64").sum(),
        "terms": rows.begins.nunique(where=rows.main),
        "days_to_renewal": days_between(rows.as_of, rows.ends).min(where=rows.main & _running(rows, 0)),
    }
    for w in (0, *windows):
        running = _running(rows, w)
        wanted[f"running_{w}"] = running.cast("int64").sum()
        wanted[f"mrr_{w}"] = rows.mrr.sum(where=running)
        wanted[f"plans_{w}"] = (running & rows.main).cast("int64").sum()
        wanted[f"seats_{w}"] = rows.seats.sum(where=running & rows.main).cast("float64")
    return wanted


def _main_term(rows: ir.Table) -> pd.DataFrame:
    """Return the running plan with the highest MRR; then the one begun last; then by identity."""
    import ibis

    running = rows.filter(rows.main & _running(rows, 0))
    order = ibis.window(
        group_by="key_code",
        order_by=[
            running.mrr.fill_null(-1.0).desc(),
            running.begins.desc(),
            running.subscription_id.fill_null(""),
            running["product"].fill_null(""),
        ],
    )
    first = running.mutate(place=ibis.row_number().over(order)).filter(lambda t: t.place == 0)
    frame: pd.DataFrame = first.select(
        "key_code",
        plan=first["plan"].fill_null(first["product"]),
        discount_rate=first.discount_rate,
        billing_period_months=first.billing_period_months.cast("float64"),
        auto_renew=first.auto_renew.cast("int64").cast("float64"),
        term_days=days_between(first.begins, first.ends_on.cast("timestamp(6)")),
        days_into_term=days_between(first.begins, first.as_of),
    ).to_pandas()
    return frame


def _running(rows: ir.Table, back: int) -> ir.BooleanValue:
    """Tell which terms ran on the day before ``as_of − back``."""
    import ibis

    then = rows.as_of - ibis.interval(days=back) if back else rows.as_of
    return (rows.begins < then) & (rows.ends.isnull() | (rows.ends >= then))


def _level(state: pd.DataFrame, name: str, back: int) -> np.ndarray:
    """Return a sum over running terms: 0 where none runs, NaN where terms run but none carries the number."""
    runs = filled(state[f"{'running' if name == 'mrr' else 'plans'}_{back}"])
    return np.where(runs == 0, 0.0, numbers(state[f"{name}_{back}"]))


def _change(now: np.ndarray, then: np.ndarray) -> np.ndarray:
    return ratio(now - then, then)
