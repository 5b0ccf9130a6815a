"""The verdict: what may be published, decided by one proper score within snapshot dates (ADR-0008)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import numpy as np
import numpy.typing as npt

from churnml.language import Argument, Quantity, Text, words
from churnml.metrics.intervals import Interval, clustered_bootstrap, paired_gain
from churnml.metrics.predictions import log_loss, roc_auc
from churnml.metrics.within_date import Estimate, aligned_gain, aligned_log_loss, concordance
from churnml.parallel import side_by_side
from churnml.training.publication import Publication

__all__ = ["Candidate", "Gains", "Standing", "Verdict", "VerdictReport", "judge", "named"]

Array = npt.NDArray[np.float64]

_REPEATS = 300
_NOISE = 0.01
"""One-sided level of the test of the ranking against chance; shared out among the learned candidates."""
_DOUBT = 0.1
"""One-sided level of the test of the proper score against the date's rate."""
_CHANCE = 0.5
LEARNED = ("logistic", "blend")
"""Baselines that are models themselves."""


def named(baseline: str) -> Text:
    """Return what a baseline is called in a sentence.

    Examples
    --------
    >>> print(named("recency"), "/", named("own_rule"))
    days since the last activity / own_rule
    """
    return Text.of(f"card-rule.{baseline}|words", words=words(baseline))


@dataclass(frozen=True)
class Gains:
    """What the model gains over one baseline; above 0 is better for the model in each.

    Parameters
    ----------
    aligned_log_loss : Estimate
        Within dates: what the verdict goes by.
    roc_auc, log_loss : Interval
        Pooled over all dates, by drawing accounts: shown, not judged by, as a drift of the level moves both.
    """

    aligned_log_loss: Estimate
    roc_auc: Interval
    log_loss: Interval


@dataclass(frozen=True)
class Candidate:
    """What could be published, and how it stands.

    Parameters
    ----------
    concordance : Estimate
        Of a churner and a stayer of one date, how often the churner is ranked higher; 0.5 is chance.
    gain : Estimate
        Aligned log loss below that of telling every account its date's rate.
    aligned_log_loss, log_loss : float
        Within dates, and as told.
    learned : bool
        Whether it is a model; a rule is not.
    passes : bool
        Of a learned one: better than chance and than every rule.
    """

    concordance: Estimate
    gain: Estimate
    aligned_log_loss: float
    log_loss: float
    learned: bool
    passes: bool = False


@dataclass(frozen=True)
class Standing:
    """How the model stands to a learned baseline, and the numbers in words."""

    outcome: Literal["beats", "level", "loses"]
    reason: Argument


@dataclass(frozen=True)
class VerdictReport:
    """The verdict as it is kept and shown; see `Verdict` for the fields."""

    verdict: Publication
    scorer: str
    reason: Argument
    beside: Mapping[str, Standing]
    gains: Mapping[str, Gains]
    candidates: Mapping[str, Candidate]


@dataclass(frozen=True)
class Verdict:
    """The outcome of the gate.

    Parameters
    ----------
    verdict : Publication
    reason : Text
        One sentence or two with the numbers.
    scorer : str
        What gives the published probabilities: ``"model"``, the name of a learned baseline, or of a rule.
    gains : mapping
        Baseline → what the model gains over it.
    candidates : mapping
        ``"model"`` and every baseline → how it stands.
    """

    verdict: Publication
    reason: Argument
    scorer: str = "base_rate"
    gains: Mapping[str, Gains] = field(default_factory=dict)
    candidates: Mapping[str, Candidate] = field(default_factory=dict)

    @property
    def beside(self) -> dict[str, Standing]:
        """Learned baseline → how the model stands to it, by aligned log loss.

        Level is what the noise does not tell apart. It does not change the verdict, but a reader must see it: where
        the two draw level, the simpler one would do.
        """
        standings = {}
        for name, gains in self.gains.items():
            if not self.candidates[name].learned:
                continue
            gain = gains.aligned_log_loss
            outcome: Literal["beats", "level", "loses"] = (
                "loses" if gain.below_zero else "beats" if gain.above_zero else "level"
            )
            reason = Text.of(f"verdict-beside.{outcome}", baseline=named(name), gain=_gained(gain))
            standings[name] = Standing(outcome, reason)
        return standings

    def report(self) -> VerdictReport:
        """Return the verdict with how the model stands to what else was learnt."""
        return VerdictReport(self.verdict, self.scorer, self.reason, self.beside, self.gains, self.candidates)


def judge(
    y: npt.ArrayLike,
    p_model: npt.ArrayLike,
    baselines: Mapping[str, npt.ArrayLike],
    groups: npt.ArrayLike,
    *,
    dates: npt.ArrayLike | None = None,
    seed: int = 0,
    learned: tuple[str, ...] = LEARNED,
) -> Verdict:
    """Compare a model with every baseline on out-of-time predictions, within their snapshot dates.

    Every candidate (the model, the other learned ones, each rule) is brought to the same level per date; then log loss
    decides, a strictly proper score that no drift of the churn rate can win. A learned candidate **passes** when

    - it tells accounts of one date apart: its concordance is above one half beyond noise (one-sided 1 %, shared out
      among the learned candidates), and its aligned log loss below that of the date's rate (one-sided 10 %);
    - its aligned log loss is below that of **every rule**.

    So chance is kept out by the ranking, which needs few churners to be sure of, and among what is no chance the better
    one is published, be the difference large or small: whatever is not published, something is. Where one passes, the
    verdict is publishable, and of those that pass the model is taken unless another has the lower loss both within
    dates and as told. Where none does, the rule with the lowest aligned log loss is published. Errors are
    cluster-robust, an account being one draw, so nothing here depends on a seed.

    Parameters
    ----------
    y : array of shape (n,)
    p_model : array of shape (n,)
    baselines : mapping
        Name → probabilities of shape (n,).
    groups : array of shape (n,)
        Account of each row.
    dates : array of shape (n,), optional
        Snapshot, and fold where folds have models of their own, of each row; without it all rows are of one date.
    seed : int
        Seed of the draws behind the pooled intervals, which are shown only.
    learned : sequence of str
        Baselines that are models themselves.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = rng.random(400) < 0.3
    >>> print(judge(y, np.where(y, 0.6, 0.2), {"base_rate": np.full(400, 0.3)}, np.arange(400)).verdict)
    publishable
    """
    outcome = np.asarray(y, dtype=np.float64)
    scores = {"model": np.asarray(p_model, dtype=np.float64)}
    scores |= {name: np.asarray(p, dtype=np.float64) for name, p in baselines.items()}
    rules = [name for name in baselines if name not in learned]
    if len(np.unique(outcome)) < 2:
        return Verdict(Publication.RULES_ONLY, Text.of("verdict-one_outcome"), _first(rules))

    def candidate(name: str) -> Candidate:
        p = scores[name]
        return Candidate(
            concordance=concordance(outcome, p, groups, dates),
            gain=aligned_gain(outcome, p, np.full(len(p), _CHANCE), groups, dates),
            aligned_log_loss=aligned_log_loss(outcome, p, dates) or 0.0,
            log_loss=log_loss(outcome, p) or 0.0,
            learned=name not in rules,
        )

    draws = clustered_bootstrap(groups, _REPEATS, seed)

    def gains_over(name: str) -> Gains:
        p = scores[name]
        return Gains(
            aligned_log_loss=aligned_gain(outcome, scores["model"], p, groups, dates),
            roc_auc=paired_gain(roc_auc, outcome, scores["model"], p, draws),
            log_loss=-paired_gain(log_loss, outcome, scores["model"], p, draws),
        )

    rivals = [name for name in scores if name != "model"]
    judged = side_by_side([partial(candidate, name) for name in scores])
    candidates = dict(zip(scores, judged, strict=True))
    gains = dict(zip(rivals, side_by_side([partial(gains_over, name) for name in rivals]), strict=True))
    if not rules:
        return Verdict(Publication.RULES_ONLY, Text.of("verdict-no_rule"), "base_rate", gains, candidates)
    over_rules = {
        name: {rule: aligned_gain(outcome, scores[name], scores[rule], groups, dates) for rule in rules}
        for name, candidate in candidates.items()
        if candidate.learned
    }
    alpha = _NOISE / len(over_rules)
    for name, over in over_rules.items():
        passes = _tells_apart(candidates[name], alpha) and all((gain.value or 0.0) > 0.0 for gain in over.values())
        candidates[name] = Candidate(**{**vars(candidates[name]), "passes": passes})
    passing = [name for name in over_rules if candidates[name].passes]
    if passing:
        scorer = _best(passing, candidates)
        reason = _published(scorer, over_rules[scorer], candidates)
        return Verdict(Publication.PUBLISHABLE, reason, scorer, gains, candidates)
    scorer = min(rules, key=lambda name: (candidates[name].aligned_log_loss, rules.index(name)))
    reason = _refused(over_rules["model"], candidates["model"], alpha)
    return Verdict(Publication.RULES_ONLY, reason, scorer, gains, candidates)


def _first(rules: list[str]) -> str:
    return "base_rate" if "base_rate" in rules or not rules else rules[0]


def _tells_apart(candidate: Candidate, alpha: float) -> bool:
    """Whether a candidate is better than chance within dates, by proper score and by ranking."""
    return candidate.concordance.exceeds(_CHANCE, alpha) and candidate.gain.exceeds(0.0, _DOUBT)


def _best(passing: list[str], candidates: Mapping[str, Candidate]) -> str:
    """Return the model, unless another that passes has the lower loss within dates and, level and all, as told."""
    best = passing[0]
    for name in passing[1:]:
        ours, theirs = candidates[best], candidates[name]
        if theirs.aligned_log_loss < ours.aligned_log_loss and theirs.log_loss < ours.log_loss:
            best = name
    return best


def _published(scorer: str, over: Mapping[str, Estimate], candidates: Mapping[str, Candidate]) -> Text:
    hardest = min(over, key=lambda name: over[name].value or 0.0)
    reason = Text.of(
        "verdict-published",
        what=Text.of("verdict-the_model") if scorer == "model" else named(scorer),
        ranked=_ranked(candidates[scorer].concordance),
        by=Text.of("verdict-by.more" if over[hardest].above_zero else "verdict-by.no_more"),
        rule=named(hardest),
        gain=_gained(over[hardest]),
    )
    if scorer == "model":
        return reason
    ours, theirs = candidates[scorer], candidates["model"]
    return Text.of(
        "verdict-instead",
        reason=reason,
        within=_loss(ours.aligned_log_loss),
        told=_loss(ours.log_loss),
        model_within=_loss(theirs.aligned_log_loss),
        model_told=_loss(theirs.log_loss),
    )


def _refused(over: Mapping[str, Estimate], model: Candidate, alpha: float) -> Text:
    """Say why not even the model, the best of what was learnt in most cases, passes."""
    if not _tells_apart(model, alpha):
        return Text.of("verdict-nothing", gain=_gained(model.gain), ranked=_ranked(model.concordance))
    name = min(over, key=lambda rule: over[rule].value or 0.0)
    form = "worse" if over[name].below_zero else "no_better"
    return Text.of(f"verdict-refused.{form}", rule=named(name), gain=_gained(over[name]))


def _gained(gain: Interval) -> Text:
    if gain.value is None:
        return Text.of("verdict-gain.unknown")
    if gain.low is None or gain.high is None:
        return Text.of("verdict-gain.alone", gain=_loss(gain.value))
    return Text.of("verdict-gain", gain=_loss(gain.value), low=_loss(gain.low), high=_loss(gain.high))


def _ranked(auc: Estimate) -> Text:
    if auc.value is None:
        return Text.of("verdict-ranked.unknown")
    value = Quantity(value=auc.value, digits=3)
    if auc.low is None or auc.high is None:
        return Text.of("verdict-ranked.alone", value=value)
    low, high = Quantity(value=max(auc.low, 0.0), digits=3), Quantity(value=min(auc.high, 1.0), digits=3)
    return Text.of("verdict-ranked", value=value, low=low, high=high)


def _loss(value: float) -> Quantity:
    return Quantity(value=value, digits=4)
