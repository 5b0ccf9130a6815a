"""What happened at an account, in dated sentences, from the canonical tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pandas as pd

from churnml.tables import Tables, knowledge

__all__ = ["Happening", "timeline"]


@dataclass(frozen=True)
class Happening:
    """One thing that happened.

    Parameters
    ----------
    on : str
        ISO date.
    kind : str
        Canonical table it comes from.
    en, ja : str
        What happened, in words.
    """

    on: str
    kind: str
    en: str
    ja: str


def timeline(tables: Tables, account_id: str, as_of: date, *, days: int = 182, limit: int = 20) -> list[Happening]:
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
    """
    # The service makes pages with this package and must start without the engine.
    import ibis

    start, end = pd.Timestamp(as_of - timedelta(days=days)), pd.Timestamp(as_of)
    found: list[Happening] = []
    for table, tell in _TELLERS.items():
        if table not in tables:
            continue
        expression = tables[table]
        own = expression.filter(expression["account_id"].cast("string") == ibis.literal(account_id))
        rows = knowledge.rows_known_before(own, table, as_of, begun=False).to_pandas()
        if table == "subscriptions":
            rows = _new_terms(rows)
        records: list[dict[str, Any]] = rows.to_dict("records")
        for row in records:
            for when, english, japanese in tell(row):
                day = pd.to_datetime(when)
                if not pd.isna(day) and start <= day < end:
                    found.append(Happening(f"{day:%Y-%m-%d}", table, english, japanese))
    found = list(dict.fromkeys(found))
    return sorted(found, key=lambda item: (item.on, item.kind, item.en), reverse=True)[:limit]


def _new_terms(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the terms that are no plain renewal: another plan or number of seats than the product's term before."""
    terms: pd.DataFrame = rows.sort_values("started_on", kind="stable")
    what = [name for name in ("product", "plan", "seats") if name in terms]
    if "product" not in what:
        return terms
    before = terms.groupby("product", sort=False, dropna=False)[what].shift()
    same = ((terms[what] == before) | (terms[what].isna() & before.isna())).all(axis=1)
    first = ~terms.duplicated("product")
    return terms[first | ~same]


Told = Iterator[tuple[Any, str, str]]
_TOUCHES = {"call": "電話", "email": "メール", "meeting": "打ち合わせ", "chat": "チャット"}


def _subscription(row: dict[str, Any]) -> Told:
    product = _word(row.get("plan")) or _word(row.get("product")) or ""
    seats = row.get("seats")
    number = "" if pd.isna(seats) else f"{float(str(seats)):,.0f}"
    yield (
        row["started_on"],
        f"Term of {product} began" + (f" ({number} seats)" if number else ""),
        f"{product}の契約期間が開始" + (f"（{number}席）" if number else ""),
    )


def _ticket(row: dict[str, Any]) -> Told:
    urgent = row.get("priority") in ("high", "urgent")
    yield (
        row["opened_at"],
        "Urgent ticket opened" if urgent else "Ticket opened",
        ("緊急の問い合わせ" if urgent else "問い合わせ"),
    )
    yield row.get("escalated_at"), "Ticket escalated", "問い合わせがエスカレーション"
    yield row.get("reopened_at"), "Ticket reopened", "問い合わせが再開"


def _survey(row: dict[str, Any]) -> Told:
    if not pd.isna(row.get("score")):
        kind, score = str(row.get("kind") or "nps").upper(), f"{row['score']:.0f}"
        yield row["responded_at"], f"{kind} answer: {score}", f"{kind}の回答：{score}"


def _contact(row: dict[str, Any]) -> Told:
    role = _word(row.get("role")) or "contact"
    known = row.get("left_known_at")
    when = row.get("left_at") if pd.isna(known) else known
    japanese = {"champion": "推進担当者", "admin": "管理者", "sponsor": "決裁者"}.get(role, "担当者")
    yield when, f"{role.capitalize()} left", f"{japanese}が離脱"


def _touchpoint(row: dict[str, Any]) -> Told:
    channel = _word(row.get("channel")) or "contact"
    inbound = row.get("direction") == "inbound"
    english, japanese = ("from", "から") if inbound else ("to", "へ")
    if channel == "meeting":
        english, japanese = "with", "と"
    yield (
        row["occurred_at"],
        f"{channel.capitalize()} {english} the customer",
        f"顧客{japanese}の{_TOUCHES.get(channel, '連絡')}",
    )


def _invoice(row: dict[str, Any]) -> Told:
    due, paid = row.get("due_on"), row.get("paid_on")
    if not pd.isna(due) and (pd.isna(paid) or pd.to_datetime(paid) > pd.to_datetime(due)):
        yield due, "Invoice fell due unpaid", "請求書が期日までに未払い"


def _milestone(row: dict[str, Any]) -> Told:
    name = _word(row.get("name")) or "Milestone"
    yield row.get("completed_at"), f"Reached: {name}", f"達成：{name}"


def _word(value: Any) -> str:
    return "" if value is None or pd.isna(value) else str(value)


_TELLERS: dict[str, Callable[[dict[str, Any]], Told]] = {
    "subscriptions": _subscription,
    "tickets": _ticket,
    "surveys": _survey,
    "contacts": _contact,
    "touchpoints": _touchpoint,
    "invoices": _invoice,
    "milestones": _milestone,
}
