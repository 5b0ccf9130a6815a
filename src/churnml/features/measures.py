"""How the catalogue's entries are written down: one `Measure` makes one feature per window."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from churnml.config import Config
from churnml.features.gaps import MISSING_JA
from churnml.features.spec import FeatureSpec
from churnml.tables import Tables

__all__ = ["WEEKS", "YEAR", "Measure", "Need", "Scope", "main_window"]

WEEKS = 12
"""Weeks of a slope."""

YEAR = 364
"""Days among which an account's own peak is looked for."""

Need = tuple[str, tuple[str, ...]]
"""A table and the columns of it that a feature is made from."""


@dataclass(frozen=True)
class Measure:
    """A measure and its words. ``{w}`` in a description stands for the window in days.

    Parameters
    ----------
    name : str
        Column name without window.
    unit, missing : str
        As in `FeatureSpec`.
    label_en, label_ja, description_en, description_ja : str
        As in `FeatureSpec`.
    table : str
        Canonical table it is made from.
    needs : tuple of (table, columns)
        What the company must have supplied.
    windowed : bool
        One feature per window, named ``{name}_{w}d``.
    """

    name: str
    unit: str
    missing: str
    label_en: str
    label_ja: str
    description_en: str
    description_ja: str
    table: str = "events"
    needs: tuple[Need, ...] = ()
    windowed: bool = True
    kind: Literal["level", "trend", "peer", "age", "flag", "category"] = "level"
    actionable: bool = True
    monotone: Literal[-1, 0, 1] = 0
    categorical: bool = False
    measure: str = ""

    def specs(self, family: str, windows: Sequence[int]) -> Iterator[FeatureSpec]:
        """Yield the feature of each window, or the one feature without a window."""
        for window in windows if self.windowed else (None,):
            yield FeatureSpec(
                name=f"{self.name}_{window}d" if window else self.name,
                family=family,
                unit=self.unit,
                missing=self.missing.format(w=window),
                label_en=self.label_en,
                label_ja=self.label_ja,
                description_en=self.description_en.format(w=window),
                description_ja=self.description_ja.format(w=window),
                table=self.table,
                window_days=window,
                measure=self.measure or self.name,
                kind=self.kind,
                actionable=self.actionable,
                monotone=self.monotone,
                categorical=self.categorical,
                missing_ja=MISSING_JA.get(self.missing, "").format(w=window),
            )


@dataclass(frozen=True)
class Scope:
    """What the catalogue is made for.

    Parameters
    ----------
    tables : Tables
        The company's tables.
    config : Config
        Windows, families, kinds.
    kinds : dict of str to str
        Slug of each event kind that is counted one by one → its words.
    valued : frozenset of str
        Slugs of the kinds that carry a value.
    logins : tuple of str
        Event types that are logins; empty where the company records none.
    """

    tables: Tables
    config: Config
    kinds: dict[str, str]
    valued: frozenset[str]
    logins: tuple[str, ...]

    @property
    def windows(self) -> tuple[int, ...]:
        """Windows in days, ascending and unique."""
        return tuple(sorted(set(self.config.features.windows_days)))

    @property
    def main_window(self) -> int:
        """The window nearest to 28 days."""
        return main_window(self.config)

    def missing_needs(self, measure: Measure) -> str:
        """Return in words what a measure needs and the company has not supplied; empty when nothing."""
        for table, columns in measure.needs:
            if table not in self.tables:
                return f"there is no table `{table}`"
            absent = [column for column in columns if not self.tables.has(table, column)]
            if absent:
                return f"`{table}` has no {', '.join(f'`{column}`' for column in absent)}"
        return ""


def main_window(config: Config) -> int:
    """Return the configured window nearest to 28 days, the one that peers and kinds' trends use."""
    return min(sorted(set(config.features.windows_days)), key=lambda window: (abs(window - 28), window))
