"""What the alerts and tasks of one snapshot are decided on, of the store alone."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import pandas as pd

from churnml.actions.playbooks import Situation
from churnml.actions.signals import READINGS, signals
from churnml.errors import UsageError
from churnml.health import phase
from churnml.language import Text
from churnml.store import SnapshotInfo, Store

__all__ = ["Basis", "situations", "table_of"]

_SITUATION = ("account_id", "touch", "band", "owner")


def table_of(
    scores: pd.DataFrame,
    features: pd.DataFrame,
    readings: Sequence[tuple[str, date, float | None, str, float | None]],
) -> pd.DataFrame:
    """Return the signals of a snapshot, see `churnml.actions.signals`.

    Parameters
    ----------
    scores, features : DataFrame
        As `signals` takes them.
    readings : sequence of tuple
        Earlier readings, as `churnml.store.Store.banded_readings` returns them.
    """
    earlier = pd.DataFrame(readings, columns=list(READINGS))
    earlier = earlier.astype({"health_score": "float64", "coverage": "float64"})
    earlier["as_of"] = pd.to_datetime(earlier["as_of"])
    return signals(scores, features, earlier)


def situations(table: pd.DataFrame, explanations: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Situation]:
    """Return the situation of each account of the signals, with what was told of it; by account.

    An explanation is read where its account is asked for.
    """
    columns = (table[name].tolist() if name in table else [None] * len(table) for name in _SITUATION)
    known = {
        str(account): (str(in_phase), str(touch), str(band), None if pd.isna(owner) else str(owner))
        for in_phase, account, touch, band, owner in zip(phase(table).tolist(), *columns, strict=True)
    }
    return _Situations(known, explanations)


class _Situations(Mapping[str, Situation]):
    def __init__(
        self,
        known: Mapping[str, tuple[str, str, str, str | None]],
        explanations: Mapping[str, Mapping[str, Any]],
    ) -> None:
        self._known, self._explanations = known, explanations

    def __getitem__(self, account_id: str) -> Situation:
        return Situation.of(*self._known[account_id], self._explanations.get(account_id, {}))

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


@dataclass(frozen=True)
class Basis:
    """The newest snapshot of a config as its store holds it.

    Parameters
    ----------
    snapshot : SnapshotInfo
    table : DataFrame
        Its signals.
    store : Store
        Where the explanations are, which are read for those accounts only of which something is decided.
    """

    snapshot: SnapshotInfo
    table: pd.DataFrame
    store: Store

    @classmethod
    def newest(cls, config: str, store: Store) -> Basis:
        """Read it.

        Raises
        ------
        UsageError
            Nothing has been scored yet, or the features of the snapshot are not kept any more.
        """
        newest = store.latest(config)
        if newest is None:
            raise UsageError(Text.of("fault-not_scored"), where=config, code="alerts.scores")
        features = store.features_frame(newest.id)
        if features.empty:
            raise UsageError(
                Text.of("fault-features_gone"),
                where=Text.of("fault-features_gone.where", as_of=str(newest.as_of)),
                code="alerts.features",
            )
        accounts = store.accounts(newest.id, limit=newest.accounts).accounts
        scores = pd.DataFrame([{**vars(account), "as_of": newest.as_of} for account in accounts])
        scores["as_of"] = pd.to_datetime(scores["as_of"])
        return cls(newest, table_of(scores, features, store.banded_readings(config, newest.as_of)), store)

    def situations(self, accounts: Collection[str] | None = None) -> Mapping[str, Situation]:
        """Return the situations of accounts, by default of all."""
        ids = self.table["account_id"].astype(str)
        table = self.table if accounts is None else self.table[ids.isin(set(accounts)).to_numpy()]
        explanations = self.store.explanations(self.snapshot.id, table["account_id"].astype(str).tolist(), [])
        return situations(table.reset_index(drop=True), explanations)
