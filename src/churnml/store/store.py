"""The store: publish scored snapshots, read them, and reach keys, judgements and the audit log."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy import func, select

from churnml.config import RetentionConfig
from churnml.store.alerts import Alerts
from churnml.store.database import PATIENCE_SECONDS, open_engine
from churnml.store.deliveries import Deliveries
from churnml.store.erasure import Erasure, Traces
from churnml.store.evaluations import Evaluations
from churnml.store.judgements import Judgements
from churnml.store.key_figures import KeyFigures
from churnml.store.keys import Keys
from churnml.store.listing import Lists
from churnml.store.notes import Notes
from churnml.store.outlooks import Outlooks
from churnml.store.oversight import Oversight
from churnml.store.owners import Owners
from churnml.store.packing import named, unpack_document, unpack_numbers
from churnml.store.publishing import drop_features, publish
from churnml.store.queries import SCORE, SNAPSHOT, band_in_force, conditions, last_of_each_day, pair
from churnml.store.records import BANDS, AccountScore, AuditEntry, Departed, Page, ScoreFilter, SnapshotInfo
from churnml.store.renewal_calls import RenewalCalls
from churnml.store.retention import Plan, thin
from churnml.store.runs import Runs
from churnml.store.schema import AuditRow, DepartureRow, ExplanationRow, FeaturesRow, ScoreRow, SnapshotRow
from churnml.store.sessions import Sessions
from churnml.store.snapshot import Snapshot
from churnml.store.tasks import Calendar, Tasks
from churnml.store.team import OwnerWork, team
from churnml.store.users import Users
from churnml.store.views import Views
from churnml.store.writes import reading

if TYPE_CHECKING:
    from churnml.store.monitoring import Monitoring

__all__ = ["Store"]

_NEAR = 60
"""Ids before and after a misspelt one among which the near one is looked for."""
_AT_ONCE = 500
"""Ids in one query; SQLite takes some thousand parameters."""


_DEPARTED = (DepartureRow.account_id, DepartureRow.last_as_of, DepartureRow.why, DepartureRow.since)


class Store:
    """The operational store on one database.

    Parameters
    ----------
    url : str
        SQLAlchemy URL: ``sqlite:///path/store.db`` or ``postgresql://user:password@host/database``. The schema is
        made, or brought up to date, when the store opens.
    patience_seconds : float
        How long a write waits for other writers before it fails as busy.

    Raises
    ------
    StoreError
        The database cannot be opened, or a newer churnml made it.

    Examples
    --------
    >>> from datetime import UTC, date, datetime
    >>> import pandas as pd
    >>> store = Store("sqlite://")
    >>> scores = pd.DataFrame({"account_id": ["a", "b"], "churn_probability": [0.2, 0.7],
    ...                        "health_score": [55.0, 20.0], "band": ["yellow", "red"], "coverage": [1.0, 0.8]})
    >>> made = store.publish(
    ...     Snapshot("acme", date(2024, 1, 1), datetime(2024, 1, 2, tzinfo=UTC), "3", "0f0f", scores))
    >>> store.latest("acme").id == made
    True
    >>> [account.account_id for account in store.accounts(made).accounts]
    ['b', 'a']
    """

    def __init__(self, url: str, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._engine = open_engine(url, patience_seconds)
        self.keys = Keys(self._engine)
        self.users = Users(self._engine)
        self.sessions = Sessions(self._engine)

    def alerts(self, config: str, *, deadline: float | None = None) -> Alerts:
        """Return the alerts on the accounts of one config."""
        return Alerts(self._engine, config, deadline)

    def evaluations(self, config: str) -> Evaluations:
        """Return the evaluations of the alert rules of one config."""
        return Evaluations(self._engine, config)

    def key_figures(self, config: str) -> KeyFigures:
        """Return the KPIs of a config."""
        return KeyFigures(self._engine, config)

    def monitoring(self, config: str) -> Monitoring:
        """Return what monitoring keeps of one config: outcomes, alarms, realised performance, retrainings."""
        from churnml.store.monitoring import Monitoring

        return Monitoring(self._engine, config)

    def renewal_calls(self, config: str, *, deadline: float | None = None) -> RenewalCalls:
        """Return what CSMs expect of the renewals of a config's accounts."""
        return RenewalCalls(self._engine, config, deadline)

    def team(self, config: str, snapshot: SnapshotInfo | None, now: datetime) -> list[OwnerWork]:
        """Return what each owner of accounts has at hand, the most ARR at risk first."""
        return team(self._engine, config, snapshot.id if snapshot else None, snapshot.as_of if snapshot else None, now)

    def outlooks(self, config: str) -> Outlooks:
        """Return what was predicted when, by a config's snapshots."""
        return Outlooks(self._engine, config)

    def lists(self, config: str) -> Lists:
        """Return the accounts of one config as lists for people, see `Lists`."""
        return Lists(self._engine, config)

    def views(self, config: str, *, deadline: float | None = None) -> Views:
        """Return the lists that people have put together and named."""
        return Views(self._engine, config, deadline)

    def owners(self, config: str, *, deadline: float | None = None) -> Owners:
        """Return who was chosen by hand to have accounts of one config."""
        return Owners(self._engine, config, deadline)

    def notes(self, config: str, *, deadline: float | None = None) -> Notes:
        """Return the notes on the accounts of one config."""
        return Notes(self._engine, config, deadline)

    def tasks(self, config: str, calendar: Calendar, *, deadline: float | None = None) -> Tasks:
        """Return the tasks on the accounts of one config; `calendar` counts working days, see `Tasks`."""
        return Tasks(self._engine, config, calendar, deadline)

    def runs(self, config: str) -> Runs:
        """Return the runs of one config that are on record."""
        return Runs(self._engine, config)

    def erasure(self, config: str, traces: Traces) -> Erasure:
        """Return what is held of an account or a person of one config."""
        return Erasure(self._engine, config, traces)

    def deliveries(self, config: str) -> Deliveries:
        """Return the deliveries of one config."""
        return Deliveries(self._engine, config)

    def oversight(self, config: str) -> Oversight:
        """Return what whoever looks after the service asks of one config."""
        return Oversight(self._engine, config)

    def judgements(self, config: str, *, deadline: float | None = None) -> Judgements:
        """Return the overrides and feedback on the accounts of one config, see `Judgements`."""
        return Judgements(self._engine, config, deadline)

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def publish(
        self, snapshot: Snapshot, *, now: datetime | None = None, retention: RetentionConfig | None = None
    ) -> int:
        """Publish a snapshot: readers see it whole or not at all, with its explanations.

        It is written in short transactions, between which other writers get their turn, and becomes visible in the
        last one. What a publisher that died has left is never seen, and removed by a later one.

        Parameters
        ----------
        snapshot : Snapshot
            Of its explanations no more than a few hundred are in memory at once.
        now : datetime, optional
            Time of publishing; the snapshot's `scored_at` by default.
        retention : RetentionConfig, optional
            What of older snapshots is forgotten then; by default the features of all but the newest two.

        Returns
        -------
        int
            The snapshot's id.

        Raises
        ------
        StoreError
            The database refused; nothing is kept.
        """
        moment = now or snapshot.scored_at
        made = publish(self._engine, snapshot, moment)
        if retention is None:
            drop_features(self._engine, snapshot.config, RetentionConfig().features)
        else:
            thin(self._engine, snapshot.config, retention, moment)
        return made

    def thin(self, config: str, retention: RetentionConfig, now: datetime) -> Plan:
        """Forget what is older than the rules say; `publish` does so too. Returns what was forgotten."""
        return thin(self._engine, config, retention, now)

    def latest(self, config: str) -> SnapshotInfo | None:
        """Return the snapshot in force: the newest `as_of`, and of those the last published. None before the first."""
        query = (
            select(*SNAPSHOT)
            .where(SnapshotRow.config == config, SnapshotRow.complete)
            .order_by(SnapshotRow.as_of.desc(), SnapshotRow.id.desc())
        )
        with reading(self._engine) as connection:
            row = connection.execute(query.limit(1)).first()
        return None if row is None else SnapshotInfo(*row)

    def snapshot(self, snapshot_id: int) -> SnapshotInfo | None:
        """Return a snapshot by its id, or None."""
        query = select(*SNAPSHOT).where(SnapshotRow.id == snapshot_id, SnapshotRow.complete)
        with reading(self._engine) as connection:
            row = connection.execute(query).first()
        return None if row is None else SnapshotInfo(*row)

    def account(self, snapshot_id: int, account_id: str) -> AccountScore | None:
        """Return one account's score in a snapshot, or None if the snapshot does not have it."""
        query = select(*SCORE).where(ScoreRow.snapshot_id == snapshot_id, ScoreRow.account_id == account_id)
        with reading(self._engine) as connection:
            row = connection.execute(query).first()
        return None if row is None else AccountScore(*row)

    def features(self, snapshot_id: int, account_id: str) -> dict[str, Any] | None:
        """Return what an account was scored from, or None if it is not kept (any more)."""
        query = (
            select(FeaturesRow.features, FeaturesRow.numbers, SnapshotRow.feature_names)
            .join(SnapshotRow, SnapshotRow.id == FeaturesRow.snapshot_id)
            .where(FeaturesRow.snapshot_id == snapshot_id, FeaturesRow.account_id == account_id)
        )
        with reading(self._engine) as connection:
            row = connection.execute(query).first()
        if row is None or row.numbers is None:
            return None if row is None else dict(row.features)
        return named(row.feature_names, unpack_numbers(row.numbers), row.features)

    def explanation(
        self, snapshot_id: int, account_id: str, said_in: Sequence[str] | None = None
    ) -> dict[str, Any] | None:
        """Return the stored explanation of an account in words, or None; see `explanations`."""
        return self.explanations(snapshot_id, [account_id], said_in).get(account_id)

    def explanations(
        self, snapshot_id: int, account_ids: Sequence[str], said_in: Sequence[str] | None = None
    ) -> dict[str, dict[str, Any]]:
        """Return the stored explanations of accounts, by account; where there is none it is left out.

        What is stored are codes; they are put into words here, in the languages `said_in`, by default in all.

        Raises
        ------
        DataError
            One was stored by another version and cannot be read.
        """
        from churnml.explain.stored import worded

        query = select(ExplanationRow.account_id, ExplanationRow.body, ExplanationRow.packed)
        query = query.where(ExplanationRow.snapshot_id == snapshot_id)
        stored: dict[str, dict[str, Any]] = {}
        with reading(self._engine) as connection:
            for start in range(0, len(account_ids), _AT_ONCE):
                some = account_ids[start : start + _AT_ONCE]
                for account, body, packed in connection.execute(query.where(ExplanationRow.account_id.in_(some))):
                    stored[account] = worded(dict(body) if packed is None else unpack_document(packed), said_in)
        return stored

    def all_features(self, snapshot_id: int) -> dict[str, dict[str, Any]]:
        """Return what each account of a snapshot was scored from, by account; empty where it is not kept (any more)."""
        query = (
            select(FeaturesRow.account_id, FeaturesRow.features, FeaturesRow.numbers, SnapshotRow.feature_names)
            .join(SnapshotRow, SnapshotRow.id == FeaturesRow.snapshot_id)
            .where(FeaturesRow.snapshot_id == snapshot_id)
        )
        with reading(self._engine) as connection:
            return {
                row.account_id: dict(row.features)
                if row.numbers is None
                else named(row.feature_names, unpack_numbers(row.numbers), row.features)
                for row in connection.execute(query)
            }

    def departures(self, config: str) -> dict[str, Departed]:
        """Return the accounts that are scored no more, as the newest snapshot of a config knows them."""
        query = select(*_DEPARTED).where(DepartureRow.config == config).order_by(DepartureRow.account_id)
        with reading(self._engine) as connection:
            return {row.account_id: Departed(*row[1:]) for row in connection.execute(query)}

    def departure(self, config: str, account_id: str) -> Departed | None:
        """Return why an account is scored no more, or None where nothing is known of it."""
        query = select(*_DEPARTED).where(DepartureRow.config == config, DepartureRow.account_id == account_id)
        with reading(self._engine) as connection:
            row = connection.execute(query).first()
        return None if row is None else Departed(*row[1:])

    def known_accounts(self, config: str) -> set[str]:
        """Return every account that any snapshot of a config has."""
        query = select(ScoreRow.account_id).join(SnapshotRow).where(SnapshotRow.config == config).distinct()
        with reading(self._engine) as connection:
            return set(connection.execute(query).scalars())

    def near_ids(self, snapshot_id: int, account_id: str) -> list[str]:
        """Return ids of a snapshot that lie near one in the alphabet, or begin alike: to suggest one for a misspelt id.

        Never more than a few hundred, read from the key's index, however many accounts there are.
        """
        query = select(ScoreRow.account_id).where(ScoreRow.snapshot_id == snapshot_id)
        ids: dict[str, None] = {}
        with reading(self._engine) as connection:
            for text in dict.fromkeys((account_id, account_id.strip().lower(), account_id.strip().upper())):
                after = query.where(ScoreRow.account_id >= text).order_by(ScoreRow.account_id)
                before = query.where(ScoreRow.account_id < text).order_by(ScoreRow.account_id.desc())
                for near in (after, before):
                    ids |= dict.fromkeys(connection.execute(near.limit(_NEAR)).scalars())
        return list(ids)

    def account_scores(self, snapshot_id: int, account_ids: Sequence[str]) -> dict[str, AccountScore]:
        """Return the scores of many accounts in a snapshot, by account; those it does not have are left out."""
        query = select(*SCORE).where(ScoreRow.snapshot_id == snapshot_id)
        scores: dict[str, AccountScore] = {}
        with reading(self._engine) as connection:
            for start in range(0, len(account_ids), _AT_ONCE):
                some = account_ids[start : start + _AT_ONCE]
                for row in connection.execute(query.where(ScoreRow.account_id.in_(some))):
                    scores[row.account_id] = AccountScore(*row)
        return scores

    def accounts(
        self,
        snapshot_id: int,
        where: ScoreFilter | None = None,
        *,
        now: datetime | None = None,
        after: int = -1,
        limit: int = 50,
    ) -> Page:
        """Return a page of a snapshot's accounts in the order of expected loss, highest first.

        Parameters
        ----------
        where : ScoreFilter, optional
            Which accounts.
        now : datetime, optional
            The time at which overrides must be in force; without it they are not looked at.
        after : int
            `next_position` of the page before; −1 for the first page.
        limit : int
            Accounts on the page.
        """
        where = where or ScoreFilter()
        wanted = [ScoreRow.snapshot_id == snapshot_id, *conditions(where, now)]
        with reading(self._engine) as connection:
            total = connection.execute(select(func.count()).select_from(ScoreRow).where(*wanted)).scalar_one()
            rows = connection.execute(
                select(*SCORE).where(*wanted, ScoreRow.position > after).order_by(ScoreRow.position).limit(limit + 1)
            ).all()
        found = tuple(AccountScore(*row) for row in rows[:limit])
        return Page(found, int(total), found[-1].position if len(rows) > limit else None)

    def bands(self, snapshot_id: int, *, now: datetime | None = None) -> dict[str, int]:
        """Return how many of a snapshot's accounts are in each band; with `now`, overrides in force count."""
        band = band_in_force(now).label("band")
        counted = select(band, func.count()).where(ScoreRow.snapshot_id == snapshot_id).group_by(band)
        with reading(self._engine) as connection:
            found = {str(name): int(count) for name, count in connection.execute(counted)}
        return {name: found.get(name, 0) for name in BANDS}

    def history(self, config: str, account_id: str, limit: int = 104) -> list[tuple[SnapshotInfo, AccountScore]]:
        """Return an account's scores over time, newest first: of each `as_of` the last published."""
        last = (
            select(func.max(SnapshotRow.id))
            .join(ScoreRow, ScoreRow.snapshot_id == SnapshotRow.id)
            .where(SnapshotRow.config == config, SnapshotRow.complete, ScoreRow.account_id == account_id)
            .group_by(SnapshotRow.as_of)
        )
        query = (
            select(*SNAPSHOT, *SCORE)
            .join(ScoreRow, ScoreRow.snapshot_id == SnapshotRow.id)
            .where(SnapshotRow.id.in_(last), ScoreRow.account_id == account_id)
            .order_by(SnapshotRow.as_of.desc())
            .limit(limit)
        )
        with reading(self._engine) as connection:
            return [pair(row) for row in connection.execute(query)]

    def readings(
        self, config: str, *, before: date, days: int = 120, version: str | None = None
    ) -> list[tuple[str, date, float | None]]:
        """Return ``(account_id, as_of, health_score)`` of the days before a date, of each `as_of` the last one.

        With `version` only what that model version scored: scores of two versions are not one history.
        """
        query = (
            select(ScoreRow.account_id, SnapshotRow.as_of, ScoreRow.health_score)
            .join(SnapshotRow, ScoreRow.snapshot_id == SnapshotRow.id)
            .where(SnapshotRow.id.in_(last_of_each_day(config, before, days, version)))
        )
        with reading(self._engine) as connection:
            return [(account, as_of, score) for account, as_of, score in connection.execute(query)]

    def banded_readings(
        self, config: str, before: date, days: int = 120
    ) -> list[tuple[str, date, float | None, str, float | None]]:
        """Return ``(account_id, as_of, health_score, band, coverage)`` of the days before, the last of each `as_of`."""
        query = (
            select(ScoreRow.account_id, SnapshotRow.as_of, ScoreRow.health_score, ScoreRow.band, ScoreRow.coverage)
            .join(SnapshotRow, ScoreRow.snapshot_id == SnapshotRow.id)
            .where(SnapshotRow.id.in_(last_of_each_day(config, before, days)))
        )
        with reading(self._engine) as connection:
            rows = connection.execute(query)
            return [(account, as_of, score, band, coverage) for account, as_of, score, band, coverage in rows]

    def last_readings(self, config: str, *, before: date, days: int = 120) -> dict[str, date]:
        """Return the last `as_of` at which each account was scored in the days before a date."""
        query = (
            select(ScoreRow.account_id, func.max(SnapshotRow.as_of))
            .join(SnapshotRow, ScoreRow.snapshot_id == SnapshotRow.id)
            .where(SnapshotRow.id.in_(last_of_each_day(config, before, days)))
            .group_by(ScoreRow.account_id)
        )
        with reading(self._engine) as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def replayed_only(self, config: str, *, before: date, days: int = 120) -> set[date] | None:
        """Return the dates in the days before a date whose past was replayed; None where one was scored in its time."""
        ids = last_of_each_day(config, before, days)
        with reading(self._engine) as connection:
            rows = connection.execute(select(SnapshotRow.as_of, SnapshotRow.info).where(SnapshotRow.id.in_(ids))).all()
        return {row.as_of for row in rows} if all(row.info.get("replayed") for row in rows) else None

    def version_at(self, config: str, when: date) -> str | None:
        """Return the model version in force at a date: of the newest snapshot not after it."""
        query = (
            select(SnapshotRow.model_version)
            .where(SnapshotRow.config == config, SnapshotRow.complete, SnapshotRow.as_of <= when)
            .order_by(SnapshotRow.as_of.desc(), SnapshotRow.id.desc())
            .limit(1)
        )
        with reading(self._engine) as connection:
            return connection.execute(query).scalar_one_or_none()

    def audit(self, limit: int = 100) -> list[AuditEntry]:
        """Return the last changes, newest first."""
        query = select(
            AuditRow.at, AuditRow.actor, AuditRow.action, AuditRow.subject, AuditRow.request_id, AuditRow.detail
        )
        with reading(self._engine) as connection:
            return [AuditEntry(*row) for row in connection.execute(query.order_by(AuditRow.id.desc()).limit(limit))]
