"""The verdict: whether the model may be published, or the rules predict as well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from churnml.metrics.intervals import Interval, clustered_bootstrap, paired_gain
from churnml.metrics.predictions import log_loss, roc_auc

__all__ = ["BASELINE_WORDS", "Verdict", "judge"]

Array = npt.NDArray[np.float64]

_REPEATS = 300
BASELINE_WORDS = {
    "base_rate": "the base rate",
    "recency": "days since the last activity",
    "reference": "the reference health score",
    "rfm": "recency, frequency and value",
    "logistic": "a logistic regression on all features",
}
"""Baseline → what it is called in a sentence."""
_OUTCOMES = {
    "beats": "beats {} by more than noise",
    "level": "draws level with {}",
    "loses": "is worse than {} by more than noise",
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
    learned : tuple of str
        Baselines that are models themselves.
    """

    verdict: Literal["publishable", "rules_only"]
    reason: str
    gains: Mapping[str, Mapping[str, Interval]]
    learned: tuple[str, ...] = ("logistic",)

    @property
    def beside(self) -> dict[str, dict[str, str]]:
        """Learned baseline → ``{"outcome": "beats" | "level" | "loses", "reason": …}``: how the model stands to it.

        Level is what the noise does not tell apart. It does not change the verdict, but a reader must see it: where
        the two draw level, the simpler one would do.
        """
        found = {}
        for name in self.learned:
            gain = self.gains.get(name)
            if gain is None:
                continue
            outcome = _outcome(gain)
            words = _OUTCOMES[outcome].format(BASELINE_WORDS.get(name, name))
            found[name] = {"outcome": outcome, "reason": _sentence(name, gain, words, list(gain))}
        return found

    def as_dict(self) -> dict[str, Any]:
        """Return the verdict as JSON-ready data."""
        return {
            "verdict": self.verdict,
            "reason": self.reason,
            "beside": self.beside,
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
    learned: tuple[str, ...] = ("logistic",),
) -> Verdict:
    """Compare a model with every baseline on pooled out-of-time predictions.

    Both are judged on the same 300 draws of accounts; a difference is more than noise when its 95 % interval excludes
    zero. The model is publishable when

    - against **every rule** it is better by more than noise in ROC AUC or in log loss, and worse by more than noise in
      neither;
    - against a **learned** baseline (the logistic regression on all features) it is worse by more than noise in
      neither. Drawing level there is enough: what would be used instead is the rules, not the regression (ADR-0004);
      `Verdict.beside` says whether the model beats it, draws level or loses.

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
        return Verdict("rules_only", "The test periods hold only one outcome: nothing can be compared.", {}, learned)
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
            return Verdict(
                "rules_only",
                _sentence(name, gain, f"is worse than {BASELINE_WORDS.get(name, name)}", lost),
                gains,
                learned,
            )
    for name, gain in gains.items():
        if name not in learned and not any(_above(interval) for interval in gain.values()):
            reason = _sentence(name, gain, f"beats {BASELINE_WORDS.get(name, name)} by no more than noise", list(gain))
            return Verdict("rules_only", reason, gains, learned)
    hardest = min(
        (name for name in gains if name not in learned),
        key=lambda name: gains[name]["roc_auc"].value or 0.0,
        default=None,
    )
    if hardest is None:
        return Verdict("rules_only", "There was no rule to compare the model with.", gains, learned)
    words = f"beats every rule by more than noise; the best is {BASELINE_WORDS.get(hardest, hardest)}"
    return Verdict("publishable", _sentence(hardest, gains[hardest], words, ["roc_auc", "log_loss"]), gains, learned)


def _outcome(gain: Mapping[str, Interval]) -> Literal["beats", "level", "loses"]:
    if any(_below(interval) for interval in gain.values()):
        return "loses"
    return "beats" if any(_above(interval) for interval in gain.values()) else "level"


def _negated(gain: Interval) -> Interval:
    if gain.value is None or gain.low is None or gain.high is None:
        return gain
    # 0.0 − x, so that no gain at all is not written as a negative zero.
    return Interval(0.0 - gain.value, 0.0 - gain.high, 0.0 - gain.low)


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
