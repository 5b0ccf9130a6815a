from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from churnml.evaluation.hindsight import telltales
from churnml.features.spec import FeatureSet, FeatureSpec

DAYS = pd.date_range("2024-01-01", periods=8, freq="MS")


def history(leavers: int = 20, stayers: int = 40) -> pd.DataFrame:
    """Accounts of which some leave after the sixth snapshot; `noise` says nothing of it, `warned` only at the end."""
    rng = np.random.default_rng(0)
    rows = [
        {
            "account_id": f"a{number}",
            "as_of": day,
            "churned": float(number < leavers and day == DAYS[5]),
            "noise": str(rng.integers(3)),
            "warned": "yes" if number < leavers and day == DAYS[5] else "no",
        }
        for number in range(leavers + stayers)
        for day in DAYS
        if number >= leavers or day <= DAYS[5]
    ]
    return pd.DataFrame(rows)


def found(rows: pd.DataFrame, *names: str) -> list[str]:
    specs = [FeatureSpec(name, "context", "", "", "", "", "accounts", categorical=True) for name in names]
    return [one.column for one in telltales(rows, FeatureSet(specs))]


def test_what_shows_only_shortly_before_is_an_honest_sign() -> None:
    assert found(history(), "noise", "warned") == []


@pytest.mark.parametrize("written", ["status", "empty", "order"])
def test_what_stands_in_the_whole_past_of_leavers_is_found(written: str) -> None:
    rows = history()
    gone = rows["account_id"].isin(rows.loc[rows["churned"] == 1, "account_id"])
    number = rows["account_id"].str[1:].astype(int)
    values = {
        "status": pd.Series(np.where(gone, "Closed", "Active"), index=rows.index),
        "empty": number.astype(str).where(~gone),
        "order": (number + 1000 * gone).astype(str),
    }
    assert found(rows.assign(leaky=values[written]), "noise", "leaky", "warned") == ["leaky"]


def test_few_leavers_are_no_evidence() -> None:
    rows = history(leavers=9)
    gone = rows["account_id"].isin(rows.loc[rows["churned"] == 1, "account_id"])
    assert found(rows.assign(leaky=np.where(gone, "Closed", "Active")), "leaky") == []
