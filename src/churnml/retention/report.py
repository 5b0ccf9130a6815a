"""The KPIs of a company as typed rows: of all accounts, and of each group."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from datetime import date
from typing import Any

import pandas as pd

from churnml.errors import ConfigError, near_name
from churnml.retention.history import panel_history
from churnml.retention.panel import Panel
from churnml.tables import TABLES, Tables

__all__ = ["KpiReport", "KpiRow", "groupings", "kpi_report"]


@dataclass(frozen=True)
class KpiRow:
    """The KPIs of one month, of all accounts or of one group; see `churnml.retention.kpi_history`.

    Rates are shares 0–1 and None where undefined; MRR, ARPA and LTV are in the data's currency.
    """

    month_on: date
    group_by: str | None
    group: str | None
    accounts: int
    new_accounts: int
    lost_accounts: int
    mrr: float
    logo_churn_rate: float | None
    grr: float | None
    nrr: float | None
    logo_churn_rate_ttm: float | None
    grr_ttm: float | None
    nrr_ttm: float | None
    expansion_rate: float | None
    renewal_rate: float | None
    renewal_rate_value: float | None
    mrr_new: float
    mrr_expansion: float
    mrr_contraction: float
    mrr_churned: float
    mrr_due: float
    mrr_renewed: float
    arpa: float | None
    ltv: float | None
    nps: float | None
    active_rate: float | None
    onboarding_completion: float | None
    tickets_opened: float | None
    ticket_resolution_rate: float | None
    first_response_hours: float | None
    escalation_rate: float | None


@dataclass(frozen=True)
class KpiReport:
    """The KPIs month by month, and what they were made with.

    Parameters
    ----------
    as_of : date
        Facts known before this day count.
    currency : str
        Of MRR, ARPA and LTV.
    grace_days : int
        A renewal this many days late is still a renewal.
    gross_margin, yearly_discount : float
        Of the lifetime value.
    rows : tuple of KpiRow
        All accounts first, oldest month first; then each grouping, month and group by name.
    """

    as_of: date
    currency: str
    grace_days: int
    gross_margin: float
    yearly_discount: float
    rows: tuple[KpiRow, ...]

    def of(self, group_by: str | None = None) -> tuple[KpiRow, ...]:
        """Return the rows of one grouping, or those of all accounts."""
        return tuple(row for row in self.rows if row.group_by == group_by)

    @property
    def frame(self) -> pd.DataFrame:
        """The rows as a table, one column per field."""
        return pd.DataFrame(list(self.rows), columns=[field.name for field in fields(KpiRow)])


def groupings(tables: Tables) -> tuple[str, ...]:
    """Return by what the KPIs are told beside the whole: segment and plan, where the company has them."""
    plan = tables.has("subscriptions", "plan") or tables.has("subscriptions", "product")
    segment = tables.has("accounts", "segment") and tables.has("accounts", "known_at")
    return (*(["segment"] if segment else []), *(["plan"] if plan else []))


def kpi_report(
    tables: Tables,
    *,
    currency: str,
    months: int = 24,
    group_by: Sequence[str] | None = None,
    grace_days: int = 14,
    gross_margin: float = 0.8,
    yearly_discount: float = 0.1,
    core_features: Collection[str] = (),
    leave_out_trials: bool = False,
) -> KpiReport:
    """Return the KPIs of the newest months.

    Parameters
    ----------
    tables : Tables
        Must hold ``subscriptions``.
    currency : str
        What amounts are in.
    months : int
        So many at most.
    group_by : sequence of str, optional
        ``"plan"`` and attributes of the accounts; by default `groupings`.
    grace_days, gross_margin, yearly_discount, core_features, leave_out_trials
        As in `churnml.retention.kpi_history`.

    Raises
    ------
    ConfigError
        There is no such attribute, or its value of today would be read into the past.
    """
    asked = groupings(tables) if group_by is None else tuple(group_by)
    for name in asked:
        _check(tables, name)

    panel = Panel(tables, grace_days=grace_days, leave_out_trials=leave_out_trials, core_features=core_features)
    found = panel_history(
        panel, (None, *asked), gross_margin=gross_margin, yearly_discount=yearly_discount, months=months
    )
    rows = [_row(record, by) for by, history in found.items() for record in history.to_dict("records")]
    return KpiReport(tables.observed_until, currency, grace_days, gross_margin, yearly_discount, tuple(rows))


def _row(record: dict[Any, Any], by: str | None) -> KpiRow:
    known = {name: None if pd.isna(value) else value for name, value in record.items()}
    return KpiRow(**{**known, "group_by": by, "group": known.get("group"), "month_on": record["month_on"].date()})


def _check(tables: Tables, name: str) -> None:
    if name == "plan":
        return
    known = [column for column in tables["accounts"].columns if column not in ("account_id", "known_at", "name")]
    if name not in known:
        near = near_name(name, known)
        raise ConfigError(
            f"Accounts have no attribute {name!r}",
            where="--by",
            expected=f"{near!r}?" if near else f"plan, or one of {', '.join(known)}",
            code="retention.unknown_attribute",
        )
    canonical = name in TABLES["accounts"].column_names and TABLES["accounts"][name].mutable
    if canonical and not tables.has("accounts", "known_at"):
        raise ConfigError(
            f"The attribute {name!r} changes over time, and accounts carry no history: its value of today would be "
            "read into the past",
            where="--by",
            expected="accounts with one row per version and a known_at",
            remedy=f"Map tables.accounts.columns.known_at, or leave out --by {name}.",
            code="retention.no_history",
        )
