"""How much better one score ranks churners than another, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["RankingGain", "ranking_gain"]

_Z = 1.959964

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class RankingGain:
    """A difference of two AUCs.

    Parameters
    ----------
    gain : float
        AUC of the one minus AUC of the other.
    error : float
        Its standard error, accounts drawn as a whole.
    """

    gain: float
    error: float

    @property
    def low(self) -> float:
        """Lower 95 % bound."""
        return self.gain - _Z * self.error

    @property
    def high(self) -> float:
        """Upper 95 % bound."""
        return self.gain + _Z * self.error


def ranking_gain(risk: Floats, other: Floats, churned: Floats, account: npt.NDArray[np.int64]) -> RankingGain:
    """Return by how much one risk ranks churners better than another on the same rows.

    DeLong, DeLong & Clarke-Pearson 1988 (10.2307/2531595), the components of an account's rows added up.

    Parameters
    ----------
    risk, other : ndarray, shape (n,)
        Higher is riskier.
    churned : ndarray, shape (n,)
        1 or 0, some of both.
    account : ndarray of int, shape (n,)
        Number of each row's account.

    Examples
    --------
    >>> churned = np.array([1.0, 1.0, 0.0, 0.0])
    >>> found = ranking_gain(np.array([4.0, 3.0, 2.0, 1.0]), np.array([4.0, 1.0, 2.0, 3.0]), churned, np.arange(4))
    >>> found.gain
    0.5
    """
    gone = churned == 1
    better = _placements(risk, gone) - _placements(other, gone)
    gain = float(better[gone].mean())
    part = np.where(gone, (better - gain) / gone.sum(), (better - gain) / (~gone).sum())
    return RankingGain(gain, float(np.sqrt((np.bincount(account, weights=part) ** 2).sum())))


def _placements(risk: Floats, gone: npt.NDArray[np.bool_]) -> Floats:
    """Return the share of the other kind that each row is told from: churners above stayers, ties at one half."""
    from scipy.stats import rankdata

    whole, inside = rankdata(risk), np.empty(len(risk))
    inside[gone], inside[~gone] = rankdata(risk[gone]), rankdata(risk[~gone])
    below = whole - inside
    return np.asarray(np.where(gone, below / (~gone).sum(), 1.0 - below / gone.sum()))
