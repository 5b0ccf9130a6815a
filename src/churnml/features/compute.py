"""From spine to frame: the catalogue's features for every row asked about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd

from churnml.config import FeatureConfig
from churnml.engine import memory_limit
from churnml.features.aggregates import gathered
from churnml.features.catalogue import login_events
from churnml.features.events.event_stream import EventStream
from churnml.features.events.planes import Planes
from churnml.features.events.reading import EventReading
from churnml.features.filling import filled_frames
from churnml.features.inputs import Columns, Inputs
from churnml.features.keys import Keys
from churnml.features.measures import Scope
from churnml.features.plan import Plan
from churnml.features.spec import FeatureSet
from churnml.memory import give_back
from churnml.tables import Tables

__all__ = ["compute", "compute_each", "lay_out_events"]

_KEY = ["account_id", "as_of"]
_BACK_DAYS = 31
"""So much earlier than their end events that are laid out can be asked for, to compare with a month ago."""


def compute(
    tables: Tables,
    spine: pd.DataFrame,
    feature_set: FeatureSet,
    config: FeatureConfig,
    *,
    planes: Planes | None = None,
    cohort: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Add the features to a spine.

    Training and scoring both call this. Whatever else is in the tables, a row's features depend only on facts that
    occurred and were known before its `as_of`.

    Parameters
    ----------
    tables : Tables
        The company's tables.
    spine : DataFrame
        With ``account_id`` and ``as_of`` (midnights); any further columns are kept. Rows may come in any order, may
        repeat, and each may have an `as_of` of its own.
    feature_set : FeatureSet
        From `catalogue`, or from a model's bundle.
    config : FeatureConfig
        Windows, kinds, logins.
    planes : Planes, optional
        From `lay_out_events`, made from the same tables earlier. Where all rows share an `as_of` no earlier than its
        end, only the events that became known since are read; where no event can be known late, it serves the `as_of`
        dates up to `_BACK_DAYS` days earlier too. Facts from before its end must not have changed.
    cohort : DataFrame, optional
        ``account_id, as_of`` of all accounts that were customers at the spine's dates: ranks are taken among
        them. By default among the spine's rows, which must then hold whole cohorts.

    Returns
    -------
    DataFrame
        The spine's rows in the spine's order and its columns, then one column per feature in the catalogue's order:
        float64, or ``category`` for words. An account without history has its row.

    Raises
    ------
    ConfigError
        The catalogue holds a feature that these tables and this config cannot make.
    """
    if spine.empty:
        empty = {spec.name: pd.Series(dtype="category" if spec.categorical else "float64") for spec in feature_set}
        return pd.concat([spine, pd.DataFrame(empty, index=spine.index)], axis=1)
    keys, position = Keys.of(spine)
    ranks = _ranks(tables, keys, feature_set, config, planes, cohort) if cohort is not None else {}
    made = _made(tables, keys, feature_set, config, planes, ranks)
    (frame,) = filled_frames([spine], [position], feature_set, made)
    return frame


def compute_each(
    tables: Tables,
    spines: Sequence[pd.DataFrame],
    feature_set: FeatureSet,
    config: FeatureConfig,
    *,
    cohort: pd.DataFrame,
) -> list[pd.DataFrame]:
    """Add the features to several spines in one reading of the tables.

    The same as `compute` of each, and what is made is held once: a column goes over to the frames as soon as it can.

    Parameters
    ----------
    tables, feature_set, config
        As in `compute`.
    spines : sequence of DataFrame
        Rows of `cohort` only.
    cohort : DataFrame
        ``account_id, as_of`` of whole cohorts, one row per key; the features are made for all of them.

    Returns
    -------
    list of DataFrame
        One a spine, as from `compute`. Words have the categories of the whole cohorts.
    """
    if cohort.empty:
        return [compute(tables, spine, feature_set, config) for spine in spines]
    rows = pd.concat([part[_KEY] for part in (cohort, *spines)], ignore_index=True)
    keys, position = Keys.of(rows)
    places = np.split(position, np.cumsum([len(cohort), *map(len, spines)])[:-1])[1:]
    made = _made(tables, keys, feature_set, config, None, {})
    return filled_frames(spines, places, feature_set, made)


def lay_out_events(tables: Tables, feature_set: FeatureSet, config: FeatureConfig, until: date) -> Planes | None:
    """Lay out the events known before a date, to be kept and given to `compute` for later dates.

    Parameters
    ----------
    tables : Tables
        The company's tables, on DuckDB.
    feature_set : FeatureSet
        What will be computed.
    config : FeatureConfig
        Windows, kinds, logins.
    until : date
        Midnight before which a fact must have been known.

    Returns
    -------
    Planes or None
        None without events, on another engine than DuckDB, or where the planes would not fit into memory.
    """
    if "events" not in tables or tables.connection.name != "duckdb":
        return None
    day = int(np.datetime64(until, "D").astype(np.int64))
    layout = replace(Plan.of(feature_set, _scope(tables, feature_set, config)).layout, by_day=True)
    days = np.arange(day - layout.reach - _BACK_DAYS, day + 1)
    planes = EventStream(tables, layout, days).lay_out(None, memory_limit(tables.connection))
    return planes if isinstance(planes, Planes) else None


def _scope(tables: Tables, feature_set: FeatureSet, config: FeatureConfig) -> Scope:
    """Return the scope that declares what a catalogue holds: its windows and kinds, whatever the tables show today."""
    kinds = {kind: kind for kind in feature_set.event_kinds}
    return Scope(tables, config, kinds, frozenset(kinds), login_events(config))


def _ranks(
    tables: Tables,
    keys: Keys,
    feature_set: FeatureSet,
    config: FeatureConfig,
    planes: Planes | None,
    cohort: pd.DataFrame,
) -> Columns:
    """Return the ranks of the rows asked about among whole cohorts; nothing where the rows are the cohorts."""
    ranks = [spec for spec in feature_set if spec.kind == "peer"]
    rows = pd.DataFrame({"account_id": keys.accounts[keys.code], "as_of": keys.as_of})
    same_days = cohort.loc[cohort["as_of"].isin(rows["as_of"]), ["account_id", "as_of"]]
    everyone, place = Keys.of(pd.concat([rows, same_days.astype(rows.dtypes)], ignore_index=True))
    if not ranks or len(everyone) == len(keys):
        return {}
    made = _made(tables, everyone, FeatureSet(ranks), config, planes, {})
    return {spec.name: made[spec.name][place[: len(keys)]] for spec in ranks}


def _made(
    tables: Tables, keys: Keys, feature_set: FeatureSet, config: FeatureConfig, planes: Planes | None, given: Columns
) -> Columns:
    """Make every column that the catalogue asks for, and those that these are made from; `given` are made already."""
    plan = Plan.of(feature_set, _scope(tables, feature_set, config), without=frozenset(given))
    # Ranks, and what a user makes of the frame, look at all rows; the rest is made account by account.
    inputs = Inputs(tables, config, keys, kinds=plan.kinds)
    reading = None
    if "events" in tables:
        columns = len(keys) * len(plan.steps) * np.dtype(np.float64).itemsize
        reading = EventReading(tables, keys, plan.layout, login_events(config), planes, beside=columns)
    inputs.made |= _by_account(tables, keys, plan, config, reading) | given
    for name, window, direct in plan.direct(among_rows=True):
        inputs.made[name] = direct.make(inputs, window)
    return inputs.made


def _by_account(tables: Tables, keys: Keys, plan: Plan, config: FeatureConfig, reading: EventReading | None) -> Columns:
    """Make the columns that look at one account at a time, in parts of accounts where memory asks for it."""
    events = reading.measures(keys) if reading is not None else None
    if isinstance(events, int):
        parts = []
        for part in keys.parts(events):
            parts.append(_by_account(tables, part, plan, config, reading))
            give_back()  # a part's events go before those of the next one come
        return {name: np.concatenate([part.pop(name) for part in parts]) for name in list(parts[0])}
    inputs = Inputs(tables, config, keys, kinds=plan.kinds, events=events)
    for source, steps in plan.from_rows():
        inputs.made |= gathered(inputs, source, steps)
    for name, window, direct in plan.direct(among_rows=False):
        inputs.made[name] = direct.make(inputs, window)
    return inputs.made
