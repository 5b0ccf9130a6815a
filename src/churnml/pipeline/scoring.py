"""From a champion to a scored, explained, published snapshot."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import fields
from datetime import UTC, date, datetime
from operator import itemgetter
from typing import Any

import pandas as pd

from churnml import engine, memory, snapshots
from churnml import features as features_room
from churnml.assessment import Champion, score_trends
from churnml.config import Config
from churnml.errors import TimelineError
from churnml.explain.lifetime import Lifetime
from churnml.explain.movement import ScoreTrend, movement
from churnml.features.event_cache import events_until
from churnml.files import all_beside
from churnml.monitoring import Alarm
from churnml.pipeline.alerting import evaluate_alerts
from churnml.pipeline.background import happened, with_background, with_chosen_owners
from churnml.pipeline.explaining import Beside, explain_accounts
from churnml.pipeline.history import backfill, changes, composed, unread
from churnml.pipeline.monitoring import before_publishing
from churnml.pipeline.preparation import check, prepare
from churnml.pipeline.publishing import publish, write_scores
from churnml.pipeline.results import Scored, Trained, expected_column, rejected_counts
from churnml.pipeline.training import train
from churnml.progress import Stages
from churnml.retention.curve_columns import curve_columns
from churnml.retention.curve_peers import with_peers
from churnml.sources import Loaded
from churnml.store import SnapshotInfo, Store, plain
from churnml.tables import Tables, knowledge

__all__ = ["run", "score"]

_PREVIOUS_DAYS = 28
"""An explanation compares an account with itself this many days earlier."""
_TREND = tuple(field.name for field in fields(ScoreTrend))


def score(
    config: Config,
    stages: Stages | None = None,
    *,
    as_of: date | None = None,
    loaded: Loaded | None = None,
    then: bool = True,
    published: SnapshotInfo | None = None,
    alarms: Sequence[Alarm] | None = None,
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
    then : bool
        Evaluate the alerts and deliver, too.
    published : SnapshotInfo, optional
        What was published of the same data by the same champion, where only the files are missing.
    alarms : sequence of Alarm, optional
        What is wrong with the data, where it was judged already and may be published.
    """
    stages = stages or Stages()
    champion = Champion.load(config)
    config = config.model_copy(update={"features": champion.as_trained(config.features)})
    loaded = loaded or check(config, stages).loaded
    tables = loaded.tables
    as_of = as_of or tables.observed_until
    churn = champion.model.target == "churn"
    if alarms is None:
        with stages("watch"):
            alarms = before_publishing(config, loaded, as_of)
    with stages("score"):
        now, before, past = _frames_at(tables, config, champion, as_of, readings=churn)
        if champion.bundle.hazard is not None:
            now = now.join(snapshots.coming_decisions(now, tables, config.label))
            _give_back(tables, config)
        with memory.held():
            judged = champion.judge(now)
        memory.release()
    table, beside = judged.table(), list[Beside]()
    if churn:
        with stages("history"), Store(config.store_url) as store:
            with memory.held():
                backfill(config, champion, past, store)
            memory.release()
            table, moved = _with_history(config, tables, champion, now, before, table, store)
            table = with_background(tables, now, table.assign(why=None))
            beside = [moved, happened(config, tables, as_of)]
            del moved  # it holds features of both dates: with `beside` it goes
        _give_back(tables, config)
    table = _ranked(now, table, tables, champion, config)
    curves = with_peers(judged.lifetimes, table) if churn else ()
    if curves:
        table = _with_curves(table, curves, as_of, config.survival.rank_by)
    order, table = table["position"].tolist(), table.drop(columns="position")
    scored_at = datetime.now(UTC) if published is None else published.scored_at
    paths = tuple(config.workspace_dir / name for name in ("scores.parquet", "explanations.json", "scored.json"))
    # The files appear together, and only when the store holds the snapshot; the last one says that all are there.
    with all_beside(*paths) as (scores, reasons, mark):
        with stages("explain"):
            with memory.held():
                explained = explain_accounts(config, champion, now, judged, before, order, beside, reasons)
            documents = explained.documents
            del before, beside
            memory.release()
        with stages("publish"), memory.held():
            write_scores(scores, champion, config.hash, table, explained, scored_at)
            mark.write_text(json.dumps({"as_of": as_of.isoformat(), "scored_at": scored_at.isoformat()}) + "\n")
            if churn:
                table["why"] = pd.Series(explained.why, index=table.index, dtype=object)
            if churn and published is None:
                risks = [risk for _, risk in sorted(zip(order, explained.families, strict=True), key=itemgetter(0))]
                with Store(config.store_url) as store:
                    made_of = composed(config, tables, champion, now, judged, risks, store)
                publish(config, loaded, champion, judged, now, made_of, table, documents, curves, as_of, scored_at)
                del risks, made_of
    # What else was made of the accounts stands in the store and in files now.
    lifetimes = judged.lifetimes
    del explained, judged
    if churn and published is None:
        from churnml.pipeline.company import publish_company

        _give_back(tables, config)
        with stages("kpis"):
            publish_company(config, loaded, table, as_of, scored_at, curves, champion.survival)
        _give_back(tables, config)
    scored = Scored(
        table,
        documents.values(),
        paths[0],
        as_of,
        champion.bundle,
        rejected_counts(loaded),
        tuple(alarms),
        {lifetime.account_id: lifetime for lifetime in lifetimes},
    )
    if not then:
        return scored
    if churn and config.alerts.enabled:
        with stages("alerts"), memory.held(), Store(config.store_url) as store:
            rows = now[["account_id", *champion.model.features.names]]
            owned = with_chosen_owners(config, store, table)
            evaluate_alerts(config, owned, rows, documents, as_of, store)
    if champion.model.target == "churn" and config.deliveries.after_scoring and config.deliveries.targets():
        from churnml.pipeline.deliveries import deliver_after_scoring

        with stages("deliver"), memory.held(), Store(config.store_url) as store:
            deliver_after_scoring(config, store)
    return scored


def run(
    config: Config,
    stages: Stages | None = None,
    *,
    as_of: date | None = None,
    promote_because: str | None = None,
    when_trained: Callable[[Trained], None] | None = None,
) -> tuple[Trained, Scored]:
    """Check, train and score in one go, reading the data once; the champion scores, be it the new one or not.

    Parameters
    ----------
    config : Config
    stages : Stages, optional
        Told of progress.
    as_of : date, optional
        As in `score`.
    promote_because : str, optional
        As in `train`.
    when_trained : callable, optional
        Given what the training came to before the scoring begins, which may fail by itself.
    """
    stages = stages or Stages()
    checked = check(config, stages)
    prepared = prepare(config, stages, loaded=checked.loaded)
    trained = train(config, stages, prepared=prepared, promote_because=promote_because)
    del prepared  # scoring makes its own frame
    memory.give_back()
    if when_trained is not None:
        when_trained(trained)
    return trained, score(config, stages, as_of=as_of, loaded=checked.loaded)


def _frames_at(
    tables: Tables, config: Config, champion: Champion, as_of: date, *, readings: bool
) -> tuple[pd.DataFrame, pd.DataFrame, list[pd.DataFrame]]:
    """Return features of the cohort at a date, of those who were customers then `_PREVIOUS_DAYS` earlier, and the past.

    The past are the cohorts whose readings the store lacks and wants, one frame a date.
    """
    today = pd.Timestamp(as_of).as_unit("us")
    month_ago = today - pd.Timedelta(days=_PREVIOUS_DAYS)
    replayed: list[pd.Timestamp] = []
    if readings:
        with Store(config.store_url) as store:
            replayed = unread(config, as_of, store)
    cohorts = snapshots.Cohorts(tables, config, [today, month_ago, *replayed])
    cohort, customers = cohorts.at(today), _members_at(cohorts, month_ago)
    earlier = cohort[cohort["account_id"].isin(customers["account_id"])].assign(as_of=month_ago)
    past = [members for day in replayed if len(members := _members_at(cohorts, day))]
    parts = [cohort, earlier.reset_index(drop=True), *past]
    # Ranks are among all customers of their day: those who have left since were peers a month ago.
    everyone = cohorts.everyone
    del cohorts, customers  # and the contracts that they hold
    _give_back(tables, config)
    if config.engine.keep_events:
        made = _from_kept_events(tables, config, champion, parts, everyone, as_of)
    else:
        made = _in_one_pass(tables, config, champion, parts, everyone)
    return made[0], made[1], made[2:]


def _from_kept_events(
    tables: Tables,
    config: Config,
    champion: Champion,
    parts: Sequence[pd.DataFrame],
    everyone: pd.DataFrame,
    as_of: date,
) -> list[pd.DataFrame]:
    """Return each part of everyone with its features, of the events that were laid out by an earlier scoring."""
    asked = champion.model.features
    planes = events_until(config, tables, asked, as_of)
    past = [pd.concat(parts[2:], ignore_index=True)] if len(parts) > 2 else []
    made = [
        features_room.compute(tables, rows, asked, config.features, planes=planes, cohort=everyone)
        for rows in (*parts[:2], *past)
    ]
    return [*made[:2], *(own for frame in made[2:] for _, own in frame.groupby("as_of"))]


def _members_at(cohorts: snapshots.Cohorts, day: pd.Timestamp) -> pd.DataFrame:
    """Return the cohort at an earlier date; nobody where the data does not reach back so far."""
    try:
        return cohorts.at(day)
    except TimelineError:
        return cohorts.everyone.iloc[:0]


def _in_one_pass(
    tables: Tables, config: Config, champion: Champion, parts: Sequence[pd.DataFrame], everyone: pd.DataFrame
) -> list[pd.DataFrame]:
    """Return each part of everyone with its features, made of one reading of the facts, for whole cohorts at once."""
    made = features_room.compute_each(tables, parts, champion.model.features, config.features, cohort=everyone)
    _give_back(tables, config)
    return made


def _give_back(tables: Tables, config: Config) -> None:
    """Return to the system what the frames and queries so far are done with."""
    engine.give_back(tables.connection, config.engine)
    memory.give_back()


def _with_history(
    config: Config,
    tables: Tables,
    champion: Champion,
    now: pd.DataFrame,
    before: pd.DataFrame,
    table: pd.DataFrame,
    store: Store,
) -> tuple[pd.DataFrame, Beside]:
    """Return the scores with their trend, and what tells trend and change of each account."""
    as_of = now["as_of"].iloc[0].date()
    # A new model alone moves scores: a trend over two versions would tell of it as if the account had changed.
    earlier = store.readings(config.name, before=as_of, version=champion.version)
    trend = score_trends(table, earlier)
    why = changes(config, tables, champion, now, before, store)
    table = table.merge(trend, on="account_id", how="left", validate="1:1")
    trends = dict(zip(table["account_id"].tolist(), table[list(_TREND)].to_numpy(dtype=float), strict=True))

    def moved(account_id: str) -> dict[str, Any]:
        own = (plain(value) for value in trends[account_id].tolist())
        return movement(ScoreTrend(*own), why.get(account_id))

    return table, moved


def _ranked(now: pd.DataFrame, table: pd.DataFrame, tables: Tables, champion: Champion, config: Config) -> pd.DataFrame:
    """Return the accounts, highest expected loss or gain first, with their ``position`` in `now`.

    A churner takes all of its ARR along. An account that expands or contracts moves at least ``change_share`` of it.
    """
    keys, target = ["account_id", "as_of"], champion.model.target
    chance, expected = champion.model.output, expected_column(target)
    table = now[[*keys, "arr"]].merge(table, on=keys, validate="1:1")
    table[expected] = table[chance] * table["arr"] * (1.0 if target == "churn" else config.label.change_share)
    table["days_to_renewal"] = now["days_to_renewal"].to_numpy() if "days_to_renewal" in now else float("nan")
    details = _details(tables, now["as_of"].iloc[0])
    table = table.merge(details, on="account_id", how="left", validate="1:1")
    table["position"] = range(len(table))
    table = table.sort_values([expected, chance, "account_id"], ascending=[False, False, True], kind="stable")
    return table.reset_index(drop=True)


def _with_curves(table: pd.DataFrame, curves: Sequence[Lifetime], as_of: date, rank_by: str) -> pd.DataFrame:
    """Return the scores with the numbers of their curves, in the order that is asked for.

    Accounts whose worth nobody knows come last, and what ties goes by expected loss, as it did.
    """
    table = table.merge(curve_columns(curves, as_of), on="account_id", how="left", validate="1:1")
    if rank_by == "expected_loss":
        return table
    return table.sort_values(rank_by, ascending=False, kind="stable", ignore_index=True)


def _details(tables: Tables, as_of: pd.Timestamp) -> pd.DataFrame:
    """Return name, owner and segment of each account, as known before the date."""
    columns = ["account_id", "name", "owner", "segment"]
    accounts: pd.DataFrame = tables["accounts"].select([*columns, "known_at"]).to_pandas()
    accounts["account_id"] = accounts["account_id"].astype("str")
    newest: pd.DataFrame = knowledge.frame_newest(accounts, as_of)[columns]
    return newest
