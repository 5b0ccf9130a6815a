"""The verdict: whether the model may be published, or the rules predict as well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from churnml.metrics.intervals import Interval, clustered_bootstrap, paired_gain
from churnml.metrics.predictions import log_loss, roc_auc
from churnml.training.publication import Publication

__all__ = ["BASELINE_WORDS", "Standing", "Verdict", "VerdictReport", "judge"]

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
class Standing:
    """How the model stands to a learned baseline, and the numbers in words."""

    outcome: Literal["beats", "level", "loses"]
    reason: str


@dataclass(frozen=True)
class VerdictReport:
    """The verdict as it is kept and shown; see `Verdict` for the fields."""

    verdict: Publication
    reason: str
    beside: Mapping[str, Standing]
    gains: Mapping[str, Mapping[str, Interval]]


@dataclass(frozen=True)
class Verdict:
    """The outcome of the gate.

    Parameters
    ----------
    verdict : Publication
    reason : str
        One sentence with the numbers.
    gains : dict
        Baseline → ``{"roc_auc": Interval, "log_loss": Interval}``: model minus baseline for the AUC, baseline minus
        model for the log loss, so that above 0 is better for the model in both.
    learned : tuple of str
        Baselines that are models themselves.
    """

    verdict: Publication
    reason: str
    gains: Mapping[str, Mapping[str, Interval]]
    learned: tuple[str, ...] = ("logistic",)

    @property
    def beside(self) -> dict[str, Standing]:
        """Learned baseline → how the model stands to it.

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
            found[name] = Standing(outcome, _sentence(name, gain, words, list(gain)))
        return found

    def report(self) -> VerdictReport:
        """Return the verdict with how the model stands to what else was learnt."""
        return VerdictReport(self.verdict, self.reason, self.beside, self.gains)


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
    >>> print(judge(y, np.where(y, 0.6, 0.2), {"base_rate": np.full(400, 0.3)}, np.arange(400), seed=0).verdict)
    publishable
    """
    outcome, model = np.asarray(y, dtype=np.float64), np.asarray(p_model, dtype=np.float64)
    if len(np.unique(outcome)) < 2:
        return Verdict(
            Publication.RULES_ONLY, "The test periods hold only one outcome: nothing can be compared.", {}, learned
        )
    draws = clustered_bootstrap(groups, _REPEATS, seed)
    gains: dict[str, dict[str, Interval]] = {}
    for name, probabilities in baselines.items():
        loss = paired_gain(log_loss, outcome, model, probabilities, draws)
        gains[name] = {
            "roc_auc": paired_gain(roc_auc, outcome, model, probabilities, draws),
            "log_loss": -loss,
        }
    for name, gain in gains.items():
        lost = [metric for metric, interval in gain.items() if interval.below_zero]
        if lost:
            return Verdict(
                Publication.RULES_ONLY,
                _sentence(name, gain, f"is worse than {BASELINE_WORDS.get(name, name)}", lost),
                gains,
                learned,
            )
    for name, gain in gains.items():
        if name not in learned and not any(interval.above_zero for interval in gain.values()):
            reason = _sentence(name, gain, f"beats {BASELINE_WORDS.get(name, name)} by no more than noise", list(gain))
            return Verdict(Publication.RULES_ONLY, reason, gains, learned)
    hardest = min(
        (name for name in gains if name not in learned),
        key=lambda name: gains[name]["roc_auc"].value or 0.0,
        default=None,
    )
    if hardest is None:
        return Verdict(Publication.RULES_ONLY, "There was no rule to compare the model with.", gains, learned)
    words = f"beats every rule by more than noise; the best is {BASELINE_WORDS.get(hardest, hardest)}"
    return Verdict(
        Publication.PUBLISHABLE, _sentence(hardest, gains[hardest], words, ["roc_auc", "log_loss"]), gains, learned
    )


def _outcome(gain: Mapping[str, Interval]) -> Literal["beats", "level", "loses"]:
    if any(interval.below_zero for interval in gain.values()):
        return "loses"
    return "beats" if any(interval.above_zero for interval in gain.values()) else "level"


def _sentence(name: str, gain: Mapping[str, Interval], words: str, metrics: Sequence[str]) -> str:
    labels = {"roc_auc": "AUC", "log_loss": "log loss"}
    parts = [
        f"{labels[metric]} gain {gain[metric].value:+.4f} (95 % interval {gain[metric].low:+.4f} to "
        f"{gain[metric].high:+.4f})"
        for metric in metrics
        if gain[metric].low is not None
    ]
    return f"The model {words}: {', '.join(parts)}."
