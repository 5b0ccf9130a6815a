"""The canonical tables of one company, as Ibis expressions on one backend."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from churnml.errors import DataError
from churnml.language import Text
from churnml.tables import knowledge
from churnml.tables.schema import TABLES, DType

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd
    from ibis.backends import BaseBackend

__all__ = ["Tables", "ibis_types"]


@dataclass(frozen=True)
class Tables(Mapping[str, "ir.Table"]):
    """The canonical tables of one company.

    Each table has every canonical column in order (one that the source did not supply is null throughout),
    and perhaps extra account attributes behind them. A table the company does not have is absent.

    Parameters
    ----------
    expressions : mapping of str to ibis table
        Canonical name → expression; all on `connection`.
    connection : ibis backend
        Where the expressions run.
    observed_from, observed_until : date
        The data says what happened in ``[observed_from, observed_until)``.
    supplied : mapping of str to frozenset of str
        Canonical columns the source really supplied, per table. A feature that needs another one is off.
    """

    expressions: Mapping[str, ir.Table]
    connection: BaseBackend
    observed_from: date
    observed_until: date
    supplied: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def __getitem__(self, name: str) -> ir.Table:
        try:
            return self.expressions[name]
        except KeyError:
            raise DataError(
                Text.of("fault-no_table", name=repr(name), names=", ".join(self.expressions)), where=f"tables.{name}"
            ) from None

    def __contains__(self, name: object) -> bool:
        return name in self.expressions

    def __iter__(self) -> Iterator[str]:
        return iter(self.expressions)

    def __len__(self) -> int:
        return len(self.expressions)

    def has(self, table: str, *columns: str) -> bool:
        """Tell whether the company has a table and really supplied the columns."""
        return table in self.expressions and set(columns) <= self.supplied.get(table, frozenset())

    def known_before(self, as_of: date) -> Tables:
        """Return the company as it was known just before a date: later facts gone, later revelations blank.

        Parameters
        ----------
        as_of : date
            Midnight UTC.
        """
        cut = {
            name: knowledge.rows_known_before(table, name, as_of, begun=False)
            for name, table in self.expressions.items()
        }
        return Tables(
            expressions=cut,
            connection=self.connection,
            observed_from=self.observed_from,
            observed_until=as_of,
            supplied=self.supplied,
        )

    @classmethod
    def from_pandas(
        cls,
        frames: Mapping[str, pd.DataFrame],
        *,
        connection: BaseBackend | None = None,
        observed_from: date | None = None,
        observed_until: date | None = None,
    ) -> Tables:
        """Make tables of canonical pandas frames, e.g. in tests and notebooks.

        Columns that are absent become null, ``known_at`` defaults to the fact's own time. Nothing is checked:
        raw data goes through `churnml.sources` instead.

        Parameters
        ----------
        frames : mapping of str to DataFrame
            Canonical name → frame with (some of) the canonical columns.
        connection : ibis backend, optional
            Where to put them; a fresh in-memory DuckDB by default.
        observed_from, observed_until : date, optional
            Default to the first event day and the day after the last one.

        Examples
        --------
        >>> import pandas as pd
        >>> events = pd.DataFrame({"account_id": ["a"], "event_type": ["login"],
        ...                        "occurred_at": [pd.Timestamp("2026-03-01 09:00")]})
        >>> tables = Tables.from_pandas({"events": events})
        >>> tables.observed_until
        datetime.date(2026, 3, 2)
        >>> tables.has("events", "user_id")
        False
        """
        import ibis
        import pandas as pd

        backend: BaseBackend = connection if connection is not None else ibis.duckdb.connect()
        expressions: dict[str, ir.Table] = {}
        supplied: dict[str, frozenset[str]] = {}
        days: list[pd.Series] = []
        for name, frame in frames.items():
            table = TABLES[name]
            complete, given = _completed(name, frame)
            supplied[name] = given
            schema = ibis.schema({column: _IBIS_TYPE[_dtype(name, column)] for column in complete.columns})
            expressions[name] = backend.create_table(
                ibis.util.gen_name(f"churnml_{name}"), ibis.memtable(complete, schema=schema), temp=True
            )
            if name == "events" and len(complete):
                days.append(complete["occurred_at"])
            elif "events" not in frames and table.occurred_at and len(complete):
                days.append(complete[table.occurred_at])
        every = pd.concat([pd.to_datetime(day) for day in days]) if days else pd.Series(dtype="datetime64[us]")
        if (observed_from is None or observed_until is None) and every.empty:
            raise DataError(Text.of("fault-no_period"))
        return cls(
            expressions=expressions,
            connection=backend,
            observed_from=observed_from or every.min().date(),
            observed_until=observed_until or (every.max().normalize() + pd.Timedelta(days=1)).date(),
            supplied=supplied,
        )


_IBIS_TYPE: dict[str, str] = {
    "string": "string",
    "int64": "int64",
    "float64": "float64",
    "boolean": "boolean",
    "date": "date",
    "timestamp": "timestamp(6)",
}


def ibis_types(table: str, attributes: Iterable[str] = ()) -> dict[str, str]:
    """Return the columns of a canonical table, then its extra account attributes, with their Ibis types.

    Examples
    --------
    >>> ibis_types("touchpoints")["occurred_at"]
    'timestamp(6)'
    """
    return {name: _IBIS_TYPE[_dtype(table, name)] for name in (*TABLES[table].column_names, *attributes)}


def _dtype(table: str, column: str) -> DType:
    """Return a column's canonical type; extra account attributes are text."""
    definition = TABLES[table]
    return definition[column].dtype if column in definition.column_names else "string"


def _completed(name: str, frame: pd.DataFrame) -> tuple[pd.DataFrame, frozenset[str]]:
    """Return the frame with every canonical column typed and filled, and which ones it came with."""
    import pandas as pd

    table = TABLES[name]
    given = frozenset(column for column in frame.columns if frame[column].notna().any())
    out = pd.DataFrame(index=range(len(frame)))
    source = frame.reset_index(drop=True)
    extras = [column for column in frame.columns if column not in table.column_names]
    for column in (*table.column_names, *extras):
        dtype = _dtype(name, column)
        values = source[column] if column in source else pd.Series([None] * len(source), dtype="object")
        default = table[column].default if column in table.column_names else None
        if default is not None:
            values = values.astype("object").where(values.notna(), default)
        out[column] = _typed(values, dtype)
    if table.occurred_at and "known_at" in out:
        out["known_at"] = out["known_at"].fillna(pd.to_datetime(out[table.occurred_at]).astype("datetime64[us]"))
    if name == "contacts":
        out["left_known_at"] = out["left_known_at"].fillna(out["left_at"])
    return out, given


def _typed(values: pd.Series, dtype: DType) -> pd.Series:
    import pandas as pd

    if dtype == "timestamp":
        return pd.to_datetime(values).astype("datetime64[us]")
    if dtype == "date":
        days = pd.to_datetime(values)
        return days.dt.date.astype("object").where(days.notna(), None)
    if dtype == "int64":
        return pd.to_numeric(values).astype("Int64")
    if dtype == "float64":
        return pd.to_numeric(values).astype("float64")
    if dtype == "boolean":
        return values.astype("boolean")
    return values.astype("object").where(values.notna(), None).map(lambda value: None if value is None else str(value))
