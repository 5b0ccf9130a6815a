"""Curves as they are stored: a document each, whose numbers are kept to a hundredth of a percent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from churnml.errors import DataError
from churnml.explain.lifetime import Lifetime
from churnml.language import Text
from churnml.store.packing import pack_document, unpack_document

__all__ = ["packed_curve", "unpacked_curve"]

_FORMAT = 1
_LIFETIME = TypeAdapter(Lifetime)
_CURVES = ("survival", "survival_low", "survival_high")
_DIGITS = 4


def packed_curve(lifetime: Lifetime) -> bytes:
    """Return an account's curve as compressed bytes.

    Examples
    --------
    >>> from churnml.language import Text
    >>> line = Lifetime("a", None, None, {30: 0.01}, (0.98765,), (0.97,), (0.99,), *[None] * 7, Text.of("words"))
    >>> unpacked_curve(packed_curve(line)).survival
    (0.9877,)
    """
    document: dict[str, Any] = _LIFETIME.dump_python(lifetime, mode="json", exclude={"value_draws", "decision_draws"})
    for holder in (document, document["peers"] or {}):
        holder.update({name: _rounded(holder[name]) for name in _CURVES if name in holder})
    return pack_document({"format": _FORMAT, **document})


def unpacked_curve(packed: bytes) -> Lifetime:
    """Return the curve that `packed_curve` packed.

    Raises
    ------
    DataError
        It was stored by another version and cannot be read.
    """
    document = unpack_document(packed)
    if (version := document.pop("format", None)) != _FORMAT:
        raise _unreadable(document, f"format {version}")
    try:
        return _LIFETIME.validate_python(document)
    except ValidationError as error:
        raise _unreadable(document, str(error.errors()[0]["msg"])) from error


def _rounded(numbers: list[float]) -> list[float]:
    return [round(number, _DIGITS) for number in numbers]


def _unreadable(document: Mapping[str, Any], got: str) -> DataError:
    return DataError(
        Text.of("fault-curve_format", format=str(_FORMAT)),
        where=Text.of("fault-curve_format.where", account=repr(document.get("account_id"))),
        got=got,
        code="store.curve_format",
    )
