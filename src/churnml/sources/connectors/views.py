"""What presets read of landed versions: the newest of every record, and from when each was known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from churnml.sources.connectors.tool import Kind
from churnml.sources.sql import identifier

__all__ = ["views_of"]

_ORDER = "_landed_version_at DESC NULLS LAST, _landed_at DESC, _landed_no DESC"
_ARRIVED = "_landed_at, _landed_version_at NULLS FIRST, _landed_no"


def views_of(kind: Kind, columns: Sequence[str], versions: str, schema: str) -> Iterator[str]:
    """Yield the statements that lay out the views of one object, in SQL that every database understands.

    Parameters
    ----------
    kind : Kind
    columns : sequence of str
        Of the landed table, churnml's own left out.
    versions : str
        The landed table, quoted.
    schema : str
        Where the views stand.
    """
    picked = ", ".join(identifier(name) for name in columns)
    newest = (
        f"SELECT {picked}, _landed_created_at, "
        f"row_number() OVER (PARTITION BY _landed_id ORDER BY {_ORDER}) AS _place, "
        "min(_landed_at) OVER (PARTITION BY _landed_id) AS _first, "
        f"min(_landed_covered_until) OVER (PARTITION BY _landed_id) AS _covered FROM {versions}"
    )
    # A record that an earlier pull should have met, but did not, came late: it is known from its arrival on.
    late = ", CASE WHEN _landed_created_at < _covered THEN _first END AS _known_at" if not kind.keeps else ""
    yield from _laid(schema, kind.name, f"SELECT {picked}{late} FROM ({newest}) AS v WHERE _place = 1")
    if kind.keeps:
        yield from _laid(schema, f"{kind.name}_history", _history(kind, columns, versions))


def _history(kind: Kind, columns: Sequence[str], versions: str) -> str:
    """Return the query of all versions, each from when it was known.

    What a tool overwrites is known from the arrival of its version on. Before the first arrival only that is known
    which holds since the record came to be: those columns stand in a row of their own, from its creation on.
    """
    picked = ", ".join(identifier(name) for name in columns)
    # An older version that arrives after a newer one says nothing about now; of several that arrive together the
    # newest counts.
    known = (
        f"SELECT {picked}, _landed_at, _landed_created_at, _landed_version_at, "
        f"max(_landed_version_at) OVER (PARTITION BY _landed_id ORDER BY {_ARRIVED} "
        "ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS _before, "
        f"row_number() OVER (PARTITION BY _landed_id, _landed_at ORDER BY {_ORDER}) AS _place, "
        f"row_number() OVER (PARTITION BY _landed_id ORDER BY {_ARRIVED}) AS _arrival FROM {versions}"
    )
    columns_of_creation = {name.casefold() for name in (*kind.id, *kind.keeps)}
    base = ", ".join(
        identifier(name) if name.casefold() in columns_of_creation else f"CAST(NULL AS VARCHAR) AS {identifier(name)}"
        for name in columns
    )
    return (
        f"SELECT {picked}, _landed_at AS _known_at FROM ({known}) AS v "
        "WHERE _place = 1 AND (_before IS NULL OR _landed_version_at IS NULL OR _landed_version_at >= _before) "
        f"UNION ALL SELECT {base}, _landed_created_at AS _known_at FROM ({known}) AS f "
        "WHERE _arrival = 1 AND _landed_created_at < _landed_at"
    )


def _laid(schema: str, name: str, query: str) -> Iterator[str]:
    view = f"{identifier(schema)}.{identifier(name)}"
    yield f"DROP VIEW IF EXISTS {view}"  # its columns may have changed
    yield f"CREATE VIEW {view} AS {query}"
