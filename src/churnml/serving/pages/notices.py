"""What a page says after something was done on it, with a way to take it back."""

from __future__ import annotations

from dataclasses import dataclass

from churnml.errors import StoreError
from churnml.language import phrases
from churnml.serving.pages.frame import Frame
from churnml.serving.pages.visibility import lines_seen

__all__ = ["DONE", "Notice", "notice"]

DONE = (
    "called", "done", "snoozed", "not_a_risk", "reassigned", "undone", "noted", "judged", "judgement_ended",
    "said_wrong", "skipped", "reopened", "assigned", "view_kept", "view_dropped",
)  # fmt: skip
"""What can have been done; each is ``done-<name>`` in words."""
UNDOABLE = frozenset({"called", "done", "snoozed", "not_a_risk", "reassigned", "skipped"})


@dataclass(frozen=True)
class Notice:
    """What was done, in words; with what an undo needs where it can be taken back.

    Parameters
    ----------
    text : str
    done : str
        One of `DONE`.
    alerts : tuple of str
        Ids of the alerts that it was done to.
    task : str or None
        Id of the task.
    was : str or None
        Who had it before, where it was given to somebody else.
    undo : bool
    """

    text: str
    done: str
    alerts: tuple[str, ...] = ()
    task: str | None = None
    was: str | None = None
    undo: bool = False


def notice(frame: Frame) -> Notice | None:
    """Return what the address says was done, or None."""
    query = frame.request.query_params
    done = query.get("done", "")
    if done not in DONE:
        return None
    alerts = tuple(one for one in query.getlist("done.alert") if one.isdigit())
    task = query.get("done.task")
    task = task if task is not None and task.isdigit() else None
    text = phrases(frame.language)(f"done-{done}", name=_name(frame, alerts, query.get("done.account", "")))
    undo = done in UNDOABLE and bool(alerts or task) and frame.viewer.may("work")
    return Notice(text, done, alerts, task, query.get("done.was"), undo)


def _name(frame: Frame, alerts: tuple[str, ...], account_id: str) -> str:
    """Return the name of the account that it was done to."""
    state = frame.state
    if alerts and not account_id:
        try:
            account_id = state.store.alerts(state.settings.name).get(int(alerts[0]))[0].account_id
        except (StoreError, OverflowError):
            return ""
    snapshot = state.view.snapshot
    if not account_id or snapshot is None:
        return ""
    # An address can name any account; only those of who looks are called by name.
    line = lines_seen(frame, snapshot, [account_id]).get(account_id)
    return (line.account.name or account_id) if line is not None else ""
