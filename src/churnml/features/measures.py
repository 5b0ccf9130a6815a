"""A measure: what a feature is called, what it means, what it needs and how it is made, declared together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from churnml.config import FeatureConfig
from churnml.features.aggregates import Aggregate, Source, counted
from churnml.features.events.rollup import slug
from churnml.features.inputs import Inputs
from churnml.features.spec import FeatureSpec, Kind, Sign
from churnml.language import Argument, Text, Words
from churnml.tables import Tables

__all__ = ["NO_DAY_SEEN", "Count", "Direct", "FromRows", "Measure", "Need", "Scope", "main_window", "over"]

NO_DAY_SEEN = "no_day_seen"
"""What a missing count means: no day of the window could be observed."""

Need = tuple[str, tuple[str, ...]]
"""A table and the columns of it that a feature is made from."""


@dataclass(frozen=True)
class Direct:
    """Made by a function of the inputs and the window.

    Parameters
    ----------
    make : callable
        ``(inputs, window) → one value per key``.
    from_events : bool
        The function asks `Inputs.events`; then it is also run once for no row, to learn what it asks.
    """

    make: Callable[[Inputs, Any], np.ndarray]
    from_events: bool = True


@dataclass(frozen=True)
class FromRows:
    """Made by an aggregate over the rows of a source: ``(rows, window) → Aggregate``."""

    source: Source
    make: Callable[[Any, Any], Aggregate]


def over(text: Argument, window: int | None) -> Argument:
    """Return a text that speaks of a window, ``$w`` in the catalogue and ``{w}`` in a company's own words.

    Examples
    --------
    >>> from churnml.language import words
    >>> over(words("Reports in the last {w} days."), 28).spoken("en")
    'Reports in the last 28 days.'
    """
    if window is None or isinstance(text, str):
        return text
    if isinstance(text, Text):
        return text.saying(w=window)
    if isinstance(text, Words):
        return Words(by_language={name: said.replace("{w}", f"{window}") for name, said in text.by_language.items()})
    return text


@dataclass(frozen=True)
class Count:
    """A count over any window ``[as_of − start, as_of − end)``, so that trends can be made of it too.

    Parameters
    ----------
    make : callable
        ``(inputs, start, end) → one count per key``, or with a source ``(rows, start, end) → Ibis value``.
    source : Source, optional
        The rows that are counted; by default the function asks `Inputs.events`.
    """

    make: Callable[[Any, int, int], Any]
    source: Source | None = None

    def level(self) -> Direct | FromRows:
        """Return how the count of the last window is made, missing where no day of it could be observed."""
        make = self.make
        if self.source is not None:
            return FromRows(self.source, lambda rows, window: counted(make(rows, window, 0)))
        return Direct(lambda inputs, window: inputs.counted(make(inputs, window, 0), window))


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A measure and how it is made; one feature per window, or a single one.

    Parameters
    ----------
    name : str
        Column name without window.
    family, unit : str
        As in `FeatureSpec`.
    missing : str, Text or Words
        What a missing value means: the end of a message's code, ``missing-…``, or a company's own words.
    make : Direct, FromRows or Count
        How it is made.
    risk_direction : {-1, 0, 1}
        As in `FeatureSpec`. Its trends and its rank inherit it.
    table : str
        Canonical table it is made from.
    needs : tuple of (table, columns)
        What the company must have supplied.
    after : tuple of str
        Measures that it is made from, found in `Inputs.made`: over its own window, or the main one where it has none.
        What is made from rows is made before all else.
    after_any : tuple of str
        Measures that it is made from where the tables allow them.
    windowed : bool
        One feature per window, named ``{name}_{w}d``.
    windows : tuple of int, optional
        Windows in days instead of the config's.
    main_window_only : bool
        Only for the window nearest to 28 days.
    kind, actionable, categorical, event_kind
        As in `FeatureSpec`.
    label, meaning : Text or Words, optional
        What it is called, and a sentence that defines it; by default the catalogue's ``m-<name>.label`` and
        ``.meaning``.
    constrained : bool
        Training keeps to the direction already; the others are told only.
    of : str
        The measure that it is a trend or a rank of; by default itself.
    trends : {"", "main", "each", "shape"}
        Also its change: over the main window, over each; with the slope and the drop from peak.
    ranked : bool
        Also its percentile among peers.
    optional : bool
        Off unless `features.extra` names it: it may do harm.
    among_rows : bool
        Looks at the other rows too; all others are made account by account.
    last : bool
        Made after all others, from any of them.
    """

    name: str
    family: str
    unit: str
    missing: str | Text | Words
    make: Direct | FromRows | Count
    risk_direction: Sign
    table: str = "events"
    needs: tuple[Need, ...] = ()
    after: tuple[str, ...] = ()
    after_any: tuple[str, ...] = ()
    windowed: bool = True
    windows: tuple[int, ...] | None = None
    main_window_only: bool = False
    kind: Kind = "level"
    actionable: bool = True
    constrained: bool = True
    categorical: bool = False
    event_kind: str = ""
    of: str = ""
    trends: Literal["", "main", "each", "shape"] = ""
    ranked: bool = False
    optional: bool = False
    label: Text | Words | None = None
    meaning: Text | Words | None = None
    among_rows: bool = False
    last: bool = False

    def __post_init__(self) -> None:
        assert not (self.after and isinstance(self.make, FromRows)), f"{self.name} is made from rows, before all else"
        assert not self.trends or isinstance(self.make, Count), f"{self.name} is no count, so it has no trends"

    @property
    def called(self) -> Text | Words:
        """What it is called."""
        return self.label or Text.of(f"m-{self.name}.label")

    def column(self, window: int | None) -> str:
        """Return the name of the feature of a window."""
        return f"{self.name}_{window}d" if window else self.name

    def over(self, scope: Scope) -> Sequence[int | None]:
        """Return the windows that it is made for."""
        if not self.windowed:
            return (None,)
        if self.main_window_only:
            return (scope.main_window,)
        return self.windows or scope.windows

    def specs(self, scope: Scope) -> Iterator[FeatureSpec]:
        """Yield the feature of each window, or the one feature without a window."""
        absent = self.missing
        for window in self.over(scope):
            yield FeatureSpec(
                name=self.column(window),
                family=self.family,
                unit=self.unit,
                missing=over(Text.of(f"missing-{absent}") if isinstance(absent, str) else absent, window),
                label=self.called,
                description=over(self.meaning or Text.of(f"m-{self.name}.meaning"), window),
                table=self.table,
                window_days=window,
                measure=self.of or self.name,
                kind=self.kind,
                actionable=self.actionable,
                monotone=self.risk_direction if self.constrained else 0,
                risk_direction=self.risk_direction,
                categorical=self.categorical,
                event_kind=self.event_kind,
            )


@dataclass(frozen=True)
class Scope:
    """What measures are declared for.

    Parameters
    ----------
    tables : Tables
        The company's tables.
    config : FeatureConfig
        Windows, families, kinds.
    kinds : dict of str to str
        Slug of each event kind that is counted one by one → its words.
    valued : frozenset of str
        Slugs of the kinds that carry a value.
    logins : tuple of str
        Event types that are logins; empty where the company records none.
    """

    tables: Tables
    config: FeatureConfig
    kinds: dict[str, str]
    valued: frozenset[str]
    logins: tuple[str, ...]

    @property
    def windows(self) -> tuple[int, ...]:
        """Windows in days, ascending and unique."""
        return tuple(sorted(set(self.config.windows_days)))

    @property
    def core(self) -> frozenset[str]:
        """Slugs of the event kinds that the config calls the product's core use."""
        return frozenset(slug(kind) for kind in self.config.core_features)

    @property
    def main_window(self) -> int:
        """The window nearest to 28 days."""
        return main_window(self.config)

    def missing_needs(self, measure: Measure) -> Text | None:
        """Return why a measure is off: what it needs and the company has not supplied; None when it is on."""
        if measure.optional and measure.name not in self.config.extra:
            return Text.of("off-not_asked")
        for table, columns in measure.needs:
            if table not in self.tables:
                return Text.of("off-no_table", table=table)
            absent = [column for column in columns if not self.tables.has(table, column)]
            if absent:
                return Text.of("off-no_columns", table=table, columns=", ".join(f"`{column}`" for column in absent))
        return None


def main_window(config: FeatureConfig) -> int:
    """Return the configured window nearest to 28 days, the one that peers and kinds' trends use."""
    return min(sorted(set(config.windows_days)), key=lambda window: (abs(window - 28), window))
