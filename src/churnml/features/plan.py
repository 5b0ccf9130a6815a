"""In which order features are made, and what is made for the sake of others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING

from churnml.errors import ConfigError
from churnml.features.aggregates import Aggregate, Source
from churnml.features.catalogue import declared, login_events
from churnml.features.events.layout_recorder import LayoutRecorder
from churnml.features.events.planes import Layout
from churnml.features.inputs import NoInputs
from churnml.features.measures import Count, Direct, FromRows, Measure, Scope
from churnml.features.spec import FeatureSet
from churnml.language import Text

if TYPE_CHECKING:
    import ibis.expr.types as ir

__all__ = ["Plan", "Step"]


@dataclass(frozen=True)
class Step:
    """One column to be made."""

    name: str
    measure: Measure
    window: int | None

    @property
    def make(self) -> Direct | FromRows:
        """How it is made."""
        make = self.measure.make
        return make.level() if isinstance(make, Count) else make


@dataclass(frozen=True)
class Plan:
    """The columns to be made, each after those that it is made from.

    Parameters
    ----------
    scope : Scope
        What they are made for.
    kinds : tuple of str
        Slugs of the event kinds counted one by one.
    steps : tuple of Step
        In order.
    """

    scope: Scope
    kinds: tuple[str, ...]
    steps: tuple[Step, ...]

    @classmethod
    def of(cls, feature_set: FeatureSet, scope: Scope, without: frozenset[str] = frozenset()) -> Plan:
        """Return what must be made for a catalogue, but the columns that are there already.

        Raises
        ------
        ConfigError
            The tables and the config cannot make a feature of the catalogue.
        """
        measures = {measure.name: measure for measure in declared(scope)}
        wanted = [_step(spec.name, spec.window_days, measures, scope) for spec in feature_set]
        if any(step.measure.last for step in wanted):
            wanted = [*_everything(measures.values(), scope), *wanted]
        steps: dict[str, Step] = {}
        graph: dict[str, set[str]] = {}
        todo = list(reversed(wanted))
        while todo:
            step = todo.pop()
            if step.name in steps or step.name in without:
                continue
            steps[step.name] = step
            others = _others(step, measures, scope)
            graph[step.name] = {other.name for other in others} - without
            todo += others
        order = [steps[name] for name in TopologicalSorter(graph).static_order()]
        return cls(scope, feature_set.event_kinds, tuple(sorted(order, key=lambda step: step.measure.last)))

    def from_rows(self) -> Iterator[tuple[Source, dict[str, tuple[int | None, Callable[[ir.Table], Aggregate]]]]]:
        """Yield each source with the columns made from its rows: name → window, and what makes the aggregate."""
        by_source: dict[str, tuple[Source, dict[str, tuple[int | None, Callable[[ir.Table], Aggregate]]]]] = {}
        for step in self.steps:
            make = step.make
            if isinstance(make, FromRows):
                _, columns = by_source.setdefault(make.source.name, (make.source, {}))
                columns[step.name] = (step.window, partial(_over, make.make, step.window))
        yield from by_source.values()

    def direct(self, *, among_rows: bool) -> Iterator[tuple[str, int | None, Direct]]:
        """Yield the columns made by a function of the inputs, each after those that it is made from.

        Either those that look at one account at a time, or those that look at all rows and come after them.
        """
        for step in self.steps:
            make = step.make
            if isinstance(make, Direct) and among_rows == (step.measure.among_rows or step.measure.last):
                yield step.name, step.window, make

    @property
    def layout(self) -> Layout:
        """What of the events is asked for, found out by making every column for no row."""
        scope, asked = self.scope, LayoutRecorder()
        nothing = NoInputs(scope.tables, scope.config, self.kinds, asked)
        for _, window, direct in self.direct(among_rows=False):
            if direct.from_events:
                direct.make(nothing, window)
        return asked.layout(login_events(scope.config))


def _over(make: Callable[[ir.Table, int | None], Aggregate], window: int | None, rows: ir.Table) -> Aggregate:
    return make(rows, window)


def _step(name: str, window: int | None, measures: dict[str, Measure], scope: Scope) -> Step:
    """Return how a column is made."""
    measure = measures.get(name.removesuffix(f"_{window}d") if window else name)
    lacking = _lacking(measure, scope) if measure is not None else None
    if measure is None or measure.windowed != bool(window) or lacking:
        raise ConfigError(
            Text.of("fault-feature_unmade", name=repr(name)),
            where="features",
            got=lacking or Text.of("fault-feature_unmade.unlike"),
            code="features.unavailable",
        )
    return Step(name, measure, window)


def _others(step: Step, measures: dict[str, Measure], scope: Scope) -> list[Step]:
    """Return the columns that one is made from."""
    names = list(step.measure.after)
    names += [name for name in step.measure.after_any if name in measures and not _lacking(measures[name], scope)]
    windows = {name: (step.window or scope.main_window) if measures[name].windowed else None for name in names}
    return [_step(measures[name].column(window), window, measures, scope) for name, window in windows.items()]


def _lacking(measure: Measure, scope: Scope) -> Text | None:
    """Return what there is not, without which making the measure would tell something untrue.

    A column that is no longer supplied leaves what is made of it missing; events that do not say who acted would
    show every account without users.
    """
    for table, columns in measure.needs:
        if table not in scope.tables:
            return Text.of("fault-feature_unmade.table", table=table)
        if table == "events" and "user_id" in columns and not scope.tables.has("events", "user_id"):
            return Text.of("fault-feature_unmade.users")
    return None


def _everything(measures: Iterable[Measure], scope: Scope) -> list[Step]:
    """Return every column that the tables allow, but those made from all others."""
    return [
        Step(measure.column(window), measure, window)
        for measure in measures
        if not measure.last and not scope.missing_needs(measure)
        for window in measure.over(scope)
    ]
