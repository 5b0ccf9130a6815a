"""What pydantic finds wrong with a value, as a sentence of the catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from churnml.errors import Said
from churnml.language.catalogue import catalogue
from churnml.language.text import Text

__all__ = ["WrongValueError", "validation_fault"]

_MOST = 300


class WrongValueError(ValueError):
    """A value that cannot be: what a validator of pydantic raises, with why as a sentence of the catalogue.

    Parameters
    ----------
    said : Text
        Why.

    Examples
    --------
    >>> str(WrongValueError(Text.of("wrong-nobody")))
    'name somebody in `to` or `owners`'
    """

    def __init__(self, said: Text) -> None:
        super().__init__(said)
        self.said = said


def validation_fault(fault: Mapping[str, Any]) -> Said:
    """Return one of pydantic's faults as a text; a kind that the catalogue does not know keeps pydantic's words.

    Parameters
    ----------
    fault : mapping
        Of ``ValidationError.errors()``: its ``type`` names the message ``validation-<type>``, its ``ctx`` holds what
        the message speaks of, or the `WrongValueError` that a validator raised.

    Examples
    --------
    >>> fault = {"type": "string_too_short", "msg": "String should have …", "ctx": {"min_length": 1}}
    >>> str(validation_fault(fault))
    'String should have at least 1 character'
    >>> validation_fault({"type": "value_error", "msg": "Value error, a is no b"})
    'a is no b'
    """
    error = (fault.get("ctx") or {}).get("error")
    if isinstance(error, WrongValueError):
        return error.said
    code = f"validation-{fault['type']}"
    if code not in catalogue("en").codes:
        return str(fault["msg"]).removeprefix("Value error, ")[:_MOST]
    return Text.of(code, **{name: _spoken(value) for name, value in (fault.get("ctx") or {}).items()})


def _spoken(value: Any) -> Any:
    return value if isinstance(value, int | float) else str(value)[:_MOST]
