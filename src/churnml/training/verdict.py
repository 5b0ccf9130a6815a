"""The verdict: whether the model may be published, or the rules predict as well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from churnml.training.intervals import Interval, clustered_bootstrap, paired_gain
from churnml.training.metrics import log_loss, roc_auc

__all__ = ["Verdict", "judge"]

Array = npt.NDArray[np.float64]

_REPEATS = 300
_WORDS = {
    "base_rate": "the base rate",
    "recency": "days since the last activity",
    "reference": "the reference health score",
    "rfm": "recency, frequency and value",
    "logistic": "a logistic regression on all features",
}


@dataclass(frozen=True)
class Verdict:
    """The outcome of the gate.

    Parameters
    ----------
    verdict : {"publishable", "rules_only"}
    reason : str
        One sentence with the numbers.
    gains : dict
        Baseline → ``{"roc_auc": Interval, "log_loss": Interval}``: model minus baseline for the AUC, baseline minus
        model for the log loss, so that above 0 is better for the model in both.
    """

    verdict: Literal["publishable", "rules_only"]
    reason: str
    gains: Mapping[str, Mapping[str, Interval]]

    def as_dict(self) -> dict[str, Any]:
        """Return the verdict as JSON-ready data."""
        return {
            "verdict": self.verdict,
            "reason": self.reason,
            "gains": {
                name: {metric: gain.as_dict() for metric, gain in gains.items()} for name, gains in self.gains.items()
            },
        }


def judge(
    y: npt.ArrayLike,
    p_model: npt.ArrayLike,
    baselines: Mapping[str, npt.ArrayLike],
    groups: npt.ArrayLike,
    *,
    seed: int,
    learned: Sequence[str] = ("logistic",),
) -> Verdict:
    """Compare a model with every baseline on pooled out-of-time predictions.

    Both are judged on the same 300 draws of accounts; a difference is more than noise when its 95 % interval excludes
    zero. The model is publishable when

    - against **every rule** it is better by more than noise in ROC AUC or in log loss, and worse by more than noise in
      neither;
    - against a **learned** baseline (the logistic regression on all features) it is worse by more than noise in
      neither. Drawing level there is enough: what would be used instead is the rules, not the regression.

    Parameters
    ----------
    y : array of shape (n,)
    p_model : array of shape (n,)
    baselines : mapping
        Name → probabilities of shape (n,).
    groups : array of shape (n,)
        Account of each row.
    seed : int
        Seed of the draws.
    learned : sequence of str
        Baselines that are models themselves.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = rng.random(400) < 0.3
    >>> judge(y, np.where(y, 0.6, 0.2), {"base_rate": np.full(400, 0.3)}, np.arange(400), seed=0).verdict
    'publishable'
    """
    outcome, model = np.asarray(y, dtype=np.float64), np.asarray(p_model, dtype=np.float64)
    if len(np.unique(outcome)) < 2:
        return Verdict("rules_only", "The test periods hold only one outcome: nothing can be compared.", {})
    draws = clustered_bootstrap(groups, _REPEATS, seed)
    gains: dict[str, dict[str, Interval]] = {}
    for name, probabilities in baselines.items():
        loss = paired_gain(log_loss, outcome, model, probabilities, draws)
        gains[name] = {
            "roc_auc": paired_gain(roc_auc, outcome, model, probabilities, draws),
            "log_loss": _negated(loss),
        }
    for name, gain in gains.items():
        lost = [metric for metric, interval in gain.items() if _below(interval)]
        if lost:
            return Verdict("rules_only", _sentence(name, gain, f"is worse than {_WORDS.get(name, name)}", lost), gains)
    for name, gain in gains.items():
        if name not in learned and not any(_above(interval) for interval in gain.values()):
            reason = _sentence(name, gain, f"beats {_WORDS.get(name, name)} by no more than noise", list(gain))
            return Verdict("rules_only", reason, gains)
    hardest = min(
        (name for name in gains if name not in learned),
        key=lambda name: gains[name]["roc_auc"].value or 0.0,
        default=None,
    )
    if hardest is None:
        return Verdict("rules_only", "There was no rule to compare the model with.", gains)
    words = f"beats every rule by more than noise; the best is {_WORDS.get(hardest, hardest)}"
    return Verdict("publishable", _sentence(hardest, gains[hardest], words, ["roc_auc", "log_loss"]), gains)


def _negated(gain: Interval) -> Interval:
    if gain.value is None or gain.low is None or gain.high is None:
        return gain
    return Interval(-gain.value, -gain.high, -gain.low)


def _above(gain: Interval) -> bool:
    return gain.low is not None and gain.low > 0


def _below(gain: Interval) -> bool:
    return gain.high is not None and gain.high < 0


def _sentence(name: str, gain: Mapping[str, Interval], words: str, metrics: Sequence[str]) -> str:
    labels = {"roc_auc": "AUC", "log_loss": "log loss"}
    parts = [
        f"{labels[metric]} gain {gain[metric].value:+.4f} (95 % interval {gain[metric].low:+.4f} to "
        f"{gain[metric].high:+.4f})"
        for metric in metrics
        if gain[metric].low is not None
    ]
    return f"The model {words}: {', '.join(parts)}."
