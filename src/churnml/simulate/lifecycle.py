"""The accounts' own facts over time, and how they are brought into the product."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from churnml.simulate.drivers import DRIVER_INDEX, DRIVERS
from churnml.simulate.frames import canonical, labels
from churnml.simulate.life import Life
from churnml.simulate.world import COUNTRIES, INDUSTRIES, PLANS

__all__ = ["accounts_frame", "milestones_frame"]

_MILESTONES = (
    ("kickoff", "onboarding", 7),
    ("data_imported", "onboarding", 21),
    ("first_integration", "onboarding", 35),
    ("team_trained", "training", 50),
    ("first_value", "value", 60),
)
_FIELDS = ("segment", "plan", "owner", "phase", "csm_sentiment")


def milestones_frame(rng: np.random.Generator, life: Life) -> pd.DataFrame:
    """Return the canonical ``milestones``: the onboarding plan made on signing, reached in time, late or never."""
    people, world = life.people, life.world
    count, steps = people.size, len(_MILESTONES)
    due_days = np.array([days for _, _, days in _MILESTONES], dtype="float64")
    account = np.repeat(np.arange(count), steps)
    step = np.tile(np.arange(steps), count)
    signed = people.signed[account].astype("float64")
    in_time = due_days[step] * rng.uniform(0.35, 1.02, len(account)) + rng.exponential(1.5, len(account))
    slips = rng.random(len(account)) < 0.06
    done = signed + in_time + np.where(slips, rng.exponential(12, len(account)), 0)
    rescue = _rescue_day(life)[account]
    failed = ~np.isnan(rescue)
    stuck = failed & (step >= 1)
    # Stuck from the second step on; once onboarding is rescued the rest follows step by step.
    done = np.where(stuck, rescue + 6.0 * step + rng.uniform(0, 8, len(account)), done)
    done = np.where(done < life.live_until[account], done, np.nan)
    before = np.where(world.start > people.signed, world.start, 0)[account]
    # Of accounts signed before the data starts the plan is known all the same; most of it is done.
    done = np.where(np.isnan(done) & (before > 0) & ~failed, signed + 70, done)
    done = np.where(done < life.live_until[account], done, np.nan)
    return canonical(
        "milestones",
        {
            "milestone_id": labels("mil-", len(account)),
            "account_id": people.ids[account],
            "name": np.array([name for name, _, _ in _MILESTONES], dtype=object)[step],
            "kind": np.array([kind for _, kind, _ in _MILESTONES], dtype=object)[step],
            "planned_at": signed,
            "due_on": signed + due_days[step],
            "completed_at": done,
            "known_at": signed,
        },
    )


def _rescue_day(life: Life) -> NDArray[np.float64]:
    """Return when a failed onboarding recovers: inf = never, NaN = it did not fail."""
    index = DRIVER_INDEX["failed_onboarding"]
    struck, recovered = life.latents.struck[index], life.latents.recovered[index]
    failed = struck.any(axis=1)
    week = np.where(recovered.any(axis=1), recovered.argmax(axis=1), -1)
    day = np.where(week >= 0, life.world.first_week + 7.0 * week, np.inf)
    return np.where(failed, day, np.nan)


def accounts_frame(rng: np.random.Generator, life: Life) -> pd.DataFrame:
    """Return the canonical ``accounts`` with history: one row whenever an attribute changed."""
    people = life.people
    segment = np.where(people.employees >= 150, "enterprise", np.where(people.employees >= 40, "mid-market", "SMB"))
    plans, owners = np.array(PLANS, dtype=object), np.array(life.world.owners, dtype=object)
    start = pd.DataFrame(
        {
            "account": np.arange(people.size),
            "day": people.signed.astype("float64"),
            "segment": segment.astype(object),
            "plan": plans[life.contracts.plan[:, 0]],
            "owner": owners[people.owner],
            "phase": "contract",
            "csm_sentiment": None,
        }
    )
    changes = pd.concat(
        [start, _phases(life), _plan_changes(life), _owner_changes(rng, life), _sentiments(rng, life)],
        ignore_index=True,
    )
    until = life.live_until[changes["account"].to_numpy()]
    changes = changes[changes["day"].to_numpy() < until]
    changes = changes.groupby(["account", "day"], as_index=False, sort=True).last()
    filled = changes.groupby("account")[list(_FIELDS)].ffill()
    account = changes["account"].to_numpy()
    return canonical(
        "accounts",
        {
            "account_id": people.ids[account],
            "name": people.names[account],
            "created_on": people.signed[account].astype("float64"),
            "industry": np.array(INDUSTRIES, dtype=object)[people.industry[account]],
            "country": np.array(tuple(COUNTRIES), dtype=object)[people.country[account]],
            **{field: filled[field].astype(object).where(filled[field].notna(), None).to_numpy() for field in _FIELDS},
            "touch_model": people.touch[account],
            "employees": people.employees[account],
            "known_at": changes["day"].to_numpy(),
        },
    )


def _change(account: NDArray[Any], day: NDArray[Any], **fields: object) -> pd.DataFrame:
    return pd.DataFrame({"account": account, "day": day, **fields})


def _phases(life: Life) -> pd.DataFrame:
    """Return the walk contract → onboarding → adoption → utilisation, and renewal before the end of a year."""
    people = life.people
    rows = np.arange(people.size)
    rescue = np.nan_to_num(_rescue_day(life), nan=0.0, posinf=0.0)
    adopted = np.maximum(people.signed + 75.0, np.minimum(rescue + 30, people.signed + 200.0))
    parts = [
        _change(rows, people.signed + 5.0, phase="onboarding"),
        _change(rows, adopted, phase="adoption"),
        _change(rows, adopted + 120, phase="utilisation"),
    ]
    anniversary = life.contracts.begins[:, 12::12]
    account = np.repeat(rows, anniversary.shape[1])
    day = anniversary.ravel().astype("float64")
    known = people.annual[account] & (day - 60 > adopted[account] + 121)
    parts += [
        _change(account[known], day[known] - 60, phase="renewal"),
        _change(account[known], day[known] + 10, phase="utilisation"),
    ]
    return pd.concat(parts, ignore_index=True)


def _plan_changes(life: Life) -> pd.DataFrame:
    account, month = np.nonzero(np.diff(life.contracts.plan, axis=1) != 0)
    plans = np.array(PLANS, dtype=object)
    day = life.contracts.begins[account, month + 1].astype("float64")
    return _change(account, day, plan=plans[life.contracts.plan[account, month + 1]])


def _owner_changes(rng: np.random.Generator, life: Life) -> pd.DataFrame:
    """Return the hand-overs: on a few days a CSM leaves and a colleague takes over all of its accounts."""
    world, owner = life.world, life.people.owner.copy()
    owners = np.array(world.owners, dtype=object)
    parts = []
    for day in np.sort(rng.integers(world.start, world.end, size=max(1, (world.end - world.start) // 300))):
        old, new = rng.choice(len(owners), size=2, replace=False)
        moved = np.nonzero((owner == old) & (life.people.signed < day))[0]
        owner[moved] = new
        parts.append(_change(moved, np.full(len(moved), float(day)), owner=owners[new]))
    return pd.concat(parts, ignore_index=True)


def _sentiments(rng: np.random.Generator, life: Life) -> pd.DataFrame:
    """Return the CSMs' own judgements: twice a year, half informed by what they could see, half by mood."""
    looked_after = np.nonzero(life.people.touch != "tech")[0]
    turns = np.arange(life.world.start, life.world.end, 182)
    account = np.repeat(looked_after, len(turns))
    day = np.tile(turns, len(looked_after)) + np.repeat(rng.integers(0, 182, len(looked_after)), len(turns))
    known = (day > life.people.signed[account] + 30) & (day < life.world.end)
    account, day = account[known], day[known].astype("float64")
    week = life.world.week_of(day)
    seen = sum(life.latents.of(driver.name)[account, week] for driver in DRIVERS)
    level = 0.5 * np.asarray(seen, dtype="float64") + rng.normal(0, 0.45, len(account))
    words = np.array(["good", "neutral", "bad"], dtype=object)[np.digitize(level, [0.1, 0.75])]
    return _change(account, day, csm_sentiment=words)
