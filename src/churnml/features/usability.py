"""What a company's tables allow of each feature family, and what adding a table or a column would unlock."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from churnml.config import FeatureConfig
from churnml.features.catalogue import declared
from churnml.features.measures import Measure, Scope
from churnml.tables import Tables

__all__ = ["FamilyUse", "families_use"]


@dataclass(frozen=True)
class FamilyUse:
    """How much of one feature family there is.

    Parameters
    ----------
    family : str
    on, off : int
        Measures that the tables allow, and that they do not; kinds of event counted one by one are not among them.
    unlocks : dict of str to int
        Table (``tickets``) or column (``tickets.solved_at``) that is missing → measures that it alone would turn on,
        the most first.
    """

    family: str
    on: int
    off: int
    unlocks: dict[str, int]


def families_use(tables: Tables, config: FeatureConfig) -> list[FamilyUse]:
    """Return how much of every family the tables allow, in the catalogue's order.

    Parameters
    ----------
    tables : Tables
        The company's tables; only which columns they supplied is looked at.
    config : FeatureConfig
        The section `features`.

    Examples
    --------
    >>> import pandas as pd
    >>> events = pd.DataFrame({"account_id": ["a"], "event_type": ["x"], "occurred_at": [pd.Timestamp("2026-03-01")]})
    >>> uses = {use.family: use for use in families_use(Tables.from_pandas({"events": events}), FeatureConfig())}
    >>> uses["support"].on, "tickets" in uses["support"].unlocks
    (0, True)
    """
    scope = Scope(tables, config, {}, frozenset(), ())
    on: Counter[str] = Counter()
    off: Counter[str] = Counter()
    unlocks: dict[str, Counter[str]] = {}
    for measure in declared(scope):
        if measure.optional and measure.name not in config.extra:
            continue
        if config.families and measure.family not in config.families:
            continue
        absent = _absent(tables, measure)
        (off if absent else on)[measure.family] += 1
        own = unlocks.setdefault(measure.family, Counter())
        if len(absent) == 1:
            own[absent[0]] += 1
    return [FamilyUse(family, on[family], off[family], dict(own.most_common())) for family, own in unlocks.items()]


def _absent(tables: Tables, measure: Measure) -> list[str]:
    """Return the tables, and the columns of tables that are there, that a measure needs and does not have."""
    absent = []
    for table, columns in measure.needs:
        if table not in tables:
            absent.append(table)
        else:
            absent += [f"{table}.{column}" for column in columns if not tables.has(table, column)]
    return list(dict.fromkeys(absent))
