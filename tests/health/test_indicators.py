"""Hard facts beside the score."""

from __future__ import annotations

import pandas as pd
import pytest

from churnml.health import indicators
from churnml.language import render


def _frame(**columns: float | None) -> pd.DataFrame:
    return pd.DataFrame(
        {"account_id": ["a"], "as_of": pd.Timestamp("2026-01-01"), **{k: [v] for k, v in columns.items()}}
    )


@pytest.mark.parametrize(
    ("days", "term", "renews", "said"),
    [
        (12.0, 365.0, 0.0, "The contract ends in 12 days and does not renew by itself"),
        (0.0, 365.0, 0.0, "The contract ends today and does not renew by itself"),
        (31.0, 365.0, 0.0, None),
        (-3.0, 365.0, 0.0, None),
        (12.0, 30.0, 0.0, None),
        (12.0, 365.0, 1.0, None),
        (12.0, 365.0, None, None),
        (None, None, None, None),
    ],
)
def test_a_contract_that_ends_soon_and_does_not_renew_by_itself_is_a_fact(
    days: float | None, term: float | None, renews: float | None, said: str | None
) -> None:
    found = indicators(_frame(days_to_renewal=days, term_days=term, auto_renew=renews))
    assert [render(text, "en") for text in found["text"]] == ([] if said is None else [said])


def test_without_the_columns_no_end_is_told() -> None:
    assert indicators(_frame(days_to_renewal=12.0, term_days=365.0)).empty
    ends = _frame(days_to_renewal=12.0, term_days=365.0, auto_renew=0.0)
    assert render(indicators(ends)["text"].iloc[0], "ja") == "契約満了まで12日（自動更新なし）"
