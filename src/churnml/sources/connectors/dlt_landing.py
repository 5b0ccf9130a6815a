"""Lands rows through dlt: in a DuckDB file, or in another of its destinations that speaks SQL."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from churnml.errors import UsageError, WorkspaceError
from churnml.language import Text
from churnml.sources.connectors.landing import Batch, Position
from churnml.sources.connectors.rows import Row
from churnml.sources.connectors.tool import Kind
from churnml.sources.connectors.views import views_of

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["DltLanding"]

_DATASET = "landed"
_POSITIONS = TypeAdapter(dict[str, Position])
_NEVER = 0
"""Covered until 1970: nothing was fetched before, so nothing is late."""


class DltLanding:
    """The tables of one source, each with every version of its records.

    Parameters
    ----------
    name : str
        Of the source; names dlt's pipeline.
    file : Path or None
        The DuckDB file; None where a `destination` is named.
    destination : str or None
        Another destination of dlt, which finds its login in the environment.
    folder : Path
        Where dlt keeps what is under way.

    Raises
    ------
    UsageError
        dlt is not installed.
    """

    def __init__(self, name: str, *, file: Path | None, destination: str | None, folder: Path) -> None:
        dlt = _dlt()
        self._dlt = dlt
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._schema: Any = None
        self._views = "main" if destination is None else _DATASET
        made: Any = (
            dlt.destinations.duckdb(str(file), naming_convention="direct")
            if destination is None
            else dlt.destination(destination, destination_type=destination, naming_convention="direct")
        )
        with _destination_faults(name):
            self._pipeline = dlt.pipeline(
                f"churnml_{name or 'source'}", pipelines_dir=str(folder), destination=made, dataset_name=_DATASET
            )

    def positions(self) -> dict[str, Position]:
        """Return how far each object has been fetched; what an interrupted pull left half landed is landed first."""
        with _destination_faults(self._pipeline.pipeline_name):
            if self._pipeline.has_pending_data:
                self._pipeline.normalize()
                self._pipeline.load()
            self._pipeline.sync_destination()
            saved = self._pipeline.state.get("sources", {}).get(_DATASET, {}).get("positions", {})
        return _POSITIONS.validate_python(saved)

    def columns(self, table: str) -> dict[str, str]:
        """Return the columns that a table has already: casefolded name → as it is spelt."""
        if not self._pipeline.default_schema_name:
            return {}
        if self._schema is None:
            self._schema = self._pipeline.default_schema.tables
        columns = self._schema.get(f"{table}_versions", {}).get("columns", {})
        return {name.casefold(): name for name in columns if not name.startswith(("_landed", "_dlt"))}

    def land(self, batch: Batch, positions: Mapping[str, Position]) -> dict[str, int]:
        """Land rows and positions together; returns how many rows of each table were not there yet."""
        landing = uuid.uuid4().hex[:12]
        tables = {
            name: _as_arrow(rows, self.columns(name), batch, name, landing) for name, rows in batch.rows.items() if rows
        }
        saved = _POSITIONS.dump_python(dict(positions), mode="json")
        dlt = self._dlt

        def positions_alone() -> Iterator[Any]:
            dlt.current.source_state()["positions"] = saved
            yield from ()

        def one(table: pa.Table) -> Iterator[pa.Table]:
            yield table

        resources = [
            dlt.resource(
                one,
                name=f"{name}_versions",
                primary_key="_landed_key",
                write_disposition={"disposition": "merge", "strategy": "insert-only"},
            )(table)
            for name, table in tables.items()
        ]
        resources.append(dlt.resource(positions_alone, name="positions")())

        with _destination_faults(self._pipeline.pipeline_name):
            self._pipeline.run(dlt.source(lambda: resources, name=_DATASET)(), loader_file_format="parquet")
            self._schema = None
            return self._counted(list(tables), landing)

    def _counted(self, tables: Sequence[str], landing: str) -> dict[str, int]:
        """Return how many rows of a landing are in each table: those that were not there before."""
        counts = {}
        if tables:
            with self._pipeline.sql_client() as client:
                for table in tables:
                    place = client.make_qualified_table_name(f"{table}_versions")
                    rows = client.execute_sql(f"SELECT count(*) FROM {place} WHERE _landed_in = %s", landing)
                    counts[table] = int(rows[0][0]) if rows else 0
        return counts

    def lay_views(self, kinds: Sequence[Kind]) -> None:
        """Lay out what presets read: the newest version of every record, and the history of those that have one."""
        with _destination_faults(self._pipeline.pipeline_name), self._pipeline.sql_client() as client:
            for kind in kinds:
                columns = list(self.columns(kind.name).values())
                if columns:
                    place = client.make_qualified_table_name(f"{kind.name}_versions")
                    for statement in views_of(kind, columns, place, self._views):
                        client.execute_sql(statement)

    def close(self) -> None:
        """Let go of dlt's pipeline."""
        self._pipeline.deactivate()


def _as_arrow(rows: Sequence[Row], spelt: Mapping[str, str], batch: Batch, table: str, landing: str) -> pa.Table:
    """Return rows as a table of text, in the spelling that the landed table has already."""
    import pyarrow as pa

    names: dict[str, str] = dict(spelt)
    for row in rows:
        for name in row.values:
            names.setdefault(name.casefold(), name)
    values: dict[str, list[str | None]] = {column: [None] * len(rows) for column in names.values()}
    for place, row in enumerate(rows):
        for name, value in row.values.items():
            values[names[name.casefold()]][place] = value
    time = pa.timestamp("us", tz="UTC")
    count = len(rows)
    covered: Any = batch.covered.get(table, _NEVER)
    return pa.table(
        {
            **{name: pa.array(column, pa.string()) for name, column in values.items()},
            "_landed_key": pa.array([row.key for row in rows], pa.string()),
            "_landed_id": pa.array([row.id for row in rows], pa.string()),
            "_landed_version_at": pa.array([row.version_at for row in rows], time),
            "_landed_created_at": pa.array([row.created_at for row in rows], time),
            "_landed_at": pa.array([batch.arrived_at] * count, time),
            "_landed_covered_until": pa.array([covered] * count, time),
            "_landed_no": pa.array(range(count), pa.int64()),
            "_landed_in": pa.array([landing] * count, pa.string()),
        }
    )


def _dlt() -> Any:
    """Import dlt, quiet and without telemetry."""
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    os.environ.setdefault("RUNTIME__LOG_LEVEL", "ERROR")
    for setting in ("LOAD__DELETE_COMPLETED_JOBS", "LOAD__TRUNCATE_STAGING_DATASET"):
        os.environ.setdefault(setting, "true")  # customers' data stands in one place only
    try:
        import dlt
    except ImportError:
        raise UsageError(Text.of("fault-connect_extra"), code="usage.extra") from None
    return dlt


@contextmanager
def _destination_faults(name: str) -> Iterator[None]:
    """Turn what dlt cannot do into one message; a login of the destination is never shown."""
    from dlt.common.exceptions import DltException

    from churnml.config import mask_text

    try:
        yield
    except DltException as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        raise WorkspaceError(
            Text.of("fault-landing"),
            where=name,
            got=mask_text((str(cause).splitlines() or [type(cause).__name__])[0][:300]),
            code="workspace.landing",
        ) from error
