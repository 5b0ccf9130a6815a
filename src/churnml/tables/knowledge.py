"""What was known before a date: the one rule that every feature, label, cohort and page rests on.

A *row* is known at an ``as_of`` when ``known_at`` lies before it; what has *begun* has occurred before it as well. A
*value* that only a later fact reveals (`Table.revealed`) is null until one of the times that reveal it has passed.
Every comparison is strict: what happens on the midnight of ``as_of`` is not known at ``as_of``.

The rule stands twice, side by side: for Ibis (`rows_…`, in the engine) and for pandas (`frame_…`). Both read the same
declarations of `churnml.tables.schema`, and a test holds them together on random tables.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from churnml.tables.schema import TABLES, Table

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd

__all__ = [
    "frame_is_known",
    "frame_known_before",
    "frame_known_since",
    "frame_newest",
    "rows_are_known",
    "rows_known_before",
    "rows_known_late",
    "rows_known_since",
    "rows_newly_known",
]


def rows_are_known(rows: ir.Table, name: str, as_of: date | ir.Value, *, begun: bool = True) -> ir.BooleanValue:
    """Tell which rows of a table were known before an ``as_of``.

    Parameters
    ----------
    rows : ibis table
        Rows of the canonical table.
    name : str
        Its name.
    as_of : date, datetime or ibis timestamp
        Midnight UTC: one for all rows, or a column of `rows`.
    begun : bool
        Whether the fact must have occurred, too. Only a table whose facts may lie ahead (a term that is signed, a
        milestone that is planned) tells the two apart.

    See Also
    --------
    frame_is_known : The same for pandas.
    """
    table, moment = TABLES[name], _moment(as_of)
    if table.occurred_at is None:
        return rows.known_at.isnull() | (_time(rows.known_at) < moment)
    occurred = _time(rows[table.occurred_at])
    known = _time(rows.known_at).fill_null(occurred) < moment
    return (occurred < moment) & known if begun or not table.may_lie_ahead else known


def rows_known_before(rows: ir.Table, name: str, as_of: date | ir.Value, *, begun: bool = True) -> ir.Table:
    """Return the rows of a table that were known before an ``as_of``, values that were revealed later being null.

    Parameters
    ----------
    rows, name, as_of, begun
        As in `rows_are_known`.

    Examples
    --------
    >>> import ibis, pandas as pd
    >>> from churnml.tables import Tables
    >>> tickets = pd.DataFrame({"ticket_id": ["1", "2"], "account_id": "a",
    ...     "opened_at": pd.to_datetime(["2026-03-01", "2026-03-09"]),
    ...     "solved_at": pd.to_datetime(["2026-03-08", pd.NaT])})
    >>> tables = Tables.from_pandas({"tickets": tickets}, observed_until=date(2026, 4, 1))
    >>> rows_known_before(tables["tickets"], "tickets", date(2026, 3, 5)).to_pandas()[["ticket_id", "solved_at"]]
      ticket_id solved_at
    0         1       NaT

    See Also
    --------
    frame_known_before : The same for pandas.
    """
    import ibis

    moment = _moment(as_of)
    # The as_of may be a column of these very rows, so the filter comes first and both look at the same table.
    known = rows.filter(rows_are_known(rows, name, as_of, begun=begun))
    shown = {}
    for column, times in TABLES[name].revealed.items():
        if column not in known.columns:
            continue
        seen = [(_time(known[time]) < moment).fill_null(False) for time in times]
        shown[column] = ibis.cases((ibis.or_(*seen), known[column]), else_=ibis.null(known[column].type()))
    return known.mutate(**shown) if shown else known


def rows_known_since(rows: ir.Table, name: str) -> ir.TimestampValue:
    """Return the instant from which each row could be known: it is seen at every ``as_of`` after that.

    Parameters
    ----------
    rows : ibis table
        Rows of a canonical table whose facts have a time.
    name : str
        Its name.
    """
    import ibis

    occurred = _time(rows[_occurred_at(TABLES[name])])
    return ibis.greatest(_time(rows.known_at).fill_null(occurred), occurred)


def rows_known_late(rows: ir.Table, name: str, since: date) -> ir.BooleanValue:
    """Tell which rows became known on a later day than they occurred, and not before a date.

    For every ``as_of`` from that date on, all other rows are known as soon as their own day has passed.

    Parameters
    ----------
    rows : ibis table
        Rows of a canonical table whose facts have a time.
    name : str
        Its name.
    since : date
        Midnight UTC.
    """
    known = rows_known_since(rows, name)
    return (known.date() > _time(rows[_occurred_at(TABLES[name])]).date()) & (known >= _moment(since))


def rows_newly_known(rows: ir.Table, name: str, since: date, until: date) -> ir.BooleanValue:
    """Tell which rows were not known before one date and were before a later one."""
    occurred, start = _time(rows[_occurred_at(TABLES[name])]), _moment(since)
    news = (occurred >= start) | (_time(rows.known_at) >= start).fill_null(False)
    return news & rows_are_known(rows, name, until)


def frame_is_known(frame: pd.DataFrame, name: str, as_of: pd.Timestamp | pd.Series, *, begun: bool = True) -> pd.Series:
    """Tell which rows of a table were known before an ``as_of``.

    Parameters
    ----------
    frame : DataFrame
        Rows of the canonical table, times as datetime64.
    name : str
        Its name.
    as_of : Timestamp or Series
        Midnight UTC: one for all rows, or one per row.
    begun : bool
        As in `rows_are_known`.

    See Also
    --------
    rows_are_known : The same for Ibis.
    """
    table, recorded = TABLES[name], _times(frame["known_at"])
    if table.occurred_at is None:
        return recorded.isna() | (recorded < as_of)
    occurred = _times(frame[table.occurred_at])
    known = recorded.fillna(occurred) < as_of
    return (occurred < as_of) & known if begun or not table.may_lie_ahead else known


def frame_known_before(
    frame: pd.DataFrame, name: str, as_of: pd.Timestamp | pd.Series, *, begun: bool = True
) -> pd.DataFrame:
    """Return the rows of a table that were known before an ``as_of``, values that were revealed later being null.

    Parameters
    ----------
    frame, name, as_of, begun
        As in `frame_is_known`.

    Examples
    --------
    >>> import pandas as pd
    >>> day = pd.Timestamp
    >>> terms = pd.DataFrame({"account_id": ["a", "b"], "started_on": day("2026-01-01"), "known_at": pd.NaT,
    ...     "terminated_on": day("2026-09-01"), "notice_at": [day("2026-02-01"), pd.NaT]})
    >>> frame_known_before(terms, "subscriptions", day("2026-03-01"))[["account_id", "terminated_on"]]
      account_id terminated_on
    0          a    2026-09-01
    1          b           NaT

    See Also
    --------
    rows_known_before : The same for Ibis.
    """
    import pandas as pd

    known = frame[frame_is_known(frame, name, as_of, begun=begun)]
    moment = as_of.reindex(known.index) if isinstance(as_of, pd.Series) else as_of
    shown = {}
    for column, times in TABLES[name].revealed.items():
        if column in known:
            seen = pd.concat([_times(known[time]) < moment for time in times], axis=1).any(axis=1)
            shown[column] = known[column].where(seen)
    return known.assign(**shown)


def frame_known_since(frame: pd.DataFrame, name: str, *, begun: bool = True) -> pd.Series:
    """Return the instant from which each row could be known: it is seen at every ``as_of`` after that.

    Parameters
    ----------
    frame, name, begun
        As in `frame_is_known`; a table whose facts have a time.
    """
    import pandas as pd

    table = TABLES[name]
    occurred = _times(frame[_occurred_at(table)])
    known = _times(frame["known_at"]).fillna(occurred)
    return pd.concat([known, occurred], axis=1).max(axis=1) if begun or not table.may_lie_ahead else known


def frame_newest(frame: pd.DataFrame, as_of: pd.Timestamp) -> pd.DataFrame:
    """Return the version of each account that was known last before an ``as_of``.

    Parameters
    ----------
    frame : DataFrame
        Rows of ``accounts``; one without ``known_at`` was always known.
    as_of : Timestamp
        Midnight UTC.

    Examples
    --------
    >>> import pandas as pd
    >>> day = pd.Timestamp
    >>> versions = pd.DataFrame({"account_id": ["a", "a", "a"], "segment": ["SMB", "mid", "large"],
    ...                          "known_at": [pd.NaT, day("2026-02-01"), day("2026-05-01")]})
    >>> frame_newest(versions, day("2026-03-01"))["segment"].tolist()
    ['mid']
    """
    known = frame[frame_is_known(frame, "accounts", as_of)]
    known = known.sort_values(["account_id", "known_at"], na_position="first", kind="stable")
    return known.drop_duplicates("account_id", keep="last")


def _occurred_at(table: Table) -> str:
    assert table.occurred_at is not None, f"facts of {table.name} have no time"
    return table.occurred_at


def _moment(as_of: date | ir.Value) -> ir.TimestampValue:
    import ibis

    if isinstance(as_of, date):
        return ibis.timestamp(f"{as_of:%Y-%m-%d} 00:00:00")
    return _time(as_of)


def _time(value: ir.Value) -> ir.TimestampValue:
    return value.cast("timestamp(6)")


def _times(values: pd.Series) -> pd.Series:
    import pandas as pd

    return pd.to_datetime(values)
