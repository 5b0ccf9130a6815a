"""The past of the scores: readings of the last weeks replayed, and the champion of four weeks ago."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

import pandas as pd

from churnml import features as features_room
from churnml import registry, snapshots
from churnml.assessment import Assessments, Champion, handed_over, score_changes
from churnml.config import Config
from churnml.errors import BundleError
from churnml.explain.movement import ScoreChange
from churnml.store import Snapshot, Store
from churnml.tables import Tables

__all__ = ["backfill", "changes", "composed", "unread"]

_WEEKS = (12, 8, 4, 2, 1)
"""The first scoring also reads these past weeks, so that there is a trend from the first day."""


def unread(config: Config, as_of: date, store: Store) -> list[pd.Timestamp]:
    """Return the dates of the last weeks of which the store has no scoring before a date; none where it has one.

    Of a backfill that was interrupted, what is missing.
    """
    held = store.replayed_only(config.name, before=as_of)
    if held is None:
        return []
    weeks = (pd.Timestamp(as_of) - pd.Timedelta(weeks=week) for week in _WEEKS)
    return [then for then in weeks if then.date() not in held]


def backfill(config: Config, champion: Champion, past: list[pd.DataFrame], store: Store) -> None:
    """Publish the readings of earlier dates: features as known then, judged by today's champion, and marked so.

    Parameters
    ----------
    past : list of DataFrame
        Features of the cohorts at the dates that `unread` returned, one a date; each is taken out, and let go of.
    """
    while past:
        frame = past.pop(0)
        judged = champion.judge(frame)
        store.publish(
            Snapshot(
                config=config.name,
                as_of=frame["as_of"].iloc[0].date(),
                scored_at=datetime.now(UTC),
                model_version=champion.version,
                config_hash=config.hash,
                scores=judged.table().assign(arr=frame["arr"].to_numpy()).drop(columns="as_of"),
                compositions=champion.compositions(frame, judged),
                info={"replayed": True, "currency": config.currency},
            )
        )


def changes(
    config: Config, tables: Tables, champion: Champion, now: pd.DataFrame, before: pd.DataFrame, store: Store
) -> Mapping[str, ScoreChange]:
    """Return, per account, why its score moved since `before`.

    The champion of then is the one whose scores the store holds for that time; where its bundle is gone, today's.
    """
    if before.empty:
        return {}
    then = _champion_at(config, champion, before["as_of"].iloc[0].date(), store)
    if then.version != champion.version:
        now, before = (_with_features(config, tables, frame, champion, then) for frame in (now, before))
    return score_changes(champion, now, then, before)


def composed(
    config: Config,
    tables: Tables,
    champion: Champion,
    now: pd.DataFrame,
    judged: Assessments,
    risks: Sequence[Mapping[str, float]],
    store: Store,
) -> pd.DataFrame:
    """Return what each score is made of, and what a new champion made of it; see `churnml.store.Snapshot`.

    Parameters
    ----------
    risks : sequence of mapping of str to float
        Family → net effect, of the rows of `now`, in its order.
    """
    made = champion.compositions(now, judged)
    made = pd.concat([made, pd.DataFrame(list(risks)).add_prefix("risk:").astype(float)], axis=1)
    as_of = now["as_of"].iloc[0].date()
    version = store.version_at(config.name, as_of - timedelta(days=1))
    if version is None or version == champion.version:
        return made.assign(by_weights=0.0, by_model=0.0)
    before = _champion_at(config, champion, as_of - timedelta(days=1), store)
    if before.version == champion.version:
        # Its bundle is gone: nobody can tell what it would have said.
        return made.assign(by_weights=float("nan"), by_model=float("nan"))
    own = handed_over(champion, before, _with_features(config, tables, now, champion, before))
    return made.merge(own, on="account_id", how="left", validate="1:1")


def _champion_at(config: Config, champion: Champion, as_of: date, store: Store) -> Champion:
    version = store.version_at(config.name, as_of)
    if version is None or version == champion.version:
        return champion
    try:
        bundle = registry.load_bundle(config.bundles_dir / config.registered_model / version)
    except BundleError:
        return champion
    return Champion.of(bundle, currency=config.currency, display=config.display, money=config.survival)


def _with_features(
    config: Config, tables: Tables, frame: pd.DataFrame, champion: Champion, then: Champion
) -> pd.DataFrame:
    """Add what the model of then reads and today's does not."""
    held = set(champion.model.features.names)
    missing = [name for name in then.model.features.names if name not in held]
    if not missing:
        return frame
    rows = frame[["account_id", "as_of", "arr"]]
    everyone = snapshots.cohorts(tables, config, rows["as_of"].unique())
    older = features_room.compute(tables, rows, then.model.features, config.features, cohort=everyone)
    return pd.concat([frame, older[missing]], axis=1)
