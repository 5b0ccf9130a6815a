"""What pydantic finds wrong with a value, as a sentence of the catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from churnml.errors import Said
from churnml.language.catalogue import catalogue
from churnml.language.text import Text

__all__ = ["validation_fault"]

_MOST = 300


def validation_fault(fault: Mapping[str, Any]) -> Said:
    """Return one of pydantic's faults as a text; a kind that the catalogue does not know keeps pydantic's words.

    Parameters
    ----------
    fault : mapping
        Of ``ValidationError.errors()``: its ``type`` names the message ``validation-<type>``, its ``ctx`` holds what
        the message speaks of.

    Examples
    --------
    >>> fault = {"type": "string_too_short", "msg": "String should have …", "ctx": {"min_length": 1}}
    >>> str(validation_fault(fault))
    'String should have at least 1 character'
    >>> validation_fault({"type": "value_error", "msg": "Value error, a is no b"})
    'a is no b'
    """
    code = f"validation-{fault['type']}"
    if code not in catalogue("en").codes:
        return str(fault["msg"]).removeprefix("Value error, ")[:_MOST]
    return Text.of(code, **{name: _spoken(value) for name, value in (fault.get("ctx") or {}).items()})


def _spoken(value: Any) -> Any:
    return value if isinstance(value, int | float) else str(value)[:_MOST]
