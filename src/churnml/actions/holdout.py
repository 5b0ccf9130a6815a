"""Who is held out of contact: chance, fixed for the episode, drawn where an alert would be sent to a person."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from churnml.actions.rules import NOT_OF_RISK
from churnml.config.experiments import ExperimentsConfig
from churnml.store.alerts import Alert, Arm
from churnml.store.evaluations import Assignment

__all__ = ["Drawn", "draw"]

_BLOCK = 20
"""Accounts of a stratum among which the share is kept exactly, in the order in which they come."""


@dataclass(frozen=True)
class Drawn:
    """The alerts, each in its arm, and the assignments that are new or have ended."""

    alerts: tuple[Alert, ...]
    assignments: tuple[Assignment, ...]


def draw(
    alerts: Iterable[Alert],
    known: Sequence[Assignment],
    signals: pd.DataFrame,
    section: ExperimentsConfig,
    *,
    days: int,
    seed: int,
    as_of: date,
) -> Drawn:
    """Hold a share of the accounts out that an alert sends to a person for the first time.

    An account is drawn once, when the first alert that takes part would reach a person, and stays in its arm for so
    many days: every alert that takes part follows it. Then it may be contacted again, and drawn again by a later
    alert. Notice that is given meanwhile sets it free at once.

    Parameters
    ----------
    alerts : iterable of Alert
        In their new state, within the budget. What is held out has used its place in it.
    known : sequence of Assignment
    signals : DataFrame
        From `churnml.actions.signals.signals`.
    section : ExperimentsConfig
    days : int
        How long an account stays in its arm.
    seed : int
        Of the lots.
    as_of : date

    Notes
    -----
    Lots are drawn in blocks within strata (touch model and half of the churn probabilities), so that in each the share
    is kept exactly with every twentieth account. An account that somebody has on the desk already is drawn no more.
    """
    alerts = list(alerts)
    rows = {str(row["account_id"]): row for row in _rows(signals, section)}
    running: dict[str, Assignment] = {}
    changed: list[Assignment] = []
    episodes: Counter[str] = Counter()
    drawn: Counter[str] = Counter()
    for item in known:
        if item.experiment != section.name:
            continue
        episodes[item.account_id] = max(episodes[item.account_id], item.episode)
        drawn[item.stratum] += 1
        if item.ended_on is not None:
            continue
        over = as_of >= item.assigned_on + timedelta(days=days)
        notice = not section.notice_given and _gave_notice(rows.get(item.account_id, {}))
        if over or notice or not section.enabled:
            changed.append(item.model_copy(update={"ended_on": as_of}))
        else:
            running[item.account_id] = item
    if section.enabled:
        in_contact = {alert.account_id for alert in alerts if alert.waits_for_somebody and alert.shown_on != as_of}
        median = float(signals["churn_probability"].median())
        fresh: dict[str, Alert] = {}
        for alert in alerts:
            row = rows.get(alert.account_id)
            known_here = alert.account_id in running or alert.account_id in in_contact or alert.account_id in fresh
            if row is not None and not known_here and _takes_part(alert, row, section, as_of):
                fresh[alert.account_id] = alert
        for account in sorted(fresh, key=lambda name: _lot(seed, section.name, name, episodes[name] + 1)):
            row, alert = rows[account], fresh[account]
            stratum = f"{row.get('touch')}/{'high' if _number(row, 'churn_probability') >= median else 'low'}"
            arm: Arm = "held_out" if _held_out(seed, section, stratum, drawn[stratum]) else "contacted"
            drawn[stratum] += 1
            running[account] = Assignment(
                experiment=section.name,
                account_id=account,
                episode=episodes[account] + 1,
                arm=arm,
                stratum=stratum,
                assigned_on=as_of,
                kind=alert.kind,
                **{name: _or_none(_number(row, name)) for name in ("churn_probability", "arr")},
                **{name: _word(row, name) for name in ("segment", "band", "owner")},
                share=section.share,
                covariates=_covariates(row, section),
            )
            changed.append(running[account])
    return Drawn(tuple(_in_arm(alert, running, section, as_of) for alert in alerts), tuple(changed))


def _in_arm(alert: Alert, running: Mapping[str, Assignment], section: ExperimentsConfig, as_of: date) -> Alert:
    """Return an alert as its account's arm has it; what is set free comes on the desk today."""
    assignment = running.get(alert.account_id)
    if assignment is None or not _is_of_experiment(alert, section):
        return _set_free(alert, as_of) if alert.held_out else alert
    if alert.state == "closed" or alert.held_back:
        return alert
    # What somebody had on the desk before the lot was drawn is never taken away.
    held_out = assignment.arm == "held_out" and (alert.held_out or alert.shown_on in (None, as_of))
    return alert.model_copy(update={"arm": assignment.arm, "held_out": held_out})


def _set_free(alert: Alert, as_of: date) -> Alert:
    """Return an alert that somebody gets from today, with as much time to answer as a new one."""
    late = as_of - (alert.shown_on or as_of)
    return alert.model_copy(update={"held_out": False, "shown_on": as_of, "due_at": alert.due_at + late})


def _takes_part(alert: Alert, row: Mapping[Hashable, Any], section: ExperimentsConfig, as_of: date) -> bool:
    arr = _number(row, "arr")
    return (
        alert.state == "open"
        and not alert.held_back
        and alert.shown_on == as_of
        and alert.arm is None
        and _is_of_experiment(alert, section)
        and row.get("touch") != "tech"
        and section.arr_below is not None
        and arr < section.arr_below
        and (section.notice_given or not _gave_notice(row))
    )


def _is_of_experiment(alert: Alert, section: ExperimentsConfig) -> bool:
    if alert.severity not in section.severities or alert.kind in NOT_OF_RISK:
        return False
    if section.kinds:
        return alert.kind in section.kinds
    return alert.kind != "notice_given" or section.notice_given


def _held_out(seed: int, section: ExperimentsConfig, stratum: str, place: int) -> bool:
    """Return the lot of a place in a stratum: in each block so many places are held out as the share asks."""
    block, at = divmod(place, _BLOCK)
    wanted = int(np.floor((block + 1) * section.share * _BLOCK) - np.floor(block * section.share * _BLOCK))
    rng = np.random.default_rng(_lot(seed, section.name, stratum, block))
    return at in rng.permutation(_BLOCK)[:wanted]


def _lot(seed: int, *of: object) -> int:
    return int.from_bytes(hashlib.sha256("\0".join(map(str, (seed, *of))).encode()).digest()[:8])


def _gave_notice(row: Mapping[Hashable, Any]) -> bool:
    return bool(_number(row, "notice_given") >= 1)


def _rows(signals: pd.DataFrame, section: ExperimentsConfig) -> list[dict[Hashable, Any]]:
    read = dict.fromkeys(
        (
            "account_id",
            "arr",
            "churn_probability",
            "touch",
            "segment",
            "band",
            "owner",
            "notice_given",
            *section.covariates,
        )
    )
    return signals[[name for name in read if name in signals]].to_dict("records")


def _covariates(row: Mapping[Hashable, Any], section: ExperimentsConfig) -> dict[str, float]:
    """Return the numbers that an uplift ranking may learn from; words and what is not known are left out."""
    given = {name: row.get(name) for name in section.covariates}
    numbers = {name: float(value) for name, value in given.items() if isinstance(value, Real)}
    return {name: number for name, number in numbers.items() if np.isfinite(number)}


def _number(row: Mapping[Hashable, Any], name: str) -> float:
    value = row.get(name)
    return float("nan") if value is None or pd.isna(value) else float(value)


def _or_none(number: float) -> float | None:
    return None if np.isnan(number) else number


def _word(row: Mapping[Hashable, Any], name: str) -> str | None:
    value = row.get(name)
    return None if value is None or pd.isna(value) else str(value)
