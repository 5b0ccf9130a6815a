"""The bucket engine for common grids equals the day-by-day ledger."""

import numpy as np
import pandas as pd
import pytest

from churnml import features
from churnml.config import Config
from churnml.features.grid import grid_offsets
from churnml.features.keys import Keys
from churnml.tables import Tables

BEGIN = pd.Timestamp("2023-11-15")


def _company(seed, days=400, events=3000, accounts=12):
    rng = np.random.default_rng(seed)
    moment = BEGIN + pd.to_timedelta(rng.integers(0, days * 24, events), unit="h")
    frame = pd.DataFrame(
        {
            "account_id": [f"a{n}" for n in rng.integers(0, accounts, events)],
            "user_id": np.where(rng.random(events) < 0.1, None, [f"u{n}" for n in rng.integers(0, 9, events)]),
            "event_type": rng.choice(["login", "report", "export"], events),
            "occurred_at": moment,
        }
    )
    if seed % 2:
        frame["event_count"] = rng.integers(0, 4, events)
    config = Config.model_validate(
        {
            "name": "grid",
            "source": {"folder": "raw"},
            "label": {"churn": "silence"},
            "tables": {"events": {"from": "events"}},
            "features": {"windows_days": [7, 28, 91]},
        }
    )
    end = (BEGIN + pd.Timedelta(days=days)).date()
    dates = pd.date_range("2024-02-01", periods=8, freq="MS")
    spine = pd.DataFrame({"account_id": np.repeat([f"a{n}" for n in range(accounts + 2)], 8), "as_of": [*dates] * 14})
    spine = spine.sample(frac=0.8, random_state=seed, ignore_index=True)
    return Tables.from_pandas({"events": frame}, observed_from=BEGIN.date(), observed_until=end), spine, config


def _served(tables, feature_set, spine):
    """Return the features that the bucket engine can make."""
    keys, _ = Keys.of(spine)
    return features.FeatureSet(
        [spec for spec in feature_set if grid_offsets(tables, keys, frozenset({spec.name})) is not None]
    )


@pytest.mark.parametrize("seed", [0, 1])
def test_bucket_engine_equals_the_ledger(seed):
    tables, spine, config = _company(seed)
    everything = features.catalogue(tables, config)
    served = features.FeatureSet([spec for spec in _served(tables, everything, spine) if spec.kind != "peer"])
    assert len(served) > 40
    fast = features.compute(tables, spine, served, config)
    slow = features.compute(tables, spine, everything, config)
    pd.testing.assert_frame_equal(fast[served.names], slow[served.names], check_exact=True)


def test_late_facts_and_anchored_rows_go_to_the_ledger():
    tables, spine, _ = _company(0)
    keys, _ = Keys.of(spine)
    assert grid_offsets(tables, keys, frozenset({"events_7d", "events_trend_28d"})) == (0, 7, 28, 56)
    assert grid_offsets(tables, keys, frozenset({"events_7d", "longest_silence_7d"})) is None
    anchored = pd.DataFrame({"account_id": "a1", "as_of": pd.date_range("2024-02-01", periods=100)})
    assert grid_offsets(tables, Keys.of(anchored)[0], frozenset({"events_7d"})) is None
    late = Tables(
        tables.expressions,
        tables.connection,
        tables.observed_from,
        tables.observed_until,
        {"events": tables.supplied["events"] | {"known_at"}},
    )
    assert grid_offsets(late, keys, frozenset({"events_7d"})) is None
