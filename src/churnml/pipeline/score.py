"""From a champion to a scored, explained, published snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import TypeAdapter

from churnml import features as features_room
from churnml import registry, scoring, snapshots
from churnml.config import Config, FeatureConfig
from churnml.errors import BundleError
from churnml.explain import ExplainReference, load_playbooks, suggest_plays
from churnml.explain import explain as explain_frame
from churnml.explain.plays import Playbook
from churnml.features.event_cache import events_until
from churnml.files import write_json, write_parquet
from churnml.health import HealthScale, health
from churnml.pipeline.history import backfill, changes, customers_at, trends
from churnml.pipeline.lookup import last_scored
from churnml.pipeline.results import Scored, Trained, expected_column, rejected_counts, scored_by
from churnml.pipeline.train import check, prepare, train
from churnml.progress import Stages
from churnml.registry import Bundle
from churnml.sources import Loaded
from churnml.store import Snapshot, Store, plain
from churnml.tables import Tables, knowledge

__all__ = ["run", "score"]

_DEPARTURES = TypeAdapter(dict[str, snapshots.Departure])
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
    about_churn = bundle.model.target == "churn"
    loaded = loaded or check(config, stages).loaded
    day = pd.Timestamp(as_of or loaded.tables.observed_until).as_unit("us")
    with stages("score"):
        now, before = _frames_at(loaded.tables, config, bundle, day)
        scores = scoring.score(bundle.model, now)
        scale = HealthScale.from_dict(bundle.health)
        verdict = bundle.manifest["verdict"] if about_churn else "another_target"
        healths = health(now, scores, scale=scale, base_rate=bundle.model.base_rate, verdict=verdict)
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
        # Playbooks answer to risk; the store and all that reads it are about churn.
        plays = suggest_plays(explanations, now, _playbooks(config)) if about_churn else [()] * len(explanations)
        told = [
            {**explanation.as_dict(), "plays": [play.as_dict() for play in suggested]}
            for explanation, suggested in zip(explanations, plays, strict=True)
        ]
    if about_churn:
        with stages("history"), Store(config.store_url) as store:
            healths = _with_history(config, loaded.tables, bundle, now, before, healths, told, store)
    with stages("publish"):
        table, ordered = _table(now, scores, healths, told, loaded.tables, bundle, config)
        scored_at = datetime.now(UTC)
        path = _write(config, bundle, table, ordered, scored_at)
        if about_churn:
            _publish(config, loaded.tables, bundle, now, table, ordered, day, scored_at)
    return Scored(table, ordered, path, day.date(), bundle, rejected_counts(loaded))


def _with_history(
    config: Config,
    tables: Tables,
    bundle: Bundle,
    now: pd.DataFrame,
    before: pd.DataFrame,
    healths: pd.DataFrame,
    told: Sequence[dict[str, Any]],
    store: Store,
) -> pd.DataFrame:
    """Return the health scores with their trend, and tell trend and change in each explanation."""
    day = pd.Timestamp(now["as_of"].iloc[0])
    backfill(config, tables, bundle, day, store)
    moved = trends(config, healths, store, day)
    why = changes(config, tables, bundle, now, before, store)
    healths = healths.merge(moved, on="account_id", how="left", validate="1:1")
    for item, row in zip(told, healths.to_dict("records"), strict=True):
        item["trend"] = {name: plain(row[name]) for name in ("change_7d", "change_30d", "slope_12w")}
        item["change"] = why.get(item["account_id"])
    return healths


def run(
    config: Config, stages: Stages | None = None, *, as_of: date | None = None, promote_because: str | None = None
) -> tuple[Trained, Scored]:
    """Check, train and score in one go, reading the data once; the champion scores, be it the new one or not."""
    stages = stages or Stages()
    checked = check(config, stages)
    prepared = prepare(config, stages, loaded=checked.loaded)
    trained = train(config, stages, prepared=prepared, promote_because=promote_because)
    return trained, score(config, stages, as_of=as_of, loaded=checked.loaded)


def as_trained(config: Config, bundle: Bundle) -> Config:
    """Return the config with the features section the model was trained with.

    A feature must mean at scoring what it meant in training, also after the config was edited.

    Raises
    ------
    BundleError
        The model predicts another target than the config asks for.
    """
    if bundle.model.target != config.label.target:
        raise BundleError(
            f"The model in use predicts {bundle.model.target}, the config asks for {config.label.target}",
            where="label.target",
            got=f"{bundle.manifest['name']} {bundle.version}",
            remedy="Run `churnml train CONFIG`, and give mlflow.registered_model another name for each target.",
            code="bundle.target",
        )
    section = FeatureConfig.model_validate(bundle.manifest["config"]["features"])
    return config.model_copy(update={"features": section})


def _frames_at(tables: Tables, config: Config, bundle: Bundle, day: pd.Timestamp) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the cohort's features at a date and, for those who were customers then, `_PREVIOUS_DAYS` earlier."""
    cohort = snapshots.cohort_at(tables, config, day)
    earlier = cohort.assign(as_of=day - pd.Timedelta(days=_PREVIOUS_DAYS))
    earlier = earlier[earlier["account_id"].isin(customers_at(tables, config, earlier["as_of"].iloc[0]))]
    asked = bundle.model.features
    if config.engine.keep_events:
        kept = events_until(config, tables, asked, day.date())
        now, before = (features_room.compute(tables, rows, asked, config, kept=kept) for rows in (cohort, earlier))
        return now, before.reset_index(drop=True)
    both = features_room.compute(tables, pd.concat([cohort, earlier], ignore_index=True), asked, config)
    return both.iloc[: len(cohort)].reset_index(drop=True), both.iloc[len(cohort) :].reset_index(drop=True)


def _table(
    now: pd.DataFrame,
    scores: pd.DataFrame,
    healths: pd.DataFrame,
    explanations: Sequence[dict[str, Any]],
    tables: Tables,
    bundle: Bundle,
    config: Config,
) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    """Return the accounts, highest expected loss or gain first, and their explanations in that order.

    A churner takes all of its ARR along. An account that expands or contracts moves at least ``change_share`` of it.
    """
    keys, target = ["account_id", "as_of"], bundle.model.target
    chance, expected = bundle.model.output, expected_column(target)
    table = now[[*keys, "arr"]].merge(scores, on=keys, validate="1:1").merge(healths, on=keys, validate="1:1")
    table[expected] = table[chance] * table["arr"] * (1.0 if target == "churn" else config.label.change_share)
    table["days_to_renewal"] = now["days_to_renewal"].to_numpy() if "days_to_renewal" in now else float("nan")
    details = _details(tables, pd.Timestamp(now["as_of"].iloc[0]))
    table = table.merge(details, on="account_id", how="left", validate="1:1")
    table["position"] = range(len(table))
    table = table.sort_values([expected, chance, "account_id"], ascending=[False, False, True], kind="stable")
    ordered = [explanations[position] for position in table["position"]]
    return table.drop(columns="position").reset_index(drop=True), ordered


def _details(tables: Tables, day: pd.Timestamp) -> pd.DataFrame:
    """Return name, owner and segment of each account, as known before the date."""
    columns = ["account_id", "name", "owner", "segment"]
    accounts: pd.DataFrame = tables["accounts"].select([*columns, "known_at"]).to_pandas()
    accounts["account_id"] = accounts["account_id"].astype("str")
    newest: pd.DataFrame = knowledge.frame_newest(accounts, day)[columns]
    return newest


def _write(
    config: Config, bundle: Bundle, table: pd.DataFrame, explanations: Sequence[dict[str, Any]], scored_at: datetime
) -> Path:
    """Write ``scores.parquet`` and ``explanations.json``."""
    names = dict.fromkeys([bundle.model.output, *bundle.model.horizon_columns.values()])
    worth = [] if bundle.model.target == "churn" else [expected_column(bundle.model.target)]
    out = table[["account_id", "as_of", *names, *worth, "health_score", "band", "coverage"]].copy()
    out["drivers"] = [
        [driver["sentence_en"] for driver in (*item["raising"], *item["lowering"])] for item in explanations
    ]
    out["verdict"] = bundle.manifest["verdict"]
    out["model_version"] = bundle.version
    out["config_hash"] = config.hash
    out["scored_at"] = pd.Timestamp(scored_at).as_unit("us")
    path = write_parquet(config.workspace_dir / "scores.parquet", out)
    write_json(path.with_name("explanations.json"), list(explanations))
    return path


def _publish(
    config: Config,
    tables: Tables,
    bundle: Bundle,
    now: pd.DataFrame,
    table: pd.DataFrame,
    explanations: Sequence[dict[str, Any]],
    day: pd.Timestamp,
    scored_at: datetime,
) -> None:
    """Publish scores, features and explanations to the store."""
    further = list(bundle.model.horizon_columns.values()) if bundle.model.further else []
    with Store(config.store_url) as store:
        gone = last_scored(config, store, day.date(), set(now["account_id"]))
        left = snapshots.departures(tables, config.label, gone, day)
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
                    "left": _DEPARTURES.dump_python(left, mode="json"),
                },
            )
        )


def _by_horizon(table: pd.DataFrame, bundle: Bundle) -> list[dict[str, float]]:
    """Return each account's probabilities, horizon in days → probability, as the API shows them."""
    names = bundle.model.horizon_columns
    rows = table[list(names.values())].to_numpy(dtype=float).tolist()
    return [dict(zip(map(str, names), row, strict=True)) for row in rows]


def _playbooks(config: Config) -> Sequence[Playbook]:
    return load_playbooks(config.resolve(config.playbooks)) if config.playbooks is not None else ()
