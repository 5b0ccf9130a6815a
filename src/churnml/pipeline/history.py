"""How the score moved: past readings for the trend, and the change since four weeks ago with its reasons."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from churnml import features as features_room
from churnml import registry, scoring, snapshots
from churnml.config import Config
from churnml.errors import BundleError, TimelineError
from churnml.health import HealthScale, health
from churnml.health.history import Reading, decompose, trend
from churnml.registry import Bundle
from churnml.store import Snapshot, Store
from churnml.tables import Tables

__all__ = ["backfill", "changes", "customers_at", "trends"]

_WEEKS = (12, 8, 4, 2, 1)
"""The first scoring also reads these past weeks, so that there is a trend from the first day."""


def backfill(config: Config, tables: Tables, bundle: Bundle, day: pd.Timestamp, store: Store) -> int:
    """Publish the readings of the last weeks where the store has none; return how many dates were added.

    They are replays: features as known on their date, scored by today's model, and marked so.
    """
    if store.readings(config.name, before=day.date()):
        return 0
    cohorts = []
    for week in _WEEKS:
        try:
            cohorts.append(snapshots.cohort_at(tables, config, day - pd.Timedelta(weeks=week)))
        except TimelineError:
            continue  # the data does not reach back so far, or nobody was a customer then
    if not cohorts:
        return 0
    frame = features_room.compute(tables, pd.concat(cohorts, ignore_index=True), bundle.model.features, config.features)
    scores = scoring.score(bundle.model, frame)
    healths = _healths(frame, scores, bundle)
    rows = healths.merge(scores, on=["account_id", "as_of"], validate="1:1")
    rows["arr"] = frame["arr"].to_numpy()
    for as_of, part in rows.groupby("as_of"):
        date = pd.Timestamp(as_of).date()  # type: ignore[arg-type]
        store.publish(
            Snapshot(
                config=config.name,
                as_of=date,
                scored_at=datetime.now(UTC),
                model_version=bundle.version,
                config_hash=config.hash,
                scores=part.drop(columns="as_of"),
                info={"replayed": True, "currency": config.currency},
            )
        )
    return len(cohorts)


def customers_at(tables: Tables, config: Config, day: pd.Timestamp) -> set[str]:
    """Return the accounts of the cohort at an earlier day; none where the data does not reach back so far."""
    try:
        return set(snapshots.cohort_at(tables, config, day)["account_id"])
    except TimelineError:
        return set()


def trends(config: Config, now: pd.DataFrame, store: Store, day: pd.Timestamp) -> pd.DataFrame:
    """Return ``account_id, change_7d, change_30d, slope_12w`` of each account's present score.

    Parameters
    ----------
    config : Config
    now : DataFrame
        ``account_id, as_of, health_score`` of the snapshot being made.
    store : Store
        Holds the earlier readings.
    day : Timestamp
        The snapshot's date.
    """
    kept = pd.DataFrame(store.readings(config.name, before=day.date()), columns=["account_id", "as_of", "health_score"])
    kept = kept.astype({"account_id": "str", "as_of": "datetime64[us]", "health_score": "float64"})
    history = pd.concat([kept, now[["account_id", "as_of", "health_score"]]], ignore_index=True)
    moved = trend(history[history["account_id"].isin(set(now["account_id"]))].reset_index(drop=True))
    return moved[moved["as_of"] == day].drop(columns="as_of")


def changes(
    config: Config, tables: Tables, bundle: Bundle, now: pd.DataFrame, before: pd.DataFrame, store: Store
) -> Mapping[str, dict[str, Any]]:
    """Return, per account, what its score changed by since `before`, split into data, weights and model.

    ``largest`` names up to three parts of the data share that moved the score most. The model of then is the one
    whose scores the store holds for that time; where its bundle is gone, today's.
    """
    if before.empty:
        return {}
    then = _bundle_then(config, bundle, before["as_of"].iloc[0], store)
    if then.version != bundle.version:
        now, before = (_with_features(config, tables, frame, bundle, then) for frame in (now, before))
    start, end = (_reading(frame, of) for frame, of in ((before, then), (now, bundle)))
    rescored = end.scores if then.version == bundle.version else scoring.score(then.model, now)
    change = decompose(start, end, rescored)
    parts = dict(tuple(change.parts.groupby("account_id", sort=False)))
    labels = {measure.name: (measure.label_en, measure.label_ja) for measure in start.scale.measures} | _MODEL
    found = {}
    for row in change.accounts.to_dict("records"):
        own = parts.get(row["account_id"])
        moved = own[own["points"].abs() > 1e-9] if own is not None else None
        found[str(row["account_id"])] = {
            "since": f"{before['as_of'].iloc[0]:%Y-%m-%d}",
            **{name: None if pd.isna(row[name]) else float(row[name]) for name in _SHARES},
            "parts": {} if moved is None else dict(zip(moved["part"], moved["points"].astype(float), strict=True)),
            "largest": [] if moved is None else _largest(moved, labels),
        }
    return found


def _largest(moved: pd.DataFrame, labels: Mapping[str, tuple[str, str]]) -> list[dict[str, Any]]:
    """Return the parts that count half a point or more, largest first."""
    shown = moved[moved["points"].abs() >= _TELLING].sort_values("points", key=abs, ascending=False, kind="stable")
    return [
        {"part": part, "label_en": labels[part][0], "label_ja": labels[part][1], "points": float(points)}
        for part, points in zip(shown["part"].head(3), shown["points"].head(3), strict=True)
    ]


_MODEL = {"churn_model": ("risk by the churn model", "解約モデルのリスク")}
_TELLING = 0.5
_SHARES = ("before", "after", "change", "data", "weights", "model")


def _healths(frame: pd.DataFrame, scores: pd.DataFrame, bundle: Bundle) -> pd.DataFrame:
    scale = HealthScale.from_dict(bundle.health)
    return health(frame, scores, scale=scale, base_rate=bundle.model.base_rate, verdict=bundle.manifest["verdict"])


def _reading(frame: pd.DataFrame, bundle: Bundle) -> Reading:
    return Reading(
        frame=frame,
        scores=scoring.score(bundle.model, frame),
        scale=HealthScale.from_dict(bundle.health),
        base_rate=bundle.model.base_rate,
        verdict=bundle.manifest["verdict"],
    )


def _bundle_then(config: Config, bundle: Bundle, when: pd.Timestamp, store: Store) -> Bundle:
    version = store.version_at(config.name, when.date())
    if version is None or version == bundle.version:
        return bundle
    try:
        return registry.load_bundle(config.bundles_dir / config.registered_model / version)
    except BundleError:
        return bundle


def _with_features(config: Config, tables: Tables, frame: pd.DataFrame, bundle: Bundle, then: Bundle) -> pd.DataFrame:
    """Add what the model of then reads and today's does not."""
    missing = [name for name in then.model.features.names if name not in set(bundle.model.features.names)]
    if not missing:
        return frame
    older = features_room.compute(tables, frame[["account_id", "as_of", "arr"]], then.model.features, config.features)
    return pd.concat([frame, older[missing]], axis=1)
