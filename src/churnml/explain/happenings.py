"""What happened at an account, in dated sentences, from the canonical tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
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
    return _Timelines(tables, as_of, days, limit, display, account_id).get(account_id, [])


def timelines(
    tables: Tables, as_of: date, *, days: int = 182, limit: int = 20, display: DisplayConfig | None = None
) -> Mapping[str, list[Happening]]:
    """List what happened at every account in the days before a date: the `timeline` of each, in one reading.

    Parameters
    ----------
    tables, as_of, days, limit, display
        As in `timeline`. Of a table whose facts lie far back only those that began within twice the days are read.

    Returns
    -------
    mapping of str to list of Happening
        Put together where an account is asked for; those at which nothing happened are left out.
    """
    return _Timelines(tables, as_of, days, limit, display, None)


_READ_WHOLE = ("subscriptions", "contacts", "milestones")
"""Small tables, of which an old row may tell of something new."""


class _Timelines(Mapping[str, list[Happening]]):
    """The rows of every table that are told of, as arrays; an account's are put as sentences when it is asked for."""

    def __init__(
        self, tables: Tables, as_of: date, days: int, limit: int, display: DisplayConfig | None, account_id: str | None
    ) -> None:
        # The service makes pages with this package and must start without the engine.
        import ibis

        start, end = pd.Timestamp(as_of - timedelta(days=days)), pd.Timestamp(as_of)
        self._span, self._limit, self._display = (start, end), limit, display or DisplayConfig()
        self._rows: dict[str, _Rows] = {}
        for table, (columns, _) in _SENTENCES.items():
            if table not in tables:
                continue
            own = tables[table]
            if account_id is not None:
                own = own.filter(own["account_id"].cast("string") == ibis.literal(account_id))
            elif table not in _READ_WHOLE and (began := TABLES[table].occurred_at) is not None:
                own = own.filter(own[began].cast("timestamp") >= ibis.timestamp(start - pd.Timedelta(days=days)))
            known = knowledge.rows_known_before(own, table, as_of, begun=False)
            rows = known.select("account_id", *(name for name in columns if name in known.columns)).to_pandas()
            self._rows[table] = _Rows(_new_terms(rows) if table == "subscriptions" else rows, start, end)

    def __getitem__(self, account_id: str) -> list[Happening]:
        start, end = self._span
        own: dict[tuple[str, str], list[Happening]] = {}
        for table, rows in self._rows.items():
            _, sentences = _SENTENCES[table]
            for row in rows.of(account_id):
                for when, text in sentences(row, self._display):
                    if isinstance(when, pd.Timestamp) and start <= when < end:  # NaT is none
                        day = f"{when:%Y-%m-%d}"
                        own.setdefault((day, table), []).append(Happening(day, table, text))
        if not own:
            raise KeyError(account_id)
        newest = (item for key in sorted(own, reverse=True) for item in _each_once(own[key]))
        return list(islice(newest, self._limit))

    def __iter__(self) -> Iterator[str]:
        accounts = dict.fromkeys(account for rows in self._rows.values() for account in rows.accounts)
        return (account for account in accounts if account in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _each_once(items: list[Happening]) -> list[Happening]:
    """Return what happened in one table on one day, the same text once, in the order of the texts."""
    if len(items) == 1:
        return items
    by_text = {item.text.model_dump_json(): item for item in items}
    return [by_text[text] for text in sorted(by_text, reverse=True)]


class _Rows:
    """The rows of one table that have a time in the span, by account: words and numbers by their place in a list."""

    def __init__(self, rows: pd.DataFrame, start: pd.Timestamp, end: pd.Timestamp) -> None:
        times = pd.DataFrame({name: pd.to_datetime(rows[name]) for name in rows.columns if name in _TIMES})
        recent = ((times >= start) & (times < end)).any(axis=1)
        own = rows.drop(columns="account_id")[recent]
        codes, accounts = pd.factorize(rows.loc[recent, "account_id"].astype("str"))
        order = np.argsort(codes, kind="stable")
        bounds = np.searchsorted(codes[order], np.arange(len(accounts) + 1))
        self.accounts = {str(account): at for at, account in enumerate(accounts)}
        self._bounds = bounds.tolist()
        self._times = {name: times.loc[recent, name].to_numpy()[order] for name in times.columns}
        self._values: dict[str, tuple[npt.NDArray[np.int64], list[Any]]] = {}
        for name in own.columns.difference(times.columns):
            places, values = pd.factorize(own[name])
            self._values[name] = places[order], [*values.tolist(), None]  # what is missing has the place −1

    def of(self, account_id: str) -> Iterator[dict[str, Any]]:
        """Give the rows of an account, times as timestamps."""
        at = self.accounts.get(account_id)
        for row in range(self._bounds[at], self._bounds[at + 1]) if at is not None else ():
            yield {
                **{name: pd.Timestamp(when[row]) for name, when in self._times.items()},
                **{name: values[places[row]] for name, (places, values) in self._values.items()},
            }


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
