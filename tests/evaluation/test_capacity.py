from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pydantic import TypeAdapter

from churnml.evaluation.capacity import CapacityReport, at_capacity, contacted
from churnml.metrics.headline import summary
from churnml.metrics.intervals import Interval

SHARE = 0.1


def predictions(n: int = 300, dates: int = 4, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = n * dates
    p = np.round(rng.beta(1, 8, rows), 2)
    return pd.DataFrame(
        {
            "account_id": np.tile([f"a{i}" for i in range(n)], dates),
            "as_of": np.repeat(pd.date_range("2024-01-01", periods=dates, freq="MS"), n),
            "fold": np.repeat(["fold 1", "fold 2"], rows // 2),
            "churned": (rng.random(rows) < p).astype(float),
            "arr": rng.lognormal(8, 1, rows),
            "p_model": p,
        }
    )


def test_the_capacity_is_used_up_on_every_date_and_ties_share_it() -> None:
    rows = predictions()
    taken = contacted(rows, SHARE)
    assert rows.assign(taken=taken).groupby("as_of")["taken"].sum().tolist() == pytest.approx([30.0] * 4)
    order = np.random.default_rng(1).permutation(len(rows))
    assert contacted(rows.iloc[order], SHARE) == pytest.approx(taken[order])


def test_it_agrees_with_the_headline_metrics() -> None:
    rows = predictions()
    found = at_capacity(rows, pd.DataFrame(index=rows.index), SHARE, seed=0)
    arr, dates = rows["arr"].to_numpy(), rows["as_of"].to_numpy()
    told = summary(rows["churned"], rows["p_model"], share=SHARE, value=arr, dates=dates)
    assert found.pooled.recall.value == pytest.approx(told.recall_at_capacity)
    assert found.pooled.revenue_recall.value == pytest.approx(told.revenue_recall_at_capacity)
    assert found.pooled.lift.value == pytest.approx(found.pooled.recall.value / SHARE)
    for part in (found.pooled, *found.folds.values()):
        for name in ("recall", "precision", "lift", "revenue_recall"):
            assert getattr(part, name).low < getattr(part, name).value < getattr(part, name).high
    assert found.folds["fold 1"].n + found.folds["fold 2"].n == len(rows)


def test_a_constant_score_has_lift_one() -> None:
    rows = predictions().assign(p_model=0.2)
    assert at_capacity(rows, pd.DataFrame(index=rows.index), SHARE, seed=0).pooled.lift.value == pytest.approx(1)


def test_segments_show_whom_the_capacity_goes_to() -> None:
    rows = predictions()
    risky = np.where(rows["p_model"] > 0.15, "risky", "safe")
    segments = pd.DataFrame({"zone": risky, "tiny": np.where(np.arange(len(rows)) < 9, "few", None)})
    found = at_capacity(rows, segments, SHARE, seed=0)
    assert [(one.segment, one.value) for one in found.segments] == [("zone", "risky"), ("zone", "safe")]
    shares = [one.contacted_share.value for one in found.segments]
    assert shares[0] > SHARE > shares[1]
    TypeAdapter(CapacityReport).dump_json(found)


def test_without_churners_or_arr_nothing_is_made_up() -> None:
    rows = predictions().assign(churned=0.0, arr=np.nan)
    found = at_capacity(rows, pd.DataFrame(index=rows.index), SHARE, seed=0).pooled
    assert found.recall == found.revenue_recall == Interval(None, None, None)
    assert found.precision.value == 0.0
