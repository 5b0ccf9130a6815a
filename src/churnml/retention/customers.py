"""What customers say and do: NPS, active use, onboarding, support."""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd

from churnml.retention.rates import share

__all__ = ["active_rate", "net_promoter_score", "onboarding_completion", "support_summary"]


def net_promoter_score(scores: pd.Series) -> float | None:
    """Return the share of answers 9–10 minus the share of 0–6, in points −100 to 100 (Reichheld 2003).

    Passives (7–8) count in the denominator; surveys without an answer do not.

    Examples
    --------
    >>> net_promoter_score(pd.Series([10, 9, 8, 3, None]))
    25.0
    """
    given = scores.dropna()
    points = share(int((given >= 9).sum()) - int((given <= 6).sum()), len(given))
    return None if points is None else 100 * points


def active_rate(
    accounts: Collection[str],
    events: pd.DataFrame,
    as_of: pd.Timestamp,
    *,
    window_days: int = 28,
    core_features: Collection[str] = (),
) -> float | None:
    """Return the contracted accounts with a core event in ``[as_of − window, as_of)`` as a share of all contracted.

    Parameters
    ----------
    accounts : collection of str
        Accounts under contract at `as_of`.
    events : DataFrame
        ``account_id, event_type, occurred_at``.
    as_of : Timestamp
    window_days : int
    core_features : collection of str
        Event types that count; empty = all.

    Examples
    --------
    >>> events = pd.DataFrame({"account_id": ["a", "x"], "event_type": ["report", "report"],
    ...                        "occurred_at": [pd.Timestamp("2026-03-01 10:00")] * 2})
    >>> active_rate(["a", "b"], events, pd.Timestamp("2026-03-10"))
    0.5
    """
    recent = (events["occurred_at"] >= as_of - pd.Timedelta(days=window_days)) & (events["occurred_at"] < as_of)
    if core_features:
        recent &= events["event_type"].isin(list(core_features))
    active = set(events.loc[recent, "account_id"]) & set(accounts)
    return share(len(active), len(set(accounts)))


def onboarding_completion(milestones: pd.DataFrame, as_of: pd.Timestamp, *, within_days: int = 90) -> float | None:
    """Return the accounts that completed every onboarding milestone in time as a share of those that began.

    Only mature cohorts count: accounts whose onboarding was planned at least `within_days` before `as_of`.

    Parameters
    ----------
    milestones : DataFrame
        ``account_id, kind, planned_at, completed_at``; trainings do not count.
    as_of : Timestamp
    within_days : int
        Days from the first plan to the last completion.

    Examples
    --------
    >>> day = pd.Timestamp
    >>> plan = pd.DataFrame({"account_id": ["a", "b", "c"], "kind": ["onboarding"] * 3,
    ...     "planned_at": [day("2026-01-01"), day("2026-01-01"), day("2026-04-20")],
    ...     "completed_at": [day("2026-02-01"), pd.NaT, day("2026-04-25")]})
    >>> onboarding_completion(plan, day("2026-05-01"))
    0.5
    """
    plan = milestones[milestones["kind"] != "training"]
    whole = plan.groupby("account_id").agg(
        begun=("planned_at", "min"),
        planned=("kind", "size"),
        done=("completed_at", "count"),
        last=("completed_at", "max"),
    )
    limit = whole["begun"] + pd.Timedelta(days=within_days)
    mature = limit <= as_of
    complete = mature & (whole["done"] == whole["planned"]) & (whole["last"] <= limit)
    return share(int(complete.sum()), int(mature.sum()))


def support_summary(tickets: pd.DataFrame, start: pd.Timestamp, end: pd.Timestamp) -> dict[str, float | None]:
    """Return the support figures of the tickets opened in ``[start, end)``, as known at `end`.

    Parameters
    ----------
    tickets : DataFrame
        ``opened_at, first_response_at, solved_at, escalated_at``.
    start, end : Timestamp

    Returns
    -------
    dict
        ``opened`` (tickets), ``resolution_rate`` (solved by `end` ÷ opened), ``first_response_hours`` (median of the
        answered), ``escalation_rate`` (÷ opened).
    """
    opened = tickets[(tickets["opened_at"] >= start) & (tickets["opened_at"] < end)]
    answered = opened[opened["first_response_at"] < end]
    wait = (answered["first_response_at"] - answered["opened_at"]).dt.total_seconds() / 3600
    return {
        "opened": float(len(opened)),
        "resolution_rate": share(int((opened["solved_at"] < end).sum()), len(opened)),
        "first_response_hours": float(wait.median()) if len(wait) else None,
        "escalation_rate": share(int((opened["escalated_at"] < end).sum()), len(opened)),
    }
