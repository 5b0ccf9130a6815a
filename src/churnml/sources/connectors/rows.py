"""Records of a tool as rows of text: objects inside become ``outer.inner``, lists stay JSON; each row has its key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from churnml.sources.connectors.tool import Kind

__all__ = ["Row", "laid_flat", "moment", "row_of"]

_DEPTH = 3
_SECONDS, _MILLISECONDS = 1e8, 1e11
"""Whole numbers from here on are seconds since 1970, and from there on milliseconds."""


@dataclass(frozen=True)
class Row:
    """One version of one record.

    Parameters
    ----------
    id : str
        What names the record in its tool.
    key : str
        Names this version: the same content of the same record has the same key.
    version_at, created_at : datetime or None
        When the tool says that the version, and the record, came to be.
    values : mapping of str to str or None
        Column → text.
    """

    id: str
    key: str
    version_at: datetime | None
    created_at: datetime | None
    values: Mapping[str, str | None]


def row_of(record: Any, kind: Kind) -> Row | str:
    """Return the row of a record, or why it is rejected: ``not_an_object`` or ``no_id``.

    Examples
    --------
    >>> kind = Kind("accounts", id=("Id",), version="SystemModstamp", created="CreatedDate")
    >>> row = row_of({"Id": "a", "SystemModstamp": "2026-01-02T03:04:05.000+0000", "Owner": {"Name": "Ann"}}, kind)
    >>> row.id, row.version_at.isoformat(), row.values["Owner.Name"]
    ('a', '2026-01-02T03:04:05+00:00', 'Ann')
    >>> row_of({"Name": "Acme"}, kind)
    'no_id'
    """
    if not isinstance(record, Mapping):
        return "not_an_object"
    values = laid_flat(record)
    parts = [values.get(name) for name in kind.id]
    if not parts[0]:  # what stands behind it tells records apart, and may be empty
        return "no_id"
    id_ = "\x1f".join(part or "" for part in parts)
    content = json.dumps([kind.name, id_, values], sort_keys=True, ensure_ascii=False)
    key = hashlib.sha256(content.encode()).hexdigest()[:32]
    version = moment(values.get(kind.version)) if kind.version else None
    created = moment(values.get(kind.created)) if kind.created else None
    return Row(id_, key, version, created, values)


def laid_flat(record: Mapping[str, Any]) -> dict[str, str | None]:
    """Return column → text, as a JSON file of the same records would be read.

    Examples
    --------
    >>> laid_flat({"id": 7, "via": {"channel": "web", "source": {}}, "tags": ["a"], "ok": True, "none": None})
    {'id': '7', 'via.channel': 'web', 'via.source': '{}', 'tags': '["a"]', 'ok': 'true', 'none': None}
    """
    flat: dict[str, str | None] = {}
    spelt: dict[str, str] = {}

    def lay(values: Mapping[str, Any], prefix: str, depth: int) -> None:
        for name, value in values.items():
            if '"' in name:
                continue
            column = f"{prefix}{name}"
            if isinstance(value, Mapping) and value and depth < _DEPTH:
                lay(value, f"{column}.", depth + 1)
                continue
            # Names that differ in case alone are one column to a database.
            while spelt.setdefault(column.casefold(), column) != column:
                column += "_1"
            flat[column] = _text(value)

    lay(record, "", 1)
    return flat


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def moment(text: str | None) -> datetime | None:
    """Return a time that a tool writes: ISO with or without a zone (then UTC), or seconds or milliseconds since 1970.

    Examples
    --------
    >>> moment("2026-01-02T03:04:05+09:00").isoformat(), moment("1767323045").isoformat(), moment("soon")
    ('2026-01-01T18:04:05+00:00', '2026-01-02T03:04:05+00:00', None)
    """
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            return None
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    if not _SECONDS <= number < 1e14:
        return None
    return datetime.fromtimestamp(number / (1000 if number >= _MILLISECONDS else 1), UTC)
