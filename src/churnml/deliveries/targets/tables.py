"""A flat table for BI: one row an account, and its history; as files anywhere, or in a database that Ibis opens."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from churnml.config.deliveries import TableTarget
from churnml.deliveries.adapter import Adapter, Context, Finding, Manner, Record, accepted, refused
from churnml.deliveries.faults import Fault, Interruption, Lost
from churnml.deliveries.gateway import Request
from churnml.deliveries.values import KINDS, account_values, mapped
from churnml.reports.spreadsheets import neutralised
from churnml.store import DeliveryOutcome, SnapshotInfo, Store

if TYPE_CHECKING:
    import pandas as pd
    from sqlalchemy import Engine

__all__ = ["FlatTable"]

_PAGE = 1000
_TRANSACTIONAL = ("postgres", "postgresql", "sqlite", "mysql", "mariadb", "mssql", "oracle")
"""Databases that SQLAlchemy writes to in one transaction; the others are Ibis's."""
_SQLITE_FILES = (".sqlite", ".sqlite3", ".db")
"""Ends of files that Ibis would open as SQLite, whose statements it cannot all translate: they go SQLAlchemy's way."""
_DELETE = "DELETE FROM {table} WHERE snapshot_on = CAST('{day}' AS TIMESTAMP)"


class FlatTable(Adapter):
    """Writes whole scorings: the newest into the table, each into the history. Writing one again changes nothing."""

    topics: Mapping[str, Manner] = {"snapshot": Manner()}

    def __init__(self, context: Context, section: TableTarget, store: Store, base: Path) -> None:
        self.section, self.store, self.base = section, store, base
        super().__init__(context)

    def write(self, topic: str, records: Sequence[Record]) -> Sequence[DeliveryOutcome]:
        """Write one scoring."""
        (record,) = records
        snapshot = self.store.snapshot(int(record.delivery.wanted["snapshot"]))
        if snapshot is None:
            return [refused("forgotten", "the store does not keep this scoring any more")]
        newest = self.store.latest(self.context.config)
        is_newest = newest is not None and newest.id == snapshot.id
        try:
            if self.section.folder is not None:
                self._files(snapshot, is_newest)
            else:
                self._database(snapshot, is_newest)
        except Interruption:
            raise
        except (PermissionError, FileNotFoundError, ImportError, ModuleNotFoundError) as error:
            raise Fault("place", self.gateway.masked(str(error))) from None
        except Exception as error:
            # Drivers of a dozen databases and stores raise what they like; all of it may pass.
            raise Lost("not_written", self.gateway.masked(f"{type(error).__name__}: {error}")[:300]) from None
        return [accepted()]

    def check(self) -> Iterator[Finding]:
        """Write an empty file and remove it, or open the database and compare its columns; no row is changed."""
        try:
            yield from self._checked_folder() if self.section.folder is not None else self._checked_database()
        except Interruption:
            raise
        except Exception as error:
            # As in `write`: drivers raise what they like.
            said = self.gateway.masked(f"{type(error).__name__}: {error}")[:300]
            yield self.finding(False, said, "Correct folder or connection, or the rights of its user.")

    def _checked_folder(self) -> Iterator[Finding]:
        folder, mark = str(self.section.folder).removeprefix("file://"), f".churnml-check-{os.getpid()}"
        if "://" in folder:
            from fsspec.core import url_to_fs  # type: ignore[import-untyped]

            where = f"{folder.rstrip('/')}/{mark}"
            self.gateway.show(Request("PUT", where, {}, None))
            files, path = url_to_fs(where)
            files.makedirs(files._parent(path), exist_ok=True)
            files.pipe_file(path, b"")
            files.rm_file(path)
        else:
            place = self.base / Path(folder).expanduser()
            self.gateway.show(Request("PUT", str(place / mark), {}, None))
            place.mkdir(parents=True, exist_ok=True)
            (place / mark).write_bytes(b"")
            (place / mark).unlink()
            folder = str(place)
        yield self.finding(True, f"{folder} can be written to")

    def _checked_database(self) -> Iterator[Finding]:
        url, name = self.secret(self.section.connection), self.section.name
        self.gateway.show(Request("SQL", url, {}, f"the columns of {name}"))
        # The table itself is made anew, but for warehouses; a history keeps the columns that it began with.
        is_anew = (
            _sql_address(url) is not None or url.partition(":")[0] == "duckdb" or url.endswith((".duckdb", ".ddb"))
        )
        tables = [*([] if is_anew else [name]), *([f"{name}_history"] if self.section.history else [])]
        columns = _columns_there(url, tables)
        yield self.finding(True, "the database opens")
        wanted = list(self.section.columns_wanted())
        for table, there in columns.items():
            if there is None:
                yield self.finding(True, f"{table}: is not there yet and will be made")
                continue
            lacking = [one for one in wanted if one not in there]
            what = f"{table}: lacks " + ", ".join(lacking) if lacking else f"{table}: has every column"
            yield self.finding(
                not lacking, what, f"Add the columns to {table}, or name the table anew (`name`)." if lacking else None
            )

    def frame(self, snapshot: SnapshotInfo) -> pd.DataFrame:
        """Return a scoring, one row an account, with the columns of the config."""
        import pandas as pd

        columns = self.section.columns_wanted()
        rows, after = [], -1
        while True:
            page = self.store.accounts(snapshot.id, after=after, limit=_PAGE)
            ids = [account.account_id for account in page.accounts]
            explanations = self.store.briefs(snapshot.id, ids, self.context.language)
            for account in page.accounts:
                values = account_values(
                    account, snapshot, explanations.get(account.account_id), language=self.context.language
                )
                rows.append(mapped(columns, values))
            if page.next_position is None:
                break
            after = page.next_position
        frame = pd.DataFrame(rows, columns=list(columns))
        for name, field in columns.items():
            kind = KINDS[field.value]
            if kind == "number":
                frame[name] = frame[name].astype("float64")
            elif kind == "text":
                frame[name] = frame[name].astype("str").where(frame[name].notna(), None)
            else:
                frame[name] = pd.to_datetime(frame[name], utc=kind == "datetime").astype(
                    "datetime64[us, UTC]" if kind == "datetime" else "datetime64[us]"
                )
        return frame

    def _files(self, snapshot: SnapshotInfo, is_newest: bool) -> None:
        name, kind = self.section.name, self.section.format
        places = [f"{name}.{kind}"] if is_newest else []
        if self.section.history:
            places.append(f"{name}_history/as_of={snapshot.as_of.isoformat()}.{kind}")
        if not places:
            return
        data: bytes | None = None
        for place in places:
            data = data if data is not None else self._bytes(snapshot)
            self._put(place, data)

    def _bytes(self, snapshot: SnapshotInfo) -> bytes:
        frame = self.frame(snapshot)
        buffer = io.BytesIO()
        if self.section.format == "parquet":
            frame.to_parquet(buffer, index=False)
        else:
            texts = [name for name, field in self.section.columns_wanted().items() if KINDS[field.value] == "text"]
            frame[texts] = frame[texts].map(neutralised)
            frame.to_csv(buffer, index=False, encoding="utf-8", lineterminator="\n")
        return buffer.getvalue()

    def _put(self, place: str, data: bytes) -> None:
        """Put a file whole or not at all: renamed on a disk, one request in an object store."""
        folder = str(self.section.folder).removeprefix("file://")
        if "://" in folder:
            where = f"{folder.rstrip('/')}/{place}"
            self._shown(where, data)
            from fsspec.core import url_to_fs

            files, path = url_to_fs(where)
            # Stores have no folders; network shares and disks behind an address do.
            files.makedirs(files._parent(path), exist_ok=True)
            files.pipe_file(path, data)
            return
        target = (self.base / Path(folder).expanduser()) / place
        self._shown(str(target), data)
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            beside.write_bytes(data)
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)

    def _shown(self, where: str, data: bytes) -> None:
        if self.section.format == "csv":
            text = "\n".join(data.decode().splitlines()[:6])
        else:
            text = f"{len(data)} bytes of Parquet: {', '.join(self.section.columns_wanted())}"
        self.gateway.show(Request("PUT", where, {}, text))

    def _database(self, snapshot: SnapshotInfo, is_newest: bool) -> None:
        import pandas as pd

        frame = self.frame(snapshot)
        url, name = self.secret(self.section.connection), self.section.name
        self.gateway.show(Request("SQL", url, {}, f"{name}: {len(frame)} rows of {', '.join(frame.columns)}"))
        wanted = {name: frame} if is_newest else {}
        history = frame.assign(snapshot_on=pd.Timestamp(snapshot.as_of)) if self.section.history else None
        if (address := _sql_address(url)) is not None:
            _into_sql(address, wanted, f"{name}_history", history, snapshot)
            return
        connection = _opened(url)
        try:
            into = _into_duckdb if connection.name == "duckdb" else _into
            into(connection, wanted, f"{name}_history", history, snapshot)
        finally:
            connection.disconnect()


def _sql_address(url: str) -> str | None:
    """Return the address under which SQLAlchemy knows a database, or None for one that is Ibis's.

    Examples
    --------
    >>> _sql_address("/data/bi.sqlite"), _sql_address("postgres://u@h/x"), _sql_address("duckdb://bi.duckdb")
    ('sqlite:////data/bi.sqlite', 'postgres://u@h/x', None)
    """
    if "://" not in url and url.endswith(_SQLITE_FILES):
        return f"sqlite:///{url}"
    return url if url.partition(":")[0].partition("+")[0] in _TRANSACTIONAL else None


def _opened(url: str) -> Any:
    """Return Ibis's connection to a database, or a fault for an address that it does not know."""
    import ibis

    try:
        return ibis.connect(url)
    except ValueError as error:
        if "Don't know how to connect" not in str(error):
            raise
        raise Fault(
            "place", "no database is known by this address; it begins with e.g. duckdb:// or postgres://"
        ) from None


def _columns_there(url: str, names: Sequence[str]) -> dict[str, Sequence[str] | None]:
    """Return the columns of tables; None for one that is not there."""
    if (address := _sql_address(url)) is not None:
        from sqlalchemy import inspect

        engine = _engine(address)
        try:
            seen = inspect(engine)
            return {name: [one["name"] for one in seen.get_columns(name)] if seen.has_table(name) else None
                    for name in names}  # fmt: skip
        finally:
            engine.dispose()
    connection = _opened(url)
    try:
        if connection.name == "duckdb":
            seen = connection.con.execute("SELECT table_name, column_name FROM information_schema.columns").fetchall()
            return {name: [column for table, column in seen if table == name] or None for name in names}
        known = connection.list_tables()
        return {name: list(connection.table(name).columns) if name in known else None for name in names}
    finally:
        connection.disconnect()


def _engine(url: str) -> Engine:
    from sqlalchemy import create_engine, make_url

    parsed = make_url(url)
    if parsed.get_backend_name() in ("postgres", "postgresql"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    return create_engine(parsed, hide_parameters=True)


def _into_sql(
    url: str, wanted: Mapping[str, pd.DataFrame], past: str, history: pd.DataFrame | None, of: SnapshotInfo
) -> None:
    """Put a scoring into a database with transactions, all of it or nothing."""
    from sqlalchemy import MetaData, Table, delete, inspect

    engine = _engine(url)
    try:
        with engine.begin() as connection:
            for name, frame in wanted.items():
                frame.to_sql(name, connection, if_exists="replace", index=False)
            if history is not None:
                if inspect(connection).has_table(past):
                    table = Table(past, MetaData(), autoload_with=connection)
                    day = datetime.combine(of.as_of, time())
                    connection.execute(delete(table).where(table.c.snapshot_on == day))
                history.to_sql(past, connection, if_exists="append", index=False)
    finally:
        engine.dispose()


def _into(
    connection: Any, wanted: Mapping[str, pd.DataFrame], past: str, history: pd.DataFrame | None, of: SnapshotInfo
) -> None:
    """Put a scoring into a warehouse, statement by statement: written again after a failure, it comes to the same."""
    import sqlglot

    known = connection.list_tables()
    for name, frame in {**wanted, **({} if history is None else {past: history})}.items():
        if name not in known:
            connection.create_table(name, frame)
            continue
        table = sqlglot.exp.to_identifier(name, quoted=True).sql(dialect=connection.dialect)
        statement = _DELETE.format(table="t", day=of.as_of.isoformat()) if name == past else "DELETE FROM t WHERE TRUE"
        query = sqlglot.parse_one(statement).sql(dialect=connection.dialect)
        connection.raw_sql(query.replace("DELETE FROM t ", f"DELETE FROM {table} ", 1))
        connection.insert(name, frame)


def _into_duckdb(
    connection: Any, wanted: Mapping[str, pd.DataFrame], past: str, history: pd.DataFrame | None, of: SnapshotInfo
) -> None:
    """Put a scoring into DuckDB, all of it or nothing."""
    connection = connection.con
    connection.execute("BEGIN")
    try:
        for name, frame in wanted.items():
            connection.register("churnml_written", frame)
            connection.execute(f'CREATE OR REPLACE TABLE "{name}" AS SELECT * FROM churnml_written')
            connection.unregister("churnml_written")
        if history is not None:
            connection.register("churnml_written", history)
            connection.execute(f'CREATE TABLE IF NOT EXISTS "{past}" AS SELECT * FROM churnml_written LIMIT 0')
            connection.execute(_DELETE.format(table=f'"{past}"', day=of.as_of.isoformat()))
            connection.execute(f'INSERT INTO "{past}" BY NAME SELECT * FROM churnml_written')
            connection.unregister("churnml_written")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
