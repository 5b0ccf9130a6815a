"""A simulated company as the tools that it uses would export it, traps included, and the config that reads them."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from churnml.errors import UsageError
from churnml.language import Text
from churnml.simulate.company import Company
from churnml.simulate.exported_rows import day_before, rows_of, seconds_of, write_csv

__all__ = ["TOOLS", "account_key", "write_exports"]

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_PRIORITY = {"low": "low", "normal": "normal", "high": "high", "urgent": "urgent"}
_ROLES = {
    "champion": "Champion",
    "sponsor": "Executive Sponsor",
    "admin": "Administrator",
    "decision_maker": "Decision Maker",
    "billing": "Billing",
    "user": "User",
}
_KINDS = {"renewal": "Renewal", "upsell": "Upsell", "cross_sell": "Cross-Sell", "new": "New Business"}
_CHANNELS = {"call": "Call", "email": "Email", "meeting": "Meeting"}


def account_key(account_id: str, length: int = 18) -> str:
    """Return the id that the CRM gives an account; in the order of the accounts' own ids.

    Examples
    --------
    >>> account_key("acc-00012"), account_key("acc-00012", 15)
    ('001Sm0000000012IAA', '001Sm0000000012')
    """
    short = f"001Sm{int(account_id.rpartition('-')[2]):010d}"
    chunks = [short[start : start + 5] for start in (0, 5, 10)]
    marks = "".join(_LETTERS[sum(sign.isupper() << place for place, sign in enumerate(chunk))] for chunk in chunks)
    return (short + marks)[:length]


def write_exports(company: Company, folder: Path, tools: Sequence[str]) -> Path:
    """Write a company as its tools export it, one folder a tool, and the rest as canonical tables beside them.

    The CRM's ids have 18 characters, the product and the desk keep those of 15; two accounts have a twin that was
    merged into them; there are drafts, deleted and test records, repeats, and several spellings of an event.

    Parameters
    ----------
    company : Company
    folder : Path
        A new or an empty folder.
    tools : sequence of str
        Of `TOOLS`; a table that none of them has is written as it is.

    Returns
    -------
    Path
        The config that reads them.

    Raises
    ------
    UsageError
        A tool is not known, or the folder holds something.
    """
    unknown = sorted({*tools} - {*TOOLS})
    if unknown or not tools:
        raise UsageError(Text.of("fault-simulate_tool"), got=", ".join(unknown), expected=", ".join(TOOLS))
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(Text.of("fault-simulate_folder"), where=str(folder))
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        sections: dict[str, Any] = {}
        for tool in tools:
            (beside / tool).mkdir()
            sections |= TOOLS[tool](company, beside / tool)
        (beside / "rest").mkdir()
        for name in (name for name in company.tables if name not in sections):
            frame = company.tables[name]
            if "salesforce" in tools:
                frame = frame.assign(account_id=frame["account_id"].map(account_key))
            frame.to_parquet(beside / "rest" / f"{name}.parquet", index=False)
            sections[name] = {"source": "rest", "from": f"{name}.parquet"}
        _write_config(beside / "config.json", company, tools, sections)
        beside.chmod(0o755)
        if folder.exists():
            folder.rmdir()
        beside.replace(folder)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    return folder / "config.json"


def _write_config(file: Path, company: Company, tools: Sequence[str], sections: dict[str, Any]) -> None:
    sources: dict[str, Any] = {tool: {"folder": tool, "max_rejected_share": 0.2} for tool in (*tools, "rest")}
    for source in sources.values():
        source["observed_until"] = company.end.isoformat()
    config: dict[str, Any] = {
        "name": "exports",
        "workspace": "workspace",
        "sources": sources,
        "tables": sections,
        "label": {"churn": "contractual", "horizon_days": 90},
    }
    keys = {"zendesk": "organizations.csv", "stripe": "customers.csv", "salesforce": "account_history.csv"}
    presets = {"zendesk": "organizations", "stripe": "customers", "salesforce": "account_history"}
    if "salesforce" in tools:
        config["identities"] = {
            "leading": "salesforce",
            "keys": {tool: {"from": keys[tool], "preset": f"{tool}/{presets[tool]}"} for tool in tools if tool in keys},
        }
    file.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def _salesforce(company: Company, folder: Path) -> dict[str, Any]:
    accounts = company.tables["accounts"]
    twins = list(dict.fromkeys(accounts["account_id"]))[:2]
    rows = [
        {
            "id": account_key(row.account_id),
            "_fivetran_start": row.known_at,
            "_fivetran_end": "9999-12-31",
            "_fivetran_active": "true",
            "is_deleted": "false",
            "master_record_id": None,
            "name": row.name,
            "created_date": row.created_on,
            "industry": row.industry,
            "billing_country": row.country,
            "type": row.segment,
            "owner_id": row.owner,
            "number_of_employees": row.employees,
            "plan_c": row.plan,
            "touch_model_c": row.touch_model,
            "phase_c": row.phase,
            "csm_sentiment_c": row.csm_sentiment,
        }
        for row in rows_of(accounts)
    ]
    rows += [
        {**rows[0], "id": _twin(one), "name": "twin", "is_deleted": "true", "master_record_id": account_key(one)}
        for one in twins
    ]
    write_csv(folder / "account_history.csv", rows)
    contracts = [
        {
            "Id": row.subscription_id,
            "AccountId": account_key(row.account_id),
            "ContractNumber": row.subscription_id,
            "Status": "Activated",
            "IsDeleted": "false",
            "StartDate": row.started_on,
            "EndDate": day_before(row.ends_on),
            "TerminationDate__c": day_before(row.terminated_on),
            "CancellationDate__c": row.notice_at,
            "ActivatedDate": row.known_at,
            "MRR__c": row.mrr,
            "Seats__c": row.seats,
            "Product__c": row.product,
            "Plan__c": row.plan,
            "IsAddon__c": row.is_addon,
            "BillingMonths__c": row.billing_period_months,
            "DiscountRate__c": row.discount_rate,
            "AutoRenew__c": row.auto_renew,
        }
        for row in rows_of(company.tables["subscriptions"])
    ]
    contracts += [
        {**contracts[0], "Id": "draft", "Status": "Draft"},
        {**contracts[0], "Id": "gone", "IsDeleted": "true"},
    ]
    write_csv(folder / "contracts.csv", contracts)
    write_csv(
        folder / "contacts.csv",
        [
            {
                "Id": row.contact_id,
                "AccountId": account_key(row.account_id, 15 if number % 2 else 18),
                "LastName": "x",
                "Email": None,
                "Title": None,
                "UserId__c": row.user_id,
                "Role__c": _ROLES[row.role],
                "StartedOn__c": row.started_at,
                "Activated__c": row.activated_at,
                "LeftCompany__c": row.left_at,
                "LeftKnown__c": row.left_known_at,
            }
            for number, row in enumerate(rows_of(company.tables["contacts"]))
        ],
    )
    write_csv(
        folder / "tasks.csv",
        [
            {
                "Id": row.touchpoint_id,
                "AccountId": _twin(row.account_id)
                if row.account_id in twins and number % 2
                else account_key(row.account_id),
                "WhoId": row.contact_id,
                "WhatId": None,
                "ActivityDate": None,
                "Status": "Completed",
                "TaskSubtype": _CHANNELS.get(row.channel, row.channel),
                "CallType": str(row.direction).capitalize(),
                "CreatedDate": row.known_at,
                "CompletedDateTime": row.occurred_at,
            }
            for number, row in enumerate(rows_of(company.tables["touchpoints"]))
        ],
    )
    write_csv(
        folder / "opportunities.csv",
        [
            {
                "Id": row.opportunity_id,
                "AccountId": account_key(row.account_id),
                "StageName": "x",
                "Type": _KINDS[row.kind],
                "Amount": row.amount,
                "CreatedDate": row.created_at,
                "CloseDate": row.closed_at if pd.notna(row.closed_at) else "2031-01-01",
                "IsClosed": pd.notna(row.closed_at),
                "IsWon": row.outcome == "won",
            }
            for row in rows_of(company.tables["opportunities"])
        ],
    )
    files = {
        "accounts": ("account_history", "account_history.csv"),
        "subscriptions": ("contracts", "contracts.csv"),
        "contacts": ("contacts", "contacts.csv"),
        "touchpoints": ("tasks", "tasks.csv"),
        "opportunities": ("opportunities", "opportunities.csv"),
    }
    return {
        table: {"source": "salesforce", "preset": f"salesforce/{name}", "from": file}
        for table, (name, file) in files.items()
    }


def _twin(account_id: str) -> str:
    """Return the id of the record that was merged into an account's."""
    return account_key(f"acc-{90_000_000 + int(account_id.rpartition('-')[2])}")


def _zendesk(company: Company, folder: Path) -> dict[str, Any]:
    frame = company.tables["tickets"]
    known = {
        one: number for number, one in enumerate(dict.fromkeys(company.tables["accounts"]["account_id"]), start=370)
    }
    tickets, history, comments = [], [], []
    for row in rows_of(frame):
        tickets.append(
            {
                "id": row.ticket_id,
                "created_at": row.opened_at,
                "updated_at": row.opened_at,
                "status": "solved" if pd.notna(row.solved_at) else "open",
                "organization_id": known[row.account_id],
                "requester_id": 9,
                "priority": _PRIORITY[row.priority],
                "type": None,
                "custom_category": row.category,
                "custom_escalated_at": row.escalated_at,
                "custom_csat_score": row.csat_score,
                "custom_csat_at": row.csat_at,
            }
        )
        moves = [("new", row.opened_at)]
        if pd.notna(row.reopened_at):
            moves += [("closed", row.reopened_at - pd.Timedelta(seconds=1)), ("open", row.reopened_at)]
        if pd.notna(row.solved_at):
            moves.append(("solved", row.solved_at))
        history += [
            {"field_name": "status", "ticket_id": row.ticket_id, "updated": at, "user_id": 3, "value": status}
            for status, at in moves
        ]
        if pd.notna(row.first_response_at):
            comment = {"ticket_id": row.ticket_id, "public": "true"} | _COMMENT
            comments += [
                {"id": f"{row.ticket_id}-1", **comment, "created": row.first_response_at, "user_id": 3},
                {"id": f"{row.ticket_id}-0", **comment, "created": row.opened_at, "user_id": 9},
            ]
    tickets += [{**tickets[0], "updated_at": "2001-01-01"}, {**tickets[0], "id": "gone", "status": "deleted"}]
    write_csv(folder / "tickets.csv", tickets)
    write_csv(folder / "history.csv", history)
    write_csv(folder / "comments.csv", comments)
    write_csv(folder / "users.csv", [{"id": 3, "role": "agent"} | _USER, {"id": 9, "role": "end-user"} | _USER])
    write_csv(
        folder / "organizations.csv",
        [
            {"id": number, "external_id": account_key(one, 15), "name": one, "created_at": None, "deleted_at": None}
            | _ORGANIZATION
            for one, number in known.items()
        ],
    )
    beside = {"history": "history.csv", "comments": "comments.csv", "users": "users.csv"}
    return {"tickets": {"source": "zendesk", "preset": "zendesk/tickets", "from": "tickets.csv", "with": beside}}


_COMMENT = {"body": None, "facebook_comment": "false", "tweet": "false", "voice_comment": "false"}
_ORGANIZATION = {"details": None, "shared_comments": "false", "shared_tickets": "false"}
_USER = {
    "active": "true", "authenticity_token": None, "chat_only": "false", "last_login_at": None, "locale_id": 1,
    "moderator": "false", "only_private_comments": "false", "remote_photo_url": None,
}  # fmt: skip
"""Further columns by which the export is known as what it is; nothing is read of them."""


def _stripe(company: Company, folder: Path) -> dict[str, Any]:
    known = list(dict.fromkeys(company.tables["accounts"]["account_id"]))
    write_csv(
        folder / "customers.csv",
        [
            {
                "id": f"cus_{one}",
                "object": "customer",
                "name": one,
                "email": None,
                "created": 1,
                "livemode": "true",
                "metadata.account_id": account_key(one),
            }
            for one in known
        ],
    )
    invoices = [
        {
            "id": row.invoice_id,
            "customer": f"cus_{row.account_id}",
            "currency": "usd",
            "status": "open" if pd.isna(row.paid_on) else "paid",
            "livemode": "true",
            "created": seconds_of(row.issued_on),
            "due_date": seconds_of(row.due_on),
            "status_transitions.paid_at": seconds_of(row.paid_on),
            "amount_due": round(row.amount * 100),
            "total": round(row.amount * 100),
        }
        for row in rows_of(company.tables["invoices"])
    ]
    invoices += [{**invoices[0], "id": "draft", "status": "draft"}, {**invoices[0], "id": "test", "livemode": "false"}]
    write_csv(folder / "invoices.csv", invoices)
    return {"invoices": {"source": "stripe", "preset": "stripe/invoices", "from": "invoices.csv"}}


def _segment(company: Company, folder: Path) -> dict[str, Any]:
    def calls() -> Iterable[dict[str, Any]]:
        for number, row in enumerate(rows_of(company.tables["events"])):
            properties = {
                "event_count": int(row.event_count),
                "value": None if pd.isna(row.value) else float(row.value),
            }
            call = {
                "type": "track",
                "messageId": f"ajs-{number}",
                "event": row.event_type.upper() if number % 7 == 0 else row.event_type,
                "userId": None if pd.isna(row.user_id) else row.user_id,
                "timestamp": row.occurred_at.isoformat() + "Z",
                "receivedAt": row.known_at.isoformat() + "Z",
                "context": {"groupId": account_key(row.account_id, 15 if number % 3 == 0 else 18)},
                "properties": properties,
            }
            yield call
            if number % 50 == 0:
                yield call
                yield {**call, "type": "identify", "messageId": f"id-{number}"}

    with (folder / "calls.jsonl").open("w", encoding="utf-8") as out:
        out.writelines(json.dumps(call) + "\n" for call in calls())
    return {"events": {"source": "segment", "preset": "segment/tracks", "from": "calls.jsonl"}}


TOOLS: dict[str, Callable[[Company, Path], dict[str, Any]]] = {
    "salesforce": _salesforce,
    "zendesk": _zendesk,
    "stripe": _stripe,
    "segment": _segment,
}
"""Tool → what writes its exports and returns the tables that they feed."""
