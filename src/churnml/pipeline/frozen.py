"""Accounts that have left: when and why, found at scoring; and their last score, kept readable."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, timedelta
from typing import Any

import pandas as pd

from churnml.config import Config
from churnml.explain import frozen
from churnml.snapshots.contract import subscription_frame
from churnml.snapshots.silence import activity_known
from churnml.store import AccountScore, SnapshotInfo, Store
from churnml.tables import Tables

__all__ = ["departures", "last_score"]

_KEPT_DAYS = 400


def departures(
    config: Config, tables: Tables, store: Store, day: pd.Timestamp, present: Collection[str]
) -> dict[str, dict[str, Any]]:
    """Return the accounts that were scored within the last 13 months and are not in the cohort any more.

    Parameters
    ----------
    config : Config
    tables : Tables
        Only what was known before `day` is read.
    store : Store
        Holds the earlier readings, and what earlier snapshots knew.
    day : Timestamp
        The snapshot's date.
    present : collection of str
        Accounts of the cohort.

    Returns
    -------
    dict
        Account → ``last`` (ISO date of its last score), ``why`` (ended, notice, silent or left) and ``on`` (ISO date
        or None).
    """
    before = store.latest(config.name)
    oldest = (day - timedelta(days=_KEPT_DAYS)).date().isoformat()
    known = before.info.get("left", {}) if before is not None and before.as_of < day.date() else {}
    last = {account: str(item["last"]) for account, item in known.items()}
    for account, as_of, _ in store.readings(config.name, before=day.date()):
        last[account] = max(as_of.isoformat(), last.get(account, ""))
    gone = sorted(account for account, when in last.items() if account not in present and when >= oldest)
    if not gone:
        return {}
    contractual = config.label.churn == "contractual"
    why = _contracts(tables, gone, day) if contractual else _silences(config, tables, gone, day)
    return {account: {"last": last[account], **why.get(account, {"why": "left", "on": None})} for account in gone}


def last_score(
    config: Config, store: Store, snapshot: SnapshotInfo, account_id: str
) -> tuple[AccountScore, dict[str, Any]] | None:
    """Return the last score of an account that is not in the newest snapshot, with its explanation; None if unknown.

    The explanation has the field ``frozen`` (see `churnml.explain.remarks`), no plays, and no drivers where none were
    kept for that date.
    """
    readings = store.history(config.name, account_id, limit=1)
    if not readings:
        return None
    of, account = readings[0]
    told = dict(store.explanation(of.id, account_id) or _bare(account, of.as_of, snapshot))
    said = frozen(snapshot.info.get("left", {}).get(account_id), of.as_of)
    if said["why"] == "notice":
        told["indicators"] = [*told["indicators"], _NOTICE]
    return account, {**told, "plays": [], "frozen": said}


_NOTICE = {
    "code": "notice",
    "feature": "notice_given",
    "value": 1.0,
    "text_en": "Notice has been given",
    "text_ja": "解約通知あり",
}


def _bare(account: AccountScore, as_of: date, snapshot: SnapshotInfo) -> dict[str, Any]:
    """Return an explanation without drivers."""
    told: Mapping[str, Any] = {
        "account_id": account.account_id,
        "as_of": as_of.isoformat(),
        "churn_probability": account.churn_probability,
        "base_rate": snapshot.info.get("base_rate"),
        "horizon_days": snapshot.info.get("horizon_days"),
        "health_score": account.health_score,
        "band": account.band,
        "coverage": account.coverage,
        "reasons_en": account.details.get("reasons_en") or [],
        "reasons_ja": account.details.get("reasons_ja") or [],
        "source": "model",
        "families": {},
        "csm_sentiment": None,
        "expected_log_odds": None,
        "log_odds": None,
        "summary_en": "No reasons are kept for this date.",
        "summary_ja": "この時点の理由は保存されていません。",
    }
    return {**told, **{name: [] for name in ("raising", "lowering", "context", "indicators")}}


def _contracts(tables: Tables, accounts: list[str], day: pd.Timestamp) -> dict[str, dict[str, Any]]:
    """Tell the end of the contract, or the notice, as known before the day."""
    terms = subscription_frame(tables)
    terms = terms[terms["account_id"].isin(accounts) & ~terms["is_addon"]]
    terms = terms[(terms["known_at"] < day) & (terms["started_on"] < day)]
    terms["end"] = terms["agreed_end"].where(terms["revealed_at"] >= day, terms["actual_end"])
    terms["notice"] = terms["notice_at"].where(terms["notice_at"] < day)
    found = {}
    for account, own in terms.groupby("account_id"):
        ended, notice = own["end"].max(), own.loc[own["end"] >= day, "notice"].max()
        if ended < day:
            found[str(account)] = {"why": "ended", "on": f"{ended:%Y-%m-%d}"}
        elif pd.notna(notice):
            found[str(account)] = {"why": "notice", "on": f"{notice:%Y-%m-%d}"}
    return found


def _silences(config: Config, tables: Tables, accounts: list[str], day: pd.Timestamp) -> dict[str, dict[str, Any]]:
    """Tell the last day of activity, as known before the day."""
    seen = activity_known(tables, pd.DatetimeIndex([day]), config.label.activity).at(day)
    seen = seen[seen["account_id"].isin(accounts) & (seen["last_on"] <= day - pd.Timedelta(days=config.label.silence))]
    days = seen["last_on"].dt.strftime("%Y-%m-%d")
    return {str(account): {"why": "silent", "on": on} for account, on in zip(seen["account_id"], days, strict=True)}
