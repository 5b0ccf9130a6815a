"""From spine to frame: the catalogue's features for every row asked about."""

from __future__ import annotations

import numpy as np
import pandas as pd

from churnml.config import Config
from churnml.errors import ConfigError
from churnml.features import (
    adoption,
    billing,
    commercial,
    context,
    engagement,
    onboarding,
    peers,
    relationship,
    sentiment,
    support,
    trends,
    user,
)
from churnml.features.catalogue import SHAPED, login_events
from churnml.features.inputs import Columns, Inputs
from churnml.features.keys import Keys
from churnml.features.measures import main_window
from churnml.features.rollup import slug
from churnml.features.spec import FeatureSet
from churnml.tables import Tables

__all__ = ["compute"]


def compute(tables: Tables, spine: pd.DataFrame, feature_set: FeatureSet, config: Config) -> pd.DataFrame:
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
    made = _columns(tables, keys, feature_set, config)
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
        values = made[spec.name][position]
        columns[spec.name] = pd.Categorical(values) if spec.categorical else values.astype(np.float64)
    kept = spine.drop(columns=[name for name in columns if name in spine])
    return pd.concat([kept, pd.DataFrame(columns, index=spine.index)], axis=1)


def _columns(tables: Tables, keys: Keys, feature_set: FeatureSet, config: Config) -> Columns:
    """Compute every family that the catalogue asks for; more columns than asked may come back."""
    families = {spec.family for spec in feature_set}
    windows = tuple(sorted({spec.window_days for spec in feature_set if spec.window_days}))
    measures = {spec.measure for spec in feature_set}
    kinds = tuple(sorted(name.removeprefix("events_of_") for name in measures if name.startswith("events_of_")))
    logins = login_events(config) if measures & {"logins", "days_since_last_login"} else ()
    inputs = Inputs(tables, config, keys, logins)
    out: Columns = {}
    peers_wanted = any(spec.kind == "peer" for spec in feature_set)
    if "commercial" in families or "adoption" in families or peers_wanted:
        out |= commercial.columns(inputs, windows)
    if "events" in tables and families & {"engagement", "adoption"}:
        core = frozenset(slug(kind) for kind in config.features.core_features) or frozenset(kinds)
        out |= engagement.columns(inputs, windows, kinds)
        out |= adoption.columns(
            inputs, windows, core, out.get("seats") if tables.has("subscriptions", "seats") else None
        )
        out |= trends.event_columns(inputs, windows, main_window(config), kinds, shaped=SHAPED)
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
    if peers_wanted:
        out |= peers.columns(inputs, out, main_window(config))
    return out | user.columns(inputs, out, windows)
