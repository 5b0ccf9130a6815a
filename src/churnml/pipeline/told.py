"""What was scored last, read back: the newest snapshot and the explanation of an account in it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from churnml.config import Config
from churnml.errors import DataError, near_name
from churnml.pipeline.frozen import last_score
from churnml.store import SnapshotInfo, Store

__all__ = ["explain", "newest", "of_account"]


def explain(config: Config, account_id: str) -> dict[str, Any]:
    """Return the explanation of one account from the newest scoring.

    An account that has left keeps its last score; the answer then has the field ``frozen``.
    Of another target than churn it is read from ``explanations.json``; the store is about churn alone.

    Raises
    ------
    DataError
        Nothing has been scored, or the account never was; the message names the near one.
    """
    if config.label.target != "churn":
        return _from_file(config, account_id)
    store, snapshot = newest(config)
    with store:
        if store.account(snapshot.id, account_id) is None:
            last = last_score(config, store, snapshot, account_id)
            if last is not None:
                return last[1]
        return of_account(store, snapshot, account_id)


def newest(config: Config) -> tuple[Store, SnapshotInfo]:
    """Return the store and its newest snapshot.

    Raises
    ------
    DataError
        Nothing has been scored.
    UsageError
        The config predicts something else than churn, which is not kept in the store.
    """
    config.require_churn("What is kept in the store")
    store = Store(config.store_url)
    snapshot = store.latest(config.name)
    if snapshot is None:
        store.close()
        raise _nothing_scored(config)
    return store, snapshot


def of_account(store: Store, snapshot: SnapshotInfo, account_id: str) -> dict[str, Any]:
    """Return an account's explanation in a snapshot, or raise `DataError` naming the near account."""
    found = store.explanation(snapshot.id, account_id)
    if found is None:
        raise _unknown_account(account_id, store.account_ids(snapshot.id), f"{snapshot.as_of}")
    return found


def _from_file(config: Config, account_id: str) -> dict[str, Any]:
    path = config.workspace_dir / "explanations.json"
    kept = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    found: dict[str, dict[str, Any]] = {
        item["account_id"]: item for item in kept if item.get("target") == config.label.target
    }
    if not found:
        raise _nothing_scored(config)
    if account_id not in found:
        raise _unknown_account(account_id, list(found), str(kept[0]["as_of"]))
    return found[account_id]


def _nothing_scored(config: Config) -> DataError:
    return DataError(
        "No snapshot has been scored yet",
        where=str(config.workspace_dir),
        remedy="Run `churnml score CONFIG` (or `churnml run CONFIG`) first.",
        code="store.empty",
    )


def _unknown_account(account_id: str, known: Sequence[str], as_of: str) -> DataError:
    near = near_name(account_id, known)
    return DataError(
        f"Account {account_id!r} is not in the scored snapshot",
        where=f"as_of {as_of}",
        expected=f"for example {near!r}" if near else f"one of {len(known)} accounts, such as {known[0]!r}",
        remedy="It may be new, or have left before anything was scored; the cohort section says who is scored.",
        code="data.unknown_account",
    )
