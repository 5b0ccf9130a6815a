"""Survival curves: every horizon's probability, the risk at the renewal and the expected end follow from one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from churnml.training.stacking import MONTH_DAYS, MONTHS

__all__ = ["Curves", "Forecast"]

Array = npt.NDArray[np.float64]

_LEAST = 1e-9
_AT_ONCE = 2000
_END = MONTHS * MONTH_DAYS


def _month_edges() -> Array:
    return np.asarray(np.arange(MONTHS + 1) * float(MONTH_DAYS), dtype=np.float64)


@dataclass(frozen=True)
class Curves:
    """What becomes of accounts in 24 months of 30 days, from the chance of being lost at each step.

    Parameters
    ----------
    decision_day : array of shape (n, d)
        Days to each decision on the contract; NaN where there is none.
    decision_risk : array of shape (n, d)
        Chance that it is lost there, if it is still there.
    step_risk : array of shape (n, s)
        Chance that it is lost in each step ahead at no decision, if it is still there.
    edges : array of shape (s + 1,)
        Bounds of the steps, days ahead, from 0 to the end of the 24 months or beyond; by default the months.

    Examples
    --------
    >>> curves = Curves(np.array([[90.0]]), np.array([[0.4]]), np.zeros((1, 24)))
    >>> curves.lost_within(90).tolist(), curves.lost_within(91).round(9).tolist(), curves.renewal_risk.tolist()
    ([0.0], [0.4], [0.4])
    """

    decision_day: Array
    decision_risk: Array
    step_risk: Array
    edges: Array = field(default_factory=_month_edges)

    def __len__(self) -> int:
        return len(self.step_risk)

    def __getitem__(self, rows: slice) -> Curves:
        """Return the curves of some of the accounts."""
        return Curves(self.decision_day[rows], self.decision_risk[rows], self.step_risk[rows], self.edges)

    @property
    def renewal_risk(self) -> Array:
        """Chance that each account is lost at its next decision if it gets there, (n,); NaN: none in 24 months."""
        return np.asarray(self.decision_risk[:, 0])

    def survival(self, days: npt.ArrayLike) -> Array:
        """Return the chance of not being lost on any of the first so many days, of shape (n, number of days).

        Parameters
        ----------
        days : array of shape (m,), or one number
            0 to 720.
        """
        day = np.atleast_1d(np.asarray(days, dtype=np.float64))
        if (day < 0).any() or (day > _END).any():
            raise ValueError(f"days lie in 0–{_END}, not {day.min():g}–{day.max():g}")
        total = _log_stay(self.step_risk) @ self._passed(day)
        at_decisions = _log_stay(self.decision_risk)
        for place in range(self.decision_day.shape[1]):
            passed = self.decision_day[:, place : place + 1] < day
            total += np.where(passed, at_decisions[:, place : place + 1], 0.0)
        return np.asarray(np.exp(total))

    @property
    def monthly(self) -> Array:
        """Survival at the end of months 1 … 24, (n, 24); it never rises."""
        return self.survival(np.arange(1, MONTHS + 1) * MONTH_DAYS)

    def lost_within(self, days: int, gap: int = 0) -> Array:
        """Return the chance of being lost in ``[gap, gap + days)`` if not before it, of shape (n,)."""
        begin, end = self.survival([gap, gap + days]).T
        return np.asarray(1.0 - end / np.maximum(begin, _LEAST))

    def cut(self, days: Sequence[int]) -> Curves:
        """Return the same curves with steps that end on the days given, too."""
        inner = [float(day) for day in days if self.edges[0] < day < self.edges[-1]]
        edges = np.union1d(self.edges, inner)
        if len(edges) == len(self.edges):
            return self
        step = np.searchsorted(self.edges, edges[:-1], side="right") - 1
        share = np.diff(edges) / np.diff(self.edges)[step]
        return replace(self, step_risk=-np.expm1(share * _log_stay(self.step_risk)[:, step]), edges=edges)

    def moved(self, days: int, gap: int, factor: Array, added: Array) -> Curves:
        """Return the curves with other risks in ``[gap, gap + days)``, as `Forecast.anchored` finds them.

        Parameters
        ----------
        days, gap : int
            Steps end on both bounds.
        factor, added : array of shape (n,)
            What the log of staying is multiplied by at each step, and what is then taken off it, evenly by day.
        """
        lived = self.share_within(days, gap)
        length = lived * np.diff(self.edges)
        steps = np.where(lived > 0, factor[:, None], 1.0) * _log_stay(self.step_risk)
        steps = steps - added[:, None] * length / length.sum()
        inside = (self.decision_day >= gap) & (self.decision_day < gap + days)
        at = np.where(inside, factor[:, None], 1.0) * np.log1p(-np.clip(self.decision_risk, 0.0, 1.0 - _LEAST))
        return replace(self, decision_risk=-np.expm1(at), step_risk=-np.expm1(steps))

    def share_within(self, days: int, gap: int) -> Array:
        """Return which share of each step lies in ``[gap, gap + days)``, (s,)."""
        begin, end = self._passed(np.array([gap, gap + days], dtype=np.float64)).T
        return np.asarray(end - begin)

    def _passed(self, day: Array) -> Array:
        """Return which share of each step is over by each day, (s, number of days)."""
        return np.asarray(np.clip((day - self.edges[:-1, None]) / np.diff(self.edges)[:, None], 0.0, 1.0))

    @property
    def by_kind(self) -> dict[str, Array]:
        """Chance of having been lost by the end of months 1 … 24, (n, 24), ``at_decision`` and ``between``.

        The two and `monthly` add up to 1. Where both kinds of risk fall in one month, what is lost in it is shared out
        in proportion to them.
        """
        months = self._passed(_month_edges())
        between = -_log_stay(self.step_risk) @ np.diff(months, axis=1)
        at = np.zeros_like(between)
        month = np.nan_to_num(self.decision_day // MONTH_DAYS, nan=-1).astype(np.intp)
        rows, places = np.nonzero(month >= 0)
        np.add.at(at, (rows, month[rows, places]), -_log_stay(self.decision_risk)[rows, places])
        ends = self.monthly
        begins = np.column_stack([np.ones(len(self)), ends[:, :-1]])
        lost = begins - ends
        both = at + between
        share = np.divide(at, both, out=np.zeros_like(at), where=both > 0)
        return {
            "at_decision": np.cumsum(lost * share, axis=1),
            "between": np.cumsum(lost * (1.0 - share), axis=1),
        }

    def quantile_days(self, share: float = 0.5) -> Array:
        """Return the first day by whose end such a share of such accounts is lost, (n,); NaN: not in 24 months.

        With ``share=0.5`` that is the expected end: half of such accounts are lost by then.
        """
        days = np.arange(1, _END + 1)
        ends = np.full(len(self), np.nan)
        for start in range(0, len(self), _AT_ONCE):
            rows = slice(start, start + _AT_ONCE)
            reached = self[rows].survival(days) <= 1.0 - share
            ends[rows] = np.where(reached.any(axis=1), reached.argmax(axis=1).astype(np.float64), np.nan)
        return ends


@dataclass(frozen=True)
class Forecast:
    """Curves, and how far they are to be believed.

    Parameters
    ----------
    point : Curves
    draws : tuple of Curves
        The same of models refitted to the accounts as if others of their kind had been the company's customers.
    reach_days : int
        As far ahead the past can tell of; beyond it the curves are carried on, and nothing is said of them.
    """

    point: Curves
    draws: tuple[Curves, ...] = ()
    reach_days: int = _END

    def anchored(self, days: int, probability: npt.ArrayLike, gap: int = 0) -> Forecast:
        """Return the forecast with the chance of being lost in ``[gap, gap + days)`` that another model gives.

        Where two models answer one question, a reader must get one answer. Every step of the window becomes so much
        more or less dangerous that the chance is met; what comes after it stays as it is. The refits are moved as the
        point is, so that they differ as before.

        Parameters
        ----------
        days, gap : int
            Of the label.
        probability : array of shape (n,)
            0–1.

        Examples
        --------
        >>> curves = Curves(np.array([[40.0, 400.0]]), np.array([[0.2, 0.2]]), np.zeros((1, 24)))
        >>> moved = Forecast(curves).anchored(90, [0.5]).point
        >>> moved.lost_within(90).round(9).tolist(), moved.decision_risk.round(9).tolist()
        ([0.5], [[0.5, 0.2]])
        """
        target = -np.log1p(-np.clip(np.asarray(probability, dtype=np.float64), 0.0, 1.0 - _LEAST))
        curves = [one.cut([gap, gap + days]) for one in (self.point, *self.draws)]
        point = curves[0]
        inside = (point.decision_day >= gap) & (point.decision_day < gap + days)
        at_decisions = np.where(inside, _log_stay(point.decision_risk), 0.0).sum(axis=1)
        own = -(_log_stay(point.step_risk) @ point.share_within(days, gap)) - at_decisions
        usable = own > _LEAST
        factor = np.where(usable, np.divide(target, own, out=np.ones(len(own)), where=usable), 1.0)
        added = np.where(usable, 0.0, target)
        moved = [one.moved(days, gap, factor, added) for one in curves]
        return replace(self, point=moved[0], draws=tuple(moved[1:]))

    def interval(
        self, statistic: Callable[[Curves], Array], level: float = 0.8, scale: str = "share"
    ) -> tuple[Array, Array]:
        """Return lower and upper bounds of a statistic of the curves, of its shape.

        The spread of the refits around the point, on a scale on which it is about even. It tells of the chance by which
        these accounts and not others were the company's customers. It does not tell what becomes of one account, nor
        of a future unlike the past.

        Parameters
        ----------
        statistic : function
            From curves to an array.
        level : float
            How often the bounds should hold.
        scale : {"share", "amount"}
            Of a number between 0 and 1 the log-odds are spread, of an amount its logarithm.

        Raises
        ------
        ValueError
            There are fewer than two refits.
        """
        if len(self.draws) < 2:
            raise ValueError("an interval needs two refits or more; fit with refits=8, say")
        into, back = (_log_odds, _share) if scale == "share" else (_log, np.exp)
        centre = into(statistic(self.point))
        spread = np.std([into(statistic(draw)) for draw in self.draws], axis=0, ddof=1)
        reach = float(ndtri(0.5 + level / 2.0)) * spread
        return np.asarray(back(centre - reach)), np.asarray(back(centre + reach))


def _log_stay(risk: Array) -> Array:
    return np.asarray(np.log1p(-np.clip(np.nan_to_num(risk), 0.0, 1.0 - _LEAST)))


def _log_odds(share: Array) -> Array:
    inside = np.clip(share, _LEAST, 1.0 - _LEAST)
    return np.asarray(np.log(inside) - np.log1p(-inside))


def _share(log_odds: Array) -> Array:
    return np.asarray(1.0 / (1.0 + np.exp(-log_odds)))


def _log(amount: Array) -> Array:
    return np.asarray(np.log(np.maximum(amount, _LEAST)))
