"""A data scientist's own features: one small function each, in a module that the config names."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from churnml.config import Config
from churnml.errors import ConfigError, near_name
from churnml.features.inputs import Columns, Inputs, numbers
from churnml.features.measures import Measure
from churnml.features.spec import FAMILIES
from churnml.features.visible import inside
from churnml.tables import TABLES

if TYPE_CHECKING:
    import ibis.expr.types as ir

__all__ = ["FRAME", "UserFeature", "columns", "feature", "user_features"]

FRAME = "frame"
"""The `table` of a feature made from features."""


@dataclass(frozen=True)
class UserFeature:
    """A feature of the user's own: its words, and the function that makes it."""

    measure: Measure
    family: str
    windows: tuple[int, ...] | None
    empty: float
    make: Callable[..., Any]

    def __call__(self, rows: Any) -> Any:
        """Call the function itself, e.g. in the user's own tests."""
        return self.make(rows)


def feature(
    *,
    table: str,
    family: str,
    label_en: str,
    label_ja: str,
    description_en: str,
    description_ja: str,
    unit: str,
    missing: str,
    needs: tuple[str, ...] = (),
    windowed: bool = True,
    windows: tuple[int, ...] | None = None,
    empty: float = np.nan,
    actionable: bool = True,
    monotone: Literal[-1, 0, 1] = 0,
    name: str | None = None,
) -> Callable[[Callable[..., Any]], UserFeature]:
    """Make a function a feature.

    The function gets the rows of one canonical table as known before each `as_of` (an Ibis table, values of the
    future already hidden, and cut to the window where there is one) and returns an aggregate of them. With
    ``table="frame"`` it gets the pandas frame of all built-in features instead and returns a Series.

    Parameters
    ----------
    table : str
        A canonical table, or ``"frame"``.
    family : str
        One of `FAMILIES`.
    label_en, label_ja, description_en, description_ja, unit, missing : str
        As in `FeatureSpec`; ``{w}`` stands for the window.
    needs : tuple of str
        Columns of the table without which the feature is off.
    windowed : bool
        One feature per window of the config, or of `windows`; always False for ``"frame"``.
    windows : tuple of int, optional
        Windows in days instead of the config's.
    empty : float
        The value of an account without a row in the window.
    actionable, monotone
        As in `FeatureSpec`.
    name : str, optional
        Default: the function's name.

    Examples
    --------
    >>> @feature(table="tickets", family="support", unit="tickets", missing="never missing", empty=0.0,
    ...          label_en="billing tickets", label_ja="請求関連チケット数",
    ...          description_en="Tickets about billing opened in the last {w} days.",
    ...          description_ja="過去{w}日間の請求関連チケット数。", needs=("category",))
    ... def billing_tickets(rows):
    ...     return (rows.category == "billing").sum()
    >>> billing_tickets.measure.name
    'billing_tickets'
    """
    if table not in (*TABLES, FRAME):
        raise ConfigError(_near("canonical table", table, (*TABLES, FRAME)), code="features.user")
    if family not in FAMILIES:
        raise ConfigError(_near("feature family", family, tuple(FAMILIES)), code="features.user")

    def decorate(make: Callable[..., Any]) -> UserFeature:
        measure = Measure(
            name or make.__name__,
            unit,
            missing,
            label_en,
            label_ja,
            description_en,
            description_ja,
            table=table,
            needs=((table, needs),) if table != FRAME else (),
            windowed=windowed and table != FRAME and TABLES[table].occurred_at is not None,
            actionable=actionable,
            monotone=monotone,
        )
        return UserFeature(measure, family, windows, empty, make)

    return decorate


def user_features(config: Config) -> Iterator[UserFeature]:
    """Yield the features of the modules that the config names, in order of definition.

    Raises
    ------
    ConfigError
        A module cannot be found, fails to import, or defines no feature.
    """
    for name in config.features.modules:
        found = [value for value in vars(_module(name, config)).values() if isinstance(value, UserFeature)]
        if not found:
            raise ConfigError(
                f"The module {name!r} defines no feature",
                where="features.modules",
                remedy="Decorate a function with churnml.features.feature.",
                code="features.user",
            )
        yield from found


def columns(inputs: Inputs, made: Columns, windows: tuple[int, ...]) -> Columns:
    """Compute the user's features; those of the frame last, so that they see all others."""
    out: Columns = {}
    own = list(user_features(inputs.config))
    for item in own:
        if item.measure.table in inputs.tables:
            for window in (item.windows or windows) if item.measure.windowed else (None,):
                suffix = f"_{window}d" if window else ""
                out[f"{item.measure.name}{suffix}"] = _aggregate(inputs, item, window)
    for item in own:
        if item.measure.table == FRAME:
            frame = pd.DataFrame({"as_of": inputs.keys.as_of, **made, **out})
            values = pd.Series(item.make(frame), index=frame.index)
            out[item.measure.name] = values.to_numpy(dtype=np.float64, na_value=np.nan)
    return out


def _aggregate(inputs: Inputs, item: UserFeature, window: int | None) -> np.ndarray:
    rows = inputs.known(item.measure.table)
    occurred_at = TABLES[item.measure.table].occurred_at
    if window is not None and occurred_at is not None:
        rows = rows.filter(inside(rows[occurred_at], rows, window))
    value: ir.Value = item.make(rows)
    known = inputs.gather(rows, {"value": value.cast("float64"), "rows": rows.count()})
    return np.where(known["rows"].isna(), item.empty, numbers(known["value"]))


def _module(name: str, config: Config) -> Any:
    """Import a module by dotted name, or a file relative to the config."""
    try:
        if not name.endswith(".py"):
            return importlib.import_module(name)
        path = config.resolve(Path(name))
        spec = importlib.util.spec_from_file_location(f"churnml_user_{path.stem}", path)
        if spec is None or spec.loader is None or not path.is_file():
            raise ImportError(f"there is no file {path.name}")
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
    except ImportError as error:
        raise ConfigError(
            f"The feature module {name!r} cannot be imported",
            where="features.modules",
            got=str(error),
            expected="an installed module's dotted name, or a .py file relative to the config",
            code="features.user",
        ) from error
    return module


def _near(what: str, name: str, known: tuple[str, ...]) -> str:
    near = near_name(name, known)
    return f"There is no {what} {name!r}" + (f"; did you mean {near!r}?" if near else f"; known: {', '.join(known)}")
