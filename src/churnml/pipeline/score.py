"""From a champion to a scored, explained, published snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from churnml import features as features_room
from churnml import registry, scoring, snapshots
from churnml.config import Config, FeatureConfig
from churnml.errors import DataError, near_name
from churnml.explain import ExplainReference, load_playbooks, suggest_plays
from churnml.explain import explain as explain_frame
from churnml.explain.plays import Playbook
from churnml.files import write_json, write_parquet
from churnml.health import HealthScale, health
from churnml.pipeline.history import backfill, changes, trends
from churnml.pipeline.outcomes import Scored, Trained, rejected_counts, scored_by
from churnml.pipeline.train import check, prepare, train
from churnml.progress import Stages
from churnml.registry import Bundle
from churnml.sources import Loaded
from churnml.store import Snapshot, SnapshotInfo, Store, plain
from churnml.tables import Tables

__all__ = ["explain", "newest", "of_account", "run", "score"]

_PREVIOUS_DAYS = 28
"""An explanation compares an account with itself this many days earlier."""


def score(
    config: Config, stages: Stages | None = None, *, as_of: date | None = None, loaded: Loaded | None = None
) -> Scored:
    """Score every account of the cohort at an ``as_of``, explain it, write the files and publish to the store.

    Parameters
    ----------
    config : Config
        The config.
    stages : Stages, optional
        Told of progress.
    as_of : date, optional
        Default: the end of the observed period, so that everything known counts.
    loaded : Loaded, optional
        Canonical tables at hand.
    """
    stages = stages or Stages()
    bundle = registry.load_bundle(registry.champion_bundle(config.bundles_dir, config.registered_model))
    config = as_trained(config, bundle)
    loaded = loaded or check(config, stages).loaded
    day = pd.Timestamp(as_of or loaded.tables.observed_until).as_unit("us")
    with stages("score"):
        now, before = _frames_at(loaded.tables, config, bundle, day)
        scores = scoring.score(bundle.model, now)
        scale = HealthScale.from_dict(bundle.health)
        healths = health(now, scores, scale=scale, base_rate=bundle.model.base_rate, verdict=bundle.manifest["verdict"])
    with stages("explain"):
        explanations = explain_frame(
            bundle.model,
            now,
            scores=scores,
            health=healths,
            scale=scale,
            reference=ExplainReference.from_dict(bundle.explain),
            previous=before,
            currency=config.currency,
        )
        plays = suggest_plays(explanations, now, _playbooks(config))
        told = [
            {**explanation.as_dict(), "plays": [play.as_dict() for play in suggested]}
            for explanation, suggested in zip(explanations, plays, strict=True)
        ]
    with stages("history"), Store(config.store_url) as store:
        backfill(config, loaded.tables, bundle, day, store)
        moved = trends(config, healths, store, day)
        why = changes(config, loaded.tables, bundle, now, before, store)
        healths = healths.merge(moved, on="account_id", how="left", validate="1:1")
        for item, row in zip(told, healths.to_dict("records"), strict=True):
            item["trend"] = {name: plain(row[name]) for name in ("change_7d", "change_30d", "slope_12w")}
            item["change"] = why.get(item["account_id"])
    with stages("publish"):
        table, ordered = _table(now, scores, healths, told, loaded.tables, day)
        scored_at = datetime.now(UTC)
        path = _publish(config, bundle, now, table, ordered, day, scored_at)
    return Scored(table, ordered, path, day.date(), bundle, rejected_counts(loaded))


def run(
    config: Config, stages: Stages | None = None, *, as_of: date | None = None, promote_because: str | None = None
) -> tuple[Trained, Scored]:
    """Check, train and score in one go, reading the data once; the champion scores, be it the new one or not."""
    stages = stages or Stages()
    checked = check(config, stages)
    prepared = prepare(config, stages, loaded=checked.loaded)
    trained = train(config, stages, prepared=prepared, promote_because=promote_because)
    return trained, score(config, stages, as_of=as_of, loaded=checked.loaded)


def explain(config: Config, account_id: str) -> dict[str, Any]:
    """Return the explanation of one account from the newest scored snapshot.

    Raises
    ------
    DataError
        Nothing has been scored, or the account is not in the snapshot; the message names the near one.
    """
    store, snapshot = newest(config)
    with store:
        return of_account(store, snapshot, account_id)


def as_trained(config: Config, bundle: Bundle) -> Config:
    """Return the config with the features section the model was trained with.

    A feature must mean at scoring what it meant in training, also after the config was edited.
    """
    section = FeatureConfig.model_validate(bundle.manifest["config"]["features"])
    return config.model_copy(update={"features": section})


def newest(config: Config) -> tuple[Store, SnapshotInfo]:
    """Return the store and its newest snapshot, or raise `DataError` when nothing has been scored."""
    store = Store(config.store_url)
    snapshot = store.latest(config.name)
    if snapshot is None:
        store.close()
        raise DataError(
            "No snapshot has been scored yet",
            where=str(config.workspace_dir),
            remedy="Run `churnml score CONFIG` (or `churnml run CONFIG`) first.",
            code="store.empty",
        )
    return store, snapshot


def of_account(store: Store, snapshot: SnapshotInfo, account_id: str) -> dict[str, Any]:
    """Return an account's explanation in a snapshot, or raise `DataError` naming the near account."""
    found = store.explanation(snapshot.id, account_id)
    if found is None:
        known = store.account_ids(snapshot.id)
        near = near_name(account_id, known)
        raise DataError(
            f"Account {account_id!r} is not in the scored snapshot",
            where=f"as_of {snapshot.as_of}",
            expected=f"for example {near!r}" if near else f"one of {len(known)} accounts, such as {known[0]!r}",
            remedy="It may have churned, given notice, or be new; the cohort section says who is scored.",
            code="data.unknown_account",
        )
    return found


def _frames_at(tables: Tables, config: Config, bundle: Bundle, day: pd.Timestamp) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the cohort's features at a date and, for the same accounts, `_PREVIOUS_DAYS` earlier."""
    cohort = snapshots.cohort_at(tables, config, day)
    earlier = cohort.assign(as_of=day - pd.Timedelta(days=_PREVIOUS_DAYS))
    both = features_room.compute(tables, pd.concat([cohort, earlier], ignore_index=True), bundle.model.features, config)
    return both.iloc[: len(cohort)].reset_index(drop=True), both.iloc[len(cohort) :].reset_index(drop=True)


def _table(
    now: pd.DataFrame,
    scores: pd.DataFrame,
    healths: pd.DataFrame,
    explanations: Sequence[dict[str, Any]],
    tables: Tables,
    day: pd.Timestamp,
) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    """Return the accounts, highest expected loss first, and their explanations in that order."""
    keys = ["account_id", "as_of"]
    table = now[[*keys, "arr"]].merge(scores, on=keys, validate="1:1").merge(healths, on=keys, validate="1:1")
    table["expected_loss"] = table["churn_probability"] * table["arr"]
    table["days_to_renewal"] = now["days_to_renewal"].to_numpy() if "days_to_renewal" in now else float("nan")
    table = table.merge(_details(tables, day), on="account_id", how="left", validate="1:1")
    table["position"] = range(len(table))
    table = table.sort_values(
        ["expected_loss", "churn_probability", "account_id"], ascending=[False, False, True], kind="stable"
    )
    ordered = [explanations[position] for position in table["position"]]
    return table.drop(columns="position").reset_index(drop=True), ordered


def _details(tables: Tables, day: pd.Timestamp) -> pd.DataFrame:
    """Return name, owner and segment of each account, as known before the date."""
    columns = ["account_id", "name", "owner", "segment"]
    accounts: pd.DataFrame = tables["accounts"].select([*columns, "known_at"]).to_pandas()
    accounts["account_id"] = accounts["account_id"].astype("str")
    known = accounts[~(pd.to_datetime(accounts["known_at"]) >= day)]
    known = known.sort_values(["account_id", "known_at"], na_position="first", kind="stable")
    newest: pd.DataFrame = known.drop_duplicates("account_id", keep="last")[columns]
    return newest


def _publish(
    config: Config,
    bundle: Bundle,
    now: pd.DataFrame,
    table: pd.DataFrame,
    explanations: Sequence[dict[str, Any]],
    day: pd.Timestamp,
    scored_at: datetime,
) -> Path:
    """Write ``scores.parquet`` and ``explanations.json`` and publish both to the store."""
    further = list(bundle.model.horizon_columns.values()) if bundle.model.further else []
    out = table[["account_id", "as_of", "churn_probability", *further, "health_score", "band", "coverage"]].copy()
    out["drivers"] = [
        [driver["sentence_en"] for driver in (*item["raising"], *item["lowering"])] for item in explanations
    ]
    out["verdict"] = bundle.manifest["verdict"]
    out["model_version"] = bundle.version
    out["config_hash"] = config.hash
    out["scored_at"] = pd.Timestamp(scored_at).as_unit("us")
    path = write_parquet(config.workspace_dir / "scores.parquet", out)
    write_json(path.with_name("explanations.json"), list(explanations))
    with Store(config.store_url) as store:
        store.publish(
            Snapshot(
                config=config.name,
                as_of=day.date(),
                scored_at=scored_at,
                model_version=bundle.version,
                config_hash=config.hash,
                scores=table.drop(columns=further).assign(
                    horizons=pd.Series(_by_horizon(table, bundle), index=table.index)
                ),
                features=now[["account_id", *bundle.model.features.names]],
                explanations=explanations,
                info={
                    "horizon_days": bundle.model.horizon_days,
                    "base_rate": bundle.model.base_rate,
                    "verdict": bundle.manifest["verdict"],
                    "verdict_reason": bundle.manifest.get("verdict_reason"),
                    "scored_by": scored_by(bundle),
                    "currency": config.currency,
                },
            )
        )
    return path


def _by_horizon(table: pd.DataFrame, bundle: Bundle) -> list[dict[str, float]]:
    """Return each account's probabilities, horizon in days → probability, as the API shows them."""
    names = bundle.model.horizon_columns
    rows = table[list(names.values())].to_numpy(dtype=float).tolist()
    return [dict(zip(map(str, names), row, strict=True)) for row in rows]


def _playbooks(config: Config) -> Sequence[Playbook]:
    return load_playbooks(config.resolve(config.playbooks)) if config.playbooks is not None else ()
