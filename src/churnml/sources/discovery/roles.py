"""What columns of raw tables are commonly called, and which canonical table a file therefore looks like."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from importlib.resources import files

import yaml

from churnml.sources.discovery.profiles import ColumnProfile, FileProfile
from churnml.tables import TABLES

__all__ = ["ACCOUNT_NAMES", "Fit", "best_fits", "plain_name"]

_CATALOGUE = yaml.safe_load(files("churnml.sources.discovery").joinpath("names.yaml").read_text(encoding="utf-8"))
ACCOUNT_NAMES: tuple[str, ...] = tuple(_CATALOGUE.pop("account_id"))
"""Names of the column that says which account a row belongs to, the surest first."""

_NAMES: dict[str, dict[str, list[str]]] = _CATALOGUE
"""Canonical table → canonical column → what it is commonly called, the surest name first."""

_TELLING: dict[str, tuple[str, ...]] = {
    "accounts": (),
    "subscriptions": ("started_on", "ends_on", "mrr"),
    "events": ("occurred_at", "event_type"),
    "tickets": ("opened_at", "solved_at", "priority", "ticket_id"),
    "surveys": ("score", "sent_at", "responded_at"),
    "invoices": ("due_on", "paid_on", "invoice_id"),
    "contacts": ("contact_id", "role", "left_at"),
    "touchpoints": ("channel", "direction", "touchpoint_id"),
    "campaign_events": ("campaign_event_id", "campaign_id"),
    "milestones": ("completed_at", "planned_at", "milestone_id"),
    "opportunities": ("opportunity_id", "outcome", "closed_at"),
}
"""Columns that few other tables have; at least half of them, or two, must be there."""

_DATES = {"on", "at"}
_NUMBERS = {
    "mrr",
    "seats",
    "discount_rate",
    "billing_period_months",
    "event_count",
    "value",
    "score",
    "amount",
    "employees",
}


@dataclass(frozen=True)
class Fit:
    """How well a file fits a canonical table.

    Parameters
    ----------
    table : str
    columns : mapping of str to str
        Canonical column → raw column.
    score : float
        Points; more is better. Only fits of one file compare.
    lacking : tuple of str
        Needed canonical columns that no raw column looks like.
    """

    table: str
    columns: dict[str, str]
    score: float
    lacking: tuple[str, ...]


def plain_name(name: str) -> str:
    """Return a column's name in lower case with underscores, full-width letters and camel case undone.

    Examples
    --------
    >>> [plain_name(name) for name in ("Account ID", "createdAt", "ＩＤ", "Country/Region", "property_createdate")]
    ['account_id', 'created_at', 'id', 'country_region', 'property_createdate']
    """
    text = unicodedata.normalize("NFKC", name).strip()
    text = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text)
    text = re.sub(r"[^\w]+", "_", text.replace(".", "_")).strip("_").lower()
    return re.sub(r"__+", "_", text.removesuffix("__c"))


def best_fits(file: FileProfile) -> list[Fit]:
    """Return the canonical tables that a file could be, the best first."""
    fits = [fit for table in _NAMES if (fit := _fit(file, table)) is not None]
    return sorted(fits, key=lambda fit: (len(fit.lacking), -fit.score, fit.table))


def _fit(file: FileProfile, table: str) -> Fit | None:
    by_name = {plain_name(column.name): column for column in file.columns if column.kind != "empty"}
    account = _account(by_name, table)
    columns: dict[str, str] = {} if account is None else {"account_id": account.name}
    score = 2.0 if account is not None else 0.0
    for canonical, names in _NAMES[table].items():
        candidate = next(
            (by_name[name] for name in names if name in by_name and _plausible(table, canonical, by_name[name])), None
        )
        if candidate is None or candidate.name in columns.values():
            continue
        columns[canonical] = candidate.name
        score += 1.0 + (1.5 if canonical in _TELLING[table] else 0.0)
    needed = [column.name for column in TABLES[table].columns if column.required]
    made = {f"{table.removesuffix('s')}_id", "subscription_id", "survey_id", "milestone_id", "touchpoint_id"}
    lacking = tuple(name for name in needed if name not in columns and name not in made)
    telling = _TELLING[table]
    if telling and sum(name in columns for name in telling) < min(2, len(telling)):
        return None
    # What has the canonical name already needs no other sign, and says nothing about which table it is.
    for column in TABLES[table].columns:
        own = by_name.get(column.name)
        if own is None or column.name in columns or own.name in columns.values():
            continue
        if _plausible(table, column.name, own) and _speaks(table, column.name, own):
            columns[column.name] = own.name
    if table == "accounts":
        if account is None or not account.unique:
            return None
        score += 2.0
    if table == "subscriptions" and "mrr" not in columns and _yearly(by_name) is not None:
        score += 1.0
    return Fit(table, columns, score, lacking)


def _account(by_name: dict[str, ColumnProfile], table: str) -> ColumnProfile | None:
    names = [*ACCOUNT_NAMES, *(("record_id", "id") if table == "accounts" else ())]
    return next((by_name[name] for name in names if name in by_name), None)


def _yearly(by_name: dict[str, ColumnProfile]) -> str | None:
    return next((by_name[name].name for name in ("arr", "annual_recurring_revenue", "acv") if name in by_name), None)


def _speaks(table: str, canonical: str, column: ColumnProfile) -> bool:
    """Tell whether a column's words are those of the canonical one, where that one takes a few words only."""
    words = TABLES[table][canonical].values
    return not words or {example.lower() for example in column.examples} <= {*words}


def _plausible(table: str, canonical: str, column: ColumnProfile) -> bool:
    """Tell whether a column's content can be what its name says."""
    if TABLES[table][canonical].required and not _speaks(table, canonical, column):
        return False
    if canonical.rpartition("_")[2] in _DATES:
        return column.dated
    if canonical == "score":
        return column.kind in ("number", "word") and (column.high is None or column.high <= 10)
    if canonical in _NUMBERS:
        return column.kind in ("number", "flag")
    if canonical == "event_type":
        return column.kind in ("word", "text", "flag") and column.distinct <= 5_000
    return not column.dated
