"""Lifetime value as a KPI: what the accounts at hand are still worth by their curves, else that of a new account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from churnml.explain.lifetime import Lifetime

__all__ = ["LifetimeValue", "curve_values", "told_values"]

_LEAST = 1e-9

Source = Literal["curves", "contracts"]


@dataclass(frozen=True)
class LifetimeValue:
    """What an account of a company, or of a group, is worth on average; amounts in its currency.

    Parameters
    ----------
    group_by, group : str or None
        As in `churnml.retention.KpiRow`.
    source : {"curves", "contracts"}
        ``curves``: the mean residual value of the accounts at hand, each by its own survival curve. ``contracts``: the
        lifetime value of a new account, by margin, ARPA and the churn rates of twelve months.
    as_of : date
        Facts known before this day count.
    accounts : int
        How many it is the mean of.
    value : float
        Discounted gross profit of one of them.
    low, high : float or None
        Bounds of it, as those of the curves; None from contracts.
    total : float or None
        Of all of them together; None from contracts, since a new account is nobody's.
    within : float or None
        Share of it that falls within the 24 months of the curves, 0–1; what comes later is extrapolated.
    gross_margin, yearly_discount : float
        What it was made with.
    level : float or None
        How often the bounds are meant to hold.
    """

    group_by: str | None
    group: str | None
    source: Source
    as_of: date
    accounts: int
    value: float
    low: float | None
    high: float | None
    total: float | None
    within: float | None
    gross_margin: float
    yearly_discount: float
    level: float | None


def curve_values(
    lifetimes: Sequence[Lifetime],
    groupings: Mapping[str, Mapping[str, str]],
    *,
    as_of: date,
    gross_margin: float,
    yearly_discount: float,
    level: float,
) -> tuple[LifetimeValue, ...]:
    """Return what accounts are worth by their curves: all of them first, then each grouping, groups by name.

    The bounds are those of the mean, from what each refit makes of all its accounts together: accounts that one refit
    puts too low it mostly puts too low together, so bounds of accounts must not be added up, nor do they cancel out.

    Parameters
    ----------
    lifetimes : sequence of Lifetime
        Of one date; those whose value is not known count nowhere.
    groupings : mapping
        Name of a grouping → account → its group; accounts that are not in it belong to none.
    as_of : date
    gross_margin, yearly_discount, level : float
        What the values were made with.

    Examples
    --------
    >>> from churnml.explain.lifetime import Bounds
    >>> from churnml.language import Text
    >>> def worth(name: str, value: float, draws: tuple[float, float]) -> Lifetime:
    ...     told = Bounds(value, 0.0, 0.0), None, None, Text.of("survival-most_stay")
    ...     return Lifetime(name, None, None, {}, (), (), (), *[None] * 3, 1.0, *told,
    ...                     value_within=value / 2, value_draws=draws)
    >>> some = [worth("a", 100.0, (90.0, 110.0)), worth("b", 300.0, (330.0, 270.0))]
    >>> found = curve_values(some, {"plan": {"a": "basic", "b": "pro"}}, as_of=date(2026, 1, 1),
    ...                      gross_margin=0.8, yearly_discount=0.1, level=0.8)
    >>> [(one.group, one.accounts, one.value, one.total, one.within) for one in found]
    [(None, 2, 200.0, 400.0, 0.5), ('basic', 1, 100.0, 100.0, 0.5), ('pro', 1, 300.0, 300.0, 0.5)]
    """
    known = [(one, one.residual_value.value) for one in lifetimes if one.residual_value is not None]
    if not known:
        return ()
    value = np.array([worth for _, worth in known])
    within = np.array([np.nan if one.value_within is None else one.value_within for one, _ in known])
    refits = min(len(one.value_draws) for one, _ in known)
    draws = np.array([one.value_draws[:refits] for one, _ in known]).reshape(len(known), refits)
    accounts = [one.account_id for one, _ in known]

    def of(group_by: str | None, group: str | None, mine: npt.NDArray[np.bool_]) -> LifetimeValue:
        total, number = float(value[mine].sum()), int(mine.sum())
        low, high = _bounds(total, draws[mine].sum(axis=0), level)
        inside = float(within[mine].sum()) / total if total > 0 else float("nan")
        return LifetimeValue(
            group_by,
            group,
            "curves",
            as_of,
            number,
            total / number,
            None if low is None else low / number,
            None if high is None else high / number,
            total,
            None if np.isnan(inside) else inside,
            gross_margin,
            yearly_discount,
            level,
        )

    values = [of(None, None, np.ones(len(known), dtype=bool))]
    for name, group_of in groupings.items():
        words = np.array([group_of.get(account, "") for account in accounts], dtype=object)
        values += [of(name, group, words == group) for group in sorted({word for word in words if word})]
    return tuple(values)


def told_values(
    curves: Sequence[LifetimeValue], contracts: Sequence[LifetimeValue], groupings: Sequence[str]
) -> tuple[LifetimeValue, ...]:
    """Return of the company and of each group what its curves say, and where they say nothing, its contracts.

    Parameters
    ----------
    curves, contracts : sequence of LifetimeValue
    groupings : sequence of str
        By what groups are told; others of the curves are left out.
    """
    own = {(one.group_by, one.group): one for one in curves if one.group_by is None or one.group_by in groupings}
    value_of = {(one.group_by, one.group): one for one in contracts} | own
    place = {name: position for position, name in enumerate((None, *groupings))}
    return tuple(sorted(value_of.values(), key=lambda one: (place[one.group_by], one.group or "")))


def _bounds(total: float, draws: npt.NDArray[np.float64], level: float) -> tuple[float | None, float | None]:
    """Return bounds of a sum from what each refit makes of it, on the scale on which those of an account are made."""
    if len(draws) < 2:
        return None, None
    spread = float(np.std(np.log(np.maximum(draws, _LEAST)), ddof=1))
    reach = float(ndtri(0.5 + level / 2.0)) * spread
    return total * float(np.exp(-reach)), total * float(np.exp(reach))
