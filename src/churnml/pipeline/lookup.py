"""What was scored last, read back: the newest snapshot and the explanation of an account in it."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import date, timedelta
from typing import Any

from churnml.config import Config
from churnml.config.secrets import mask_url
from churnml.errors import DataError, WorkspaceError, near_name
from churnml.explain import frozen
from churnml.explain.stored import worded
from churnml.language import Text, languages, one_of, render
from churnml.store import AccountScore, SnapshotInfo, Store

__all__ = ["explain", "last_score", "last_scored", "newest", "of_account"]

_RETENTION_DAYS = 400
"""So long an account that has left is remembered."""


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
    config.require_churn("store")
    store = Store(config.store_url)
    snapshot = store.latest(config.name)
    if snapshot is None:
        store.close()
        raise _nothing_scored(config)
    return store, snapshot


def of_account(store: Store, snapshot: SnapshotInfo, account_id: str) -> dict[str, Any]:
    """Return an account's explanation in a snapshot, or raise `DataError` naming the near account."""
    document = store.explanation(snapshot.id, account_id)
    if document is None:
        raise _unknown_account(account_id, store.near_ids(snapshot.id, account_id), f"{snapshot.as_of}")
    return document


def last_scored(config: Config, store: Store, as_of: date, cohort: Collection[str]) -> dict[str, date]:
    """Return the accounts that were scored within the last 13 months and are not in the cohort any more.

    Parameters
    ----------
    config : Config
    store : Store
        Holds the earlier readings, and whom earlier snapshots knew to have left.
    as_of : date
        The snapshot being made.
    cohort : collection of str
        Its accounts.

    Returns
    -------
    dict of str to date
        Account → `as_of` of its last score, by account.
    """
    before = store.latest(config.name)
    left = store.departures(config.name) if before is not None and before.as_of < as_of else {}
    last = {account: departed.last for account, departed in left.items()}
    for account, read_on in store.last_readings(config.name, before=as_of).items():
        last[account] = max(read_on, last.get(account, read_on))
    oldest = as_of - timedelta(days=_RETENTION_DAYS)
    return {account: when for account, when in sorted(last.items()) if account not in cohort and when >= oldest}


def last_score(
    config: Config, store: Store, snapshot: SnapshotInfo, account_id: str
) -> tuple[AccountScore, dict[str, Any]] | None:
    """Return the last score of an account that is not in the newest snapshot, with its explanation; None if unknown.

    The explanation has the field ``frozen`` (see `churnml.explain.notices`), no plays, and no drivers where none were
    kept for that date.
    """
    readings = store.history(config.name, account_id, limit=1)
    if not readings:
        return None
    of, account = readings[0]
    document = dict(store.explanation(of.id, account_id) or _bare(account, of.as_of, snapshot))
    departed = store.departure(config.name, account_id)
    said = frozen(None if departed is None else departed.words(), of.as_of)
    if said["why"] == "notice":
        document["indicators"] = [*document["indicators"], _notice()]
    return account, {**document, "plays": [], "frozen": said}


def _notice() -> dict[str, Any]:
    said = {f"text_{language}": render(Text.of("fact-notice"), language) for language in languages()}
    return {"code": "notice", "feature": "notice_given", "value": 1.0, **said}


def _bare(account: AccountScore, as_of: date, snapshot: SnapshotInfo) -> dict[str, Any]:
    """Return an explanation without drivers."""
    from churnml.explain import Explanation  # with it come the frames, which few questions need

    bare = Explanation(
        account_id=account.account_id,
        as_of=as_of,
        churn_probability=account.churn_probability,
        base_rate=snapshot.info.get("base_rate"),
        horizon_days=snapshot.info.get("horizon_days"),
        health_score=account.health_score,
        band=account.band,
        coverage=account.coverage,
        reasons=account.reasons,
        source="model",
        raising=(),
        lowering=(),
        context=(),
        families={},
        indicators=(),
        csm_sentiment=None,
        expected_log_odds=None,
        log_odds=None,
        summary=Text.of("summary-none-kept"),
    )
    return bare.as_dict()


def _from_file(config: Config, account_id: str) -> dict[str, Any]:
    path = config.workspace_dir / "explanations.json"
    try:
        documents = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
        by_account: dict[str, dict[str, Any]] = {
            item["account_id"]: item for item in documents if item.get("target") == config.label.target
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise WorkspaceError(
            Text.of("fault-explanations_unread"),
            where=str(path),
            got=(str(error).splitlines() or [type(error).__name__])[0],
            code="workspace.damaged_json",
        ) from error
    if not by_account:
        raise _nothing_scored(config)
    if account_id not in by_account:
        raise _unknown_account(account_id, list(by_account), str(documents[0]["as_of"]))
    return worded({name: value for name, value in by_account[account_id].items() if name != "in_words"})


def _nothing_scored(config: Config) -> DataError:
    return DataError(Text.of("fault-no_snapshot"), where=mask_url(config.store_url), code="store.empty")


def _unknown_account(account_id: str, known: Sequence[str], as_of: str) -> DataError:
    near = near_name(account_id, known)
    return DataError(
        Text.of("fault-no_account", account=repr(account_id)),
        where=f"as_of {as_of}",
        expected=one_of((), near) or Text.of("fault-no_account.known", n=len(known), example=repr(known[0])),
        code="data.unknown_account",
    )
