"""Reads what was published: snapshots, scores, what accounts were scored from, explanations, and readings over time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, Row, func, select

from churnml.explain.composition import Composition
from churnml.explain.lifetime import Lifetime
from churnml.store.compositions import unpacked_composition
from churnml.store.curves import unpacked_curve
from churnml.store.packing import named, unpack_document, unpack_numbers, unpacked_matrix
from churnml.store.queries import SCORE, SNAPSHOT, band_in_force, conditions, last_of_each_day, lots, pair
from churnml.store.records import BANDS, AccountScore, Departed, Page, ScoreFilter, SnapshotInfo
from churnml.store.schema import CurveRow, DepartureRow, ExplanationRow, FeaturesRow, ScoreRow, SnapshotRow
from churnml.store.writes import reading

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PublishedScores"]

_NEAR = 60
"""Ids before and after a misspelt one among which the near one is looked for."""

_DEPARTED = (DepartureRow.account_id, DepartureRow.last_as_of, DepartureRow.why, DepartureRow.since)


class PublishedScores:
    """The reading side of a `Store`: nothing here writes."""

    _engine: Engine

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
        return None if row is None else _scored_from(row)

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

        stored = self._documents(snapshot_id, account_ids)
        return {account: worded(document, said_in) for account, document in stored}

    def briefs(self, snapshot_id: int, account_ids: Sequence[str], language: str) -> dict[str, dict[str, Any]]:
        """Return of `explanations` in one language what lists and tools are told, see `churnml.explain.stored.brief`.

        Raises
        ------
        DataError
            As `explanations`.
        """
        from churnml.explain.stored import brief

        stored = self._documents(snapshot_id, account_ids)
        return {account: brief(document, language) for account, document in stored}

    def _documents(self, snapshot_id: int, account_ids: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        """Give the stored explanations of accounts, each unpacked when it is asked for."""
        query = select(ExplanationRow.account_id, ExplanationRow.body, ExplanationRow.packed)
        query = query.where(ExplanationRow.snapshot_id == snapshot_id)
        with reading(self._engine) as connection:
            for some in lots(account_ids):
                for account, body, packed in connection.execute(query.where(ExplanationRow.account_id.in_(some))):
                    yield account, dict(body) if packed is None else unpack_document(packed)

    def curve(self, snapshot_id: int, account_id: str) -> Lifetime | None:
        """Return when an account will be lost, or None where no model told it, or it is not kept (any more).

        Raises
        ------
        DataError
            It was stored by another version and cannot be read.
        """
        query = select(CurveRow.packed).where(CurveRow.snapshot_id == snapshot_id, CurveRow.account_id == account_id)
        with reading(self._engine) as connection:
            packed = connection.execute(query).scalar()
        return None if packed is None else unpacked_curve(packed)

    def all_features(self, snapshot_id: int) -> dict[str, dict[str, Any]]:
        """Return what each account of a snapshot was scored from, by account; empty where it is not kept (any more)."""
        query = (
            select(FeaturesRow.account_id, FeaturesRow.features, FeaturesRow.numbers, SnapshotRow.feature_names)
            .join(SnapshotRow, SnapshotRow.id == FeaturesRow.snapshot_id)
            .where(FeaturesRow.snapshot_id == snapshot_id)
        )
        with reading(self._engine) as connection:
            return {row.account_id: _scored_from(row) for row in connection.execute(query)}

    def features_frame(self, snapshot_id: int) -> pd.DataFrame:
        """Return what each account of a snapshot was scored from: ``account_id`` and its features; empty if not kept.

        As `all_features`, for whole snapshots: a hundred thousand accounts take no object each.
        """
        import pandas as pd

        query = select(FeaturesRow.account_id, FeaturesRow.features, FeaturesRow.numbers)
        with reading(self._engine) as connection:
            rows = connection.execute(query.where(FeaturesRow.snapshot_id == snapshot_id)).all()
            named = select(SnapshotRow.feature_names).where(SnapshotRow.id == snapshot_id)
            names = connection.execute(named).scalar_one_or_none() or []
        accounts = [row.account_id for row in rows]
        if not rows or any(row.numbers is None for row in rows):
            return pd.DataFrame([{"account_id": row.account_id, **row.features} for row in rows])
        words = pd.DataFrame([row.features for row in rows])
        numeric = [name for name in names if name not in words]
        numbers = pd.DataFrame(unpacked_matrix([row.numbers for row in rows], len(numeric)), columns=numeric)
        return pd.concat([pd.Series(accounts, name="account_id", dtype="str"), numbers, words], axis=1)

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
            for some in lots(account_ids):
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
        accounts = tuple(AccountScore(*row) for row in rows[:limit])
        return Page(accounts, int(total), accounts[-1].position if len(rows) > limit else None)

    def bands(self, snapshot_id: int, *, now: datetime | None = None) -> dict[str, int]:
        """Return how many of a snapshot's accounts are in each band; with `now`, overrides in force count."""
        band = band_in_force(now).label("band")
        counted = select(band, func.count()).where(ScoreRow.snapshot_id == snapshot_id).group_by(band)
        with reading(self._engine) as connection:
            counts = {str(name): int(count) for name, count in connection.execute(counted)}
        return {name: counts.get(name, 0) for name in BANDS}

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

    def compositions(self, account_id: str, snapshots: Sequence[SnapshotInfo]) -> dict[int, Composition]:
        """Return what an account's health score was made of, by snapshot; where it is not kept it is left out."""
        names = {one.id: one.info.get("composition") for one in snapshots}
        query = select(ScoreRow.snapshot_id, ScoreRow.composition).where(
            ScoreRow.account_id == account_id, ScoreRow.composition.is_not(None)
        )
        compositions: dict[int, Composition] = {}
        with reading(self._engine) as connection:
            for some in lots([one for one, known in names.items() if known]):
                for at, packed in connection.execute(query.where(ScoreRow.snapshot_id.in_(some))):
                    assert packed is not None
                    compositions[at] = unpacked_composition(packed, names[at] or ())
        return compositions

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


def _scored_from(row: Row[Any]) -> dict[str, Any]:
    """Return features by name, of a row of any layout that was ever kept."""
    if row.numbers is None:
        return dict(row.features)
    return named(row.feature_names, unpack_numbers(row.numbers), row.features)
