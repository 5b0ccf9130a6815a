"""Which accounts who looks may see: every page and every form asks here, by the owner in force."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from anyio import to_thread

from churnml.language import Text
from churnml.serving.http.problems import Problem
from churnml.serving.pages.frame import Frame
from churnml.serving.routes.work import tasks_of
from churnml.serving.state import StateView
from churnml.store import AccountLine, AccountScore, ListFilter, SnapshotInfo, State

__all__ = ["account_seen", "groups_seen", "line_seen", "lines_seen", "mask_seen", "owner_seen", "unknown"]

_MOST, _MOST_ALERTS = 1_000_000, 5_000
_WAITING: tuple[State, ...] = ("open", "acknowledged", "snoozed")


def unknown(account_id: str) -> Problem:
    """Return the problem of an account that is not there, or not for who looks: nobody can tell which."""
    return Problem("account.unknown", Text.of("detail-not_yours", account=repr(account_id)))


def owner_seen(frame: Frame) -> str | None:
    """Return whose accounts who looks sees, for `ListFilter.seen_by`: None is everybody's, the empty word nobody's."""
    return None if frame.viewer.sees_all else frame.viewer.owner_id or ""


def lines_seen(frame: Frame, snapshot: SnapshotInfo | None, account_ids: Sequence[str]) -> dict[str, AccountLine]:
    """Return those accounts of a snapshot that who looks may see.

    They are those whose owner they are, and those on which work was given to them that still waits.
    """
    if snapshot is None or not account_ids:
        return {}
    viewer = frame.viewer
    lines = frame.state.store.lists(frame.state.settings.name).some(snapshot.id, account_ids, frame.now)
    others = [key for key, line in lines.items() if not viewer.sees(line.account.owner)]
    hidden = set(others) - _handed(frame, others)
    return {key: line for key, line in lines.items() if key not in hidden}


def _handed(frame: Frame, account_ids: Sequence[str]) -> set[str]:
    """Return the accounts on which an alert or a task of who looks waits; of tasks those of the accounts named."""
    state, owner = frame.state, frame.viewer.owner_id
    if not owner or not account_ids:
        return set()
    alerts = state.store.alerts(state.settings.name).find(states=_WAITING, owner=owner, limit=_MOST_ALERTS)
    tasks = tasks_of(state).find(owner=owner, account_ids=account_ids, limit=_MOST_ALERTS)
    return {one.account_id for one, _ in alerts} | {one.account_id for one, _ in tasks}


def line_seen(frame: Frame, snapshot: SnapshotInfo | None, account_id: str) -> AccountLine:
    """Return an account of a snapshot as who looks may see it.

    Raises
    ------
    Problem
        ``account.unknown``: the snapshot does not have it, or who looks may not see it.
    """
    line = lines_seen(frame, snapshot, [account_id]).get(account_id)
    if line is None:
        raise unknown(account_id)
    return line


async def account_seen(
    frame: Frame, account_id: str, *, left: bool = False
) -> tuple[StateView, SnapshotInfo, AccountScore, AccountLine]:
    """Return an account's stored score, with the view it belongs to, as who looks may see it.

    Parameters
    ----------
    frame : Frame
    account_id : str
    left : bool
        Also one that has left, with the last snapshot that held it.

    Raises
    ------
    Problem
        ``account.unknown``, in the same words for one that is not there and one that is not theirs: who does not see
        every account is told of no id that is near, either.
    """
    state = frame.state
    try:
        view, snapshot, account = await (state.last_known if left else state.account)(account_id)
    except Problem as problem:
        if problem.code != "account.unknown" or frame.viewer.sees_all:
            raise
        raise unknown(account_id) from None
    return view, snapshot, account, await to_thread.run_sync(line_seen, frame, snapshot, account_id)


def mask_seen(frame: Frame, account_ids: np.ndarray, owners: np.ndarray | None = None) -> np.ndarray:
    """Return which accounts of a list that was kept who looks may see.

    Parameters
    ----------
    frame : Frame
    account_ids : ndarray of object
    owners : ndarray of object, optional
        The owner of each when the list was kept. It tells of accounts that have left only; the others belong to whom
        they belong now.
    """
    viewer, snapshot = frame.viewer, frame.state.view.snapshot
    if viewer.sees_all:
        return np.ones(len(account_ids), dtype=bool)
    if not viewer.owner_id:
        return np.zeros(len(account_ids), dtype=bool)
    own: set[str] = set()
    lists = frame.state.store.lists(frame.state.settings.name)
    if snapshot is not None:
        where = ListFilter(seen_by=viewer.owner_id)
        seen = lists.accounts(snapshot.id, snapshot.as_of, where, frame.now, limit=_MOST)
        own = {line.account.account_id for line in seen.lines}
    if owners is not None:
        then = {str(key) for key, owner in zip(account_ids, owners, strict=True) if viewer.sees(owner)} - own
        own |= then - set(lists.some(snapshot.id, sorted(then), frame.now) if snapshot is not None else ())
    return np.fromiter((key in own for key in account_ids), dtype=bool, count=len(account_ids))


def groups_seen(frame: Frame, by: str | None, rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return those groups of the figures that who looks may see: of the owners none but themselves."""
    return [row for row in rows if by != "owner" or frame.viewer.sees(row["group"])]
