"""An end of contract that is written when the customer leaves: trained on, found, said, and not promoted."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import yaml
from tests.companies.command import churnml, without_plots

pytestmark = pytest.mark.slow  # another model is trained

START, MONTHS = pd.Timestamp("2024-01-01"), 13


def test_a_leak_keeps_the_gate_shut_and_says_why(tmp_path):
    rng = np.random.default_rng(11)
    ids = np.array([f"a{number:03d}" for number in range(180)])
    ends = np.array([START + pd.DateOffset(months=int(m)) for m in np.minimum(rng.geometric(0.05, 180), 60)])
    stop = START + pd.DateOffset(months=MONTHS)
    left = np.where(ends < stop, ends, np.datetime64("NaT")).astype("datetime64[us]")
    raw = tmp_path / "raw"
    raw.mkdir()
    terms = {"subscription_id": ids, "account_id": ids, "started_on": START, "ends_on": left, "mrr": 100.0}
    pd.DataFrame(terms).to_parquet(raw / "subscriptions.parquet")
    days = pd.date_range(START, stop, inclusive="left")
    who, when = np.nonzero(rng.random((180, len(days))) < 0.25)
    keep = days.to_numpy()[when] < pd.Series(left).fillna(stop).to_numpy()[who]
    events = {"account_id": ids[who[keep]], "event_type": "open", "occurred_at": days[when[keep]]}
    pd.DataFrame(events).to_parquet(raw / "events.parquet")
    config = tmp_path / "leak.yaml"
    settings = {
        "name": "leak",
        "source": {"folder": "raw"},
        "tables": {name: {"from": f"{name}.parquet"} for name in ("subscriptions", "events")},
        "label": {"churn": "contractual", "horizon_days": 30},
        "splits": {"folds": 2, "test_snapshots": 2},
        "features": {"windows_days": [28], "max_event_types": 1},
        "model": {"seeds": 1, "kind": "lightgbm", "params": {"n_estimators": 20}},
    }
    config.write_text(yaml.safe_dump(settings))
    with without_plots():
        trained = churnml("train", config, "--json")
    assert trained.exit_code == 0, trained.stderr
    report = json.loads(trained.stdout)
    assert report["verdict"] == "rules_only"
    assert report["promotion"]["promote"] is False
    for text in (report["verdict_reason"], report["promotion"]["reason"], " ".join(report["warnings"])):
        assert "leak" in text
        assert "days_to_renewal" in text
    found = {one["code"] for one in report["backtest"]["audit"] if one["status"] == "found"}
    assert {"CHK101", "CHK111"} <= found
    assert "The audit found a leak" in (tmp_path / "workspace" / "model_card.md").read_text(encoding="utf-8")
    scored = churnml("score", config)
    assert scored.exit_code == 1
    assert "No model of 'leak' has been promoted yet" in " ".join(scored.stderr.split())
    assert churnml("train", config, "--force").exit_code == 2
