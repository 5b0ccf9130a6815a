"""What a reader of an account's page wants beside its score: contract, phase, what happened, the weeks behind it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pandas as pd

from churnml import snapshots
from churnml.config import Config
from churnml.explain.happenings import timelines
from churnml.explain.series import weekly
from churnml.health import phase
from churnml.store import Store
from churnml.tables import Tables, knowledge
from churnml.tables.parents import below, chain_of

__all__ = ["families", "happened", "with_background", "with_chosen_owners"]


def with_background(tables: Tables, now: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Return the scores with contract, phase, last contact and parents.

    Parameters
    ----------
    tables : Tables
    now : DataFrame
        Feature frame of the scored accounts.
    table : DataFrame
        Their scores, in any order.
    """
    as_of = now["as_of"].iloc[0]
    phases = pd.DataFrame({"account_id": now["account_id"], "phase": phase(now).astype(object)})
    contacts = _last_contacts(tables, as_of.date())
    for more in (phases, snapshots.contracts_at(tables, as_of), contacts, families(tables, as_of)):
        table = table.merge(more, on="account_id", how="left", validate="1:1")
    return table


def happened(config: Config, tables: Tables, as_of: date) -> Callable[[str], dict[str, Any]]:
    """Return what tells of an account what stands beside its explanation: ``happenings`` and ``weekly``."""
    happenings, weeks = timelines(tables, as_of, display=config.display), weekly(tables, as_of)

    def of(account_id: str) -> dict[str, Any]:
        return {
            "happenings": happenings.as_stored(account_id),
            "weekly": weeks.get(account_id, {}),
        }

    return of


def _last_contacts(tables: Tables, as_of: date) -> pd.DataFrame:
    """Return ``account_id, last_contact_on``: the last day on which somebody of ours was in touch, ISO."""
    if "touchpoints" not in tables:
        return pd.DataFrame({"account_id": pd.Series(dtype="str"), "last_contact_on": pd.Series(dtype=object)})
    rows = knowledge.rows_known_before(tables["touchpoints"], "touchpoints", as_of)
    rows = rows.mutate(account_id=rows.account_id.cast("string"))
    frame = rows.group_by("account_id").aggregate(last=rows.occurred_at.max()).to_pandas()
    days = pd.to_datetime(frame["last"]).dt.strftime("%Y-%m-%d").astype(object)
    return pd.DataFrame({"account_id": frame["account_id"].astype("str"), "last_contact_on": days})


def families(tables: Tables, as_of: pd.Timestamp) -> pd.DataFrame:
    """Return ``account_id, above, below``: of whom an account is part, the nearest first, and who is part of it.

    Parameters
    ----------
    tables : Tables
    as_of : Timestamp
        Parents known before it count. Accounts that stand alone are left out.
    """
    if not tables.has("accounts", "parent_id"):
        return pd.DataFrame({"account_id": pd.Series(dtype="str")})
    accounts = tables["accounts"].select("account_id", "parent_id", "known_at").to_pandas()
    accounts["account_id"] = accounts["account_id"].astype("str")
    parents = knowledge.frame_newest(accounts, as_of).set_index("account_id")["parent_id"].astype("object")
    under = below(parents)
    family = [(account, chain_of(parents, account), under.get(account, [])) for account in parents.index]
    return pd.DataFrame(
        [(account, list(above), own) for account, above, own in family if above or own],
        columns=["account_id", "above", "below"],
    )


def with_chosen_owners(config: Config, store: Store, table: pd.DataFrame) -> pd.DataFrame:
    """Return the scores with the owners in force: who was chosen by hand, while the source names the same as then."""
    chosen = store.owners(config.name).chosen()
    if not chosen:
        return table
    owners = []
    for account, owner in zip(table["account_id"], table["owner"], strict=True):
        source = None if owner is None or owner != owner else str(owner)
        held = chosen.get(str(account))
        owners.append(held[1] if held is not None and held[0] == source else source)
    return table.assign(owner=pd.Series(owners, index=table.index, dtype=object))
