"""People at the customer and what passes between them and the vendor."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from churnml.simulate.behaviour import Users
from churnml.simulate.drivers import DRIVERS
from churnml.simulate.frames import canonical, labels
from churnml.simulate.life import Life

__all__ = ["campaign_events_frame", "contacts_frame", "surveys_frame", "touchpoints_frame"]

_SURVEY_EVERY_DAYS = 91
_ASKED_AT_MOST = 6


def contacts_frame(rng: np.random.Generator, life: Life, users: Users) -> pd.DataFrame:
    """Return the canonical ``contacts``: every user, and the payer of each account, who uses nothing.

    ``contact_id`` is ``c-`` and the user's identity; the vendor learns of a departure up to three weeks late.
    """
    people, count = life.people, len(users.ids)
    payers = np.arange(people.size)
    quick = np.where(users.role == "champion", 6.0, 20.0)
    learnt = users.until + rng.uniform(0, 1, count) * quick
    activated = users.since + rng.exponential(3, count)
    gone = np.fmin(users.until, life.live_until[users.account].astype("float64"))
    payer_role = np.where(rng.random(people.size) < 0.5, "billing", "decision_maker")
    end = life.world.end
    learnt = np.where(learnt < end, learnt, np.nan)
    started = np.concatenate([users.since, people.signed.astype("float64")])
    return canonical(
        "contacts",
        {
            "contact_id": np.concatenate(["c-" + users.ids, "c-p-" + people.ids[payers]]),
            "account_id": np.concatenate([people.ids[users.account], people.ids]),
            "user_id": np.concatenate([users.ids, np.full(people.size, None, dtype=object)]),
            "role": np.concatenate([users.role, payer_role.astype(object)]),
            "started_at": started,
            "activated_at": np.concatenate(
                [np.where(activated < gone, activated, np.nan), np.full(people.size, np.nan)]
            ),
            # A departure that nobody has learnt of is not in the data.
            "left_at": np.concatenate([np.where(np.isnan(learnt), np.nan, users.until), np.full(people.size, np.nan)]),
            "left_known_at": np.concatenate([learnt, np.full(people.size, np.nan)]),
            "known_at": started,
        },
        order=("account_id", "started_at", "contact_id"),
    )


def surveys_frame(rng: np.random.Generator, life: Life, users: Users) -> pd.DataFrame:
    """Return the canonical ``surveys``: some people of each account are asked every quarter, not on one day."""
    place = np.arange(len(users.ids)) - np.searchsorted(users.account, users.account)
    few = np.nonzero(place < _ASKED_AT_MOST)[0]
    everybody = np.concatenate([users.account[few], np.arange(life.people.size)])
    names = np.concatenate(["c-" + users.ids[few], "c-p-" + life.people.ids])
    since = np.concatenate([users.since[few], life.people.signed.astype("float64")])
    until = np.concatenate([users.until[few], np.full(life.people.size, np.nan)])
    rounds = -(-(life.world.end - life.world.start) // _SURVEY_EVERY_DAYS)
    who = np.repeat(np.arange(len(names)), rounds)
    offset = np.repeat(rng.integers(0, _SURVEY_EVERY_DAYS, len(names)), rounds)
    day = life.world.start + np.tile(np.arange(rounds), len(names)) * _SURVEY_EVERY_DAYS + offset
    account = everybody[who]
    sent = day + life.office_hours(rng, account)
    reached = (sent > since[who] + 25) & ~(sent >= until[who])
    reached &= (sent >= life.live_from[account]) & (sent < life.live_until[account])
    who, account, sent = who[reached], account[reached], sent[reached]
    order = np.argsort(sent, kind="stable")
    who, account, sent = who[order], account[order], sent[order]
    week = life.world.week_of(sent)
    unhappy = life.latents.of("dissatisfaction")[account, week]
    answers = rng.random(len(who)) < 0.66 - 0.12 * np.minimum(unhappy, 1)
    responded = np.where(answers, sent + rng.exponential(2.0, len(who)), np.nan)
    responded = np.where(responded < life.live_until[account], responded, np.nan)
    own = rng.normal(0, 0.5, len(names))[who]
    mean = 8.7 + own - 5.5 * unhappy - 0.9 * life.latents.of("bug_wave")[account, week]
    score = np.clip(np.round(mean + rng.normal(0, 0.8, len(who))), 0, 10)
    return canonical(
        "surveys",
        {
            "survey_id": labels("srv-", len(who)),
            "account_id": life.people.ids[account],
            "contact_id": names[who],
            "kind": np.full(len(who), "nps", dtype=object),
            "sent_at": sent,
            "responded_at": responded,
            "score": np.where(np.isnan(responded), np.nan, score),
            "known_at": sent,
        },
    )


def touchpoints_frame(rng: np.random.Generator, life: Life, users: Users) -> pd.DataFrame:
    """Return the canonical ``touchpoints``.

    Customers call less once their champion is gone; the vendor calls a little more where it sees trouble.
    """
    owner, week_day, share = life.weeks()
    week = life.world.week_of(week_day)
    visible = sum(
        life.latents.of(driver.name)[owner, week] for driver in DRIVERS if driver.family in ("engagement", "support")
    )
    by_touch = np.select([life.people.touch == "high", life.people.touch == "low"], [0.35, 0.15], 0.03)[owner]
    fresh = np.exp(-(week_day - life.people.signed[owner]) / 45)
    warm = np.exp(-1.2 * life.latents.of("champion_left")[owner, week])
    inbound = rng.poisson(share * (0.20 + 0.3 * fresh) * warm)
    outbound = rng.poisson(share * by_touch * (1 + fresh + 0.5 * np.minimum(visible, 1.5)))
    account = np.concatenate([np.repeat(owner, inbound), np.repeat(owner, outbound)])
    begin = np.concatenate([np.repeat(week_day, inbound), np.repeat(week_day, outbound)])
    span = np.concatenate([np.repeat(7 * share, inbound), np.repeat(7 * share, outbound)])
    direction = np.repeat(np.array(["inbound", "outbound"], dtype=object), [inbound.sum(), outbound.sum()])
    occurred = np.floor(begin + rng.uniform(0, 1, len(account)) * span) + life.office_hours(rng, account)
    alive = (occurred >= life.live_from[account]) & (occurred < life.live_until[account])
    account, occurred, direction = account[alive], occurred[alive], direction[alive]
    order = np.argsort(occurred, kind="stable")
    account, occurred, direction = account[order], occurred[order], direction[order]
    late = rng.random(len(account)) < 0.05
    known = occurred + np.where(late, rng.uniform(0.5, 9, len(account)), 0)
    channels = np.array(["call", "email", "meeting", "chat"], dtype=object)
    return canonical(
        "touchpoints",
        {
            "touchpoint_id": labels("tch-", len(account)),
            "account_id": life.people.ids[account],
            "contact_id": _somebody(rng, users, account, occurred, life),
            "direction": direction,
            "channel": channels[rng.choice(4, size=len(account), p=[0.25, 0.45, 0.2, 0.1])],
            "occurred_at": occurred,
            "known_at": np.where(known < life.world.end, known, occurred),
        },
    )


def campaign_events_frame(rng: np.random.Generator, life: Life, users: Users) -> pd.DataFrame:
    """Return the canonical ``campaign_events``: a mail a month to some of the users, and what they did with it."""
    sendings = np.arange(life.world.start + int(rng.integers(3, 20)), life.world.end, 30)
    place = np.arange(len(users.ids)) - np.searchsorted(users.account, users.account)
    reached = np.nonzero(place < 4)[0]
    who = np.repeat(reached, len(sendings))
    campaign = np.tile(np.arange(len(sendings)), len(reached))
    account = users.account[who]
    delivered = sendings[campaign] + 0.35 + rng.uniform(0, 0.05, len(who))
    received = (delivered > users.since[who] + 5) & ~(delivered >= users.until[who])
    received &= (delivered >= life.live_from[account]) & (delivered < life.live_until[account])
    received &= rng.random(len(who)) < 0.8
    who, account, campaign, delivered = who[received], account[received], campaign[received], delivered[received]
    cool = life.latents.of("champion_left")[account, life.world.week_of(delivered)]
    opened = delivered + rng.exponential(0.7, len(who))
    clicked = opened + rng.exponential(0.02, len(who))
    replied = clicked + rng.exponential(0.3, len(who))
    opens = rng.random(len(who)) < 0.38 * np.exp(-0.9 * cool)
    clicks = opens & (rng.random(len(who)) < 0.25)
    replies = clicks & (rng.random(len(who)) < 0.15)
    leaves = opens & (rng.random(len(who)) < 0.008)
    steps = (
        ("delivered", np.ones(len(who), dtype=bool), delivered),
        ("opened", opens, opened),
        ("clicked", clicks, clicked),
        ("replied", replies, replied),
        ("unsubscribed", leaves, opened + 0.001),
    )
    index = np.concatenate([np.nonzero(done)[0] for _, done, _ in steps])
    occurred = np.concatenate([time[done] for _, done, time in steps])
    kind = np.concatenate([np.full(int(done.sum()), name, dtype=object) for name, done, _ in steps])
    alive = occurred < life.live_until[account[index]]
    index, occurred, kind = index[alive], occurred[alive], kind[alive]
    order = np.argsort(occurred, kind="stable")
    index, occurred, kind = index[order], occurred[order], kind[order]
    return canonical(
        "campaign_events",
        {
            "campaign_event_id": labels("cmp-", len(index), 7),
            "account_id": life.people.ids[account[index]],
            "contact_id": "c-" + users.ids[who[index]],
            "campaign_id": labels("campaign-", len(sendings), 3)[campaign[index]],
            "kind": kind,
            "occurred_at": occurred,
            "known_at": occurred,
        },
    )


def _somebody(
    rng: np.random.Generator, users: Users, account: NDArray[np.int64], day: NDArray[np.float64], life: Life
) -> NDArray[np.object_]:
    """Return a contact of each account: a user who is there that day, else the payer."""
    first = np.searchsorted(users.account, account)
    number = np.searchsorted(users.account, account, side="right") - first
    pick = np.minimum(first + np.floor(rng.uniform(0, 1, len(account)) * number), len(users.ids) - 1).astype("int64")
    there = (number > 0) & (users.since[pick] <= day) & ~(users.until[pick] <= day)
    return np.asarray(np.where(there, "c-" + users.ids[pick], "c-p-" + life.people.ids[account]), dtype=object)
