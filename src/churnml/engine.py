"""Opens the Ibis backend that the config names: DuckDB by default, Spark or a warehouse when outgrown."""

from __future__ import annotations

import uuid
import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from churnml.config import EngineConfig
from churnml.config.secrets import mask_text
from churnml.errors import EngineError, near_name
from churnml.language import Text, one_of
from churnml.memory import share_arena

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa
    from ibis.backends import BaseBackend

__all__ = ["connect", "give_back", "memory_limit", "parquet_table", "stream"]

_DEFAULT_MEMORY = 2_000_000_000

_BYTES = {"bytes": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}

_EXTRAS = {"pyspark": "churnml[spark]", "postgres": "churnml[postgres]"}


def connect(config: EngineConfig, *, temp_dir: Path | None = None) -> BaseBackend:
    """Open the backend that runs the analytics.

    Parameters
    ----------
    config : EngineConfig
        The ``engine`` section: DuckDB in memory, a local or remote Spark session (``options`` are Spark settings such
        as ``spark.master``), or any other Ibis backend (``options`` go to its ``connect``).
    temp_dir : Path, optional
        Where DuckDB and Spark spill what does not fit into memory; made when needed.

    Returns
    -------
    ibis backend
        All times are UTC on it.

    Raises
    ------
    EngineError
        The backend is unknown, is not installed, or refuses.

    Examples
    --------
    >>> backend = connect(EngineConfig(memory_limit="500MB", threads=1))
    >>> backend.name
    'duckdb'
    >>> backend.disconnect()
    """
    share_arena()  # large work begins here, and with it its threads
    if config.backend == "duckdb":
        return _duckdb(config, temp_dir)
    if config.backend == "pyspark":
        return _spark(config, temp_dir)
    return _other(config)


def parquet_table(connection: BaseBackend, file: Path, schema: Mapping[str, str]) -> ir.Table:
    """Return a Parquet file of known columns as a table of the backend.

    On DuckDB nothing is asked for that is known: Ibis would have the columns described and each type parsed. Into a
    database that reads no Parquet files itself, such as PostgreSQL, the rows are copied for as long as the connection
    lasts.

    Parameters
    ----------
    connection : ibis backend
        Reads the file.
    file : Path
        The Parquet file.
    schema : mapping of str to str
        Column → Ibis type, in the order of the file.

    Examples
    --------
    >>> import tempfile
    >>> import pandas as pd
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "plans.parquet"
    ...     pd.DataFrame({"plan": ["basic"], "seats": [3]}).to_parquet(file)
    ...     table = parquet_table(connect(EngineConfig()), file, {"plan": "string", "seats": "int64"})
    ...     table.filter(table.seats > 2).plan.execute().tolist()
    ['basic']
    """
    import ibis
    from ibis.expr import operations

    if connection.name != "duckdb":
        try:
            return connection.read_parquet(str(file))
        except NotImplementedError:
            return _copied(connection, file, schema)

    name = ibis.util.gen_name("read_parquet")
    path = str(file).replace("'", "''")
    connection.con.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS SELECT * FROM read_parquet('{path}')")
    return operations.DatabaseTable(
        name, schema=ibis.schema(dict(schema)), source=connection, namespace=operations.Namespace()
    ).to_expr()


def _copied(connection: BaseBackend, file: Path, schema: Mapping[str, str]) -> ir.Table:
    import ibis
    import pyarrow as pa
    import pyarrow.parquet as pq

    name = ibis.util.gen_name(file.stem)
    table = connection.create_table(name, schema=ibis.schema(dict(schema)), temp=True)
    for batch in pq.ParquetFile(file).iter_batches():
        connection.insert(name, pa.Table.from_batches([batch]))
    return table


def stream(connection: BaseBackend, rows: ir.Table, batch_rows: int = 1_000_000) -> Iterator[pa.RecordBatch]:
    """Yield the rows of an expression on DuckDB batch by batch, so that they need not fit into memory.

    Stands in for Ibis' own ``to_pyarrow_batches``, which in Ibis 12 calls a method that DuckDB 2 no longer has.

    Parameters
    ----------
    connection : ibis backend
        DuckDB.
    rows : ibis table
        What to read.
    batch_rows : int
        Rows of a batch, at most.

    Examples
    --------
    >>> import ibis
    >>> backend = connect(EngineConfig())
    >>> [len(batch) for batch in stream(backend, ibis.range(5).unnest().name("n").as_table(), 4096)]
    [5]
    """
    view = f"stream_{uuid.uuid4().hex}"
    connection.create_view(view, rows)
    duckdb = connection.con
    try:
        yield from duckdb.sql(f"SELECT * FROM {view}").to_arrow_reader(batch_rows)
    finally:
        duckdb.execute(f"DROP VIEW {view}")


def give_back(connection: BaseBackend, config: EngineConfig) -> None:
    """Have DuckDB return the memory that its queries are done with to the operating system; others keep theirs.

    It holds freed blocks for its next query, and does not count them. Told its limit anew, it lets go of them.
    """
    if connection.name == "duckdb":
        connection.con.execute(f"SET memory_limit = '{config.options.get('memory_limit', config.memory_limit)}'")


def memory_limit(connection: BaseBackend) -> int:
    """Return how many bytes the engine may use before it spills; our own arrays keep to the same number.

    Parameters
    ----------
    connection : ibis backend
        DuckDB tells its own limit, which `engine.memory_limit` set; for other engines it is the config's default.

    Examples
    --------
    >>> memory_limit(connect(EngineConfig(memory_limit="500MB"))) // 1_000_000
    499
    """
    if connection.name != "duckdb":
        return _DEFAULT_MEMORY
    # DuckDB says it with one decimal, rounded down.
    number, unit = str(connection.con.execute("SELECT current_setting('memory_limit')").fetchall()[0][0]).split()
    return int(float(number) * _BYTES[unit])


def _duckdb(config: EngineConfig, temp_dir: Path | None) -> BaseBackend:
    import duckdb
    import ibis

    # Ibis itself sets the session to UTC.
    settings: dict[str, str | int | bool] = {
        "memory_limit": config.memory_limit,
        "preserve_insertion_order": False,
    }
    if config.threads is not None:
        settings["threads"] = config.threads
    if temp_dir is not None:
        settings["temp_directory"] = str(temp_dir)
    try:
        backend = ibis.duckdb.connect(**{**settings, **config.options})
        # Standard output belongs to the answer. In a notebook without ipywidgets there is no bar to turn off, and
        # DuckDB refuses to try.
        with suppress(duckdb.InvalidInputException):
            backend.con.execute("SET enable_progress_bar = false")
        return backend
    except duckdb.Error as error:
        raise EngineError(
            Text.of("fault-duckdb_start"),
            where="engine",
            got=mask_text(str(error).splitlines()[0], map(str, config.options.values())),
            code="engine.refused",
        ) from error


def _spark(config: EngineConfig, temp_dir: Path | None) -> BaseBackend:
    import ibis

    try:
        with warnings.catch_warnings():
            # pyspark 4 warns on import that it does not know pandas 3 yet.
            warnings.simplefilter("ignore", FutureWarning)
            from pyspark.errors import PySparkException
            from pyspark.sql import SparkSession

            builder = SparkSession.builder.appName("churnml")
            limit = config.memory_limit.upper().replace("GB", "g").replace("MB", "m")
            settings: dict[str, str | int | bool] = {
                "spark.sql.session.timeZone": "UTC",
                "spark.ui.enabled": "false",
                "spark.driver.memory": limit,
                # Answers keep to the limit already, a part of the accounts at a time; Spark's own is 1 GB.
                "spark.driver.maxResultSize": limit,
            }
            if temp_dir is not None:
                settings["spark.local.dir"] = str(temp_dir)
            for name, value in {**settings, **config.options}.items():
                builder = builder.config(name, value)
            if "spark.master" not in config.options and "spark.remote" not in config.options:
                builder = builder.master(f"local[{config.threads or '*'}]")
            return ibis.pyspark.connect(builder.getOrCreate())
    except ImportError as error:
        raise _not_installed("pyspark", error) from error
    except (PySparkException, RuntimeError) as error:
        raise EngineError(
            Text.of("fault-spark_start"),
            where="engine",
            got=mask_text(str(error).splitlines()[0], map(str, config.options.values())),
            code="engine.refused",
        ) from error


def _other(config: EngineConfig) -> BaseBackend:
    import ibis
    from ibis.backends import BaseBackend

    known = sorted(point.name for point in ibis.util.backend_entry_points())
    if config.backend not in known:
        near = near_name(config.backend, known)
        raise EngineError(
            Text.of("fault-no_engine", backend=repr(config.backend)),
            where="engine.backend",
            expected=one_of(known, near),
            code="engine.unknown",
        )
    try:
        backend = getattr(ibis, config.backend).connect(**config.options)
    except ImportError as error:
        raise _not_installed(config.backend, error) from error
    except Exception as error:  # every driver has its own exceptions
        raise EngineError(
            Text.of("fault-engine_refused", backend=repr(config.backend), kind=config.backend),
            where="engine",
            got=mask_text((str(error).splitlines() or [type(error).__name__])[0], map(str, config.options.values())),
            code="engine.refused",
        ) from error
    assert isinstance(backend, BaseBackend)
    return backend


def _not_installed(backend: str, error: ImportError) -> EngineError:
    package = _EXTRAS.get(backend, f"ibis-framework[{backend}]")
    return EngineError(
        Text.of("fault-engine_missing", backend=repr(backend), package=package),
        where="engine.backend",
        got=str(error).splitlines()[0],
        code="engine.not_installed",
    )
