"""What happened at an account, in dated sentences, from the canonical tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any

import pandas as pd

from churnml.config import DisplayConfig
from churnml.explain.happening import Happening
from churnml.language import Quantity, Text
from churnml.tables import TABLES, Tables, knowledge

__all__ = ["timeline", "timelines"]


def timeline(
    tables: Tables,
    account_id: str,
    as_of: date,
    *,
    days: int = 182,
    limit: int = 20,
    display: DisplayConfig | None = None,
) -> list[Happening]:
    """List what happened at an account in the days before a date, newest first.

    Parameters
    ----------
    tables : Tables
        The company's canonical tables.
    account_id : str
        The account.
    as_of : date
        Only facts known before it are told.
    days : int
        How far back.
    limit : int
        At most so many, the newest.
    display : DisplayConfig, optional
        What plans and products are called.
    """
    return _happenings(tables, as_of, days, limit, display, account_id).get(account_id, [])


def timelines(
    tables: Tables, as_of: date, *, days: int = 182, limit: int = 20, display: DisplayConfig | None = None
) -> dict[str, list[Happening]]:
    """List what happened at every account in the days before a date: the `timeline` of each, in one reading.

    Parameters
    ----------
    tables, as_of, days, limit, display
        As in `timeline`. Of a table whose facts lie far back only those that began within twice the days are read.
    """
    return _happenings(tables, as_of, days, limit, display, None)


_READ_WHOLE = ("subscriptions", "contacts", "milestones")
"""Small tables, of which an old row may tell of something new."""


def _happenings(
    tables: Tables, as_of: date, days: int, limit: int, display: DisplayConfig | None, account_id: str | None
) -> dict[str, list[Happening]]:
    # The service makes pages with this package and must start without the engine.
    import ibis

    start, end = pd.Timestamp(as_of - timedelta(days=days)), pd.Timestamp(as_of)
    by_account: dict[str, dict[tuple[str, str, str], Happening]] = {}
    display = display or DisplayConfig()
    for table, (columns, sentences) in _SENTENCES.items():
        if table not in tables:
            continue
        own = tables[table]
        if account_id is not None:
            own = own.filter(own["account_id"].cast("string") == ibis.literal(account_id))
        elif table not in _READ_WHOLE and (began := TABLES[table].occurred_at) is not None:
            own = own.filter(own[began].cast("timestamp") >= ibis.timestamp(start - pd.Timedelta(days=days)))
        known = knowledge.rows_known_before(own, table, as_of, begun=False)
        rows = known.select("account_id", *(name for name in columns if name in known.columns)).to_pandas()
        if table == "subscriptions":
            rows = _new_terms(rows)
        for account, row in _told_of(rows, start, end):
            for when, text in sentences(row, display):
                if isinstance(when, pd.Timestamp) and start <= when < end:  # NaT is none
                    item = Happening(f"{when:%Y-%m-%d}", table, text)
                    by_account.setdefault(account, {})[item.on, item.kind, text.model_dump_json()] = item
    return {account: [own[key] for key in sorted(own, reverse=True)[:limit]] for account, own in by_account.items()}


def _told_of(rows: pd.DataFrame, start: pd.Timestamp, end: pd.Timestamp) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give account and values of the rows that have a time in the span, times as timestamps."""
    times = pd.DataFrame({name: pd.to_datetime(rows[name]) for name in rows.columns if name in _TIMES})
    recent = ((times >= start) & (times < end)).any(axis=1)
    own = rows.assign(**times)[recent]
    values = [list(own[name]) for name in own.columns]
    for row in zip(*values, strict=True):
        named = dict(zip(own.columns, row, strict=True))
        yield str(named["account_id"]), named


def _new_terms(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the terms that are no plain renewal: another plan or number of seats than the product's term before."""
    terms: pd.DataFrame = rows.sort_values("started_on", kind="stable")
    what = [name for name in ("product", "plan", "seats") if name in terms]
    if "product" not in what:
        return terms
    before = terms.groupby(["account_id", "product"], sort=False, dropna=False)[what].shift()
    same = ((terms[what] == before) | (terms[what].isna() & before.isna())).all(axis=1)
    first = ~terms.duplicated(["account_id", "product"])
    return terms[first | ~same]


Dated = Iterator[tuple[Any, Text]]
_TOUCHES = ("call", "email", "chat")
_ROLES = ("champion", "sponsor", "admin")


def _subscription(row: dict[str, Any], display: DisplayConfig) -> Dated:
    named, seats = _word(row.get("plan")) or _word(row.get("product")), row.get("seats")
    product = display.words("plans", named) if named else ""
    if seats is None or pd.isna(seats):
        yield row["started_on"], Text.of("event-term-began", product=product)
    else:
        counted = Quantity(value=float(str(seats)), unit="seats")
        yield row["started_on"], Text.of("event-term-began-seats", product=product, seats=counted)


def _ticket(row: dict[str, Any], display: DisplayConfig) -> Dated:
    urgent = row.get("priority") in ("high", "urgent")
    yield row["opened_at"], Text.of("event-ticket-opened-urgent" if urgent else "event-ticket-opened")
    yield row.get("escalated_at"), Text.of("event-ticket-escalated")
    yield row.get("reopened_at"), Text.of("event-ticket-reopened")


def _survey(row: dict[str, Any], display: DisplayConfig) -> Dated:
    if not pd.isna(row.get("score")):
        kind, score = str(row.get("kind") or "nps").upper(), Quantity(value=float(row["score"]))
        yield row["responded_at"], Text.of("event-survey", survey=kind, score=score)


def _contact(row: dict[str, Any], display: DisplayConfig) -> Dated:
    role, known = _word(row.get("role")), row.get("left_known_at")
    when = row.get("left_at") if pd.isna(known) else known
    yield when, Text.of(f"event-left-{role if role in _ROLES else 'contact'}")


def _touchpoint(row: dict[str, Any], display: DisplayConfig) -> Dated:
    channel, way = _word(row.get("channel")), "in" if row.get("direction") == "inbound" else "out"
    if channel == "meeting":
        yield row["occurred_at"], Text.of("event-touch-meeting")
    else:
        yield row["occurred_at"], Text.of(f"event-touch-{channel if channel in _TOUCHES else 'other'}-{way}")


def _invoice(row: dict[str, Any], display: DisplayConfig) -> Dated:
    due, paid = row.get("due_on"), row.get("paid_on")
    if not pd.isna(due) and (pd.isna(paid) or paid > due):
        yield due, Text.of("event-invoice-unpaid")


def _milestone(row: dict[str, Any], display: DisplayConfig) -> Dated:
    name = _word(row.get("name"))
    text = Text.of("event-milestone", name=name) if name else Text.of("event-milestone-unnamed")
    yield row.get("completed_at"), text


def _word(value: Any) -> str:
    return "" if value is None or pd.isna(value) else str(value)


_TIMES = (
    "started_on", "opened_at", "escalated_at", "reopened_at", "responded_at", "left_at", "left_known_at",
    "occurred_at", "due_on", "paid_on", "completed_at",
)  # fmt: skip
_SENTENCES: dict[str, tuple[tuple[str, ...], Callable[[dict[str, Any], DisplayConfig], Dated]]] = {
    "subscriptions": (("started_on", "plan", "product", "seats"), _subscription),
    "tickets": (("opened_at", "escalated_at", "reopened_at", "priority"), _ticket),
    "surveys": (("responded_at", "kind", "score"), _survey),
    "contacts": (("left_at", "left_known_at", "role"), _contact),
    "touchpoints": (("occurred_at", "channel", "direction"), _touchpoint),
    "invoices": (("due_on", "paid_on"), _invoice),
    "milestones": (("completed_at", "name"), _milestone),
}
"""What each table's sentences are made of: its columns, and how a row is put."""
