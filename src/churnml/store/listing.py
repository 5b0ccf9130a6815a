"""Lists of accounts for people: searched, filtered, sorted and counted in the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import ColumnElement, Engine, Select, and_, case, false, func, or_, select
from sqlalchemy.orm import aliased

from churnml.store.queries import SCORE, last_of_each_day, lots
from churnml.store.records import BANDS, AccountScore
from churnml.store.schema import AccountOwnerRow, OverrideRow, ScoreRow, SnapshotRow
from churnml.store.search import words_of
from churnml.store.writes import reading

__all__ = ["SORTS", "AccountLine", "AccountList", "BandMove", "ListFilter", "ListParts", "Lists"]

SORTS = (
    "loss", "name", "band", "health", "change", "risk", "arr", "ends", "owner", "segment", "plan", "phase",
)  # fmt: skip
"""What a list can be sorted by."""


@dataclass(frozen=True)
class ListFilter:
    """Which accounts of a snapshot to list; an empty tuple or None asks for nothing.

    Parameters
    ----------
    text : str
        Words that the id or the name holds, all of them.
    bands, owners, segments, plans, phases : tuple of str
        One of these; the empty word stands for accounts that have none. The band is the one that a CSM sees.
    ends_within : int, optional
        The contract ends in 0 to so many days.
    seen_by : str, optional
        Only accounts of this owner: what somebody who does not see all may see; of the empty word none.
    """

    text: str = ""
    bands: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    plans: tuple[str, ...] = ()
    phases: tuple[str, ...] = ()
    ends_within: int | None = None
    seen_by: str | None = None


@dataclass(frozen=True)
class AccountLine:
    """One account of a list. Band and owner of `account` are those in force: what was set by hand wins.

    `renewal` is ``auto``, ``manual`` or None; `change_30d` in points of health; `source_owner` is whom the source
    names.
    """

    account: AccountScore
    plan: str | None
    phase: str | None
    contract_ends_on: date | None
    renewal: str | None
    change_30d: float | None
    source_owner: str | None


@dataclass(frozen=True)
class AccountList:
    """A page of a list: its accounts, and how many there are on all pages together, by band as well."""

    lines: tuple[AccountLine, ...]
    total: int
    bands: Mapping[str, int]


@dataclass(frozen=True)
class BandMove:
    """An account whose band is another than it was at an earlier snapshot."""

    line: AccountLine
    before: str
    score_before: float | None


class Lists:
    """The accounts of one config's snapshots, as lists for people."""

    def __init__(self, engine: Engine, config: str) -> None:
        self._engine = engine
        self._config = config

    def accounts(
        self,
        snapshot_id: int,
        as_of: date,
        where: ListFilter,
        now: datetime,
        *,
        sort: str = "loss",
        descending: bool | None = None,
        offset: int = 0,
        limit: int = 50,
    ) -> AccountList:
        """Return a page of a list.

        Parameters
        ----------
        snapshot_id, as_of
            The snapshot.
        where : ListFilter
        now : datetime
            The time at which overrides must be in force.
        sort : str
            One of `SORTS`; unknown values come last either way, and what ties is in the order of expected loss.
        descending : bool, optional
            By default what is worst or largest comes first.
        offset, limit : int
        """
        parts = ListParts(self._config, now)
        wanted = self._wanted(parts, snapshot_id, as_of, where)
        with_bands = self._wanted(parts, snapshot_id, as_of, replace(where, bands=()))
        query = parts.lines().where(*wanted).order_by(*parts.order(sort, descending)).offset(offset).limit(limit)
        by_band = select(parts.band, func.count())
        counted = parts.joined(by_band).where(*with_bands).group_by(parts.band)
        with reading(self._engine) as connection:
            lines = tuple(parts.line(row) for row in connection.execute(query))
            counts = {str(row[0]): int(row[1]) for row in connection.execute(counted)}
        total = sum(count for band, count in counts.items() if not where.bands or band in where.bands)
        return AccountList(lines, total, {band: counts.get(band, 0) for band in BANDS})

    def account(self, snapshot_id: int, account_id: str, now: datetime) -> AccountLine | None:
        """Return one account as a list shows it, or None."""
        return self.some(snapshot_id, [account_id], now).get(account_id)

    def some(self, snapshot_id: int, account_ids: Sequence[str], now: datetime) -> dict[str, AccountLine]:
        """Return accounts as a list shows them, by account; those that the snapshot does not have are left out."""
        parts = ListParts(self._config, now)
        lines: dict[str, AccountLine] = {}
        with reading(self._engine) as connection:
            for some in lots(account_ids):
                query = parts.lines().where(ScoreRow.snapshot_id == snapshot_id, ScoreRow.account_id.in_(some))
                for row in connection.execute(query):
                    line = parts.line(row)
                    lines[line.account.account_id] = line
        return lines

    def choices(self, snapshot_id: int) -> dict[str, list[str]]:
        """Return what a snapshot's accounts can be filtered by: owners, segments, plans, phases, in order.

        It never changes; who was chosen by hand is told by `Owners.chosen`.
        """
        columns = {
            "owners": ScoreRow.owner, "segments": ScoreRow.segment, "plans": ScoreRow.plan, "phases": ScoreRow.phase,
        }  # fmt: skip
        with reading(self._engine) as connection:
            return {
                name: sorted(
                    str(value)
                    for value in connection.execute(
                        select(column).where(ScoreRow.snapshot_id == snapshot_id).distinct()
                    ).scalars()
                    if value
                )
                for name, column in columns.items()
            }

    def moves(
        self, snapshot_id: int, before_id: int, as_of: date, where: ListFilter, now: datetime, limit: int = 10
    ) -> list[BandMove]:
        """Return the accounts whose own band is another than in an earlier snapshot, the largest loss first."""
        parts, earlier = ListParts(self._config, now), aliased(ScoreRow)
        query = (
            parts.lines()
            .add_columns(earlier.band.label("before"), earlier.health_score.label("score_before"))
            .join(earlier, and_(earlier.account_id == ScoreRow.account_id, earlier.snapshot_id == before_id))
            .where(*self._wanted(parts, snapshot_id, as_of, where), earlier.band != ScoreRow.band)
            .order_by(ScoreRow.position)
            .limit(limit)
        )
        with reading(self._engine) as connection:
            return [BandMove(parts.line(row), row.before, row.score_before) for row in connection.execute(query)]

    def before(self, as_of: date, day: date) -> int | None:
        """Return the newest snapshot not after a day, of those before `as_of`; None where there is none."""
        wanted = (
            SnapshotRow.config == self._config, SnapshotRow.complete, SnapshotRow.as_of <= day,
            SnapshotRow.as_of < as_of,
        )  # fmt: skip
        query = select(SnapshotRow.id).where(*wanted).order_by(SnapshotRow.as_of.desc(), SnapshotRow.id.desc())
        with reading(self._engine) as connection:
            return connection.execute(query.limit(1)).scalar()

    def health(
        self, account_ids: Sequence[str], until: date, days: int = 84
    ) -> dict[str, list[tuple[date, float | None]]]:
        """Return the health of accounts over the days up to a date, oldest first, of each `as_of` the last reading."""
        last = last_of_each_day(self._config, until + timedelta(days=1), days + 1)
        readings: dict[str, list[tuple[date, float | None]]] = {}
        with reading(self._engine) as connection:
            ids = list(connection.execute(last).scalars())
            for some in lots(account_ids):
                query = (
                    select(ScoreRow.account_id, SnapshotRow.as_of, ScoreRow.health_score)
                    .join(SnapshotRow, SnapshotRow.id == ScoreRow.snapshot_id)
                    .where(
                        ScoreRow.snapshot_id.in_(ids),
                        ScoreRow.account_id.in_(some),
                    )
                    .order_by(SnapshotRow.as_of)
                )
                for account, as_of, score in connection.execute(query):
                    readings.setdefault(account, []).append((as_of, score))
        return readings

    def _wanted(self, parts: ListParts, snapshot_id: int, as_of: date, where: ListFilter) -> list[ColumnElement[bool]]:
        conditions: list[ColumnElement[bool]] = [ScoreRow.snapshot_id == snapshot_id]
        for word in words_of(where.text):
            plain = or_(
                ScoreRow.account_id.icontains(word, autoescape=True), ScoreRow.name.icontains(word, autoescape=True)
            )
            conditions.append(
                or_(
                    ScoreRow.searched.contains(word, autoescape=True),
                    and_(ScoreRow.searched.is_(None), plain),
                )
            )
        lists: tuple[tuple[Any, tuple[str, ...]], ...] = (
            (parts.band, where.bands), (parts.owner, where.owners), (ScoreRow.segment, where.segments),
            (ScoreRow.plan, where.plans), (ScoreRow.phase, where.phases),
        )  # fmt: skip
        for column, words in lists:
            if words:
                one = column.in_([word for word in words if word])
                conditions.append(or_(one, column.is_(None), column == "") if "" in words else one)
        if where.ends_within is not None:
            last = as_of + timedelta(days=where.ends_within)
            by_days = ScoreRow.days_to_renewal.between(0, where.ends_within)
            conditions.append(
                or_(
                    ScoreRow.contract_ends_on.between(as_of, last),
                    and_(ScoreRow.contract_ends_on.is_(None), by_days),
                )
            )
        if where.seen_by is not None:
            conditions.append(parts.owner == where.seen_by if where.seen_by else false())
        return conditions


class ListParts:
    """Columns of a list as SQL, with what was set by hand in place of what the system and the source say."""

    def __init__(self, config: str, now: datetime) -> None:
        in_force = (
            OverrideRow.config == config,
            OverrideRow.ended_at.is_(None),
            OverrideRow.expires_at > now.astimezone(UTC),
        )
        newest = (
            select(OverrideRow.account_id, func.max(OverrideRow.id).label("id"))
            .where(*in_force)
            .group_by(OverrideRow.account_id)
            .subquery()
        )
        self._newest, self._override, self._config = newest, aliased(OverrideRow), config
        self.band = func.coalesce(self._override.band, ScoreRow.band)
        is_in_force = AccountOwnerRow.source_owner.is_not_distinct_from(ScoreRow.owner)
        chosen = and_(AccountOwnerRow.owner.is_not(None), is_in_force)
        self.owner = case((chosen, AccountOwnerRow.owner), else_=ScoreRow.owner)

    def joined(self, query: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
        """Return a query on scores with what was set by hand beside them."""
        chosen = and_(AccountOwnerRow.config == self._config, AccountOwnerRow.account_id == ScoreRow.account_id)
        return (
            query.select_from(ScoreRow)
            .outerjoin(self._newest, self._newest.c.account_id == ScoreRow.account_id)
            .outerjoin(self._override, self._override.id == self._newest.c.id)
            .outerjoin(AccountOwnerRow, chosen)
        )

    def lines(self) -> Select[*tuple[Any, ...]]:
        """Return the query of what `line` takes."""
        return self.joined(
            select(
                *SCORE,
                ScoreRow.plan,
                ScoreRow.phase,
                ScoreRow.contract_ends_on,
                ScoreRow.renewal,
                ScoreRow.change_30d,
                self.band.label("band_in_force"),
                self.owner.label("owner_in_force"),
                self._override.author.label("judged_by"),
            )
        )

    def line(self, row: Any) -> AccountLine:
        """Return a row as a record."""
        score = AccountScore(*row[: len(SCORE)])
        shown = replace(score, band=row.band_in_force, owner=row.owner_in_force, overridden_by=row.judged_by)
        ends = row.contract_ends_on
        return AccountLine(shown, row.plan, row.phase, ends, row.renewal, row.change_30d, score.owner)

    def order(self, sort: str, descending: bool | None) -> list[Any]:
        """Return the order of a list."""
        if sort == "loss" or sort not in SORTS:
            return [ScoreRow.position.desc() if descending is False else ScoreRow.position.asc()]
        columns: dict[str, tuple[Any, Literal["up", "down"]]] = {
            "name": (func.lower(func.coalesce(ScoreRow.name, ScoreRow.account_id)), "up"),
            "band": (case({band: at for at, band in enumerate(BANDS)}, value=self.band), "up"),
            "health": (ScoreRow.health_score, "up"),
            "change": (ScoreRow.change_30d, "up"),
            "risk": (ScoreRow.churn_probability, "down"),
            "arr": (ScoreRow.arr, "down"),
            "ends": (ScoreRow.contract_ends_on, "up"),
            "owner": (self.owner, "up"),
            "segment": (ScoreRow.segment, "up"),
            "plan": (ScoreRow.plan, "up"),
            "phase": (ScoreRow.phase, "up"),
        }
        column, natural = columns[sort]
        down = natural == "down" if descending is None else descending
        return [column.is_(None), column.desc() if down else column.asc(), ScoreRow.position]
