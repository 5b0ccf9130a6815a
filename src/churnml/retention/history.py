"""The KPIs month by month, for all accounts and by group, from one company's tables."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from churnml.retention.contracts import Contracts
from churnml.retention.groups import YEAR_MONTHS, Groups
from churnml.retention.panel import Column, Floats, Ints, Panel
from churnml.retention.value import churn_mixes, rfm
from churnml.tables import Tables

__all__ = ["kpi_history", "panel_history", "rfm_at", "rfm_of"]


def kpi_history(
    tables: Tables,
    *,
    grace_days: int = 14,
    gross_margin: float = 0.8,
    yearly_discount: float = 0.1,
    core_features: Collection[str] = (),
    onboarding_days: int = 90,
    group_by: str | None = None,
    leave_out_trials: bool = False,
) -> pd.DataFrame:
    """Return the KPIs of every whole calendar month in the data, oldest first.

    Every rate is measured over its own period: the yearly ones (``…_ttm``) over the twelve months that end with this
    one, by what became of the accounts that were there when they began. None is compounded from a single month.

    Parameters
    ----------
    tables : Tables
        Must hold ``subscriptions``; what other tables are absent leaves its columns null.
    grace_days : int
        A renewal this many days late is still a renewal. Months whose grace is not over are left out.
    gross_margin : float
        Share of revenue that is profit, for the lifetime value.
    yearly_discount : float
        What a year's wait costs, for the lifetime value.
    core_features : collection of str
        Event types of core use; empty = all.
    onboarding_days : int
        Days within which onboarding should be complete.
    group_by : str, optional
        ``"plan"`` or an attribute of the accounts, e.g. ``"segment"``: one row per month and group. An account
        belongs to the group that it was known to be in at the month's start (its end, for one that came later), and
        stays in the group that it was in at the start of a year's period.
    leave_out_trials : bool
        A plan of MRR 0 before the first paid one makes no customer.

    Returns
    -------
    DataFrame
        One row per month (and ``group``): ``month_on`` (its first day), ``accounts, mrr`` (at its start),
        ``new_accounts, lost_accounts``, ``mrr_new, mrr_expansion, mrr_contraction, mrr_churned`` (the bridge to the
        next month's MRR), ``mrr_due, mrr_renewed`` (what came due and what of it goes on), ``logo_churn_rate, grr, nrr,
        expansion_rate`` of the month,
        ``logo_churn_rate_ttm, grr_ttm, nrr_ttm`` of the twelve months up to its end, ``renewal_rate`` (accounts) and
        ``renewal_rate_value`` (MRR) of what came due, ``arpa, ltv`` (gross margin × ARPA × the discounted lifetime in
        months, churn differing between customers as in the last twelve months; see `churnml.retention.ChurnMix`),
        ``nps`` (answers of the last 91 days), ``active_rate, onboarding_completion, tickets_opened,
        ticket_resolution_rate, first_response_hours, escalation_rate``; rates are shares in 0–1, null where undefined.
    """
    panel = Panel(
        tables,
        grace_days=grace_days,
        leave_out_trials=leave_out_trials,
        core_features=core_features,
        onboarding_days=onboarding_days,
    )
    histories = panel_history(panel, [group_by], gross_margin=gross_margin, yearly_discount=yearly_discount)
    return histories[group_by]


def panel_history(
    panel: Panel,
    group_by: Sequence[str | None],
    *,
    gross_margin: float = 0.8,
    yearly_discount: float = 0.1,
    months: int | None = None,
) -> dict[str | None, pd.DataFrame]:
    """Return what `kpi_history` returns for several groupings at once, of the newest `months`."""
    groupings = {by: panel.everyone if by is None else panel.groups(by) for by in group_by}
    columns: dict[str | None, dict[str, list[npt.NDArray[Any]]]] = {by: {} for by in groupings}
    first = 0 if months is None else max(panel.months - months, 0)
    for number in range(first, panel.months):
        facts = panel.month(number)
        year = panel.moved(number + 1 - YEAR_MONTHS, number + 1) if number + 1 >= YEAR_MONTHS else None
        for by, groups in groupings.items():
            size = len(groups.names)
            # Whoever is in no group counts in place 0, which is left out.
            occupied = np.bincount(groups.of_month[number] + 1, minlength=size + 1)[1:] > 0
            occupied |= by is None
            row: dict[str, npt.NDArray[Any]] = {
                "month_on": np.full(size, panel.edges[number].to_datetime64()),
                **({} if by is None else {"group": np.array(groups.names, dtype="object")}),
                **_month(panel, facts, groups, number),
                **_year(year, groups, number),
            }
            row["ltv"] = gross_margin * row["arpa"] * _lifetimes(panel, groups, number, yearly_discount)
            for name, values in row.items():
                columns[by].setdefault(name, []).append(values[occupied])
    nothing = {"month_on": [np.array([], dtype="datetime64[us]")]}
    return {
        by: pd.DataFrame({name: np.concatenate(parts) for name, parts in (own or nothing).items()})
        for by, own in columns.items()
    }


def _month(panel: Panel, facts: dict[str, Column], groups: Groups, number: int) -> dict[str, Column]:
    label = groups.of_month[number]

    def total(name: str) -> Floats:
        return _totals(facts[name], label, len(groups.names))

    def part(name: str, whole: str) -> Floats:
        if name not in facts:
            return np.full(len(groups.names), np.nan)
        return ratio(total(name), total(whole))

    start = total("mrr")
    retained = start - total("contraction") - total("churned_mrr")
    nps = np.full(len(groups.names), np.nan)
    if "answers" in facts:
        nps = 100 * ratio(total("promoters") - total("detractors"), total("answers"))
    return {
        "accounts": total("there").astype("int64"),
        "mrr": start,
        "new_accounts": total("new").astype("int64"),
        "lost_accounts": total("lost").astype("int64"),
        "logo_churn_rate": part("churned", "there"),
        "grr": ratio(retained, start),
        "nrr": ratio(retained + total("expansion"), start),
        **{f"mrr_{name}": total(column) for name, column in _MOVEMENT.items()},
        "expansion_rate": part("grown", "there"),
        "renewal_rate": part("renewed", "due"),
        "renewal_rate_value": part("mrr_renewed", "mrr_due"),
        "mrr_due": total("mrr_due"),
        "mrr_renewed": total("mrr_renewed"),
        "arpa": part("mrr", "there"),
        "nps": nps,
        "active_rate": part("active", "there_end"),
        "onboarding_completion": part("onboarding_done", "onboarding_due"),
        "tickets_opened": total("tickets") if "tickets" in facts else np.full(len(groups.names), np.nan),
        "ticket_resolution_rate": part("solved", "tickets"),
        "first_response_hours": _median_hours(panel, label, number, len(groups.names)),
        "escalation_rate": part("escalated", "tickets"),
    }


_MOVEMENT = {"new": "new_mrr", "expansion": "expansion", "contraction": "contraction", "churned": "churned_mrr"}


def _year(facts: dict[str, Column] | None, groups: Groups, number: int) -> dict[str, Column]:
    """Return what became in a year of the accounts that were there at its start; nulls where it was not observed."""
    names = ("logo_churn_rate_ttm", "grr_ttm", "nrr_ttm")
    if facts is None:
        return {name: np.full(len(groups.names), np.nan) for name in names}
    label = groups.of_year[number]
    there, churned, start, less, gone, more = (
        _totals(facts[name], label, len(groups.names))
        for name in ("there", "churned", "mrr", "contraction", "churned_mrr", "expansion")
    )
    retained = start - less - gone
    return dict(zip(names, (ratio(churned, there), ratio(retained, start), ratio(retained + more, start)), strict=True))


def _totals(values: Column, label: Ints, groups: int) -> Floats:
    """Return the sum of a column by group; accounts without one count nowhere."""
    summed = np.bincount(label + 1, weights=values, minlength=groups + 1)[1:]
    return np.asarray(summed, dtype=np.float64)


def ratio(part: Floats, whole: Floats) -> Floats:
    """Return ``part / whole``, NaN where the whole is 0."""
    out: Floats = np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole != 0)
    return out


def _median_hours(panel: Panel, label: Ints, number: int, groups: int) -> Floats:
    out = np.full(groups, np.nan)
    if panel.tickets is None:
        return out
    opened = (panel.tickets["number"] == number) & ~np.isnan(panel.tickets["hours"])
    hours = pd.Series(panel.tickets["hours"][opened]).groupby(label[panel.tickets["account"][opened]]).median()
    hours = hours[hours.index >= 0]
    out[hours.index.to_numpy(dtype=np.int64)] = hours.to_numpy()
    return out


def _lifetimes(panel: Panel, groups: Groups, number: int, yearly_discount: float) -> Floats:
    """Return the discounted months that a new account of each group is expected to pay; NaN where nobody churned."""
    start = panel.edges[max(number + 1 - YEAR_MONTHS, 0)]
    group = groups.of_month[number][panel.lives["account"].to_numpy()]
    mixes = churn_mixes(panel.lives, start, panel.edges[number + 1], group, len(groups.names))
    return np.array([np.nan if mix is None else mix.lifetime_months(yearly_discount=yearly_discount) for mix in mixes])


def rfm_at(tables: Tables, as_of: pd.Timestamp, *, grace_days: int = 14, window_days: int = 91) -> pd.DataFrame:
    """Return the RFM scores of the accounts under contract at a day.

    Recency is days since the last event, frequency the events in ``[as_of − window, as_of)``, monetary the MRR.

    Parameters
    ----------
    tables : Tables
        With ``subscriptions`` and ``events``.
    as_of : Timestamp
    grace_days, window_days : int

    Returns
    -------
    DataFrame
        As `rfm`, one row per account under contract, sorted by account.
    """
    return rfm_of(tables, Contracts(tables, grace_days).paid(as_of), as_of, window_days)


def rfm_of(tables: Tables, paid: pd.Series, as_of: pd.Timestamp, window_days: int = 91) -> pd.DataFrame:
    """Return `rfm_at` of accounts whose MRR is given, reading one row per account."""
    import ibis

    events = tables["events"]
    at = events.occurred_at.cast("timestamp(6)")
    recent = at >= ibis.timestamp(f"{as_of - pd.Timedelta(days=window_days):%Y-%m-%d} 00:00:00")
    used = (
        events.filter(at < ibis.timestamp(f"{as_of:%Y-%m-%d} 00:00:00"))
        .group_by("account_id")
        .agg(last=at.max(), uses=ibis.ifelse(recent, events.event_count, 0).sum())
        .to_pandas()
    )
    used = used.assign(account_id=used["account_id"].astype("str")).set_index("account_id")
    accounts = pd.DataFrame({"account_id": paid.index.astype("str"), "amount": paid.to_numpy()})
    last = pd.to_datetime(accounts["account_id"].map(used["last"])).astype("datetime64[us]")
    accounts["days_since_use"] = (as_of - last).dt.total_seconds() / 86_400
    accounts["uses"] = accounts["account_id"].map(used["uses"]).fillna(0).astype("float64")
    return rfm(accounts.sort_values("account_id", ignore_index=True))
