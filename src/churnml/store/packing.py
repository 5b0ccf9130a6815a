"""Features and explanations as few bytes: numbers as they lie in memory, the rest as JSON, both compressed.

100,000 accounts have thirty million feature values. As JSON with their names they take gigabytes, and minutes;
as eight bytes each, compressed, they take megabytes, and seconds, and come back to the last bit.
"""

from __future__ import annotations

import json
import math
import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from churnml.store.plain import plain

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "document_text",
    "named",
    "pack_columns",
    "pack_document",
    "pack_numbers",
    "pack_text",
    "unpack_columns",
    "unpack_document",
    "unpack_numbers",
    "unpacked_matrix",
]

_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_LEVEL = 1
"""Higher levels take several times as long for a few percent."""


def pack_numbers(matrix: np.ndarray) -> list[bytes]:
    """Return each row of a float matrix as compressed bytes.

    Examples
    --------
    >>> import numpy as np
    >>> unpack_numbers(pack_numbers(np.array([[0.1, np.nan]]))[0])
    [0.1, None]
    """
    return [zlib.compress(row.tobytes(), _LEVEL) for row in matrix.astype("<f8", order="C", copy=False)]


def unpack_numbers(packed: bytes) -> list[float | None]:
    """Return the numbers of a row; what is not finite is None."""
    raw = zlib.decompress(packed)
    return [value if math.isfinite(value) else None for value in struct.unpack(f"<{len(raw) // 8}d", raw)]


def unpacked_matrix(packed: Sequence[bytes | None], columns: int) -> np.ndarray:
    """Return rows of `pack_numbers` as a matrix of so many columns; what is not finite is NaN.

    Examples
    --------
    >>> import numpy as np
    >>> unpacked_matrix(pack_numbers(np.array([[0.1, np.inf], [1.0, 2.0]])), 2).tolist()
    [[0.1, nan], [1.0, 2.0]]
    """
    import numpy as np

    out = np.empty((len(packed), columns))
    for at, row in enumerate(packed):
        out[at] = np.frombuffer(zlib.decompress(row or b""), dtype="<f8")
    out[~np.isfinite(out)] = np.nan
    return out


def pack_document(document: Mapping[str, Any]) -> bytes:
    """Return a JSON document as compressed bytes.

    Examples
    --------
    >>> unpack_document(pack_document({"a": [1, "é"], "b": float("nan")}))
    {'a': [1, 'é'], 'b': None}
    """
    return pack_text(document_text(document))


def document_text(document: Mapping[str, Any]) -> str:
    """Return a document as JSON without spaces; what is not finite is null.

    Examples
    --------
    >>> document_text({"a": [1, "é"], "b": float("nan")})
    '{"a":[1,"é"],"b":null}'
    """
    try:
        return _ENCODER.encode(document)
    except (TypeError, ValueError):
        # It holds what JSON does not know: numpy's numbers, dates, not-a-number.
        return _ENCODER.encode(plain(document))


def pack_text(text: str) -> bytes:
    """Return the JSON of a document as `pack_document` packs it."""
    return zlib.compress(text.encode("utf-8", "replace"), _LEVEL)


def unpack_document(packed: bytes) -> dict[str, Any]:
    """Return a document that `pack_document` made."""
    document: dict[str, Any] = json.loads(zlib.decompress(packed))
    return document


def pack_columns(columns: Mapping[str, np.ndarray]) -> bytes:
    """Return columns of equal length as compressed bytes: numbers as in memory, words by their place in a list.

    Examples
    --------
    >>> import numpy as np
    >>> packed = pack_columns({"a": np.array(["x", "y", "x"], dtype=object), "b": np.array([True, False, True])})
    >>> {name: values.tolist() for name, values in unpack_columns(packed).items()}
    {'a': ['x', 'y', 'x'], 'b': [True, False, True]}
    """
    import numpy as np

    head: list[dict[str, Any]] = []
    body: list[bytes] = []
    for name, values in columns.items():
        if values.dtype == object:
            words, codes = np.unique(values.astype(str), return_inverse=True)
            head.append({"name": name, "type": "<i4", "words": words.tolist()})
            body.append(codes.astype("<i4").tobytes())
        else:
            kind = {"b": "|b1", "i": "<i8", "u": "<i8"}.get(values.dtype.kind, "<f8")
            head.append({"name": name, "type": kind})
            body.append(values.astype(kind).tobytes())
    rows = len(next(iter(columns.values()))) if columns else 0
    title = json.dumps({"rows": rows, "columns": head}, ensure_ascii=False, separators=(",", ":")).encode()
    return zlib.compress(struct.pack("<I", len(title)) + title + b"".join(body), _LEVEL)


def unpack_columns(packed: bytes) -> dict[str, np.ndarray]:
    """Return the columns that `pack_columns` packed, by name."""
    import numpy as np

    raw = zlib.decompress(packed)
    (length,) = struct.unpack_from("<I", raw)
    title, place = json.loads(raw[4 : 4 + length]), 4 + length
    out: dict[str, np.ndarray] = {}
    for column in title["columns"]:
        values = np.frombuffer(raw, dtype=column["type"], count=title["rows"], offset=place)
        place += values.nbytes
        words = column.get("words")
        out[column["name"]] = values if words is None else np.array(words, dtype=object)[values]
    return out


def named(names: Sequence[str], numbers: Sequence[float | None], words: Mapping[str, Any]) -> dict[str, Any]:
    """Return features by name, in the order of the names: a word where there is one, else the next number.

    Examples
    --------
    >>> named(["events", "plan"], [3.0], {"plan": "pro"})
    {'events': 3.0, 'plan': 'pro'}
    """
    rest = iter(numbers)
    return {name: words[name] if name in words else next(rest) for name in names}
