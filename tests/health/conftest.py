"""A small company's feature frame, made by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from churnml.config import Config
from churnml.features.spec import FeatureSet, FeatureSpec

FEATURES = {
    "logins_28d": ("engagement", "logins", 28),
    "active_users_28d": ("engagement", "users", 28),
    "active_users_trend_28d": ("engagement", "share", 28),
    "days_since_last_event": ("engagement", "days", None),
    "core_feature_share_28d": ("adoption", "share", 28),
    "tickets_opened_91d": ("support", "tickets", 91),
    "ticket_resolution_rate_91d": ("support", "share", 91),
    "nps_last": ("sentiment", "points", None),
    "nps_age_days": ("sentiment", "days", None),
    "csat_91d": ("sentiment", "points", 91),
    "seats": ("commercial", "seats", None),
    "days_to_renewal": ("commercial", "days", None),
    "term_days": ("commercial", "days", None),
    "champions_left_91d": ("relationship", "people", 91),
}


def make_frame(rows: int = 400, seed: int = 1) -> pd.DataFrame:
    """Return a cohort whose latent health drives every measure and churn."""
    rng = np.random.default_rng(seed)
    latent = rng.normal(size=rows)
    seats = rng.integers(3, 60, size=rows).astype(float)
    tickets = rng.poisson(1.2, size=rows).astype(float)
    return pd.DataFrame(
        {
            "account_id": [f"A{row:04d}" for row in range(rows)],
            "as_of": pd.Timestamp("2026-01-01"),
            "churned": (rng.random(rows) < 1 / (1 + np.exp(2.2 + 1.5 * latent))).astype(float),
            "logins_28d": np.round(seats * 8 / (1 + np.exp(-latent))),
            "active_users_28d": np.round(seats / (1 + np.exp(-latent))),
            "active_users_trend_28d": np.clip(0.3 * latent + rng.normal(0, 0.1, rows), -1, 1),
            "days_since_last_event": np.round(np.exp(1.5 - latent)),
            "core_feature_share_28d": 1 / (1 + np.exp(-latent - rng.normal(size=rows))),
            "tickets_opened_91d": tickets,
            "ticket_resolution_rate_91d": np.where(tickets > 0, rng.random(rows), np.nan),
            "nps_last": np.where(rng.random(rows) < 0.5, rng.integers(0, 11, rows), np.nan),
            "nps_age_days": rng.integers(1, 300, rows).astype(float),
            "csat_91d": np.where(tickets > 1, rng.integers(1, 6, rows), np.nan),
            "seats": seats,
            "days_to_renewal": rng.integers(1, 365, rows).astype(float),
            "term_days": rng.choice([30.0, 365.0], rows),
            "champions_left_91d": rng.integers(0, 2, rows).astype(float),
        }
    )


@pytest.fixture
def frame() -> pd.DataFrame:
    return make_frame()


@pytest.fixture
def feature_set() -> FeatureSet:
    return make_feature_set()


def make_feature_set() -> FeatureSet:
    return FeatureSet(
        [
            FeatureSpec(name, family, unit, "unknown", name.replace("_", " "), "", "events", window, name, "level")
            for name, (family, unit, window) in FEATURES.items()
        ]
    )


def make_config(**health: object) -> Config:
    return Config.model_validate(
        {
            "name": "acme",
            "source": {"folder": "raw"},
            "label": {"churn": "silence"},
            "tables": {"events": {"from": "events.csv"}},
            "health": health,
        }
    )


@pytest.fixture
def scores(frame: pd.DataFrame) -> pd.DataFrame:
    probability = 1 / (1 + np.exp(3.0 + frame["active_users_trend_28d"] * 3))
    return frame[["account_id", "as_of"]].assign(churn_probability=probability)


@pytest.fixture(name="make_config")
def _make_config_fixture() -> object:
    return make_config


@pytest.fixture(name="make_frame")
def _make_frame_fixture() -> object:
    return make_frame
