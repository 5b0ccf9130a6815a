"""From spine to frame: the catalogue's features for every row asked about."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd

from churnml.config import Config
from churnml.errors import ConfigError
from churnml.features import peers, trends, user
from churnml.features.catalogue import login_events
from churnml.features.events.event_stream import lay_out
from churnml.features.events.planes import Planes, needs_users
from churnml.features.events.rollup import slug
from churnml.features.families import (
    adoption,
    billing,
    commercial,
    context,
    engagement,
    onboarding,
    relationship,
    sentiment,
    support,
)
from churnml.features.inputs import Columns, Inputs, Recipes
from churnml.features.keys import Keys
from churnml.features.measures import main_window
from churnml.features.spec import FeatureSet
from churnml.tables import Tables

__all__ = ["compute", "lay_out_events"]

_BACK_DAYS = 31
"""So much earlier than their end events that are laid out can be asked for, to compare with a month ago."""


def compute(
    tables: Tables, spine: pd.DataFrame, feature_set: FeatureSet, config: Config, *, kept: Planes | None = None
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
    config : Config
        Windows, kinds, logins.
    kept : Planes, optional
        From `lay_out_events`, made from the same tables earlier. Where all rows share an `as_of` no earlier than its
        end, only the events that became known since are read; where no event can be known late, it serves the `as_of`
        dates up to `_BACK_DAYS` days earlier too. Facts from before its end must not have changed.

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
    in_order = len(keys) == len(spine) and bool((np.diff(position) == 1).all())
    made = _columns(tables, keys, feature_set, config, kept)
    columns = {}
    for spec in feature_set:
        if spec.name not in made:
            raise ConfigError(
                f"The feature {spec.name!r} cannot be made",
                where="features",
                got=f"a catalogue with it, but tables and config without what it needs ({spec.table})",
                remedy="Use the tables and the config that the catalogue was made with, or train anew.",
                code="features.unavailable",
            )
        values = made[spec.name] if in_order else made[spec.name][position]
        columns[spec.name] = pd.Categorical(values) if spec.categorical else values.astype(np.float64, copy=False)
    rest = spine.drop(columns=[name for name in columns if name in spine])
    return pd.concat([rest, pd.DataFrame(columns, index=spine.index)], axis=1)


def lay_out_events(tables: Tables, feature_set: FeatureSet, config: Config, until: date) -> Planes | None:
    """Lay out the events known before a date, to be kept and given to `compute` for later dates.

    Parameters
    ----------
    tables : Tables
        The company's tables, on DuckDB.
    feature_set : FeatureSet
        What will be computed.
    config : Config
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
    nobody = Keys(np.zeros(0, dtype=object), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))
    inputs, _ = _inputs(tables, nobody, feature_set, config, {})
    layout = replace(inputs.layout, by_day=True)
    return lay_out(tables, None, layout, np.arange(day - layout.reach - _BACK_DAYS, day + 1))


def _inputs(
    tables: Tables, keys: Keys, feature_set: FeatureSet, config: Config, made: Columns, kept: Planes | None = None
) -> tuple[Inputs, Recipes]:
    """Return what families compute from, and how the features made from events are made."""
    windows = _windows(feature_set)
    wanted = set(feature_set.names)
    logins = login_events(config) if any("login" in name for name in wanted) else ()
    kinds = _kinds({spec.measure for spec in feature_set})
    inputs = Inputs(tables, config, keys, logins=logins, kinds=kinds, kept=kept)
    recipes = _event_recipes(inputs, windows, made) if "events" in tables else {}
    compared = peers.compared(wanted, main_window(config)).values()
    inputs.wanted = frozenset(recipes) & (wanted | set(compared))
    return inputs, recipes


def _windows(feature_set: FeatureSet) -> tuple[int, ...]:
    return tuple(sorted({spec.window_days for spec in feature_set if spec.window_days}))


def _columns(
    tables: Tables, keys: Keys, feature_set: FeatureSet, config: Config, kept: Planes | None = None
) -> Columns:
    """Compute every family that the catalogue asks for; more columns than asked may come back."""
    families = {spec.family for spec in feature_set}
    windows = _windows(feature_set)
    percentiles = peers.compared(set(feature_set.names), main_window(config))
    out: Columns = {}
    inputs, recipes = _inputs(tables, keys, feature_set, config, out, kept)
    if families & {"commercial", "adoption"} or percentiles:
        out |= commercial.columns(inputs, windows)
    out |= {name: recipes[name]() for name in sorted(inputs.wanted)}
    if "support" in families and "tickets" in tables:
        out |= support.columns(inputs, windows)
    if "sentiment" in families and "surveys" in tables:
        out |= sentiment.columns(inputs, windows)
    if "commercial" in families:
        out |= billing.columns(inputs, windows)
    if "relationship" in families:
        out |= relationship.columns(inputs, windows)
    if "onboarding" in families and "milestones" in tables:
        out |= onboarding.columns(inputs)
    if "context" in families and "accounts" in tables:
        out |= context.columns(inputs, config)
    out |= peers.columns(inputs, out, percentiles)
    return out | user.columns(inputs, out, windows)


def _event_recipes(inputs: Inputs, windows: tuple[int, ...], made: Columns) -> Recipes:
    """Return how everything from events is made; what it needs of the contract will be in `made` by then."""
    core = frozenset(slug(kind) for kind in inputs.config.features.core_features) or frozenset(inputs.kinds)
    recipes = (
        engagement.recipes(inputs, windows, inputs.kinds)
        | adoption.recipes(inputs, windows, core, lambda: made["seats"])
        | commercial.recipes(inputs, windows, lambda: made["mrr"])
        | trends.recipes(inputs, windows, main_window(inputs.config), inputs.kinds)
    )
    if inputs.tables.has("events", "user_id"):
        return recipes
    return {name: recipe for name, recipe in recipes.items() if not needs_users(name)}


_BY_KIND = re.compile(r"(?:events|share|value)_of_(.+)")


def _kinds(measures: set[str]) -> tuple[str, ...]:
    """Return the slugs of the event kinds that measures are named after.

    Examples
    --------
    >>> _kinds({"events_of_report", "share_of_add_lead", "mrr"})
    ('add_lead', 'report')
    """
    found = (_BY_KIND.fullmatch(name) for name in measures)
    return tuple(sorted({match.group(1) for match in found if match}))
