"""Curves of accounts without a fitted model: chances drawn by hand, told by the code that tells real ones."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
import pandas as pd

from churnml.explain.lifetime import Lifetime, RenewalDriver
from churnml.language import Text
from churnml.retention.curve_peers import with_peers
from churnml.retention.lifetimes import lifetimes
from churnml.training.survival import Curves, Forecast

__all__ = ["curves_of"]


def curves_of(
    accounts: Sequence[str],
    as_of: date,
    *,
    days: Sequence[float],
    risk: Sequence[float],
    monthly: float | Sequence[float] = 0.004,
    spread: float = 0.3,
    arr: Sequence[float] | float = 12_000.0,
    groups: pd.DataFrame | None = None,
) -> tuple[Lifetime, ...]:
    """Return curves of accounts whose yearly terms end in so many days (NaN: never), each with its chance of loss.

    Parameters
    ----------
    spread : float
        How far refitted models stray, log-odds.
    groups : DataFrame, optional
        As for `with_peers`.
    """
    due = np.array(days, dtype=float)[:, None] + 365.0 * np.arange(2)
    due[due >= 720] = np.nan
    chance = np.repeat(np.array(risk, dtype=float)[:, None], 2, axis=1)
    between = np.broadcast_to(np.asarray(monthly, dtype=float).reshape(-1, 1), (len(accounts), 24))

    def moved(by: float) -> Curves:
        odds = np.log(chance / (1 - chance)) + by
        return Curves(due, np.where(np.isnan(due), np.nan, 1 / (1 + np.exp(-odds))), between * np.exp(by))

    rows = pd.DataFrame({"account_id": list(accounts), "as_of": pd.Timestamp(as_of), "arr": arr})
    driver = RenewalDriver("active_users_28d", Text.of("m-active_users.label"), 0.8)
    found = lifetimes(
        rows,
        Forecast(moved(0.0), tuple(moved(by) for by in (-spread, 0.0, spread))),
        horizon_days=90,
        gross_margin=0.8,
        yearly_discount=0.1,
        drivers=[(driver,) if not np.isnan(day) else () for day in due[:, 0]],
    )
    return found if groups is None else with_peers(found, groups)
