"""The lifecycle phase of an account, from facts known before `as_of`."""

from __future__ import annotations

import numpy as np
import pandas as pd

__all__ = ["PHASES", "phase"]

PHASES: dict[str, str] = {"onboarding": "導入", "adoption": "定着", "utilisation": "活用", "renewal": "契約更新"}
"""Phases in order, with their Japanese names."""

_ONBOARDING_DAYS = 90
_ADOPTION_DAYS = 180
_RENEWAL_DAYS = 90
_MONTHLY_DAYS = 45


def phase(frame: pd.DataFrame) -> pd.Series:
    """Return the phase each row is in.

    The company's own phase (``attr_phase``) is taken where there is one. Otherwise: *onboarding* in the first
    90 days unless every milestone is done; *renewal* within 90 days of the renewal of a term longer than a month;
    *adoption* until day 180; *utilisation* after that.

    Parameters
    ----------
    frame : DataFrame
        Feature frame; absent columns are unknown.

    Returns
    -------
    Series of str
        On the frame's index.

    Examples
    --------
    >>> frame = pd.DataFrame({"tenure_days": [20.0, 400.0], "days_to_renewal": [300.0, 40.0]})
    >>> phase(frame).tolist()
    ['onboarding', 'renewal']
    """

    def number(name: str) -> np.ndarray:
        if name not in frame:
            return np.full(len(frame), np.nan)
        return frame[name].to_numpy(dtype=float, na_value=np.nan)

    tenure, completed = number("tenure_days"), number("onboarding_completion")
    renewal, term = number("days_to_renewal"), number("term_days")
    phases = np.select(
        [
            (tenure < _ONBOARDING_DAYS) & ~(completed >= 1.0),
            (renewal <= _RENEWAL_DAYS) & ~(term <= _MONTHLY_DAYS),
            tenure < _ADOPTION_DAYS,
        ],
        ["onboarding", "renewal", "adoption"],
        default="utilisation",
    )
    result = pd.Series(phases, index=frame.index, dtype="str", name="phase")
    if "attr_phase" in frame:
        own = frame["attr_phase"].astype("str")
        result = own.where(own.notna(), result)
    return result
