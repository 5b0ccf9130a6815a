"""Says which recognised export feeds which canonical table, and which ones would count the same things twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from churnml.language import Text
from churnml.sources.discovery.known_exports import KnownExport
from churnml.sources.discovery.profiles import FileProfile

__all__ = ["Chosen", "choose"]

_SEVERAL = ("events", "tickets", "surveys", "touchpoints", "campaign_events", "milestones", "contacts")
"""Tables that several tools can feed at once: what happened in one did not happen in the other."""

_LEADING = {
    "accounts": ("salesforce", "hubspot", "zoho_crm", "zuora", "recurly", "stripe", "intercom", "pendo", "zendesk"),
    "opportunities": ("salesforce", "hubspot", "zoho_crm"),
    "subscriptions": ("salesforce", "zuora", "stripe", "recurly"),
    "invoices": ("zuora", "stripe", "recurly"),
}
"""Tables that one tool feeds: the tools in which it usually is the most complete, that one first."""

_SAME = {
    "salesforce/accounts": "salesforce/account_history",
    "hubspot/companies": "hubspot/company_property_history",
    "salesforce/opportunity_history": "salesforce/opportunities",
}
"""Two exports of the same records → the one that says more: what was known when, or the outcome."""


@dataclass(frozen=True)
class Chosen:
    """The recognised files that feed tables.

    Parameters
    ----------
    tables : dict of str to list of FileProfile
        Canonical table → its raw tables, in order.
    left : dict of str to Text
        Path → why a recognised file is not used.
    """

    tables: dict[str, list[FileProfile]]
    left: dict[str, Text]


def choose(files: Sequence[FileProfile]) -> Chosen:
    """Choose, of the recognised files, those that feed canonical tables.

    Parameters
    ----------
    files : sequence of FileProfile
        Recognised ones among them have ``known``.
    """
    tables: dict[str, list[FileProfile]] = {}
    left: dict[str, Text] = {}
    by_table: dict[str, list[tuple[FileProfile, KnownExport]]] = {}
    for file in files:
        known = file.known
        if known is None or known.fault:
            continue
        if not known.table:
            left[file.path] = Text.of("init-why-beside", known=known.name)
        elif not known.rows:
            left[file.path] = Text.of("init-why-no_row", known=known.name)
        else:
            by_table.setdefault(known.table, []).append((file, known))
    for table, matches in by_table.items():
        matches.sort(key=lambda pair: (_rank(table, pair[1]), -pair[1].rows, pair[0].path))
        names = {known.name for _, known in matches}
        chosen: list[tuple[FileProfile, KnownExport]] = []
        for file, known in matches:
            better = _SAME.get(known.name)
            if better in names:
                left[file.path] = Text.of("init-why-same", known=known.name, better=str(better))
            elif chosen and table not in _SEVERAL:
                other = chosen[0][1].name
                left[file.path] = Text.of("init-why-twice", known=known.name, table=table, other=other)
            else:
                chosen.append((file, known))
        tables[table] = [file for file, _ in chosen]
    return Chosen(tables, left)


def _rank(table: str, known: KnownExport) -> int:
    tools = _LEADING.get(table, ())
    return tools.index(known.tool) if known.tool in tools else len(tools)
