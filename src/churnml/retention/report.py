"""The KPIs of a company as typed rows: of all accounts, and of each group."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import date
from typing import Any

import numpy.typing as npt
import pandas as pd

from churnml.errors import ConfigError, near_name
from churnml.language import Text, one_of
from churnml.retention.cohorts import Cohort, cohort_members, retention_triangle
from churnml.retention.forecast import ForecastRecord
from churnml.retention.groups import ALONE, PARENT, families, has_parents
from churnml.retention.growth import GrowthFigures, RfmCell, growth_figures, growth_potential, rfm_cells
from churnml.retention.history import panel_history, rfm_of
from churnml.retention.journey import phase_moves
from churnml.retention.lifetime_values import LifetimeValue, told_values
from churnml.retention.panel import Panel
from churnml.retention.rows import month_rows
from churnml.retention.stays import PhaseFigures, phase_figures
from churnml.tables import TABLES, Tables, knowledge

__all__ = ["CompanyKpis", "KpiReport", "KpiRow", "company_kpis", "groupings", "kpi_report"]


_MOST_FAMILIES = 200


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


_WORTH = {
    "lifetime_value": "value", "lifetime_value_low": "low", "lifetime_value_high": "high",
    "lifetime_value_source": "source",
}  # fmt: skip
"""Column of the table → what it is of a `LifetimeValue`."""


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
    cohorts : tuple of Cohort
        What is left of the customers that began in each quarter.
    phases : tuple of PhaseFigures
        The lifecycle now; empty where accounts have no history of phases.
    rfm : tuple of RfmCell
        Recency and frequency of use now; empty without events.
    growth : tuple of GrowthFigures
        Room to grow by segment.
    lifetime_values : tuple of LifetimeValue
        What an account is worth, of all and by group: by the curves of the newest scoring where these are shown, else
        by the contracts of the newest month; `LifetimeValue.source` says which.
    forecast_records : tuple of ForecastRecord
        How past renewal forecasts held, as the newest scoring kept it.
    group_names : mapping of str to str
        Of groups by ``parent``, which are ids of accounts, what these are called; ``~``, the group of accounts that
        have nobody above or below them, has no name.
    """

    as_of: date
    currency: str
    grace_days: int
    gross_margin: float
    yearly_discount: float
    rows: tuple[KpiRow, ...]
    cohorts: tuple[Cohort, ...] = ()
    phases: tuple[PhaseFigures, ...] = ()
    moves = pd.DataFrame()
    rfm: tuple[RfmCell, ...] = ()
    growth: tuple[GrowthFigures, ...] = ()
    lifetime_values: tuple[LifetimeValue, ...] = ()
    forecast_records: tuple[ForecastRecord, ...] = ()
    group_names: Mapping[str, str] = field(default_factory=dict)

    def of(self, group_by: str | None = None) -> tuple[KpiRow, ...]:
        """Return the rows of one grouping, or those of all accounts."""
        return tuple(row for row in self.rows if row.group_by == group_by)

    def with_curves(self, curves: Sequence[LifetimeValue]) -> KpiReport:
        """Return the report with what curves say of lifetime value in place of what contracts say."""
        groupings = list(dict.fromkeys(row.group_by for row in self.rows if row.group_by))
        return replace(self, lifetime_values=told_values(curves, self.lifetime_values, groupings))

    @property
    def frame(self) -> pd.DataFrame:
        """The rows as a table, one column per field; of the newest month the lifetime value, too, and its source."""
        newest = max((row.month_on for row in self.rows), default=None)
        worth = {(one.group_by, one.group): one for one in self.lifetime_values}
        lines = []
        for row in self.rows:
            mine = worth.get((row.group_by, row.group)) if row.month_on == newest else None
            figures = (None,) * len(_WORTH) if mine is None else tuple(getattr(mine, name) for name in _WORTH.values())
            lines.append({**asdict(row), **dict(zip(_WORTH, figures, strict=True))})
        return pd.DataFrame(lines, columns=[*(field.name for field in fields(KpiRow)), *_WORTH])


def groupings(tables: Tables) -> tuple[str, ...]:
    """Return by what the KPIs are told beside the whole: segment, plan, owner and parent, where the company has them.

    By parent only of a company whose groups of accounts fit on a page.
    """
    plan = tables.has("subscriptions", "plan") or tables.has("subscriptions", "product")
    known = [name for name in ("segment", "owner") if tables.has("accounts", name, "known_at")]
    known += [*(("plan",) if plan else ()), *((PARENT,) if 0 < families(tables) <= _MOST_FAMILIES else ())]
    return tuple(name for name in ("segment", "plan", "owner", PARENT) if name in known)


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
        ``"plan"``, ``"cohort"`` (the quarter in which an account became a customer), ``"parent"`` (the account at the
        top of the chain of parents) and attributes of the accounts; by default `groupings`.
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
    return company_kpis(
        panel, asked, currency=currency, months=months, gross_margin=gross_margin, yearly_discount=yearly_discount
    ).report


@dataclass(frozen=True)
class CompanyKpis:
    """A report, and the accounts behind it.

    Parameters
    ----------
    report : KpiReport
    months : mapping
        First day of a month → what each account adds to its KPIs, see `churnml.retention.rows.month_rows`.
    accounts : DataFrame
        The accounts under contract now: ``account_id, mrr, segment, phase, days_in_phase, stalled, recency, frequency,
        monetary, room_arr``; null where not known.
    cohorts : DataFrame
        The accounts behind the retention triangle, see `churnml.retention.cohorts.cohort_members`.
    moves : DataFrame
        Every move from phase to phase: ``account_id, moved_at, before, after, days_in_phase``.
    """

    report: KpiReport
    months: Mapping[date, Mapping[str, npt.NDArray[Any]]]
    accounts: pd.DataFrame
    cohorts: pd.DataFrame
    moves: pd.DataFrame


def company_kpis(
    panel: Panel,
    group_by: Sequence[str],
    *,
    currency: str,
    months: int = 24,
    gross_margin: float = 0.8,
    yearly_discount: float = 0.1,
    rows: bool = False,
) -> CompanyKpis:
    """Return the report of `kpi_report`, with the accounts behind it where `rows` asks for them."""
    histories = panel_history(
        panel, (None, *group_by), gross_margin=gross_margin, yearly_discount=yearly_discount, months=months
    )
    accounts, phases, moves = _accounts_now(panel)
    report = KpiReport(
        panel.tables.observed_until,
        currency,
        panel.grace_days,
        gross_margin,
        yearly_discount,
        tuple(_row(record, by) for by, history in histories.items() for record in history.to_dict("records")),
        cohorts=retention_triangle(panel),
        phases=phases,
        rfm=rfm_cells(accounts) if "recency" in accounts else (),
        growth=growth_figures(accounts) if "recency" in accounts else (),
    )
    report = replace(report, lifetime_values=_of_contracts(report), group_names=_names(panel, report))
    behind, cohorts = {}, pd.DataFrame()
    if rows:
        cohorts = cohort_members(panel)
        groupings = {name: panel.groups(name) for name in group_by}
        for number in range(max(panel.months - months, 0), panel.months):
            behind[panel.edges[number].date()] = month_rows(panel, groupings, number)
    return CompanyKpis(report, behind, accounts, cohorts, moves)


def _of_contracts(report: KpiReport) -> tuple[LifetimeValue, ...]:
    """Return the lifetime value of a new account by the newest month, of all accounts and of each group."""
    newest = max((row.month_on for row in report.rows), default=None)
    return tuple(
        LifetimeValue(
            row.group_by, row.group, "contracts", report.as_of, row.accounts, row.ltv, None, None, None, None,
            report.gross_margin, report.yearly_discount, None,
        )
        for row in report.rows
        if row.month_on == newest and row.ltv is not None
    )  # fmt: skip


def _names(panel: Panel, report: KpiReport) -> dict[str, str]:
    """Return what the accounts are called that groups are named after, as far as known."""
    wanted = {row.group for row in report.of(PARENT)} - {ALONE}
    if not wanted or not has_parents(panel.tables) or not panel.tables.has("accounts", "name"):
        return {}
    versions = panel.tables["accounts"].select("account_id", "name", "known_at").to_pandas()
    newest = knowledge.frame_newest(versions, pd.Timestamp(panel.tables.observed_until))
    named = newest[newest["name"].notna()].astype("str")
    names = dict(zip(named["account_id"], named["name"], strict=True))
    return {group: names[group] for group in sorted(filter(None, wanted)) if group in names}


def _accounts_now(panel: Panel) -> tuple[pd.DataFrame, tuple[PhaseFigures, ...], pd.DataFrame]:
    """Return the accounts under contract at the end of what is observed, the phases, and the moves between these."""
    tables, as_of = panel.tables, pd.Timestamp(panel.tables.observed_until)
    paid = panel.contracts.paid(as_of)
    paid.index = paid.index.astype("str")
    accounts = pd.DataFrame({"account_id": paid.index, "mrr": paid.to_numpy()})
    phases: tuple[PhaseFigures, ...] = ()
    moves = pd.DataFrame()
    versions = None
    if tables.has("accounts"):
        versions = tables["accounts"].select("account_id", "segment", "phase", "known_at").to_pandas()
        versions["account_id"] = versions["account_id"].astype("str")
        versions["known_at"] = pd.to_datetime(versions["known_at"]).astype("datetime64[us]")
        newest = knowledge.frame_newest(versions, as_of).set_index("account_id")["segment"]
        accounts["segment"] = accounts["account_id"].map(newest)
    else:
        accounts["segment"] = None
    if versions is not None and tables.has("accounts", "phase", "known_at"):
        phases, members = phase_figures(versions, paid, as_of)
        accounts = accounts.merge(members, on="account_id", how="left")
        moves = phase_moves(versions[knowledge.frame_is_known(versions, "accounts", as_of)]).drop(columns="legal")
    if tables.has("events"):
        accounts = accounts.merge(rfm_of(tables, paid, as_of).drop(columns="rfm"), on="account_id", how="left")
        accounts["room_arr"] = growth_potential(accounts)
    return accounts, phases, moves


def _row(record: dict[Any, Any], by: str | None) -> KpiRow:
    known = {name: None if pd.isna(value) else value for name, value in record.items()}
    return KpiRow(**{**known, "group_by": by, "group": known.get("group"), "month_on": record["month_on"].date()})


def _check(tables: Tables, name: str) -> None:
    if name in ("plan", "cohort") or (name == PARENT and has_parents(tables)):
        return
    known = [column for column in tables["accounts"].columns if column not in ("account_id", "known_at", "name")]
    if name not in known:
        near = near_name(name, known)
        raise ConfigError(
            Text.of("fault-no_grouping", name=repr(name)),
            where="--by",
            expected=one_of(("plan", *known), near),
            code="retention.unknown_attribute",
        )
    canonical = name in TABLES["accounts"].column_names and TABLES["accounts"][name].mutable
    if canonical and not tables.has("accounts", "known_at"):
        raise ConfigError(
            Text.of("fault-grouping_leaks", name=repr(name), name2=name), where="--by", code="retention.no_history"
        )
