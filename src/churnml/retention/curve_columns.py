"""What stands beside each score of its account's curve."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import pandas as pd

from churnml.explain.lifetime import Lifetime

__all__ = ["CURVE_COLUMNS", "curve_columns"]

CURVE_COLUMNS = (
    "next_decision_on", "renewal_risk", "lost_by_decision", "expected_end", "residual_value", "avoidable_loss",
)  # fmt: skip
_MONTH_DAYS = 30


def curve_columns(lifetimes: Sequence[Lifetime], as_of: date) -> pd.DataFrame:
    """Return the numbers of each curve that lists, targets and forecasts read.

    Parameters
    ----------
    lifetimes : sequence of Lifetime
    as_of : date

    Returns
    -------
    DataFrame
        ``account_id``; ``next_decision_on`` and ``expected_end`` (date or None); ``renewal_risk``, of who gets to the
        next decision; ``lost_by_decision``, of everybody, up to the end of the 30 days in which the decision falls;
        ``residual_value``, ``avoidable_loss``.

    Examples
    --------
    >>> from churnml.explain.lifetime import Bounds
    >>> from churnml.language import Text
    >>> line = Lifetime("a", date(2026, 2, 20), Bounds(0.2, 0.1, 0.3), {}, (0.9, 0.7), (0.8, 0.6), (0.95, 0.8),
    ...                 *[None] * 7, Text.of("survival-most_stay"))
    >>> columns = curve_columns([line], date(2026, 1, 1))
    >>> [round(float(columns.loc[0, name]), 6) for name in ("renewal_risk", "lost_by_decision")]
    [0.2, 0.3]
    """
    rows = []
    for one in lifetimes:
        on = one.next_decision_on
        month = None if on is None else (on - as_of).days // _MONTH_DAYS
        known = month is not None and month < len(one.survival)
        rows.append(
            (
                one.account_id,
                on,
                None if one.renewal_risk is None else one.renewal_risk.value,
                1.0 - one.survival[month] if known and month is not None else None,
                one.expected_end,
                None if one.residual_value is None else one.residual_value.value,
                one.avoidable_loss,
            )
        )
    frame = pd.DataFrame(rows, columns=["account_id", *CURVE_COLUMNS])
    numbers = ["renewal_risk", "lost_by_decision", "residual_value", "avoidable_loss"]
    return frame.astype(dict.fromkeys(numbers, "float64"))
