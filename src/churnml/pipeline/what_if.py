"""What would an account's score be if some of its facts were others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from churnml.assessment import Champion, WhatIf, what_if
from churnml.config import Config
from churnml.errors import DataError, UsageError
from churnml.language import Text
from churnml.pipeline.lookup import newest, of_account

__all__ = ["suppose"]


def suppose(config: Config, account_id: str, settings: Sequence[str]) -> WhatIf:
    """Score one account of the newest snapshot with some facts changed.

    Parameters
    ----------
    config : Config
    account_id : str
    settings : sequence of str
        ``feature=value`` each.

    Raises
    ------
    UsageError
        A setting is not of that form, or a feature is one nobody can act on.
    DataError
        The account is not in the snapshot.
    """
    changes = _changes(settings)
    store, snapshot = newest(config)
    with store:
        of_account(store, snapshot, account_id)
        values: Mapping[str, Any] | None = store.features(snapshot.id, account_id)
    if values is None:
        raise DataError(Text.of("fault-snapshot_features_gone"), where=account_id)
    champion = Champion.load(config)
    features = champion.model.features
    row = pd.DataFrame([{"account_id": account_id, "as_of": pd.Timestamp(snapshot.as_of), **values}])
    row = row.reindex(columns=["account_id", "as_of", *features.names])
    numbers = [spec.name for spec in features if not spec.categorical]
    row[numbers] = row[numbers].astype("float64")
    return what_if(champion, row, changes)


def _changes(settings: Sequence[str]) -> dict[str, float]:
    changes = {}
    for setting in settings:
        name, _, value = setting.partition("=")
        try:
            changes[name.strip()] = float(value)
        except ValueError:
            raise UsageError(
                Text.of("fault-setting"), where="--set", got=setting, expected="active_users_28d=12"
            ) from None
    return changes
