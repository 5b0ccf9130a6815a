"""Ten kinds of leak planted into simulated companies: which checks find them, and what clean companies give.

Usage: ``python benchmarks/leaks.py [--companies 3] [--clean 10] [--accounts 300] [--json]``

Each leak is a way in which data of today get into the past: a value overwritten when an account leaves, or a fact of
the departure dated before it. A leak counts as found where the audit finds something that it does not find in the same
company without the leak; the cheap checks alone are run, as ``churnml train`` does.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from churnml import features, snapshots
from churnml.config import Config
from churnml.evaluation.audit import audit, leaks
from churnml.simulate import simulate
from churnml.tables import Tables

MONTHS = 24
Frames = dict[str, pd.DataFrame]
Plant = Callable[[Frames, pd.Series, np.random.Generator], tuple[str, ...]]


def departures(frames: Frames, until: pd.Timestamp) -> pd.Series:
    """Return the day on which each account that left did: the end of its last main term, two weeks and more ago."""
    main = frames["subscriptions"][~frames["subscriptions"]["is_addon"].astype(bool)]
    ends = main["terminated_on"].fillna(main["ends_on"]).groupby(main["account_id"]).max()
    return ends[ends < until - pd.Timedelta(days=14)]


def undated(frames: Frames) -> pd.DataFrame:
    """Return one row per account without history, as most extracts have it."""
    accounts = frames["accounts"].sort_values("known_at").drop_duplicates("account_id", keep="last")
    return accounts[["account_id", "name", "created_on", "industry", "country"]].copy()


def status(frames: Frames, left: pd.Series, rng: np.random.Generator) -> tuple[str, ...]:
    """Mark accounts that left as closed in a status of today."""
    accounts = undated(frames)
    gone = accounts["account_id"].isin(left.index)
    frames["accounts"] = accounts.assign(status=np.where(gone, "Closed", rng.choice(["Active", "Trial"], len(gone))))
    return ("status",)


def end_date(frames: Frames, left: pd.Series, rng: np.random.Generator) -> tuple[str, ...]:
    """Make contracts open-ended, with an end that is written when the customer leaves."""
    terms = frames["subscriptions"].sort_values("started_on")
    first = terms[~terms["is_addon"].astype(bool)].drop_duplicates("account_id")
    frames["subscriptions"] = first.assign(
        ends_on=first["account_id"].map(left), terminated_on=pd.NaT, notice_at=pd.NaT, known_at=first["started_on"]
    )
    return ()


def cancelled_seats(frames: Frames, left: pd.Series, rng: np.random.Generator) -> tuple[str, ...]:
    """Set the seats of accounts that left to nought, in all their terms."""
    terms = frames["subscriptions"]
    frames["subscriptions"] = terms.assign(seats=terms["seats"].where(~terms["account_id"].isin(left.index), 0))
    return ()


def ticket_category(frames: Frames, left: pd.Series, rng: np.random.Generator) -> tuple[str, ...]:
    """Open a ticket of category cancellation in the last month of accounts that left."""
    when = left - pd.to_timedelta(rng.integers(3, 30, len(left)), unit="D")
    new = pd.DataFrame(
        {"ticket_id": [f"cancel-{i}" for i in left.index], "account_id": left.index, "opened_at": when.to_numpy(),
         "known_at": when.to_numpy(), "category": "cancellation", "priority": "normal"}
    )  # fmt: skip
    frames["tickets"] = pd.concat([frames["tickets"], new], ignore_index=True)
    return ()


def last_invoice(frames: Frames, left: pd.Series, rng: np.random.Generator) -> tuple[str, ...]:
    """Bill quarterly at most, and issue a closing invoice in the last week of accounts that left."""
    invoices = frames["invoices"].sort_values("issued_on")
    quarter = invoices["issued_on"].dt.to_period("Q")
    invoices = invoices[~pd.concat([invoices["account_id"], quarter], axis=1).duplicated()]
    when = left - pd.to_timedelta(rng.integers(1, 7, len(left)), unit="D")
    new = pd.DataFrame(
        {"invoice_id": [f"last-{i}" for i in left.index], "account_id": left.index, "issued_on": when.to_numpy(),
         "due_on": when.to_numpy(), "known_at": when.to_numpy(), "amount": 1.0}
    )  # fmt: skip
    frames["invoices"] = pd.concat([invoices, new], ignore_index=True)
    return ()


def offboarding_owner(frames: Frames, left: pd.Series, rng: np.random.Generator) -> tuple[str, ...]:
    """Hand accounts that left to an off-boarding team, in an attribute of one's own without history."""
    accounts = undated(frames)
    teams = rng.choice([f"team {i}" for i in range(6)], len(accounts))
    gone = accounts["account_id"].isin(left.index) & (rng.random(len(accounts)) < 0.8)
    frames["accounts"] = accounts.assign(cs_team=np.where(gone, "off-boarding", teams))
    return ("cs_team",)


def exit_survey(frames: Frames, left: pd.Series, rng: np.random.Generator) -> tuple[str, ...]:
    """Send a survey in the last days of accounts that left."""
    when = left - pd.to_timedelta(rng.integers(2, 10, len(left)), unit="D")
    new = pd.DataFrame(
        {"survey_id": [f"exit-{i}" for i in left.index], "account_id": left.index, "kind": "csat",
         "sent_at": when.to_numpy(), "known_at": when.to_numpy(), "responded_at": when.to_numpy(), "score": 2.0}
    )  # fmt: skip
    frames["surveys"] = pd.concat([frames["surveys"], new], ignore_index=True)
    return ()


def deleted_users(frames: Frames, left: pd.Series, rng: np.random.Generator) -> tuple[str, ...]:
    """Delete the users of accounts that left, and with them their contacts' history."""
    contacts = frames["contacts"]
    frames["contacts"] = contacts[~contacts["account_id"].isin(left.index)]
    return ()


def backfilled_plan(frames: Frames, left: pd.Series, rng: np.random.Generator) -> tuple[str, ...]:
    """Move accounts that left to the plan "free", in all their terms."""
    terms = frames["subscriptions"]
    frames["subscriptions"] = terms.assign(plan=terms["plan"].where(~terms["account_id"].isin(left.index), "free"))
    return ()


def totals(frames: Frames, left: pd.Series, rng: np.random.Generator) -> tuple[str, ...]:
    """Add what an account has used and paid in all and how long it was a customer, each as of today."""
    accounts = undated(frames)
    events = frames["events"].groupby("account_id")["event_count"].sum()
    invoiced = frames["invoices"].groupby("account_id")["amount"].sum().round()
    ends = accounts["account_id"].map(left).fillna(frames["events"]["occurred_at"].max())
    frames["accounts"] = accounts.assign(
        events_total=accounts["account_id"].map(events).fillna(0).astype(int),
        invoiced_total=accounts["account_id"].map(invoiced).fillna(0).astype(int),
        months_as_customer=(ends - accounts["created_on"]).dt.days // 30,
    )
    return ("events_total", "invoiced_total", "months_as_customer")


PLANTS: dict[str, Plant] = {
    "status": status,
    "end date": end_date,
    "cancelled seats": cancelled_seats,
    "ticket category": ticket_category,
    "last invoice": last_invoice,
    "off-boarding owner": offboarding_owner,
    "exit survey": exit_survey,
    "deleted users": deleted_users,
    "backfilled plan": backfilled_plan,
    "aggregated totals": totals,
}


def findings(accounts: int, seed: int, plant: Plant | None) -> list[Any]:
    """Return what the cheap checks find in a company, with a leak or without."""
    company = simulate(accounts=accounts, months=MONTHS, seed=seed, churn_rate=0.025)
    frames = {name: frame.copy() for name, frame in company.tables.items()}
    own: tuple[str, ...] = ()
    if plant is not None:
        own = plant(frames, departures(frames, pd.Timestamp(company.end)), np.random.default_rng(seed))
    tables = Tables.from_pandas(frames, observed_from=company.start, observed_until=company.end)
    config = Config.model_validate(
        {
            "name": "leaks",
            "source": {"folder": "raw"},
            "tables": {name: {"from": f"{name}.parquet"} for name in frames},
            "label": {"churn": "contractual", "horizon_days": 90},
            "features": {"windows_days": [28, 91], "max_event_types": 3, "attributes": ["industry", "country", *own]},
        }
    )
    spine = snapshots.spine(tables, config)
    feature_set = features.catalogue(tables, config.features)
    frame = features.compute(tables, spine, feature_set, config.features)
    folds = snapshots.splits(frame, config)
    return [one for one in audit(frame, feature_set, folds, config.label, tables=tables) if one.status == "found"]


def main() -> None:
    """Plant every kind into every company and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--companies", type=int, default=3)
    parser.add_argument("--clean", type=int, default=10)
    parser.add_argument("--accounts", type=int, default=300)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    clean: dict[int, list[Any]] = {}
    for seed in range(1, options.clean + 1):
        clean[seed] = findings(options.accounts, seed, None)
        print(
            f"clean {seed}: {[(one.code, str(one.what)) for one in clean[seed]] or 'nothing'}",
            file=sys.stderr,
            flush=True,
        )
    rows = []
    for kind, plant in PLANTS.items():
        for seed in range(1, options.companies + 1):
            found = findings(options.accounts, seed, plant)
            known = {(one.code, where) for one in clean.get(seed, []) for where in one.where}
            new = [one for one in found if any((one.code, where) not in known for where in one.where)]
            rows.append(
                {
                    "kind": kind,
                    "seed": seed,
                    "found": bool(new),
                    "codes": [one.code for one in new],
                    "blocks": bool(leaks(new)),
                    "what": [str(one.what) for one in new],
                }
            )
            print(json.dumps(rows[-1], ensure_ascii=False), file=sys.stderr, flush=True)
    quiet = sum(not found for found in clean.values())
    if options.json:
        told = {str(seed): [one.as_dict() for one in found] for seed, found in clean.items()}
        print(json.dumps({"planted": rows, "clean": told, "clean_quiet": quiet}, indent=1, ensure_ascii=False))
        return
    print("| leak | companies | found | promotion blocked | by |")
    print("|---|---|---|---|---|")
    for kind in PLANTS:
        mine = [row for row in rows if row["kind"] == kind]
        codes = ", ".join(sorted({code for row in mine for code in row["codes"]}))
        counts = (len(mine), sum(row["found"] for row in mine), sum(row["blocks"] for row in mine))
        print(f"| {kind} | {counts[0]} | {counts[1]} | {counts[2]} | {codes} |")
    print(f"| none | {len(clean)} | {len(clean) - quiet} | {sum(bool(leaks(found)) for found in clean.values())} | |")


if __name__ == "__main__":
    main()
