"""A data scientist's own features: one small function each, in a module that the config names."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from churnml.config import FeatureConfig
from churnml.errors import ChurnmlError, ConfigError, near_name
from churnml.features.inputs import Inputs, numbers
from churnml.features.measures import Direct, Measure
from churnml.features.spec import FAMILIES, Sign
from churnml.features.visible import inside
from churnml.language import Text, one_of, words
from churnml.own_modules import own_module
from churnml.tables import TABLES

if TYPE_CHECKING:
    import ibis.expr.types as ir

__all__ = ["FRAME", "UserFeature", "feature", "user_measures"]

FRAME = "frame"
"""The `table` of a feature made from features."""


@dataclass(frozen=True)
class UserFeature:
    """A feature of the user's own: what it is, the function that makes it, and where that stands."""

    measure: Measure
    make: Callable[..., Any]
    where: str

    def __call__(self, rows: Any) -> Any:
        """Call the function itself, e.g. in the user's own tests."""
        return self.make(rows)


def feature(
    name: str,
    family: str,
    unit: str,
    *,
    table: str = FRAME,
    needs: tuple[str, ...] = (),
    windowed: bool = True,
    windows: tuple[int, ...] | None = None,
    empty: float = np.nan,
    missing: str | Mapping[str, str] = "",
    label: str | Mapping[str, str] = "",
    description: str | Mapping[str, str] = "",
    actionable: bool = True,
    risk_direction: Sign = 0,
) -> Callable[[Callable[..., Any]], UserFeature]:
    """Make a function a feature.

    The function gets the pandas frame of all other features and returns a Series. With a `table` it gets that canonical
    table's rows instead, as known before each `as_of` (an Ibis table, values of the future already hidden, and cut to
    the window where there is one), and returns an aggregate of them.

    Parameters
    ----------
    name : str
        Column name; a window is added to it.
    family : str
        One of `FAMILIES`.
    unit : str
        As in `FeatureSpec`.
    table : str
        A canonical table; by default the frame of the other features.
    needs : tuple of str
        Columns of the table without which the feature is off.
    windowed : bool
        One feature per window of the config, or of `windows`; never for the frame.
    windows : tuple of int, optional
        Windows in days instead of the config's.
    empty : float
        The value of an account without a row in the window.
    missing : str or mapping
        What a missing value means; by default, that the function gave none.
    label, description : str or mapping
        What it is called, and a sentence that defines it, in which ``{w}`` stands for the window: the same words in
        every language, or language → words, of which the first stand in where one is missing. By default the name in
        words, and the first line of the function's docstring.
    actionable, risk_direction
        As in `FeatureSpec`.

    Raises
    ------
    ConfigError
        The table or the family does not exist.

    Examples
    --------
    >>> @feature("billing_tickets", "support", "tickets", table="tickets", needs=("category",), empty=0.0)
    ... def billing_tickets(rows):
    ...     '''Tickets about billing opened in the last {w} days.'''
    ...     return (rows.category == "billing").sum()
    >>> billing_tickets.measure.label.spoken("en"), billing_tickets.measure.meaning.spoken("ja")
    ('billing tickets', 'Tickets about billing opened in the last {w} days.')
    """
    caller = inspect.stack()[1]
    where = f"{Path(caller.filename).name}, feature {name!r}, line {caller.lineno}"
    for what, word, known in (("table", table, (*TABLES, FRAME)), ("family", family, FAMILIES)):
        if word not in known:
            near = near_name(word, known)
            raise ConfigError(
                Text.of(f"fault-user_word.{what}", word=repr(word)),
                where=where,
                expected=one_of(known, near),
                code="features.user",
            )

    def decorate(make: Callable[..., Any]) -> UserFeature:
        plain = name.replace("_", " ")
        said = label or plain
        first = next(iter((make.__doc__ or "").strip().splitlines()), "")
        meaning = description or first or f"{said if isinstance(said, str) else plain}."
        of_frame = table == FRAME
        how = partial(_of_frame, make, where) if of_frame else partial(_of_rows, make, where, table, empty)
        measure = Measure(
            name=name,
            family=family,
            unit=unit,
            missing=words(missing) if missing else "user",
            label=words(said),
            meaning=words(meaning),
            make=Direct(how, from_events=False),
            table=table,
            needs=() if of_frame else ((table, needs),),
            windowed=windowed and not of_frame and TABLES[table].occurred_at is not None,
            windows=windows,
            actionable=actionable,
            risk_direction=risk_direction,
            last=of_frame,
        )
        return UserFeature(measure, make, where)

    return decorate


def user_measures(config: FeatureConfig) -> Iterator[Measure]:
    """Yield the features of the modules that the config names, in order of definition.

    Raises
    ------
    ConfigError
        A module cannot be found, fails to import, or defines no feature.
    """
    for name in config.modules:
        own = [
            value
            for value in vars(
                own_module(name, config.resolve, of="features", where="features.modules", code="features.user")
            ).values()
            if isinstance(value, UserFeature)
        ]
        if not own:
            raise ConfigError(
                Text.of("fault-user_none", name=repr(name)), where="features.modules", code="features.user"
            )
        for item in own:
            yield item.measure


def _of_rows(
    make: Callable[..., Any], where: str, table: str, empty: float, inputs: Inputs, window: int | None
) -> np.ndarray:
    """Aggregate the rows of a table as the user's function says."""
    rows = inputs.known(table)
    occurred_at = TABLES[table].occurred_at
    if window is not None and occurred_at is not None:
        rows = rows.filter(inside(rows[occurred_at], rows, window))
    value = _aggregate_of(_called(make, where, rows), where)
    try:
        known = inputs.gather(rows, {"value": value.cast("float64"), "rows": rows.count()})
    except Exception as error:
        raise _failed(error, where, "refused") from error
    return np.where(known["rows"].isna(), empty, numbers(known["value"]))


def _aggregate_of(value: Any, where: str) -> ir.Scalar:
    """Return what a function returned if it is one number for many rows, else refuse it."""
    import ibis.expr.types as ir

    got = ""
    if not isinstance(value, ir.Value):
        got = f"{type(value).__name__}: {str(value)[:80]}"
    elif not isinstance(value, ir.Scalar):
        got = f"a column of {value.type()}: one value per row, not one per account"
    elif not (value.type().is_numeric() or value.type().is_boolean() or value.type().is_null()):
        got = f"an aggregate of type {value.type()}"
    if got:
        raise ConfigError(Text.of("fault-user_number"), where=where, got=got, code="features.user")
    scalar: ir.Scalar = value
    return scalar


def _of_frame(make: Callable[..., Any], where: str, inputs: Inputs, window: None) -> np.ndarray:
    """Make a column from the others as the user's function says."""
    frame = pd.DataFrame({"as_of": inputs.keys.as_of, **inputs.made})
    value = _called(make, where, frame, columns=tuple(map(str, frame.columns)))
    try:
        values = pd.Series(value, index=frame.index if isinstance(value, pd.Series) else None)
        array = values.to_numpy(dtype=np.float64, na_value=np.nan)
    except Exception as error:
        raise _failed(error, where, "column") from error
    if len(array) != len(frame):
        raise ConfigError(
            Text.of("fault-user_column", rows=len(frame)),
            where=where,
            got=Text.of("fault-user_column.got", type=type(value).__name__, values=len(array)),
            code="features.user",
        )
    return array


def _called(make: Callable[..., Any], where: str, given: Any, columns: tuple[str, ...] = ()) -> Any:
    try:
        return make(given)
    except ChurnmlError:
        raise
    except Exception as error:
        missed = str(error.args[0]) if isinstance(error, KeyError) and error.args else ""
        raise _failed(error, where, "raised", near_name(missed, columns) if missed else None) from error


def _failed(error: Exception, where: str, what: str, near: str | None = None) -> ConfigError:
    """Return the message of a mistake in the user's code: the line that raised it, and what it said."""
    file = where.split(",")[0]
    lines = [step.lineno for step in traceback.extract_tb(error.__traceback__) if Path(step.filename).name == file]
    at = f"{where.rsplit(' line ', 1)[0]} line {lines[-1]}" if lines else where
    return ConfigError(
        Text.of(f"fault-user_failed.{what}"),
        where=at,
        got=f"{type(error).__name__}: {str(error)[:300]}",
        expected=one_of((), near),
        remedy=Text.of("fault-user_failed.remedy"),
        code="features.user",
    )
