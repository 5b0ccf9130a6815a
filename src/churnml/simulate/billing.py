"""Invoices and the deals with existing customers."""

from __future__ import annotations

import numpy as np
import pandas as pd

from churnml.simulate.frames import canonical, labels
from churnml.simulate.life import Life

__all__ = ["invoices_frame", "opportunities_frame"]

_TERMS_DAYS = 14


def invoices_frame(rng: np.random.Generator, life: Life) -> pd.DataFrame:
    """Return the canonical ``invoices``: billed ahead for one, three or twelve months, due after two weeks.

    Payment may come after the customer has left.
    """
    people, world = life.people, life.world
    months = np.arange(life.contracts.months)
    begins = life.contracts.begins[:, :-1]
    billed = (months[None, :] % people.billing_months[:, None]) == 0
    billed &= (begins >= life.live_from[:, None]) & (begins < life.live_until[:, None])
    account, month = np.nonzero(billed)
    issued = begins[account, month]
    trouble = np.maximum(
        life.latents.of("payment_trouble")[account, world.week_of(issued)],
        life.latents.of("payment_trouble")[account, world.week_of(issued + _TERMS_DAYS)],
    )
    # A busy bookkeeper is a few days late; a customer short of money is late by weeks.
    casual = np.where(
        rng.random(len(account)) < 0.10, rng.gamma(1.5, 2.5, len(account)), -rng.uniform(0, 10, len(account))
    )
    delay = np.where(trouble > 0.25, 15 + rng.gamma(2.5, 14.0, len(account)), casual)
    paid = np.maximum(np.floor(issued + _TERMS_DAYS + delay), issued + 1.0)
    amount = life.mrr(account, month) * people.billing_months[account]
    order = np.argsort(issued, kind="stable")
    return canonical(
        "invoices",
        {
            "invoice_id": labels("inv-", len(account)),
            "account_id": people.ids[account[order]],
            "issued_on": issued[order].astype("float64"),
            "due_on": issued[order] + float(_TERMS_DAYS),
            "paid_on": np.where(paid < world.end, paid, np.nan)[order],
            "amount": np.round(amount, 2)[order],
            "known_at": issued[order].astype("float64"),
        },
    )


def opportunities_frame(rng: np.random.Generator, life: Life) -> pd.DataFrame:
    """Return the canonical ``opportunities``: renewals of annual contracts, and upsells won or lost."""
    renewals, upsells = _renewals(rng, life), _upsells(rng, life)
    columns = {name: np.concatenate([renewals[name], upsells[name]]) for name in renewals}
    order = np.argsort(columns["created_at"], kind="stable")
    columns = {name: values[order] for name, values in columns.items()}
    closed = columns["closed_at"] < life.world.end
    columns["closed_at"] = np.where(closed, columns["closed_at"], np.nan)
    columns["outcome"] = pd.Series(columns["outcome"]).where(closed).to_numpy()
    columns["known_at"] = columns["created_at"]
    columns["opportunity_id"] = labels("opp-", len(order))
    return canonical("opportunities", columns)


def _renewals(rng: np.random.Generator, life: Life) -> dict[str, np.ndarray]:
    people, decisions = life.people, life.decisions
    months = np.arange(life.contracts.months)
    ends = life.contracts.begins[:, 1:]
    created = ends - 90.0
    due = people.annual[:, None] & ((months + 1) % 12 == 0)[None, :]
    due &= (created >= life.live_from[:, None]) & (created < life.live_until[:, None])
    account, month = np.nonzero(due)
    lost = decisions.leaves_after[account] == month
    decided = decisions.decided[account, month].astype("float64")
    # Who gives notice closes the deal; who just lapses leaves it open until the end of the term.
    notice = decisions.notice_at[account]
    closed = np.where(lost, np.where(np.isnan(notice), ends[account, month], notice), decided + 10)
    opened = created[account, month] + life.office_hours(rng, account)
    # A contract broken before its end leaves its renewal open until it ends.
    churn = decisions.churn_on[account]
    broken = churn < np.fmin(closed, ends[account, month])
    closed, lost = np.where(broken, churn, closed), lost | broken
    next_month = np.minimum(month + 1, life.contracts.months - 1)
    return {
        "account_id": people.ids[account],
        "kind": np.full(len(account), "renewal", dtype=object),
        "created_at": opened,
        "closed_at": closed,
        "outcome": np.where(lost, "lost", "won").astype(object),
        "amount": np.round(12 * life.mrr(account, next_month), 2),
    }


def _upsells(rng: np.random.Generator, life: Life) -> dict[str, np.ndarray]:
    people, seats = life.people, life.contracts.seats
    begins = life.contracts.begins[:, :-1]
    grows = np.zeros(seats.shape, dtype=bool)
    grows[:, 1:] = np.diff(seats, axis=1) > 0
    tried = rng.random(seats.shape) < 0.008
    created = begins - rng.integers(15, 50, seats.shape)
    known = (grows | tried) & (created >= life.live_from[:, None]) & (created < life.live_until[:, None])
    known &= begins < life.live_until[:, None]
    account, month = np.nonzero(known)
    won = grows[account, month]
    opened = created[account, month] + life.office_hours(rng, account)
    closed = np.where(won, begins[account, month] - 1 + 0.6, opened + rng.uniform(5, 60, len(account)))
    closed = np.where(closed < life.live_until[account], closed, np.nan)
    extra = np.maximum(seats[account, month] - seats[account, np.maximum(month - 1, 0)], 1)
    return {
        "account_id": people.ids[account],
        "kind": np.where(rng.random(len(account)) < 0.8, "upsell", "cross_sell").astype(object),
        "created_at": opened,
        "closed_at": closed,
        "outcome": np.where(won, "won", "lost").astype(object),
        "amount": np.round(12 * extra * life.contracts.price[account, month], 2),
    }
