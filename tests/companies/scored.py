"""A company as its store holds it after some weeks: snapshots, explanations, alerts, tasks and notes.

The explanations are real ones, of a small trained company; they are repeated where more accounts are wanted. No raw
data is read and nothing is scored, so that twenty thousand accounts take seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from tests.companies.curves import curves_of
from tests.companies.explained import make_world

from churnml.actions import due_on
from churnml.config.alerts import AlertsConfig
from churnml.explain import explain
from churnml.explain.stored import stored
from churnml.health import compositions
from churnml.language import Quantity, Text, words
from churnml.retention.curve_columns import CURVE_COLUMNS, curve_columns
from churnml.store import Actor, Alert, Decided, Snapshot, Store, Task

__all__ = ["OWNERS", "OWN_WORDS", "fill"]

OWNERS = ("ann", "bob", "chie", "dan")
_NAMES = (
    "Aldergate", "Birchwood", "Calder", "Dunmore", "Eastfield", "Fenwick", "Glenbrook", "Harrow", "Ivory", "Juniper",
    "Kestrel", "Larkspur", "Merrow", "Northgate", "Orchard", "Pinehurst", "Quarry", "Rowan", "Sable", "Thornbury",
    "さくら", "みどり", "ハヤブサ", "北斗", "若葉",
)  # fmt: skip
_KINDS = ("Logistics", "Foods", "Health", "Robotics", "Media", "Energy", "商事", "テクノ")
_PLANS = ("Basic", "Pro", "Enterprise")
_STEPS = (
    ("call", {"en": "Call the decision maker", "ja": "意思決定者に電話する"}),
    ("plan", {"en": "Agree a plan with dates", "ja": "日付入りの計画に合意する"}),
    ("check", {"en": "Look at the use again", "ja": "利用状況を再確認する"}),
)
_NOTE = "They want to see the new reports first."
_SEGMENTS = ("enterprise", "mid-market", "smb")
OWN_WORDS = (*OWNERS, *_NAMES, *_KINDS, *_PLANS, *_SEGMENTS, *(title["en"] for _, title in _STEPS), _NOTE)
"""What the company itself has written: no language translates it."""
_NEW_MODEL = 9
"""The model in force is so many weeks old; earlier readings are another one's."""
_PHASES = ("onboarding", "adoption", "utilisation", "renewal")


@cache
def _explanations() -> tuple[pd.DataFrame, pd.DataFrame, tuple[dict[str, Any], ...]]:
    """Return scores, what they are made of, and explanations of the small company, the worst health first."""
    world = make_world()
    made = explain(
        world.model, world.frame, scores=world.scores, health=world.health, scale=world.scale, reference=world.reference
    )
    table = world.scores.merge(world.health, on=["account_id", "as_of"])
    order = table["health_score"].argsort(kind="stable").to_numpy()
    told = tuple(stored(made[at]) for at in order)
    made_of = compositions(world.frame, world.health, world.scale).iloc[order].reset_index(drop=True)
    risks = pd.DataFrame([one["families"] for one in told]).add_prefix("risk:")
    return table.iloc[order].reset_index(drop=True), pd.concat([made_of, risks], axis=1), told


def fill(store: Store, config: str, accounts: int, today: date, *, weeks: int = 12, seed: int = 5) -> None:
    """Fill a store with a company's last weeks.

    Parameters
    ----------
    store : Store
    config : str
    accounts : int
    today : date
        The day on which the newest snapshot is looked at; its facts reach up to it.
    weeks : int
        Weekly snapshots before the newest.
    seed : int
    """
    table, parts, told = _explanations()
    rng = np.random.default_rng(seed)
    which = rng.integers(0, len(table), accounts) if accounts > len(table) else rng.permutation(len(table))[:accounts]
    own = table.iloc[which].reset_index(drop=True)
    ids = [f"acc-{number:05d}" for number in range(accounts)]
    ends = [today + timedelta(days=int(days)) for days in rng.integers(5, 360, accounts)]
    scores = pd.DataFrame(
        {
            "account_id": ids,
            "name": [
                f"{_NAMES[n % len(_NAMES)]} {_KINDS[n // len(_NAMES) % len(_KINDS)]}"
                + (f" {n // (len(_NAMES) * len(_KINDS)) + 1}" if n >= len(_NAMES) * len(_KINDS) else "")
                for n in range(accounts)
            ],
            "churn_probability": own["churn_probability"],
            "health_score": own["health_score"],
            "band": own["band"],
            "coverage": 0.8 + 0.2 * rng.random(accounts),
            "arr": np.round(np.exp(9.5 + 0.9 * rng.normal(size=accounts)), -2),
            "owner": [OWNERS[n % len(OWNERS)] for n in range(accounts)],
            "segment": rng.choice(_SEGMENTS, accounts),
            "plan": rng.choice(_PLANS, accounts),
            "phase": rng.choice(_PHASES, accounts),
            "contract_ends_on": pd.to_datetime(pd.Series(ends)),
            "renewal": rng.choice(["auto", "manual", "ends"], accounts, p=[0.6, 0.35, 0.05]),
            "days_to_renewal": [float((end - today).days) for end in ends],
            "change_30d": np.round(rng.normal(-2, 9, accounts), 1),
            "last_contact_on": [(today - timedelta(days=int(d))).isoformat() for d in rng.integers(1, 120, accounts)],
            "why": [_why(told[at]) for at in which],
            # The first three are one inside the other.
            "above": [[], ids[:1], ids[1::-1], *[None] * (accounts - 3)],
            "below": [ids[1:3], ids[2:3], *[None] * (accounts - 2)],
        }
    )
    curves = curves_of(
        ids,
        today,
        # One in five goes on for as long as it likes.
        days=np.where(np.arange(accounts) % 5 == 4, np.nan, scores["days_to_renewal"]),
        risk=np.clip(2.5 * own["churn_probability"].to_numpy(), 0.02, 0.8),
        monthly=0.03 * own["churn_probability"].to_numpy(),
        arr=scores["arr"],
        groups=scores,
    )
    scores = scores.merge(curve_columns(curves, today), on="account_id", validate="1:1")
    made_of = parts.iloc[which].reset_index(drop=True).assign(account_id=ids, by_weights=0.0, by_model=0.0)
    drift = rng.normal(0, 6, (weeks, accounts)).cumsum(axis=0)
    for week in range(weeks, 0, -1):
        then = scores.assign(
            health_score=np.clip(
                scores["health_score"] - scores["change_30d"] * week / 4 + drift[week - 1] * 0.3, 0, 100
            )
        )
        then["band"] = pd.cut(then["health_score"], [-1, 40, 70, 101], right=False, labels=["red", "yellow", "green"])
        then["band"] = then["band"].astype(str)
        then = then.drop(columns=["why", *CURVE_COLUMNS])
        before = _before(made_of, then["health_score"] - scores["health_score"], rng, first=week == _NEW_MODEL)
        version = "2" if week > _NEW_MODEL else "3"
        _publish(store, config, today - timedelta(weeks=week), then, (), before, version=version)
    newest = (
        {
            **told[at],
            "account_id": account,
            "as_of": today.isoformat(),
            "happenings": _happenings(today, int(at)),
            "weekly": _weekly(int(at), _users_now(told[at])),
            "trend": {"change_7d": -2.0, "change_30d": change, "slope_12w": change / 4},
            "change": _change(today, float(health), float(change)),
            "plays": [],
        }
        for at, account, change, health in zip(which, ids, scores["change_30d"], scores["health_score"], strict=True)
    )
    _publish(store, config, today, scores, newest, made_of, curves, features=_features(ids, seed))
    _work(store, config, scores, today)


def _features(ids: list[str], seed: int) -> pd.DataFrame:
    """Return some of what alert rules read, and a word."""
    rng = np.random.default_rng(seed + 2)
    return pd.DataFrame(
        {
            "account_id": ids,
            "days_since_last_event": rng.geometric(0.12, len(ids)).astype(float),
            "invoices_overdue": rng.poisson(0.1, len(ids)).astype(float),
            "tenure_days": rng.integers(200, 2000, len(ids)).astype(float),
            "attr_segment": rng.choice(_SEGMENTS, len(ids)),
        }
    )


def _before(made_of: pd.DataFrame, points: pd.Series, rng: np.random.Generator, *, first: bool) -> pd.DataFrame:
    """Return what scores were made of that lay so many points off today's; `first` of another model."""
    groups = [name for name in made_of.columns if name.startswith("score:")]
    shares = rng.dirichlet(np.ones(len(groups)), len(made_of)) * len(groups)
    moved = made_of[groups] + shares * (points / (1 - made_of["alpha"]).clip(0.25)).to_numpy()[:, None]
    return made_of.assign(**moved.clip(0, 100), by_model=np.round(rng.normal(1, 3, len(made_of)), 1) if first else 0.0)


def _publish(
    store: Store,
    config: str,
    as_of: date,
    scores: pd.DataFrame,
    explanations: Any,
    made_of: pd.DataFrame,
    curves: Any = (),
    version: str = "3",
    features: pd.DataFrame | None = None,
) -> None:
    store.publish(
        Snapshot(
            config=config,
            as_of=as_of,
            scored_at=datetime.combine(as_of, time(4), UTC),
            model_version=version,
            config_hash="0f0f0f0f0f0f",
            scores=scores,
            explanations=explanations,
            curves=curves,
            compositions=made_of,
            features=features,
            info={"horizon_days": 90, "base_rate": 0.06, "verdict": "publishable", "currency": "EUR"},
        )
    )


def _why(document: dict[str, Any]) -> dict[str, Any] | None:
    texts = [*(one["text"] for one in document["indicators"]), *(one["sentence"] for one in document["raising"])]
    return texts[0] if texts else None


@cache
def _happenings(today: date, seed: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    kinds = {
        "tickets": Text.of("event-ticket-opened"),
        "touchpoints": Text.of("event-touch-call-out"),
        "surveys": Text.of("event-survey", survey="NPS", score=Quantity(value=float(rng.integers(0, 11)))),
        "contacts": Text.of("event-left-champion"),
        "subscriptions": Text.of("event-term-began", product=words("Pro")),
    }
    made = [
        {"on": (today - timedelta(days=int(rng.integers(1, 180)))).isoformat(), "kind": kind,
         "text": kinds[kind].model_dump(mode="json")}
        for kind in rng.choice(list(kinds), 7, p=[0.4, 0.4, 0.15, 0.02, 0.03])
    ]  # fmt: skip
    return sorted(made, key=lambda one: str(one["on"]), reverse=True)


@cache
def _weekly(seed: int, users_now: float | None) -> dict[str, list[float]]:
    """Return 26 weeks that end where the reason says that they do."""
    rng = np.random.default_rng(seed + 1)
    end = float(rng.integers(8, 24)) if users_now is None else users_now
    users = np.linspace(max(end * 2.2, 9.0), end, 26) + rng.normal(0, 0.06 * end + 0.3, 26)
    users[-4:] = np.minimum(users[-4:], end)
    users = np.maximum(np.round(users), 0)
    return {
        "events": [float(value) for value in np.round(users * rng.uniform(6, 9))],
        "users": [float(value) for value in users],
        "tickets": [float(value) for value in rng.poisson(0.6, 26)],
    }


def _users_now(document: dict[str, Any]) -> float | None:
    drivers = (*document["raising"], *document["lowering"])
    return next((float(one["value"]) for one in drivers if one["feature"] == "active_users_28d"), None)


def _change(today: date, health: float, change: float) -> dict[str, Any]:
    return {
        "since": (today - timedelta(days=28)).isoformat(), "before": health - change, "after": health,
        "change": change, "data": change, "weights": 0.0, "model": 0.0, "parts": {}, "largest": [],
    }  # fmt: skip


def _alerts(scores: pd.DataFrame, today: date) -> Iterator[Alert]:
    section = AlertsConfig()
    worst = scores[scores["band"].isin(["red", "yellow"])].sort_values("churn_probability", ascending=False)
    held: dict[str, int] = {}
    for place, row in enumerate(worst.head(max(24, len(scores) // 20)).to_dict("records")):
        owner = str(row["owner"])
        held[owner] = held.get(owner, 0) + 1
        opened = today - timedelta(days=(0, 1, 5, 9, 12)[place % 5])
        due = datetime.combine(due_on(opened, 3, section, owner), time(17), UTC)
        health, change = float(row["health_score"]), float(row["change_30d"])
        kind, severity = "band_drop", "high"
        text = Text.of("alert-band_drop", n=Quantity(value=round(health)))
        if place % 7 == 3:
            kind, severity, text = "notice_given", "critical", Text.of("alert-notice_given")
        elif change <= -8:
            before, after = Quantity(value=round(health - change)), Quantity(value=round(health))
            kind, text = "score_fall", Text.of("alert-score_fall", before=before, n=after)
        back = held[owner] > section.weekly_budget
        yield Alert(
            account_id=str(row["account_id"]), kind=kind, severity=severity, owner=owner, opened_on=opened,
            updated_on=today, shown_on=None if back else opened, due_at=due, held_back=back, text=text,
            avoidable_loss=float(row["churn_probability"]) * float(row["arr"]) * section.save_rate,
            playbook="win_back", tasked_on=None if back else opened,
        )  # fmt: skip


def _work(store: Store, config: str, scores: pd.DataFrame, today: date) -> None:
    section = AlertsConfig()
    alerts = list(_alerts(scores, today))
    tasks = [
        Task(
            account_id=alert.account_id, alert=alert.kind, playbook="win_back", step=key, title=words(title),
            role="csm", owner=alert.owner, state="open" if place == 0 else "waiting", position=place,
            after=() if place == 0 else (_STEPS[place - 1][0],), due_days=3 * (place + 1), opened_on=alert.opened_on,
            due_on=due_on(alert.opened_on, 3 * (place + 1), section, alert.owner),
        )
        for alert in alerts if not alert.held_back
        for place, (key, title) in enumerate(_STEPS)
    ]  # fmt: skip
    moment = datetime.combine(today, time(4, 30), UTC)
    decided = Decided(alerts, {alert.key: "opened" for alert in alerts}, tasks)
    store.evaluations(config).evaluate(today, lambda _: decided, Actor("score", moment))
    noted = alerts[0].account_id
    store.notes(config).add(_NOTE, "Ann", Actor("user:1", moment), account_id=noted)
