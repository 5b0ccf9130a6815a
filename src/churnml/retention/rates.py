"""Who stays and what they pay: churn, renewal, gross and net revenue retention.

Conventions: a period is ``(start, end]`` between two midnights, so that the accounts at the end of one period are the
accounts at the start of the next. A rate with nothing in its denominator is None, never 0. A reactivated account is
new, not retained. Amounts are taken in the currency of the data; none is converted.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

__all__ = [
    "Renewals",
    "RevenueMovement",
    "annualised",
    "expansion_rate",
    "logo_churn_rate",
    "mrr_on",
    "renewals",
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

    Right where any month is like any other. Where contracts run for a year a single month says little of the others:
    `kpi_history` measures a year over its twelve months instead of compounding one.

    Examples
    --------
    >>> round(annualised(0.08), 3)
    0.632
    """
    return None if monthly_rate is None else 1 - (1 - monthly_rate) ** 12


def mrr_on(levels: pd.DataFrame, spells: pd.DataFrame, day: pd.Timestamp) -> pd.Series:
    """Return what each account pays per month on a day, add-ons included.

    Parameters
    ----------
    levels : DataFrame
        From `churnml.snapshots.changes.levels` with ``"mrr"``: overlaps of one product are counted once, and every
        product and add-on in a gap within the grace period is still paid for.
    spells : DataFrame
        From `churnml.snapshots.spells`.
    day : Timestamp
        Midnight.

    Returns
    -------
    Series
        MRR by ``account_id``; one entry per account that is there on the day.
    """
    there = spells.loc[(spells["started_on"] <= day) & (spells["ended_on"] > day), "account_id"]
    level = levels[levels["day"] <= day].drop_duplicates("account_id", keep="last").set_index("account_id")["level"]
    return level.reindex(there.to_numpy()).fillna(0.0).rename("mrr")


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
    retained = both if stayed is None else both.intersection(stayed)
    change = after.reindex(retained) - before.reindex(retained)
    return RevenueMovement(
        start=float(before.sum()),
        expansion=float(change.clip(lower=0).sum()),
        contraction=float(-change.clip(upper=0).sum()),
        churned=float(before.drop(retained).sum()),
        new=float(after.drop(retained).sum()),
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


@dataclass(frozen=True)
class Renewals:
    """What came up for renewal in a period, and what of it was renewed.

    Parameters
    ----------
    accounts_due, accounts_renewed : int
        Accounts of which a plan was due, and those that a plan covers afterwards.
    mrr_due, mrr_renewed : float
        MRR of the plans and add-ons that were due, and what of it goes on: of a term renewed at a higher price, the
        old price, so that expansion makes up for no loss.
    """

    accounts_due: int
    accounts_renewed: int
    mrr_due: float
    mrr_renewed: float

    @property
    def by_logo(self) -> float | None:
        """Accounts renewed as a share of those due."""
        return share(self.accounts_renewed, self.accounts_due)

    @property
    def by_value(self) -> float | None:
        """MRR renewed as a share of the MRR due, 0–1."""
        return share(self.mrr_renewed, self.mrr_due)


def renewals(
    subscriptions: pd.DataFrame, start: pd.Timestamp, end: pd.Timestamp, *, grace_days: int, next_terms: pd.Series
) -> Renewals:
    """Return what was due for renewal in a period and what of it was renewed, by logo and by value.

    Due is a term whose agreed end lies in ``(start, end]`` and was reached: a term that a mid-term change replaced is
    not due, one broken off before its end was lost elsewhere. An account is renewed when a plan covers it within
    `grace_days` after the end; a term's MRR is renewed as far as the term that goes on from it carries it.

    Parameters
    ----------
    subscriptions : DataFrame
        From `churnml.snapshots.contract.subscription_frame`.
    start, end : Timestamp
    grace_days : int
    next_terms : Series of int
        Column ``next`` of `churnml.snapshots.terms.continuations`.

    Examples
    --------
    >>> day = pd.Timestamp
    >>> terms = pd.DataFrame({"account_id": ["a", "a", "b"], "is_addon": [False] * 3, "mrr": [100.0, 150.0, 50.0],
    ...     "started_on": [day("2025-02-01"), day("2026-02-05"), day("2025-02-10")],
    ...     "agreed_end": [day("2026-02-01"), day("2027-02-05"), day("2026-02-10")]})
    >>> terms["actual_end"] = terms["agreed_end"]
    >>> due = renewals(terms, day("2026-01-15"), day("2026-02-15"), grace_days=14, next_terms=pd.Series([1, -1, -1]))
    >>> due.by_logo, round(due.by_value, 3)
    (0.5, 0.667)
    """
    reached = subscriptions["actual_end"] >= subscriptions["agreed_end"]
    due = reached & (subscriptions["agreed_end"] > start) & (subscriptions["agreed_end"] <= end)
    plans = subscriptions[~subscriptions["is_addon"]]
    ends = plans.loc[due.loc[plans.index], ["account_id", "agreed_end"]].drop_duplicates()
    pairs = ends.merge(plans[["account_id", "started_on", "actual_end"]], on="account_id")
    follows = (pairs["started_on"] <= pairs["agreed_end"] + pd.Timedelta(days=grace_days)) & (
        pairs["actual_end"] > pairs["agreed_end"]
    )
    renewed = pairs.loc[follows, ["account_id", "agreed_end"]].drop_duplicates()
    gone = ends.merge(renewed, how="left", indicator=True).query("_merge == 'left_only'")["account_id"].unique()
    mrr, following = subscriptions["mrr"].fillna(0.0).to_numpy(), next_terms.to_numpy()
    position = due.to_numpy().nonzero()[0]
    # Several terms may go on as one: what it carries is held against all of them together.
    carried = pd.Series(mrr[position]).groupby(following[position]).sum().drop(-1, errors="ignore")
    after = mrr[carried.index.to_numpy().astype("int64")]
    return Renewals(
        accounts_due=ends["account_id"].nunique(),
        accounts_renewed=ends["account_id"].nunique() - len(gone),
        mrr_due=float(mrr[position].sum()),
        mrr_renewed=float(carried.clip(upper=after).sum()),
    )
