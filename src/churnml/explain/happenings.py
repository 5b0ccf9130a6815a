"""What happened at an account, in dated sentences, from the canonical tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd

from churnml.config import DisplayConfig
from churnml.explain.happening import Happening
from churnml.explain.happening_texts import TABLES_TOLD
from churnml.language import Text
from churnml.tables import TABLES, Tables, knowledge

__all__ = ["Timelines", "timeline", "timelines"]


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
    return _read(tables, as_of, days, limit, display, account_id).get(account_id, [])


def timelines(
    tables: Tables, as_of: date, *, days: int = 182, limit: int = 20, display: DisplayConfig | None = None
) -> Timelines:
    """List what happened at every account in the days before a date: the `timeline` of each, in one reading.

    Parameters
    ----------
    tables, as_of, days, limit, display
        As in `timeline`. Of a table whose facts lie far back only those that began within twice the days are read.

    Returns
    -------
    Timelines
        Without the accounts at which nothing happened.
    """
    return _read(tables, as_of, days, limit, display, None)


class Timelines(Mapping[str, list[Happening]]):
    """What happened at accounts, newest first: held as numbers, put together where an account is asked for.

    Parameters
    ----------
    accounts : mapping of str to int
        Account → its number.
    rows : DataFrame
        ``account`` (number), ``day`` (datetime64), ``kind`` and ``text`` (places in `kinds` and `texts`).
    kinds : sequence of str
        Canonical tables, ascending.
    texts : sequence of Text
        Each once, in the order of their JSON.
    limit : int
        Of an account at most so many, the newest.
    """

    def __init__(
        self, accounts: Mapping[str, int], rows: pd.DataFrame, kinds: list[str], texts: list[Text], limit: int
    ) -> None:
        order = ["account", "day", "kind", "text"]
        rows = rows.drop_duplicates().sort_values(order, ascending=[True, False, False, False])
        rows = rows[rows.groupby("account").cumcount() < limit]
        bounds = np.searchsorted(rows["account"], np.arange(len(accounts) + 1))
        self._bounds = {
            name: (bounds[at], bounds[at + 1]) for name, at in accounts.items() if bounds[at] < bounds[at + 1]
        }
        self._day = rows["day"].to_numpy().astype("datetime64[D]")
        self._kind, self._text = rows["kind"].to_numpy(), rows["text"].to_numpy()
        self._kinds, self._texts = kinds, texts
        self._stored = [text.model_dump(mode="json") for text in texts]

    def __getitem__(self, account_id: str) -> list[Happening]:
        return [Happening(day, self._kinds[kind], self._texts[text]) for day, kind, text in self._of(account_id)]

    def as_stored(self, account_id: str) -> list[dict[str, Any]]:
        """Return what happened at an account as an explanation holds it: `Happening.as_stored` of each."""
        if account_id not in self:
            return []
        return [
            {"on": day, "kind": self._kinds[kind], "text": self._stored[text]}
            for day, kind, text in self._of(account_id)
        ]

    def _of(self, account_id: str) -> Iterator[tuple[str, int, int]]:
        own = slice(*self._bounds[account_id])
        days = np.datetime_as_string(self._day[own]).tolist()
        return zip(days, self._kind[own].tolist(), self._text[own].tolist(), strict=True)

    def __contains__(self, account_id: object) -> bool:
        return account_id in self._bounds

    def __iter__(self) -> Iterator[str]:
        return iter(self._bounds)

    def __len__(self) -> int:
        return len(self._bounds)


_READ_WHOLE = ("subscriptions", "contacts", "milestones")
"""Small tables, of which an old row may tell of something new."""


def _read(
    tables: Tables, as_of: date, days: int, limit: int, display: DisplayConfig | None, account_id: str | None
) -> Timelines:
    """Read what the tables say of one account, or of all."""
    # The service makes pages with this package and must start without the engine.
    import ibis

    start, end = pd.Timestamp(as_of - timedelta(days=days)), pd.Timestamp(as_of)
    made = _Making(start, end, display or DisplayConfig())
    for table, speaker in TABLES_TOLD.items():
        if table not in tables:
            continue
        own = tables[table]
        if account_id is not None:
            own = own.filter(own["account_id"].cast("string") == ibis.literal(account_id))
        elif table not in _READ_WHOLE and (began := TABLES[table].occurred_at) is not None:
            own = own.filter(own[began].cast("timestamp") >= ibis.timestamp(start - pd.Timedelta(days=days)))
        known = knowledge.rows_known_before(own, table, as_of, begun=False)
        columns = [name for name in (*speaker.times, *speaker.details) if name in known.columns]
        rows = known.select("account_id", *columns).to_pandas()
        made.add(table, _new_terms(rows) if table == "subscriptions" else rows)
    return made.timelines(limit)


class _Making:
    """Gathers what the rows of tables say of a span of time: accounts, tables and texts as numbers."""

    def __init__(self, start: pd.Timestamp, end: pd.Timestamp, display: DisplayConfig) -> None:
        self._start, self._end, self._display = start, end, display
        self._accounts: dict[str, int] = {}
        self._texts: dict[str, Text] = {}
        self._places: dict[str, int] = {}
        self._parts: list[pd.DataFrame] = []
        self._kinds = sorted(TABLES_TOLD)

    def add(self, table: str, rows: pd.DataFrame) -> None:
        """Add what the rows of a table say."""
        speaker = TABLES_TOLD[table]
        rows = rows.reset_index(drop=True)
        rows = rows.assign(**{name: pd.to_datetime(rows[name]) for name in speaker.times if name in rows})
        codes, names = pd.factorize(rows["account_id"].astype("str"))
        account = np.array(
            [self._accounts.setdefault(str(name), len(self._accounts)) for name in names], dtype=np.int64
        )
        for said in speaker.say(rows, self._display):
            chosen = ((said.when >= self._start) & (said.when < self._end)).to_numpy()
            place, texts = said.texts(chosen)
            numbers = np.array([self._number(text) for text in texts], dtype=np.int64)
            part = {
                "account": account[codes[chosen]],
                "day": said.when[chosen].dt.normalize().to_numpy(),
                "kind": self._kinds.index(table),
                "text": numbers[place],
            }
            self._parts.append(pd.DataFrame(part))

    def _number(self, text: Text) -> int:
        written = text.model_dump_json()
        self._texts.setdefault(written, text)
        return self._places.setdefault(written, len(self._places))

    def timelines(self, limit: int) -> Timelines:
        """Return all that was added."""
        columns = ["account", "day", "kind", "text"]
        rows = pd.concat(self._parts, ignore_index=True) if self._parts else pd.DataFrame(columns=columns)
        in_order = sorted(self._texts)
        rank = np.empty(len(in_order), dtype=np.int64)
        rank[[self._places[written] for written in in_order]] = np.arange(len(in_order))
        rows = rows.assign(text=rank[rows["text"].to_numpy(dtype=np.int64)])
        return Timelines(self._accounts, rows, self._kinds, [self._texts[written] for written in in_order], limit)


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
