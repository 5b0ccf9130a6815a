from __future__ import annotations

from datetime import date

import pandas as pd
import pytest

from churnml.retention import (
    Renewals,
    annualised,
    expansion_rate,
    logo_churn_rate,
    mrr_on,
    renewals,
    revenue_movement,
)
from churnml.snapshots import spells
from churnml.snapshots.changes import levels
from churnml.snapshots.terms import continuations

DAY = pd.Timestamp


def terms(*rows: tuple[str, str, str, float, bool]) -> pd.DataFrame:
    """(account, start, end, mrr, is_addon); every term ran to its agreed end."""
    frame = pd.DataFrame(rows, columns=["account_id", "started_on", "actual_end", "mrr", "is_addon"])
    for column in ("started_on", "actual_end"):
        frame[column] = pd.to_datetime(frame[column]).astype("datetime64[us]")
    frame["agreed_end"] = frame["actual_end"]
    return frame.assign(product="crm", terminated_on=pd.NaT, notice_at=pd.NaT, known_at=pd.NaT)


def paid(day: pd.Timestamp) -> pd.Series:
    return mrr_on(levels(BOOK, "mrr", grace_days=14), LIVES, day)


def due(book: pd.DataFrame, start: pd.Timestamp, end: pd.Timestamp, grace_days: int) -> Renewals:
    following = continuations(book, grace_days=grace_days)["next"]
    return renewals(book, start, end, grace_days=grace_days, next_terms=following)


BOOK = terms(
    ("grows", "2026-01-01", "2026-02-15", 100.0, False),
    ("grows", "2026-02-15", "2027-01-01", 150.0, False),
    ("shrinks", "2026-01-01", "2026-02-10", 80.0, False),
    ("shrinks", "2026-02-10", "2027-01-01", 60.0, False),
    ("leaves", "2026-01-01", "2026-02-20", 70.0, False),
    ("addon only ends", "2026-01-01", "2027-01-01", 50.0, False),
    ("addon only ends", "2026-01-01", "2026-02-10", 20.0, True),
    ("late", "2025-02-25", "2026-02-25", 40.0, False),
    ("late", "2026-03-05", "2027-03-05", 40.0, False),
    ("returns", "2026-01-01", "2026-02-05", 30.0, False),
    ("returns", "2026-02-25", "2027-02-25", 30.0, False),
    ("new", "2026-02-12", "2027-02-12", 90.0, False),
)
LIVES = spells(BOOK, grace_days=14, observed_until=date(2026, 12, 31))
START, END = DAY("2026-02-01"), DAY("2026-03-01")


def test_logo_churn_counts_lost_and_returned_accounts_and_no_new_ones() -> None:
    # There at the start: grows, shrinks, leaves, addon only ends, late, returns. Lost: leaves, returns.
    assert logo_churn_rate(LIVES, START, END) == pytest.approx(2 / 6)


def test_an_end_at_the_edge_belongs_to_one_period_only() -> None:
    lives = pd.DataFrame({"account_id": ["a", "b"], "started_on": [DAY("2026-01-01")] * 2,
                          "ended_on": [END, DAY("2027-01-01")], "churned": [True, False]})  # fmt: skip
    assert logo_churn_rate(lives, START, END) == 0.5
    assert logo_churn_rate(lives, END, DAY("2026-04-01")) == 0.0


def test_an_end_that_is_not_yet_churn_is_not_lost() -> None:
    lives = spells(BOOK, grace_days=14, observed_until=date(2026, 2, 26))
    late = lives[(lives["account_id"] == "leaves")]
    assert not late["churned"].any()
    assert logo_churn_rate(late, START, END) == 0.0


def test_nobody_there_gives_no_rate() -> None:
    assert logo_churn_rate(LIVES, DAY("2020-01-01"), DAY("2020-02-01")) is None
    assert annualised(None) is None
    nothing = pd.Series(dtype="float64")
    assert revenue_movement(nothing, nothing).grr is None
    assert revenue_movement(nothing, nothing).nrr is None
    assert expansion_rate(nothing, nothing) is None
    nobody = due(BOOK, DAY("2020-01-01"), DAY("2020-02-01"), 14)
    assert (nobody.by_logo, nobody.by_value) == (None, None)


def test_annualised() -> None:
    assert annualised(0.08) == pytest.approx(0.632, abs=5e-4)
    assert annualised(0.0) == 0.0


def test_mrr_counts_addons_and_bridges_a_gap_within_grace() -> None:
    before = paid(START)
    assert before["addon only ends"] == 70.0
    assert before["returns"] == 30.0
    later = paid(END)
    assert later["addon only ends"] == 50.0
    assert later["late"] == 40.0  # ended on 25 February, renewed on 5 March
    assert "leaves" not in later.index
    assert later["returns"] == 30.0


def test_gross_and_net_retention() -> None:
    stayed = pd.Index(["grows", "shrinks", "addon only ends", "late"])
    moved = revenue_movement(paid(START), paid(END), stayed)
    assert moved.start == 390.0
    assert (moved.expansion, moved.contraction, moved.churned) == (50.0, 40.0, 100.0)
    assert moved.new == 120.0  # the new account, and the one that came back
    assert moved.end == paid(END).sum()
    assert moved.grr == pytest.approx((390 - 140) / 390)
    assert moved.nrr == pytest.approx((390 - 90) / 390)


def test_gross_retention_never_exceeds_one() -> None:
    moved = revenue_movement(pd.Series({"a": 10.0, "b": 5.0}), pd.Series({"a": 100.0, "b": 5.0}))
    assert moved.grr == 1.0
    assert moved.nrr == 7.0


def test_expansion_counts_accounts_not_money() -> None:
    assert expansion_rate(paid(START), paid(END)) == pytest.approx(1 / 6)


def test_renewals_due_in_a_period() -> None:
    # Due: grows, shrinks, leaves, late, returns. Renewed in time: grows, shrinks, late (8 days).
    found = due(BOOK, START, END, 14)
    assert (found.accounts_due, found.accounts_renewed, found.by_logo) == (5, 3, pytest.approx(3 / 5))
    # Due are 100 + 80 + 70 + 40 + 30 and the add-on's 20; what grew counts as it was, what shrank as it is.
    assert (found.mrr_due, found.mrr_renewed) == (340.0, 100.0 + 60.0 + 40.0)
    assert due(BOOK, START, END, 30).by_logo == pytest.approx(4 / 5)
    assert due(BOOK, START, END, 5).by_logo == pytest.approx(2 / 5)


def test_a_term_replaced_before_its_end_is_not_due() -> None:
    book = terms(("a", "2026-01-01", "2026-02-10", 10.0, False), ("a", "2026-02-10", "2027-01-01", 20.0, False))
    book.loc[0, "agreed_end"] = DAY("2026-02-20")
    assert due(book, START, END, 14).by_logo is None


def test_two_terms_that_become_one_are_held_against_it_together() -> None:
    book = terms(
        ("a", "2025-02-10", "2026-02-10", 100.0, False),
        ("a", "2025-06-01", "2026-02-10", 60.0, False),
        ("a", "2026-02-10", "2027-02-10", 120.0, False),
    )
    found = due(book, START, END, 14)
    assert (found.mrr_due, found.mrr_renewed) == (160.0, 120.0)
