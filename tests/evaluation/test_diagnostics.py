from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from churnml.evaluation.diagnostics import by_segment, decay, lead_time, ranking_stability, segments_of


def predictions(p: dict[str, list[float]], churn_on: dict[str, str] | None = None) -> pd.DataFrame:
    """Probabilities of each account on consecutive months; who churns when."""
    ends = churn_on or {}
    rows = [
        {
            "account_id": account,
            "as_of": pd.Timestamp("2024-01-01") + pd.DateOffset(months=month),
            "fold": "fold 1",
            "churned": float(account in ends),
            "churn_on": pd.Timestamp(ends[account]) if account in ends else pd.NaT,
            "p_model": chance,
        }
        for account, chances in p.items()
        for month, chance in enumerate(chances)
    ]
    return pd.DataFrame(rows)


def test_lead_time_counts_from_the_first_alert() -> None:
    rows = predictions(
        {"a": [0.9, 0.9], "b": [0.1, 0.2], "c": [0.2, 0.1], "d": [0.3, 0.3]}, {"a": "2024-02-20", "b": "2024-03-01"}
    )
    found = lead_time(rows, share=0.25)
    assert (found.churners, found.alerted, found.alerted_share) == (2, 1, 0.5)
    assert found.median_days == 50.0
    assert found.share_30_days == 1.0


def test_a_constant_score_alerts_nobody() -> None:
    rows = predictions({name: [0.5, 0.5] for name in "abcdefghij"}, {"a": "2024-03-01"})
    found = lead_time(rows, share=0.1)
    assert (found.churners, found.alerted, found.median_days) == (1, 0, None)


def test_stability_of_equal_and_turned_rankings() -> None:
    names = "abcdefghij"
    same = ranking_stability(predictions({name: [i / 10, i / 20] for i, name in enumerate(names)}), share=0.2)
    assert same["spearman"].tolist() == pytest.approx([1.0])
    assert same["kept"].tolist() == [1.0]
    turned = ranking_stability(predictions({name: [i / 10, -i / 10] for i, name in enumerate(names)}), share=0.2)
    assert turned["spearman"].tolist() == pytest.approx([-1.0])
    assert turned["kept"].tolist() == [0.0]
    flat = ranking_stability(predictions({name: [0.5, 0.5] for name in names}), share=0.2)
    assert flat["spearman"].isna().all()


def test_stability_looks_at_accounts_in_both_snapshots_of_one_fold() -> None:
    rows = predictions({name: [i / 10, i / 10] for i, name in enumerate("abcdef")})
    rows = rows[~((rows["account_id"] == "f") & (rows["as_of"] == rows["as_of"].max()))]
    assert ranking_stability(rows, share=0.2)["accounts"].tolist() == [5]
    rows["fold"] = rows["as_of"].astype(str)
    assert ranking_stability(rows, share=0.2).empty


def test_segments_with_too_few_rows_are_left_out_and_one_outcome_is_missing() -> None:
    rng = np.random.default_rng(0)
    n = 400
    p = rng.random(n)
    rows = pd.DataFrame({"account_id": np.arange(n), "p_model": p, "churned": (rng.random(n) < p).astype(float)})
    plan = np.where(np.arange(n) < 20, "tiny", np.where(np.arange(n) < 200, "pro", "basic"))
    rows.loc[plan == "basic", "churned"] = 0.0
    found = by_segment(rows, pd.DataFrame({"plan": plan}), seed=0).set_index("value")
    assert list(found.index) == ["basic", "pro"]
    assert np.isnan(found.loc["basic", "roc_auc"])
    assert found.loc["pro", "roc_auc_low"] < found.loc["pro", "roc_auc"] < found.loc["pro", "roc_auc_high"]


def test_segments_come_from_words_value_and_tenure() -> None:
    rows = pd.DataFrame(
        {
            "plan": pd.Categorical(["a", "b", None, "a"]),
            "city": [f"c{i}" for i in range(4)],
            "arr": [1.0, 2.0, 3.0, np.nan],
            "tenure_days": [10.0, 400.0, np.nan, 365.0],
        }
    )
    found = segments_of(rows, ["plan"])
    assert found["arr"].tolist()[:3] == ["low", "middle", "high"]
    assert found["arr"].isna().tolist() == [False, False, False, True]
    assert found["tenure"].isna().tolist() == [False, False, True, False]
    assert segments_of(rows[["arr"]].assign(arr=np.nan), []).empty


def aged(old_noise: dict[int, float]) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    parts = []
    for months, noise in old_noise.items():
        p = rng.uniform(0.05, 0.6, 500)
        old = np.clip(p + noise * rng.normal(size=500), 0.01, 0.99)
        parts.append(
            pd.DataFrame(
                {
                    "account_id": np.arange(500),
                    "churned": (rng.random(500) < p).astype(float),
                    "days": round(months * 30.44),
                    "p_model": p,
                    "p_old": old,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def test_decay_sets_the_retraining_interval() -> None:
    found = decay(aged({3: 0.0, 4: 0.01, 5: 0.3, 6: 0.3}), seed=0)
    assert [row.months for row in found.months] == [3, 4, 5, 6]
    assert found.retrain_every_months == 4
    assert "From 5 months" in str(found.reason)


def test_no_decay_is_said_as_far_as_it_was_seen() -> None:
    found = decay(aged({3: 0.0, 4: 0.0}), seed=0)
    assert found.retrain_every_months == 4
    assert "up to 4 months" in str(found.reason)
