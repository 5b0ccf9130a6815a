"""What alert rules would have caught: past readings lived through once more, judged by who left."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from churnml.actions.alerts import advance
from churnml.actions.rules import DEFAULT_BANDS, NOT_OF_RISK, AlertRule, Bands
from churnml.actions.signals import READINGS, signals
from churnml.config.alerts import AlertsConfig
from churnml.store.alerts import Alert

__all__ = ["AlertsBacktest", "RuleBacktest", "alerts_backtest", "live_through"]

_EARLY_DAYS = 30
Uplift = Callable[[pd.DataFrame], Any]


class RuleBacktest(BaseModel):
    """What one rule would have done.

    Parameters
    ----------
    kind : str
    alerts : int
        Episodes opened.
    held_back : int
        Of them beyond the weekly budget when they opened.
    judged, churned : int
        Episodes on rows with a final label, and those of them whose account left within the horizon.
    precision : float or None
        churned ÷ judged.
    lift : float or None
        Precision ÷ churn rate of all readings.
    warned_early : int
        Churned accounts of which the rule had an alert open at least 30 days before they left.
    """

    model_config = ConfigDict(frozen=True)

    kind: str
    alerts: int
    held_back: int
    judged: int
    churned: int
    precision: float | None
    lift: float | None
    warned_early: int


class AlertsBacktest(BaseModel):
    """What the alerts would have done on dates that the model had not seen.

    Parameters
    ----------
    snapshots : int
    first, last : str
        ISO dates.
    weeks : float
        Length of the period.
    owners : int
    alerts_per_owner_week : float
        Shown ones; what the budget held back is apart.
    held_back : int
    churners : int
        Accounts that left after a reading with a final label.
    warned : float or None
        Share of them with any alert shown before they left; what the budget holds back warns nobody.
    warned_early : float or None
        The same at least 30 days before.
    base_rate : float or None
        Churn rate of all readings.
    precision : float or None
        Over the shown alerts of rules that speak of churn.
    rules : tuple of RuleBacktest
    off : mapping
        Rule → the column that it lacks.
    ranked_by : {"risk", "uplift"}
        What the weekly budget went by.
    """

    model_config = ConfigDict(frozen=True)

    snapshots: int
    first: str
    last: str
    weeks: float
    owners: int
    alerts_per_owner_week: float
    held_back: int
    churners: int
    warned: float | None
    warned_early: float | None
    base_rate: float | None
    precision: float | None
    rules: tuple[RuleBacktest, ...]
    off: dict[str, str]
    ranked_by: Literal["risk", "uplift"] = "risk"


def live_through(
    history: pd.DataFrame,
    features: pd.DataFrame,
    rules: Sequence[AlertRule],
    section: AlertsConfig,
    bands: Bands = DEFAULT_BANDS,
    *,
    uplift: Uplift | None = None,
) -> tuple[list[Alert], list[Alert], dict[str, str]]:
    """Take the alerts through every date of a history, as if each were scored that day.

    Parameters
    ----------
    history : DataFrame
        ``account_id, as_of, health_score, band, churn_probability, coverage, arr`` and, where known, ``owner`` and
        ``segment``.
    features : DataFrame
        ``account_id, as_of`` and feature columns.
    rules, section, bands
        As for `churnml.actions.alerts.advance`.
    uplift : callable, optional
        Signals → churn that a contact avoids; then the budget ranks by that, else by risk.

    Returns
    -------
    opened, last, off : list of Alert, list of Alert, dict
        Every alert as it was when it opened or reopened; every account's and rule's newest; rules that are off.
    """
    opened, _, last, off = _lived(history, features, rules, section, bands, uplift)
    return opened, last, off


def _lived(
    history: pd.DataFrame,
    features: pd.DataFrame,
    rules: Sequence[AlertRule],
    section: AlertsConfig,
    bands: Bands,
    uplift: Uplift | None,
) -> tuple[list[Alert], list[date | None], list[Alert], dict[str, str]]:
    """Return what `live_through` does, and beside every alert that opened the day on which somebody was shown it."""
    shown_on: list[date | None] = []
    place: dict[tuple[str, str], int] = {}
    state: dict[tuple[str, str], Alert] = {}
    opened: list[Alert] = []
    off: dict[str, str] = {}
    for as_of, scores in history.groupby("as_of", sort=True):
        rows = features[features["as_of"] == as_of].drop(columns="as_of")
        table = signals(scores.reset_index(drop=True), rows, history[[*READINGS]])
        if uplift is not None:
            table = table.assign(churn_avoided=uplift(table))
        step = advance(state.values(), table, rules, section, as_of=pd.Timestamp(as_of).date(), bands=bands)  # type: ignore[arg-type]
        state |= {alert.key: alert for alert in step.alerts}
        for key in (*step.opened, *step.reopened):
            place[key] = len(opened)
            opened.append(state[key])
            shown_on.append(None)
        for key, number in place.items():
            shown_on[number] = shown_on[number] or state[key].shown_on
        off = dict(step.off)
    return opened, shown_on, list(state.values()), off


def alerts_backtest(
    history: pd.DataFrame,
    features: pd.DataFrame,
    rules: Sequence[AlertRule],
    section: AlertsConfig,
    bands: Bands = DEFAULT_BANDS,
    *,
    uplift: Uplift | None = None,
) -> AlertsBacktest:
    """Judge the alerts that a history would have raised.

    Parameters
    ----------
    history : DataFrame
        As for `live_through`, with ``churned`` (1, 0 or NaN) and ``churn_on`` (datetime64 or NaT).
    features, rules, section, bands, uplift
        As for `live_through`.
    """
    opened, shown_on, _, off = _lived(history, features, rules, section, bands, uplift)
    labels = history.set_index(["account_id", "as_of"])["churned"]
    rate = _share(labels.dropna())
    left = history.loc[history["churn_on"].notna()].groupby("account_id")["churn_on"].max()
    days = pd.DatetimeIndex(sorted(history["as_of"].unique()))
    weeks = max(1.0, ((days[-1] - days[0]).days + 7) / 7)
    owners = history["owner"].dropna().nunique() if "owner" in history else 0
    of_churn = [alert for alert in opened if alert.kind not in NOT_OF_RISK]
    shown = [alert for alert in of_churn if not alert.held_back]
    warnings = [
        (alert.account_id, day)
        for alert, day in zip(opened, shown_on, strict=True)
        if day is not None and alert.kind not in NOT_OF_RISK
    ]
    judged = _labels(shown, labels)
    return AlertsBacktest(
        snapshots=len(days),
        first=f"{days[0]:%Y-%m-%d}",
        last=f"{days[-1]:%Y-%m-%d}",
        weeks=round(weeks, 1),
        owners=int(owners),
        alerts_per_owner_week=round(sum(not alert.held_back for alert in opened) / weeks / max(1, owners), 2),
        held_back=sum(alert.held_back for alert in opened),
        churners=len(left),
        warned=_warned(warnings, left, 1),
        warned_early=_warned(warnings, left, _EARLY_DAYS),
        base_rate=rate,
        precision=_share(judged),
        rules=tuple(_rule(rule.kind, opened, labels, left, rate) for rule in rules if rule.kind not in off),
        off=off,
        ranked_by="risk" if uplift is None else "uplift",
    )


def _rule(kind: str, opened: Sequence[Alert], labels: pd.Series, left: pd.Series, rate: float | None) -> RuleBacktest:
    own = [alert for alert in opened if alert.kind == kind]
    judged = _labels(own, labels)
    precision = _share(judged)
    return RuleBacktest(
        kind=kind,
        alerts=len(own),
        held_back=sum(alert.held_back for alert in own),
        judged=len(judged),
        churned=int(judged.sum()),
        precision=precision,
        lift=None if precision is None or not rate else round(precision / rate, 2),
        warned_early=len(_accounts_warned([(one.account_id, one.opened_on) for one in own], left, _EARLY_DAYS)),
    )


def _labels(alerts: Sequence[Alert], labels: pd.Series) -> pd.Series:
    keys = pd.MultiIndex.from_tuples(
        [(alert.account_id, pd.Timestamp(alert.updated_on)) for alert in alerts], names=["account_id", "as_of"]
    )
    return labels.reindex(keys).dropna() if len(alerts) else labels.iloc[:0]


def _accounts_warned(warnings: Sequence[tuple[str, date]], left: pd.Series, days: int) -> set[str]:
    lead = pd.Timedelta(days=days)
    return {name for name, day in warnings if name in left.index and pd.Timestamp(day) + lead <= left[name]}


def _warned(warnings: Sequence[tuple[str, date]], left: pd.Series, days: int) -> float | None:
    return None if left.empty else round(len(_accounts_warned(warnings, left, days)) / len(left), 4)


def _share(outcomes: pd.Series) -> float | None:
    return None if outcomes.empty else round(float(np.mean(outcomes)), 4)
