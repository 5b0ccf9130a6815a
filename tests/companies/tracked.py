"""A small synthetic company with a model, its bundle and its backtest: no pipeline."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from churnml.config import Config
from churnml.evaluation import backtest
from churnml.features import FeatureSet, FeatureSpec
from churnml.registry import Provenance, load_bundle, save_bundle
from churnml.snapshots.splits import Split
from churnml.training import fit

ACCOUNTS = 160
DATES = pd.date_range("2024-01-01", periods=12, freq="MS")


def spec(name: str, family: str, **fields: object) -> FeatureSpec:
    return FeatureSpec(name, family, "", "unknown", name, name, "events", **fields)  # type: ignore[arg-type]


FEATURES = FeatureSet(
    [
        spec("days_since_last_event", "engagement"),
        spec("events_28d", "engagement", window_days=28, measure="events"),
        spec("nps_last", "sentiment"),
        spec("attr_cost_in_$", "context"),
        spec("plan", "commercial", categorical=True, kind="category"),
    ]
)


def make_config(folder: Path, **sections: object) -> Config:
    return Config.model_validate(
        {
            "name": "acme",
            "source": {"folder": "raw"},
            "tables": {"events": {"from": "e"}},
            "label": {"churn": "silence", "horizon_days": 30},
            "model": {"seeds": 1, "params": {"n_estimators": 20}},
            "workspace": str(folder / "workspace"),
            **sections,
        }
    )


def make_frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = ACCOUNTS * len(DATES)
    health = rng.normal(size=rows)
    frame = pd.DataFrame(
        {
            "account_id": np.tile([f"a{number:03d}" for number in range(ACCOUNTS)], len(DATES)),
            "as_of": np.repeat(DATES, ACCOUNTS),
            "churned": (health + 0.7 * rng.normal(size=rows) < -1.3).astype(float),
            "churn_on": pd.Series(pd.NaT, index=range(rows), dtype="datetime64[ns]"),
            "arr": np.round(np.exp(8 + rng.normal(size=rows))),
            "days_since_last_event": np.round(np.exp(1 - 0.8 * health)),
            "events_28d": np.round(np.exp(3 + 0.6 * health + 0.4 * rng.normal(size=rows))),
            "nps_last": np.where(rng.random(rows) < 0.4, np.nan, np.clip(np.round(7 + health), 0, 10)),
            "attr_cost_in_$": 1.0,
            "plan": pd.Categorical(rng.choice(["基本 $|<b>", "pro"], rows)),
        }
    )
    frame.loc[frame["as_of"] == DATES[-1], "churned"] = np.nan
    return frame


class Company:
    """Config, frame, backtest and bundle of one training."""

    def __init__(self, folder: Path, **sections: object) -> None:
        self.config = make_config(folder, **sections)
        self.frame = make_frame()
        folds = [
            Split("fold 1", tuple(DATES[:5]), tuple(DATES[6:8])),
            Split("fold 2", tuple(DATES[:7]), tuple(DATES[8:10])),
        ]
        self.tested = backtest(self.frame, FEATURES, folds, self.config)
        model = fit(self.frame, FEATURES, self.config.learning, backtest=self.tested)
        provenance = Provenance.of(
            self.config,
            created_at=datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC),
            fingerprint="f" * 64,
            backtest=self.tested.report().as_dict(),
            packages={"lightgbm": "4.6.0"},
        )
        path = save_bundle(
            self.config.bundles_dir, name="acme", model=model, health={}, explain={}, provenance=provenance
        )
        self.bundle = load_bundle(path)
