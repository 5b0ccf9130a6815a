"""Publishes a scored snapshot: to the store, and as files beside it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path

import pandas as pd

from churnml import snapshots
from churnml.assessment import Assessments, Champion
from churnml.config import Config
from churnml.explain.lifetime import Lifetime
from churnml.pipeline.explaining import Explained
from churnml.pipeline.lookup import last_scored
from churnml.pipeline.results import expected_column, scored_by
from churnml.registry import level_gaps_of
from churnml.sources import Loaded
from churnml.store import Departed, Documents, Snapshot, SnapshotInfo, Store

__all__ = ["files_hold", "publish", "write_scores"]


def write_scores(
    path: Path, champion: Champion, config_hash: str, table: pd.DataFrame, explained: Explained, scored_at: datetime
) -> None:
    """Write what ``scores.parquet`` is to hold."""
    model = champion.model
    names = dict.fromkeys([model.output, *model.horizon_columns.values()])
    worth = [] if model.target == "churn" else [expected_column(model.target)]
    worth = worth or ["expected_loss"]
    known = ["account_id", "as_of", "name", "owner", "arr"]
    out = table[[*known, *names, *worth, "health_score", "band", "coverage"]].copy()
    out["reasons"] = explained.reasons
    out["drivers"] = explained.drivers
    out["verdict"] = champion.bundle.manifest.verdict
    out["model_version"] = champion.version
    out["config_hash"] = config_hash
    out["scored_at"] = pd.Timestamp(scored_at).as_unit("us")
    out.to_parquet(path, index=False)


def publish(
    config: Config,
    loaded: Loaded,
    champion: Champion,
    judged: Assessments,
    now: pd.DataFrame,
    made_of: pd.DataFrame,
    table: pd.DataFrame,
    explanations: Documents,
    curves: Sequence[Lifetime],
    as_of: date,
    scored_at: datetime,
) -> None:
    """Publish scores, features, explanations and curves to the store."""
    model, manifest = champion.model, champion.bundle.manifest
    horizons = dict(zip(judged.scores["account_id"], judged.by_horizon(), strict=True))
    by_horizon = [{str(days): chance for days, chance in horizons[account].items()} for account in table["account_id"]]
    longer = list(model.horizon_columns.values()) if model.horizon_models else []
    with Store(config.store_url) as store:
        gone = last_scored(config, store, as_of, set(now["account_id"]))
        left = snapshots.departures(loaded.tables, config.label, gone, pd.Timestamp(as_of).as_unit("us"))
        store.publish(
            Snapshot(
                config=config.name,
                as_of=as_of,
                scored_at=scored_at,
                model_version=champion.version,
                config_hash=config.hash,
                scores=table.drop(columns=longer).assign(horizons=pd.Series(by_horizon, index=table.index)),
                features=now[["account_id", *model.features.names]],
                explanations=explanations,
                curves=curves,
                compositions=made_of,
                rank_by=config.survival.rank_by if curves else "expected_loss",
                departures={account: Departed(one.last, one.why, one.on) for account, one in left.items()},
                info={
                    "horizon_days": model.horizon_days,
                    "base_rate": model.base_rate,
                    "verdict": manifest.verdict,
                    "verdict_reason": manifest.model_dump(mode="json", include={"verdict_reason"})["verdict_reason"],
                    "scored_by": scored_by(champion.bundle),
                    "level_gaps": level_gaps_of(manifest),
                    "currency": config.currency,
                    "data": loaded.fingerprint,
                },
            ),
            retention=config.store.retention,
        )


def files_hold(config: Config, published: SnapshotInfo) -> bool:
    """Tell whether the files beside the store are those of a snapshot, all of them."""
    mark = {"as_of": published.as_of.isoformat(), "scored_at": published.scored_at.isoformat()}
    try:
        return bool(json.loads((config.workspace_dir / "scored.json").read_text(encoding="utf-8")) == mark)
    except (OSError, ValueError):
        return False
