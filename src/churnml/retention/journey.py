"""The way of an account through its lifecycle."""

from __future__ import annotations

import pandas as pd

__all__ = ["PHASES", "phase_moves"]

PHASES: dict[str, tuple[str, ...]] = {
    "contract": ("onboarding",),
    "onboarding": ("adoption",),
    "adoption": ("utilisation", "renewal"),
    "utilisation": ("renewal",),
    "renewal": ("contract", "adoption", "utilisation"),
}
"""Phase → the phases that may follow. A short contract may come up for renewal before the product is fully used."""


def phase_moves(accounts: pd.DataFrame) -> pd.DataFrame:
    """Return every change of phase, and whether the lifecycle allows it.

    Parameters
    ----------
    accounts : DataFrame
        Account history: ``account_id, phase, known_at``.

    Returns
    -------
    DataFrame
        One row per change: ``account_id, moved_at, before, after, days_in_phase, legal``. Illegal jumps are data
        errors to report.

    Examples
    --------
    >>> day = pd.Timestamp
    >>> history = pd.DataFrame({"account_id": ["a", "a", "a"], "phase": ["contract", "onboarding", "renewal"],
    ...                         "known_at": [day("2026-01-01"), day("2026-01-11"), day("2026-02-01")]})
    >>> phase_moves(history)[["before", "after", "days_in_phase", "legal"]]
           before       after  days_in_phase  legal
    0    contract  onboarding           10.0   True
    1  onboarding     renewal           21.0  False
    """
    history = accounts.dropna(subset=["phase"]).sort_values(["account_id", "known_at"], kind="stable")
    changed = history["phase"] != history.groupby("account_id")["phase"].shift()
    steps = history.loc[changed, ["account_id", "phase", "known_at"]]
    before = steps.groupby("account_id")[["phase", "known_at"]].shift()
    moves = pd.DataFrame(
        {
            "account_id": steps["account_id"],
            "moved_at": steps["known_at"],
            "before": before["phase"],
            "after": steps["phase"],
            "days_in_phase": (steps["known_at"] - before["known_at"]).dt.total_seconds() / 86_400,
        }
    )
    moves = moves[before["phase"].notna()].reset_index(drop=True)
    pairs = zip(moves["before"], moves["after"], strict=True)
    moves["legal"] = [after in PHASES.get(phase, ()) for phase, after in pairs]
    return moves
