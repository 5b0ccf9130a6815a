"""The contract that an account is under at a date, as a reader of its page wants to know it."""

from __future__ import annotations

import pandas as pd

from churnml.snapshots.contract import actual_end
from churnml.tables import Tables, knowledge

__all__ = ["contracts_at"]

_COLUMNS = ["account_id", "plan", "contract_ends_on", "renewal"]


def contracts_at(tables: Tables, as_of: pd.Timestamp) -> pd.DataFrame:
    """Return each account's plan, the end of its contract and how it goes on, as known just before a date.

    Of several plans that run the one that ends last counts; one that was signed already and begins later prolongs it.

    Parameters
    ----------
    tables : Tables
    as_of : Timestamp

    Returns
    -------
    DataFrame
        ``account_id, plan, contract_ends_on`` (NaT: no end is agreed) and ``renewal``: ``ends`` where notice has been
        given, ``auto``, ``manual``, or None where nothing is known of it. Empty without subscriptions.

    Examples
    --------
    >>> from datetime import date
    >>> terms = pd.DataFrame({"subscription_id": ["1", "2"], "account_id": ["a", "b"], "product": ["Pro", "Basic"],
    ...     "started_on": pd.to_datetime(["2026-01-01", "2026-02-01"]),
    ...     "ends_on": pd.to_datetime(["2027-01-01", "2026-08-01"]), "auto_renew": [True, False]})
    >>> tables = Tables.from_pandas({"subscriptions": terms}, observed_until=date(2026, 4, 1))
    >>> contracts_at(tables, pd.Timestamp("2026-04-01"))
      account_id   plan contract_ends_on renewal
    0          a    Pro       2027-01-01    auto
    1          b  Basic       2026-08-01  manual
    """
    if "subscriptions" not in tables:
        return pd.DataFrame(columns=_COLUMNS)
    known = knowledge.rows_known_before(tables["subscriptions"], "subscriptions", as_of, begun=False).to_pandas()
    for column in ("started_on", "ends_on", "terminated_on", "notice_at"):
        known[column] = pd.to_datetime(known[column]).astype("datetime64[us]")
    plans = known[~known["is_addon"].fillna(False).astype(bool)].rename(columns={"ends_on": "agreed_end"})
    plans["account_id"] = plans["account_id"].astype("str")
    plans["ends"] = actual_end(plans)
    running = plans[plans["ends"].isna() | (plans["ends"] >= as_of)]
    order = running.assign(open=running["ends"].isna()).sort_values(
        ["account_id", "open", "ends", "started_on"], kind="stable"
    )
    last = order.drop_duplicates("account_id", keep="last")
    renews = last["auto_renew"].map({True: "auto", False: "manual"}).astype(object)
    out = pd.DataFrame(
        {
            "account_id": last["account_id"],
            "plan": last["plan"].fillna(last["product"]).astype(object),
            "contract_ends_on": last["ends"],
            "renewal": renews.where(last["notice_at"].isna(), "ends"),
        }
    )
    return out.where(out.notna(), None).astype({"contract_ends_on": "datetime64[us]"}).reset_index(drop=True)
