"""Who stays and what they pay: churn, renewal, gross and net revenue retention.

Conventions: a period is ``(start, end]`` between two midnights, so that the accounts at the end of one period are the
accounts at the start of the next. A rate with nothing in its denominator is None, never 0. A reactivated account is
new, not retained. Amounts are taken in the currency of the data; none is converted.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

__all__ = [
    "RevenueMovement",
    "annualised",
    "expansion_rate",
    "logo_churn_rate",
    "mrr_on",
    "renewal_rate",
    "revenue_movement",
]


def share(part: float, whole: float) -> float | None:
    """Return ``part / whole``, or None where the whole is 0."""
    return float(part / whole) if whole else None


def logo_churn_rate(spells: pd.DataFrame, start: pd.Timestamp, end: pd.Timestamp) -> float | None:
    """Return the accounts lost in a period as a share of those at its start; new ones are left out.

    Parameters
    ----------
    spells : DataFrame
        From `churnml.snapshots.spells`: ``account_id, started_on, ended_on, churned``.
    start, end : Timestamp
        Midnights; an account is there at a midnight when ``started_on <= midnight < ended_on``.

    Returns
    -------
    float or None
        Share in 0–1 for the whole period; None without accounts at the start.

    Examples
    --------
    >>> day = pd.Timestamp
    >>> spells = pd.DataFrame({"account_id": ["a", "b", "c"],
    ...     "started_on": [day("2026-01-01")] * 2 + [day("2026-02-10")],
    ...     "ended_on": [day("2026-02-15"), day("2026-12-31"), day("2026-02-20")],
    ...     "churned": [True, False, True]})
    >>> logo_churn_rate(spells, day("2026-02-01"), day("2026-03-01"))
    0.5
    """
    there = (spells["started_on"] <= start) & (spells["ended_on"] > start)
    lost = there & (spells["ended_on"] <= end) & spells["churned"]
    return share(int(lost.sum()), int(there.sum()))


def annualised(monthly_rate: float | None) -> float | None:
    """Return the yearly loss that a monthly rate compounds to, ``1 − (1 − m)^12``.

    Examples
    --------
    >>> round(annualised(0.08), 3)
    0.632
    """
    return None if monthly_rate is None else 1 - (1 - monthly_rate) ** 12


def mrr_on(subscriptions: pd.DataFrame, spells: pd.DataFrame, day: pd.Timestamp) -> pd.Series:
    """Return what each account pays per month on a day, add-ons included.

    Parameters
    ----------
    subscriptions : DataFrame
        ``account_id, is_addon, started_on, actual_end, mrr`` as in `churnml.snapshots.contract.subscription_frame`.
    spells : DataFrame
        From `churnml.snapshots.spells`. An account in a gap within the grace period still pays what it last paid.
    day : Timestamp
        Midnight.

    Returns
    -------
    Series
        MRR by ``account_id``; one entry per account that is there on the day.
    """
    there = spells[(spells["started_on"] <= day) & (spells["ended_on"] > day)]
    begun = subscriptions[(subscriptions["started_on"] <= day) & subscriptions["account_id"].isin(there["account_id"])]
    running = begun[begun["actual_end"] > day]
    plans = begun[~begun["is_addon"]]
    bridged = plans[~plans["account_id"].isin(running.loc[~running["is_addon"], "account_id"])]
    last = bridged.sort_values("actual_end", kind="stable").groupby("account_id").tail(1)
    paid = pd.concat([running, last]).groupby("account_id")["mrr"].sum()
    return paid.reindex(there["account_id"].to_numpy(), fill_value=0.0).rename("mrr")


@dataclass(frozen=True)
class RevenueMovement:
    """How the monthly revenue of the accounts at the start of a period moved; amounts in currency per month.

    ``start + expansion − contraction − churned`` is what the same accounts pay at the end; `new` comes on top.
    """

    start: float
    expansion: float
    contraction: float
    churned: float
    new: float

    @property
    def end(self) -> float:
        """Revenue at the end of the period, new accounts included."""
        return self.start + self.expansion - self.contraction - self.churned + self.new

    @property
    def grr(self) -> float | None:
        """Gross revenue retention: ``Σ min(end, start) ÷ Σ start``; never above 1."""
        return share(self.start - self.contraction - self.churned, self.start)

    @property
    def nrr(self) -> float | None:
        """Net revenue retention: ``(start + expansion − contraction − churned) ÷ start``; new accounts left out."""
        return share(self.start + self.expansion - self.contraction - self.churned, self.start)


def revenue_movement(before: pd.Series, after: pd.Series, stayed: pd.Index | None = None) -> RevenueMovement:
    """Split the change of revenue between two days.

    Parameters
    ----------
    before, after : Series
        MRR by account at the start and the end of the period, from `mrr_on`.
    stayed : Index, optional
        Accounts that were there without a break; an account that left and came back counts as lost and as new.
        By default all that are in both.

    Examples
    --------
    >>> moved = revenue_movement(pd.Series({"a": 100.0, "b": 50.0, "c": 50.0}),
    ...                          pd.Series({"a": 130.0, "b": 30.0, "d": 80.0}))
    >>> moved.grr, moved.nrr
    (0.65, 0.8)
    """
    both = before.index.intersection(after.index)
    kept = both if stayed is None else both.intersection(stayed)
    change = after.reindex(kept) - before.reindex(kept)
    return RevenueMovement(
        start=float(before.sum()),
        expansion=float(change.clip(lower=0).sum()),
        contraction=float(-change.clip(upper=0).sum()),
        churned=float(before.drop(kept).sum()),
        new=float(after.drop(kept).sum()),
    )


def expansion_rate(before: pd.Series, after: pd.Series) -> float | None:
    """Return the accounts that pay more at the end of a period as a share of those at its start.

    Examples
    --------
    >>> expansion_rate(pd.Series({"a": 100.0, "b": 50.0}), pd.Series({"a": 130.0}))
    0.5
    """
    grown = after.reindex(before.index) > before
    return share(int(grown.sum()), len(before))


def renewal_rate(
    subscriptions: pd.DataFrame, start: pd.Timestamp, end: pd.Timestamp, *, grace_days: int
) -> float | None:
    """Return the renewed terms as a share of those due for renewal in a period.

    Due is an account whose agreed end lies in ``(start, end]`` and was reached: a term that a mid-term change
    replaced is not due, one broken off before its end was lost elsewhere. It is renewed when a plan covers the
    account within `grace_days` after the end.

    Parameters
    ----------
    subscriptions : DataFrame
        ``account_id, is_addon, started_on, agreed_end, actual_end``.
    start, end : Timestamp
    grace_days : int

    Examples
    --------
    >>> day = pd.Timestamp
    >>> terms = pd.DataFrame({"account_id": ["a", "a", "b"], "is_addon": [False] * 3,
    ...     "started_on": [day("2025-02-01"), day("2026-02-05"), day("2025-02-10")],
    ...     "agreed_end": [day("2026-02-01"), day("2027-02-05"), day("2026-02-10")]})
    >>> terms["actual_end"] = terms["agreed_end"]
    >>> renewal_rate(terms, day("2026-01-15"), day("2026-02-15"), grace_days=14)
    0.5
    """
    plans = subscriptions[~subscriptions["is_addon"]]
    reached = plans["actual_end"] >= plans["agreed_end"]
    due = plans[reached & (plans["agreed_end"] > start) & (plans["agreed_end"] <= end)]
    due = due[["account_id", "agreed_end"]].drop_duplicates()
    pairs = due.merge(plans[["account_id", "started_on", "actual_end"]], on="account_id")
    follows = (pairs["started_on"] <= pairs["agreed_end"] + pd.Timedelta(days=grace_days)) & (
        pairs["actual_end"] > pairs["agreed_end"]
    )
    renewed = pairs[follows][["account_id", "agreed_end"]].drop_duplicates()
    return share(len(renewed), len(due))
