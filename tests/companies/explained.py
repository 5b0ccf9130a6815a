"""A small trained model on a made-up company whose causes are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from churnml.config import Config
from churnml.explain import ExplainReference
from churnml.features.spec import FeatureSet, FeatureSpec
from churnml.health import HealthScale, score_health
from churnml.language import words
from churnml.scoring import score
from churnml.training import ChurnModel, fit


@dataclass(frozen=True)
class World:
    history: pd.DataFrame
    frame: pd.DataFrame
    features: FeatureSet
    config: Config
    model: ChurnModel
    scores: pd.DataFrame
    health: pd.DataFrame
    scale: HealthScale
    reference: ExplainReference


def spec(name: str, family: str, unit: str, label: str, label_ja: str, **more: object) -> FeatureSpec:
    window = int(name.rsplit("_", 1)[1].removesuffix("d")) if name.endswith("d") and name[-2].isdigit() else None
    fields = {"measure": name.removesuffix(f"_{window}d") if window else name, **more}
    return FeatureSpec(
        name, family, unit, "nothing is known", words({"en": label, "ja": label_ja}), "", "t", window, **fields
    )  # type: ignore[arg-type]


FEATURES = FeatureSet(
    [
        spec("active_users_28d", "engagement", "users", "active users", "アクティブユーザー数", monotone=-1),
        spec(
            "active_users_trend_28d",
            "engagement",
            "share",
            "trend of active users",
            "アクティブユーザー数の増減",
            kind="trend",
            measure="active_users",
            monotone=-1,
        ),
        spec("logins_28d", "engagement", "logins", "logins", "ログイン回数", monotone=-1),
        spec("tickets_opened_91d", "support", "tickets", "tickets opened", "問い合わせ件数"),
        spec("nps_last", "sentiment", "points", "last NPS answer", "直近のNPS回答", monotone=-1),
        spec("invoices_overdue", "commercial", "invoices", "overdue invoices", "支払い遅延の請求書数", monotone=1),
        spec(
            "attr_segment", "context", "", "segment", "セグメント", kind="category", categorical=True, actionable=False
        ),
        spec("tenure_days", "commercial", "days", "tenure", "利用期間", kind="age", actionable=False),
    ]
)


def make_frame(rows: int, seed: int, days: int = 8) -> pd.DataFrame:
    """Return monthly snapshots; churn follows falling active users and overdue invoices."""
    rng = np.random.default_rng(seed)
    parts = []
    users = rng.integers(5, 60, rows).astype(float)
    for month in range(days):
        before = users
        fall = rng.random(rows) < 0.25
        users = np.maximum(np.round(users * np.where(fall, 0.4, rng.uniform(0.9, 1.2, rows))), 1.0)
        overdue = rng.poisson(0.15, rows).astype(float)
        logit = -3.2 + 2.2 * fall + 1.5 * np.minimum(overdue, 2)
        parts.append(
            pd.DataFrame(
                {
                    "account_id": [f"A{row:04d}" for row in range(rows)],
                    "as_of": pd.Timestamp("2025-01-01") + pd.DateOffset(months=month),
                    "churned": (rng.random(rows) < 1 / (1 + np.exp(-logit))).astype(float),
                    "active_users_28d": users,
                    "active_users_trend_28d": (users - before) / (users + before),
                    "logins_28d": np.round(users * rng.uniform(7, 9, rows)),
                    "tickets_opened_91d": rng.poisson(1.0, rows).astype(float),
                    "nps_last": np.where(rng.random(rows) < 0.6, rng.integers(0, 11, rows), np.nan),
                    "invoices_overdue": overdue,
                    "attr_segment": pd.Categorical(np.where(np.arange(rows) % 2 == 0, "SMB", "enterprise")),
                    "tenure_days": rng.integers(30, 900, rows).astype(float),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def make_world() -> World:
    """Train, score and calibrate the scale and the reference on the company."""
    config = Config.model_validate(
        {
            "name": "acme",
            "source": {"folder": "raw"},
            "label": {"churn": "silence"},
            "tables": {"events": {"from": "events.csv"}},
            "model": {"kind": "lightgbm", "seeds": 1, "params": {"num_leaves": 8}},
            "health": {"preset": "balanced", "min_coverage": 0.1},
        }
    )
    history = make_frame(250, seed=3)
    model = fit(history, FEATURES, config.learning).with_info(verdict="publishable")
    newest = history["as_of"] == history["as_of"].max()
    frame = history[newest].reset_index(drop=True)
    scores = score(model, frame)
    scale = HealthScale.fit(history, config, FEATURES)
    blended = score_health(frame, scores, scale=scale, base_rate=model.base_rate, verdict="publishable")
    reference = ExplainReference.fit(history, FEATURES, model.probability(model.matrix(history)))
    return World(history, frame, FEATURES, config, model, scores, blended, scale, reference)
