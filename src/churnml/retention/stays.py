"""How long accounts stay in each phase of the lifecycle, and which of them stall."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from churnml.retention.journey import PHASES, phase_moves
from churnml.tables.knowledge import frame_is_known

__all__ = ["PhaseFigures", "phase_figures", "phase_stays", "time_by_which"]

_LEAST_STAYS = 10
"""So many accounts must have left a phase before anybody in it is said to stall."""
_STALLED_SHARE = 0.8


@dataclass(frozen=True)
class PhaseFigures:
    """One phase of the lifecycle: who is in it, how long it takes, and where accounts go from it.

    Parameters
    ----------
    phase : str
    accounts : int
        In it now, of those under contract.
    mrr : float
        That they pay a month.
    median_days : float or None
        After which half of those who entered it have moved on (Kaplan–Meier); None where fewer have.
    limit_days : float or None
        After which 80 % have; an account that is in it for longer stalls. None where fewer have, or fewer than 10
        accounts have left it.
    stalled, stalled_mrr : int, float
    moves : mapping
        Next phase → accounts that went there.
    illegal : int
        Moves that the lifecycle does not know: errors in the data.
    """

    phase: str
    accounts: int
    mrr: float
    median_days: float | None
    limit_days: float | None
    stalled: int
    stalled_mrr: float
    moves: Mapping[str, int] = field(default_factory=dict)
    illegal: int = 0


def phase_stays(versions: pd.DataFrame, as_of: pd.Timestamp) -> pd.DataFrame:
    """Return the time that each account spent in each phase, the open ones up to a day.

    Parameters
    ----------
    versions : DataFrame
        Account history: ``account_id, phase, known_at``; what was not known before `as_of` does not count.
    as_of : Timestamp

    Returns
    -------
    DataFrame
        One row per account and stay: ``account_id, phase, days, left``; `days` is NaN where the beginning is unknown.

    Examples
    --------
    >>> day = pd.Timestamp
    >>> versions = pd.DataFrame({"account_id": ["a", "a", "a"], "phase": ["contract", "contract", "onboarding"],
    ...     "known_at": [day("2026-01-01"), day("2026-01-05"), day("2026-01-11")]})
    >>> phase_stays(versions, day("2026-01-31")).to_dict("list")
    {'account_id': ['a', 'a'], 'phase': ['contract', 'onboarding'], 'days': [10.0, 20.0], 'left': [True, False]}
    """
    known = versions[versions["phase"].notna() & frame_is_known(versions, "accounts", as_of)]
    known = known.sort_values(["account_id", "known_at"], na_position="first", kind="stable")
    changed = known["phase"] != known.groupby("account_id")["phase"].shift()
    steps = known.loc[changed, ["account_id", "phase", "known_at"]].reset_index(drop=True)
    until = steps.groupby("account_id")["known_at"].shift(-1)
    last = ~steps["account_id"].duplicated(keep="last")
    days = (until.where(~last, as_of) - steps["known_at"]).dt.total_seconds() / 86_400
    return pd.DataFrame({"account_id": steps["account_id"], "phase": steps["phase"], "days": days, "left": ~last})


def time_by_which(days: npt.NDArray[np.float64], left: npt.NDArray[np.bool_], share: float) -> float | None:
    """Return the days by which a share has left, those still there counting as long as they have been seen.

    The quantile of the Kaplan–Meier curve (Kaplan & Meier 1958); None where the curve does not come down so far.

    Examples
    --------
    >>> time_by_which(np.array([5.0, 10.0, 20.0, 30.0]), np.array([True, True, False, True]), 0.5)
    10.0
    >>> time_by_which(np.array([5.0, 10.0]), np.array([True, False]), 0.8) is None
    True
    """
    order = np.argsort(days, kind="stable")
    days, left = days[order], left[order]
    times, first = np.unique(days, return_index=True)
    at_risk = len(days) - first
    leaving = np.add.reduceat(left.astype(float), first) if len(days) else np.array([])
    staying = np.cumprod(1 - leaving / at_risk)
    reached = np.flatnonzero(staying <= 1 - share + 1e-12)
    return float(times[reached[0]]) if len(reached) else None


def phase_figures(
    versions: pd.DataFrame, mrr: pd.Series, as_of: pd.Timestamp
) -> tuple[tuple[PhaseFigures, ...], pd.DataFrame]:
    """Return the phases in the order of the lifecycle, and who is in which.

    Parameters
    ----------
    versions : DataFrame
        As in `phase_stays`.
    mrr : Series
        MRR by account of those under contract at `as_of`.
    as_of : Timestamp

    Returns
    -------
    tuple of PhaseFigures
    DataFrame
        One row per account under contract with a phase: ``account_id, phase, days_in_phase, stalled``.
    """
    stays = phase_stays(versions, as_of)
    timed = stays[stays["days"].notna()]
    now = stays[~stays["left"] & stays["account_id"].isin(mrr.index)]
    moves = phase_moves(versions[frame_is_known(versions, "accounts", as_of)])
    figures, stalling = [], []
    for phase in PHASES:
        own = timed[timed["phase"] == phase]
        days, left = own["days"].to_numpy(dtype=float), own["left"].to_numpy(dtype=bool)
        enough = int(left.sum()) >= _LEAST_STAYS
        limit = time_by_which(days, left, _STALLED_SHARE) if enough else None
        here = now[now["phase"] == phase]
        slow = here["days"] > limit if limit is not None else pd.Series(False, index=here.index)
        stalling.append(slow)
        away = moves[moves["before"] == phase]
        paid = mrr.reindex(here["account_id"]).to_numpy(dtype=float)
        figures.append(
            PhaseFigures(
                phase=phase,
                accounts=len(here),
                mrr=float(paid.sum()),
                median_days=time_by_which(days, left, 0.5),
                limit_days=limit,
                stalled=int(slow.sum()),
                stalled_mrr=float(paid[slow.to_numpy()].sum()),
                moves={str(after): int(count) for after, count in away["after"].value_counts().sort_index().items()},
                illegal=int((~away["legal"].astype(bool)).sum()),
            )
        )
    members = now[["account_id", "phase", "days"]].rename(columns={"days": "days_in_phase"})
    members["stalled"] = pd.concat(stalling).reindex(members.index, fill_value=False).astype(bool)
    return tuple(figures), members.reset_index(drop=True)
