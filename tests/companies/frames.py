"""A small synthetic company as a frame of features: no pipeline, known signal."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from churnml.config import Config
from churnml.features.spec import FeatureSet, FeatureSpec
from churnml.snapshots.splits import Split


def spec(name: str, family: str = "engagement", **fields: object) -> FeatureSpec:
    return FeatureSpec(name, family, "", "unknown", name, name, "events", **fields)  # type: ignore[arg-type]


FEATURES = FeatureSet(
    [
        spec("days_since_last_event"),
        spec("events_28d", window_days=28, measure="events"),
        spec("logins_28d", window_days=28, measure="logins"),
        spec("core_feature_share_28d", "adoption"),
        spec("tickets_opened_28d", "support"),
        spec("nps_last", "sentiment"),
        spec("days_to_renewal", "commercial"),
        spec("invoices_overdue", "commercial", monotone=1),
        spec("mrr", "commercial"),
        spec("plan", "commercial", categorical=True, kind="category"),
    ]
)


def make_frame(accounts: int = 400, months: int = 14, signal: float = 1.0, seed: int = 0) -> pd.DataFrame:
    """Return a frame whose churn depends on a latent health that the features show, `signal` times as strongly."""
    rng = np.random.default_rng(seed)
    dates = pd.date_range("2023-01-01", periods=months, freq="MS")
    base = rng.normal(size=accounts)
    rows = []
    for date in dates:
        health = 0.8 * base + 0.6 * rng.normal(size=accounts)
        noise = rng.normal(size=(accounts, 6))
        overdue = rng.poisson(np.exp(-1.2 - 0.5 * health)).astype(float)
        plan = np.where(rng.random(accounts) < 0.5, "basic", "pro")
        risk = signal * (-1.1 * health + 0.5 * overdue + 0.6 * (plan == "basic")) - 2.6
        churned = (rng.random(accounts) < 1 / (1 + np.exp(-risk))).astype(float)
        nps = np.clip(np.round(7 + 1.5 * health + noise[:, 0]), 0, 10)
        rows.append(
            pd.DataFrame(
                {
                    "account_id": [f"a{i:04d}" for i in range(accounts)],
                    "as_of": date,
                    "churned": churned,
                    "churn_on": pd.NaT,
                    "arr": np.round(np.exp(8 + rng.normal(size=accounts)), 2),
                    "days_since_last_event": np.round(np.exp(1.0 - 0.7 * health + 0.5 * noise[:, 1]), 0),
                    "events_28d": np.round(np.exp(3.0 + 0.7 * health + 0.5 * noise[:, 2])),
                    "logins_28d": np.round(np.exp(2.0 + 0.4 * health + 0.7 * noise[:, 3])),
                    "core_feature_share_28d": 1 / (1 + np.exp(-0.5 * health - noise[:, 4])),
                    "tickets_opened_28d": rng.poisson(1.0, accounts).astype(float),
                    "nps_last": np.where(rng.random(accounts) < 0.4, np.nan, nps),
                    "days_to_renewal": rng.integers(0, 365, accounts).astype(float),
                    "invoices_overdue": overdue,
                    "mrr": np.round(np.exp(6 + 0.5 * noise[:, 5]), 2),
                    "plan": pd.Categorical(plan, categories=["basic", "pro"]),
                }
            )
        )
    frame = pd.concat(rows, ignore_index=True)
    frame["churn_on"] = pd.to_datetime(frame["churn_on"])
    return frame


def make_config(**model: object) -> Config:
    return Config.model_validate(
        {
            "name": "acme",
            "source": {"folder": "raw"},
            "label": {"churn": "silence", "horizon_days": 60, "silence_days": 60},
            "tables": {"events": {"from": "events.csv"}},
            "model": {"seeds": 2, **model},
        }
    )


def make_splits(frame: pd.DataFrame, folds: int = 2, size: int = 2, purge_days: int = 60) -> list[Split]:
    dates = [pd.Timestamp(date) for date in sorted(frame["as_of"].unique())]
    found = []
    for fold in range(folds):
        stop = len(dates) - fold * size
        test = tuple(dates[stop - size : stop])
        train = tuple(date for date in dates if date <= test[0] - pd.Timedelta(days=purge_days))
        found.append(Split(f"fold {folds - fold}", train, test))
    return found[::-1]


@pytest.fixture(scope="session")
def features() -> FeatureSet:
    return FEATURES


@pytest.fixture(scope="session")
def company() -> pd.DataFrame:
    return make_frame()


@pytest.fixture(scope="session")
def noise() -> pd.DataFrame:
    return make_frame(signal=0.0, seed=1)


@pytest.fixture(scope="session")
def config() -> Config:
    return make_config()


@pytest.fixture(scope="session")
def configure() -> Callable[..., Config]:
    return make_config


@pytest.fixture(scope="session")
def cut() -> Callable[..., list[Split]]:
    return make_splits
