"""A family of features: its measures, each declared beside the function that makes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from churnml.features.aggregates import Source
from churnml.features.measures import NO_DAY_SEEN, Count, Direct, FromRows, Measure, Scope
from churnml.features.spec import Sign

__all__ = ["Family"]

Made = TypeVar("Made", bound=Callable[..., Any])
Declared = TypeVar("Declared", bound=Callable[[Scope], Iterator[Measure]])


class Family:
    """The measures of a family, in column order.

    Parameters
    ----------
    name : str
        One of `FAMILIES`.

    Examples
    --------
    >>> family = Family("engagement")
    >>> @family.count("events", "events", risk_direction=-1)
    ... def events(inputs, start, end):
    ...     return inputs.events.events(start, end)
    >>> [measure.name for measure in family.measures(None)]
    ['events']
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._declared: list[Measure | Callable[[Scope], Iterator[Measure]]] = []

    def measures(self, scope: Scope) -> Iterator[Measure]:
        """Yield the family's measures, whether or not the tables allow them."""
        for declared in self._declared:
            if isinstance(declared, Measure):
                yield declared
            else:
                yield from declared(scope)

    def measure(
        self,
        name: str,
        unit: str,
        *,
        risk_direction: Sign,
        of: Source | None = None,
        windowed: bool = True,
        **more: Any,
    ) -> Callable[[Made], Made]:
        """Declare a measure and decorate the function that makes it.

        Parameters
        ----------
        name, unit, risk_direction
            As in `Measure`.
        of : Source, optional
            The function then gets the source's rows and returns an `Aggregate`; otherwise it gets `Inputs` and returns
            one value per key.
        windowed : bool
            The function also gets the window in days.
        **more
            Further fields of `Measure`, ``missing`` among them. Its words stand in the catalogue, ``m-<name>``.
        """

        def declare(function: Made) -> Made:
            def make(given: Any, window: int | None) -> Any:
                return function(given, window) if windowed else function(given)

            made = Direct(make) if of is None else FromRows(of, make)
            fields = {"name": name, "unit": unit, "risk_direction": risk_direction, "make": made}
            self._add(**fields, windowed=windowed, **more)
            return function

        return declare

    def count(
        self, name: str, unit: str, *, risk_direction: Sign, of: Source | None = None, **more: Any
    ) -> Callable[[Made], Made]:
        """Declare a count over windows and decorate ``(inputs or rows, start, end) → counts``.

        It is 0 where nothing happened and missing where no day of the window could be observed.
        """

        def declare(function: Made) -> Made:
            more.setdefault("missing", NO_DAY_SEEN)
            made = Count(function, of)
            self._add(name=name, unit=unit, risk_direction=risk_direction, make=made, **more)
            return function

        return declare

    def each(self, declared: Declared) -> Declared:
        """Decorate a function that declares measures for a company: one for each kind of event, say."""
        self._declared.append(declared)
        return declared

    def _add(self, **fields: Any) -> None:
        self._declared.append(Measure(family=self.name, **fields))
