"""An explanation of one account, as data: what is told of its risk, and the numbers behind it."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from churnml.explain.driver import Driver
from churnml.language import Quantity, Text

__all__ = ["SECONDARY_FACTS", "Explanation", "Indicator"]

_OTHER_POINTS = 0.1
SECONDARY_FACTS = frozenset({"admin_left"})
"""Hard facts that are no sign of churn by themselves: told after the reasons."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, protected_namespaces=())


class Indicator(_Part):
    """A hard fact beside the score."""

    code: str
    feature: str
    value: float
    text: Text


class Explanation(_Part):
    """Why one account scores as it does on one date.

    Parameters
    ----------
    account_id : str
    as_of : date
        Key.
    churn_probability : float or None
        Within `horizon_days`. With another target it is that one's, and what is published names it so
        (``expansion_probability``).
    base_rate : float
        Share of accounts that churn in that time.
    health_score, coverage : float or None
        0–100 and 0–1.
    band : str
        red, yellow, green or unknown.
    reasons : tuple of Text
        What capped or limited the score.
    source : {"model", "rules"}
        Whether the drivers come from the model's contributions or, where the model failed its gate, from the
        measures of the health score.
    raising, lowering : tuple of Driver
        What is told: at most three and two, strongest first, one fact a topic; what raises the risk by its own
        effect together with its family's.
    context : tuple of Driver
        Strongest facts nobody can act on, such as the industry, whichever way they point.
    other_points : float or None
        Model: what all other signals together do to the churn probability, percentage points.
    families : dict
        Family → net effect: log-odds from the model, health points from rules; above 0 raises the risk.
    indicators : tuple of Indicator
        Hard facts.
    csm_sentiment : str or None
        The CSM's own judgement, apart from the score.
    expected_log_odds, log_odds : float or None
        Model only: the average and this account's log-odds; the difference is the sum of `families`.
    summary : Text
        One sentence.
    target : str
        What the model predicts: churn, expansion or contraction. What is said of risk holds for that.
    """

    account_id: str
    as_of: date
    churn_probability: float | None
    base_rate: float | None
    horizon_days: int | None
    health_score: float | None
    band: str
    coverage: float | None
    reasons: tuple[Text, ...]
    source: Literal["model", "rules"]
    raising: tuple[Driver, ...]
    lowering: tuple[Driver, ...]
    context: tuple[Driver, ...]
    other_points: float | None = None
    families: dict[str, float]
    indicators: tuple[Indicator, ...]
    csm_sentiment: str | None
    expected_log_odds: float | None
    log_odds: float | None
    summary: Text
    target: str = "churn"

    @property
    def sentences(self) -> tuple[Text, ...]:
        """What a reader is told of the risk: hard facts first, then what raises it, then what is good to know."""
        first = tuple(item.text for item in self.indicators if item.code not in SECONDARY_FACTS)
        later = tuple(item.text for item in self.indicators if item.code in SECONDARY_FACTS)
        return (*first, *(driver.sentence for driver in self.raising), *later)

    @property
    def other_signals(self) -> Text | None:
        """What all that is not told does to the probability, where it is a tenth of a point or more."""
        if self.other_points is None or abs(self.other_points) < _OTHER_POINTS:
            return None
        points = Quantity(value=self.other_points, digits=1)
        return Text.of("reason-other-signals", points=points, n=Quantity(value=abs(self.other_points), digits=1))

    def as_dict(self) -> dict[str, Any]:
        """Return the explanation as it is published: JSON-ready, in every language."""
        from churnml.explain.published import published

        return published(self)
