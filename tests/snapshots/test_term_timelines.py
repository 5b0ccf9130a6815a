"""Which term goes on as which, drawn as timelines, and what of it is known on a date."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churnml.snapshots.changes import levels
from churnml.snapshots.contract import subscription_frame
from churnml.snapshots.terms import continuations, superseded
from churnml.tables import Tables

DAY = pd.Timestamp
GRACE = 14


def book(*rows) -> pd.DataFrame:
    """(start, end, product, MRR[, further columns]) of one account, in order of start."""
    frame = pd.DataFrame(
        [
            {"account_id": "a", "started_on": start, "ends_on": end, "product": product, "mrr": mrr, **(more or {})}
            for start, end, product, mrr, *rest in rows
            for more in [rest[0] if rest else None]
        ]
    ).assign(subscription_id=[str(number) for number in range(len(rows))])
    tables = Tables.from_pandas(
        {"subscriptions": frame}, observed_from=date(2025, 1, 1), observed_until=date(2027, 1, 1)
    )
    return subscription_frame(tables)


def path(*rows) -> list[tuple[str, float]]:
    """The days on which the account's MRR changes."""
    found = levels(book(*rows), "mrr", grace_days=GRACE)
    return [(f"{row.day:%y-%m-%d}", row.level) for row in found.itertuples()]


TIMELINES = [
    pytest.param(
        [("2025-01-10", "2026-01-10", "crm", 100.0), ("2026-01-10", "2026-06-01", "crm", 100.0)],
        [("25-01-10", 100.0), ("26-06-01", 0.0)],
        id="day on day",
    ),
    pytest.param(
        [("2025-01-10", "2026-01-10", "crm", 100.0), ("2025-12-31", "2026-12-31", "crm", 100.0)],
        [("25-01-10", 100.0), ("26-12-31", 0.0)],
        id="renewed ten days early: counted once",
    ),
    pytest.param(
        [("2025-01-10", "2026-01-10", "crm", 100.0), ("2025-12-20", "2026-12-20", "crm", 150.0)],
        [("25-01-10", 100.0), ("25-12-20", 150.0), ("26-12-20", 0.0)],
        id="raised three weeks early, the old term left to run out",
    ),
    pytest.param(
        [("2025-01-10", "2026-01-10", "crm", 100.0), ("2025-07-01", "2026-07-01", "crm", 50.0)],
        [("25-01-10", 100.0), ("25-07-01", 150.0), ("26-01-10", 50.0), ("26-07-01", 0.0)],
        id="half a year side by side adds up",
    ),
    pytest.param(
        [("2025-01-10", "2026-01-10", "crm", 100.0), ("2026-01-24", "2026-06-01", "crm", 100.0)],
        [("25-01-10", 100.0), ("26-06-01", 0.0)],
        id="renewed on the last day of grace",
    ),
    pytest.param(
        [("2025-01-10", "2026-01-10", "crm", 100.0), ("2026-01-25", "2026-06-01", "crm", 100.0)],
        [("25-01-10", 100.0), ("26-01-10", 0.0), ("26-01-25", 100.0), ("26-06-01", 0.0)],
        id="a day after grace is a fall and a rise",
    ),
    pytest.param(
        [
            ("2025-01-10", "2026-01-10", "crm", 100.0),
            ("2025-01-10", "2026-01-10", "desk", 40.0),
            ("2025-01-10", "2026-01-10", "sso", 10.0, {"is_addon": True}),
            ("2026-01-12", "2026-06-01", "crm", 100.0),
            ("2026-01-15", "2026-06-01", "desk", 40.0),
            ("2026-01-20", "2026-06-01", "sso", 10.0, {"is_addon": True}),
        ],
        [("25-01-10", 150.0), ("26-06-01", 0.0)],
        id="two plans and an add-on, each renewed late on a day of its own",
    ),
    pytest.param(
        [("2025-01-10", "2026-01-10", "basic", 100.0), ("2026-01-15", "2026-06-01", "pro", 130.0)],
        [("25-01-10", 100.0), ("26-01-15", 130.0), ("26-06-01", 0.0)],
        id="another plan five days later",
    ),
    pytest.param(
        [
            ("2025-01-10", "2026-01-10", "crm", 100.0),
            ("2025-03-01", "2026-01-10", "crm", 40.0),
            ("2025-12-31", "2026-12-31", "crm", 140.0),
        ],
        [("25-01-10", 100.0), ("25-03-01", 140.0), ("26-12-31", 0.0)],
        id="two terms become one",
    ),
    pytest.param(
        [
            ("2025-01-01", "2025-02-01", "crm", 10.0),
            ("2025-01-20", "2025-02-20", "crm", 10.0),
            ("2025-02-01", "2025-03-01", "crm", 10.0),
            ("2025-02-20", "2025-03-20", "crm", 10.0),
            ("2025-03-01", "2025-04-01", "crm", 10.0),
        ],
        # The second one's first term looks like an early renewal of the first until that one is renewed itself.
        [("25-01-01", 10.0), ("25-02-01", 20.0), ("25-03-20", 10.0), ("25-04-01", 0.0)],
        id="two monthly subscriptions of one product, each on its own day",
    ),
    pytest.param(
        [
            ("2025-01-10", "2026-01-10", "crm", 100.0, {"terminated_on": "2025-06-30"}),
            ("2025-06-25", "2026-06-25", "crm", 120.0),
        ],
        [("25-01-10", 100.0), ("25-06-25", 120.0), ("26-06-25", 0.0)],
        id="broken off for a new term that began five days before",
    ),
]


@pytest.mark.parametrize(("rows", "expected"), TIMELINES)
def test_mrr(rows, expected):
    assert path(*rows) == expected


def known(rows, as_of: str) -> list[bool]:
    """Which terms are known to be replaced at a date."""
    terms = book(*rows)
    replaced = superseded(terms)
    return (replaced["superseded_known"] < DAY(as_of)).tolist()


EARLY = [("2025-01-10", "2026-01-10", "crm", 100.0), ("2025-12-31", "2026-12-31", "crm", 100.0)]


def test_an_overlap_is_known_when_the_new_term_is():
    assert known(EARLY, "2025-12-31") == [False, False]
    assert known(EARLY, "2026-01-01") == [True, False]
    late = [EARLY[0], (*EARLY[1], {"known_at": "2026-01-04 10:00"})]
    assert known(late, "2026-01-04") == [False, False]
    assert known(late, "2026-01-05") == [True, False]


def test_a_lapse_or_what_runs_side_by_side_replaces_nothing():
    assert known([EARLY[0], ("2026-01-12", "2027-01-12", "crm", 100.0)], "2027-01-01") == [False, False]
    assert known([EARLY[0], ("2025-06-01", "2026-06-01", "crm", 100.0)], "2027-01-01") == [False, False]
    assert known([EARLY[0], (*EARLY[1][:2], "desk", 100.0)], "2027-01-01") == [False, False]


@st.composite
def terms_of_one_product(draw):
    rows = []
    for _ in range(draw(st.integers(1, 7))):
        start = DAY("2025-01-01") + pd.Timedelta(days=draw(st.integers(0, 300)))
        length = draw(st.sampled_from([30, 31, 90, 365]))
        known_at = start + pd.Timedelta(days=draw(st.sampled_from([-20, 0, 0, 0, 9])))
        more = {"known_at": known_at}
        if draw(st.booleans()):
            more["terminated_on"] = start + pd.Timedelta(days=draw(st.integers(1, length)))
        rows.append((start, start + pd.Timedelta(days=length), "crm", 100.0, more))
    return sorted(rows, key=lambda row: row[0])


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(terms_of_one_product(), st.integers(30, 330))
def test_what_becomes_known_later_changes_nothing_that_was_known(rows, day):
    as_of = DAY("2025-01-01") + pd.Timedelta(days=day)
    terms = book(*rows)
    whole = superseded(terms)
    seen = terms[(terms["known_at"] < as_of) & (terms["started_on"] < as_of)]
    # At as_of an end that was told later is not there: neither column nor rows.
    told = seen["terminated_on"].where(seen["terminated_on"] < as_of)
    past = seen.assign(terminated_on=told, actual_end=told.fillna(seen["agreed_end"]))
    then = superseded(past)
    assert (then["superseded_known"] < as_of).tolist() == (whole.loc[seen.index, "superseded_known"] < as_of).tolist()


@settings(max_examples=12, deadline=None)
@given(st.data())
def test_an_account_that_changes_nothing_has_one_level(data):
    """Products and add-ons renewed at their price, each up to grace late and up to half a term early."""
    rows = []
    for number in range(data.draw(st.integers(1, 3))):
        addon = number > 0 and data.draw(st.booleans())
        length = data.draw(st.sampled_from([30, 90, 365]))
        start = DAY("2025-01-01")
        for _ in range(data.draw(st.integers(1, 4)) if number == 0 else 4):
            end = start + pd.Timedelta(days=length)
            rows.append((start, end, f"p{number}", 10.0 + number, {"is_addon": addon}))
            start = end + pd.Timedelta(days=data.draw(st.integers(-min(31, length // 2), GRACE)))
    found = levels(book(*sorted(rows, key=lambda row: row[0])), "mrr", grace_days=GRACE)
    running = found["level"].to_numpy()
    assert (np.diff(running) < 0).all(), path(*rows)


def test_terms_of_no_length_count_for_nothing():
    terms = book(("2025-01-10", "2025-01-10", "crm", 5.0), ("2025-01-10", "2026-01-10", "crm", 100.0))
    until = continuations(terms, grace_days=GRACE)["until"]
    assert until.dt.strftime("%y-%m-%d").tolist() == ["25-01-10", "26-01-10"]
