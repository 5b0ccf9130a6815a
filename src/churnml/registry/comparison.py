"""Whether a new model may take the champion's place: the two compared on rows that neither had seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from churnml.language import Quantity, Text
from churnml.metrics.intervals import Interval, clustered_bootstrap, paired_gain
from churnml.metrics.predictions import log_loss, roc_auc
from churnml.metrics.within_date import log_loss_gain
from churnml.registry.promotion import Decision, Evidence

__all__ = ["compare"]

_DRAWS = 500
_MARGIN = 0.05
"""Share of the champion's log loss by which a fresher challenger may be worse at the lower end of its interval."""


def compare(rows: pd.DataFrame, *, min_gain: float, seed: int, fresher: bool = False) -> Decision:
    """Judge challenger and champion on the same rows, which neither had seen.

    The challenger wins when its gain in log loss exceeds `min_gain` by more than noise: the lower end of the 95 %
    interval, an account being one draw. One that knows newer data than the champion wins when it is not inferior: when
    that lower end is no further below zero than 5 % of the champion's log loss.

    Parameters
    ----------
    rows : DataFrame
        ``account_id, as_of, churned, p_champion, p_challenger`` of the newest snapshots with final labels.
    min_gain : float
        Log loss the challenger must gain.
    seed : int
        Seed of the draws behind the gain in ROC AUC, which is shown only.
    fresher : bool
        Whether the challenger learnt from later snapshots than the champion.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> churned = (rng.random(400) < 0.2).astype(float)
    >>> rows = pd.DataFrame({"account_id": np.arange(400), "as_of": pd.Timestamp("2026-01-01"), "churned": churned,
    ...                      "p_champion": 0.2, "p_challenger": np.where(churned == 1, 0.5, 0.1)})
    >>> compare(rows, min_gain=0.0, seed=0).promote
    True
    >>> equal = rows.assign(p_challenger=0.2)
    >>> compare(equal, min_gain=0.0, seed=0).promote, compare(equal, min_gain=0.0, seed=0, fresher=True).promote
    (False, True)
    """
    churned = rows["churned"].to_numpy(dtype=np.float64)
    window = Evidence(
        rows=len(rows),
        churned=int(churned.sum()),
        as_of_from=f"{rows['as_of'].min():%Y-%m-%d}",
        as_of_until=f"{rows['as_of'].max():%Y-%m-%d}",
    )
    if len(np.unique(churned)) < 2:
        return Decision(False, Text.of("gate-one_outcome"), window)
    new, old = rows["p_challenger"].to_numpy(), rows["p_champion"].to_numpy()
    gain = log_loss_gain(churned, new, old, rows["account_id"])
    ranking = paired_gain(roc_auc, churned, new, old, clustered_bootstrap(rows["account_id"], _DRAWS, seed))
    if gain.value is None or gain.low is None or gain.high is None:
        return Decision(False, Text.of("gate-too_few"), window)
    margin = _MARGIN * (log_loss(churned, old) or 0.0)
    evidence = replace(
        window,
        min_gain=min_gain,
        fresher=fresher,
        margin=margin,
        log_loss_gain=Interval(gain.value, gain.low, gain.high),
        roc_auc_gain=ranking,
    )
    by, *losses = (Quantity(value=one, digits=4) for one in (margin, gain.value, gain.low, gain.high))
    figures = {**dict(zip(("gain", "low", "high"), losses, strict=True)), "rows": len(rows)}
    if gain.low > min_gain:
        return Decision(True, Text.of("gate-better", **figures), evidence)
    if fresher and gain.low >= -margin:
        return Decision(True, Text.of("gate-fresher", margin=by, **figures), evidence)
    reason = Text.of("gate-may_be_worse", margin=by, **figures) if fresher else Text.of("gate-no_better", **figures)
    return Decision(False, reason, evidence)
