"""What was known before a date: one rule, in the engine and in pandas, and nowhere else."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import churnml
from churnml.tables import TABLES, Tables, knowledge

DAY = pd.Timestamp
FIRST = DAY("2026-01-01")
WORDS = {"string": "word", "int64": 3, "float64": 2.5, "boolean": True}


def times(table, column):
    """Draw instants around a few days, midnights among them, and none."""
    hours = (
        st.integers(0, 20 * 24 - 1) if table[column].dtype == "timestamp" else st.integers(0, 19).map(lambda d: d * 24)
    )
    moment = (hours | st.integers(0, 19).map(lambda day: day * 24)).map(lambda hour: FIRST + pd.Timedelta(hours=hour))
    return moment if column == table.occurred_at else st.none() | moment


@st.composite
def frames(draw, table):
    """Draw up to twelve rows of a canonical table; every time that the rule reads is random."""
    count = draw(st.integers(1, 12))
    frame = {}
    for column in table.columns:
        if column.dtype in ("date", "timestamp"):
            frame[column.name] = [draw(times(table, column.name)) for _ in range(count)]
        elif column.name in table.key:
            frame[column.name] = [str(row) for row in range(count)]
        else:
            frame[column.name] = [column.values[0] if column.values else WORDS[column.dtype]] * count
    out = pd.DataFrame(frame)
    moments = [column.name for column in table.columns if column.dtype in ("date", "timestamp")]
    out[moments] = out[moments].astype("datetime64[us]")
    return out.assign(row=[str(row) for row in range(count)])


def in_engine(frame, table):
    """Put a frame into the engine as it is: ``known_at`` stays null where it is."""
    import ibis

    types = {column.name: column.dtype for column in table.columns} | {"row": "string"}
    return ibis.memtable(
        frame,
        schema={name: "timestamp(6)" if types[name] in ("date", "timestamp") else types[name] for name in frame},
    )


def sorted_rows(frame):
    return frame.sort_values("row").reset_index(drop=True)


@pytest.mark.parametrize("name", TABLES)
@settings(max_examples=6, deadline=None)
@given(st.data())
def test_the_engine_and_pandas_know_the_same(name, data):
    table = TABLES[name]
    frame = data.draw(frames(table))
    as_of = FIRST + pd.Timedelta(days=data.draw(st.integers(0, 21)))
    begun = data.draw(st.booleans())
    expected = knowledge.frame_known_before(frame, name, as_of, begun=begun)
    found = knowledge.rows_known_before(in_engine(frame, table), name, as_of.date(), begun=begun).to_pandas()
    found, expected = sorted_rows(found)[list(frame)], sorted_rows(expected)
    for column in frame:
        left, right = found[column], expected[column]
        assert (left.isna() == right.isna()).all(), column
        assert left[left.notna()].astype("str").tolist() == right[right.notna()].astype("str").tolist(), column


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, table in TABLES.items() if table.occurred_at])
@settings(max_examples=6, deadline=None)
@given(st.data())
def test_since_when_says_at_which_dates_a_row_is_known(name, data):
    table = TABLES[name]
    frame = data.draw(frames(table))
    as_of = FIRST + pd.Timedelta(days=data.draw(st.integers(0, 21)))
    since = knowledge.frame_known_since(frame, name)
    assert (since < as_of).tolist() == knowledge.frame_is_known(frame, name, as_of).tolist()
    rows = in_engine(frame, table)
    engine = rows.select("row", since=knowledge.rows_known_since(rows, name)).to_pandas().set_index("row")["since"]
    assert engine.reindex(frame["row"]).tolist() == since.tolist()
    later = as_of + pd.Timedelta(days=data.draw(st.integers(0, 5)))
    news = rows.filter(knowledge.rows_newly_known(rows, name, as_of.date(), later.date())).to_pandas()
    assert set(news["row"]) == set(frame.loc[(since >= as_of) & (since < later), "row"])
    late = rows.filter(knowledge.rows_known_late(rows, name, as_of.date())).to_pandas()
    own_day = pd.to_datetime(frame[table.occurred_at]).dt.normalize()
    assert set(late["row"]) == set(frame.loc[(since >= as_of) & (since.dt.normalize() > own_day), "row"])


@settings(max_examples=6, deadline=None)
@given(st.data())
def test_each_row_may_have_its_own_date(data):
    table = TABLES["subscriptions"]
    frame = data.draw(frames(table))
    frame["as_of"] = [FIRST + pd.Timedelta(days=data.draw(st.integers(0, 21))) for _ in range(len(frame))]
    expected = sorted_rows(knowledge.frame_known_before(frame, "subscriptions", frame["as_of"]))
    import ibis

    rows = ibis.memtable(
        frame[["row", "account_id", "started_on", "terminated_on", "notice_at", "known_at", "as_of"]],
        schema=dict.fromkeys(("row", "account_id"), "string")
        | dict.fromkeys(("started_on", "terminated_on", "notice_at", "known_at", "as_of"), "timestamp(6)"),
    )
    found = sorted_rows(knowledge.rows_known_before(rows, "subscriptions", rows.as_of).to_pandas())
    assert found["row"].tolist() == expected["row"].tolist()
    for column in ("terminated_on", "notice_at"):
        assert found[column].dropna().tolist() == expected[column].dropna().tolist()


TERMS = [
    # started_on   known_at      notice_at     terminated_on   known, begun, shows its end on 2026-03-01
    ("2026-02-01", None, None, None, True, True, False),
    ("2026-03-01", None, None, None, False, False, False),  # begins that very day, signed nobody knows when
    ("2026-03-01", "2026-02-20", None, None, True, False, False),  # signed ahead
    ("2026-02-01", "2026-03-01", None, None, False, False, False),  # entered that very day
    ("2026-01-01", None, "2026-02-28 23:59", "2026-06-01", True, True, True),  # notice tells the end
    ("2026-01-01", None, "2026-03-01", "2026-06-01", True, True, False),
    ("2026-01-01", None, None, "2026-02-28", True, True, True),  # it has ended
    ("2026-01-01", None, None, "2026-03-01", True, True, False),
]


@pytest.mark.parametrize(("started", "known", "notice", "ended", "is_known", "begun", "shows"), TERMS)
def test_a_term_on_the_first_of_march(started, known, notice, ended, is_known, begun, shows):
    frame = pd.DataFrame(
        {
            "account_id": ["a"],
            "started_on": [started],
            "known_at": [known],
            "notice_at": [notice],
            "terminated_on": [ended],
        }
    )
    frame = frame.assign(**{name: pd.to_datetime(frame[name]) for name in frame if name != "account_id"})
    as_of = DAY("2026-03-01")
    assert knowledge.frame_is_known(frame, "subscriptions", as_of, begun=False).item() is is_known
    assert knowledge.frame_is_known(frame, "subscriptions", as_of).item() is begun
    if is_known:
        seen = knowledge.frame_known_before(frame, "subscriptions", as_of, begun=False)
        assert seen["terminated_on"].notna().item() is shows


def test_tables_cut_at_a_date_hold_what_the_rule_lets_through():
    frame = pd.DataFrame(
        {
            "ticket_id": ["1", "2", "3"],
            "account_id": "a",
            "opened_at": pd.to_datetime(["2026-02-01", "2026-02-02", "2026-03-02"]),
            "csat_score": [5.0, 4.0, 3.0],
            "csat_at": pd.to_datetime(["2026-02-20", None, "2026-03-03"]),
        }
    )
    tables = Tables.from_pandas({"tickets": frame}, observed_until=date(2026, 4, 1))
    cut = tables.known_before(date(2026, 3, 1))["tickets"].to_pandas().sort_values("ticket_id")
    assert cut["ticket_id"].tolist() == ["1", "2"]
    # Nobody knows when the second was rated: it is never shown.
    assert cut["csat_score"].fillna(-1).tolist() == [5.0, -1.0]


_COMPARED = re.compile(r"known_at[^#\n]*(<|>(?!\w)|isnull|notnull|isna|notna)|(<|>)=?[^#\n]*known_at")
_ASKED = re.compile(r'\.has\([^)]*"known_at"\)')
"""Whether the company supplied the column at all."""

_MAY = ("tables/knowledge.py", "simulate/", "sources/")
"""The rule itself; a simulated world, which makes the facts; sources, which check them in the raw data."""


def test_the_rule_is_written_nowhere_else():
    root = Path(churnml.__file__).parent
    found = [
        f"{path.relative_to(root)}:{number}: {line.strip()}"
        for path in sorted(root.rglob("*.py"))
        if not path.relative_to(root).as_posix().startswith(_MAY)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if _COMPARED.search(_ASKED.sub("", line.replace("->", "")))
    ]
    assert not found, "\n".join(["Call churnml.tables.knowledge instead:", *found])
