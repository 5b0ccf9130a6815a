"""A driver: one reason why an account's risk is what it is."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from churnml.language import Text

__all__ = ["Driver"]


class Driver(BaseModel):
    """One reason why an account's risk is what it is: a group of features, told by its leading one.

    Parameters
    ----------
    family : str
        Family of the group.
    group : str
        Name of the group: its first feature, or the measure when the drivers come from the health score.
    topic : str
        What it is about; an account is told one fact a topic.
    feature : str
        The leading feature.
    label : Text
        What it is called.
    unit : str
        What it is counted in.
    value : float, str or None
        The account's value; None is missing.
    previous : float or None
        The value before, where the reason tells a change: of the window before, or of the snapshot `previous_on`.
    previous_on : str or None
        ISO date.
    percentile : float or None
        Share of comparable accounts below, 0–1, ties counted half.
    segment : str
        Comparable accounts; empty for all.
    typical, low, middle, high : float or None
        Their median, and means in the thirds of lowest, middle and highest risk; the means only where the account
        stands with those that it should.
    effect_log_odds : float or None
        The group's contribution to the log-odds of churn, above 0 raising; None when told from rules.
    effect_points : float
        Model: change of the churn probability in percentage points against an account where the group is neutral.
        Rules: change of the health score in points, sign turned so that above 0 is worse.
    actionable : bool
        A CSM can act on it; otherwise it is context.
    features : tuple of str
        All features of the group that count, largest first.
    sentence : Text
        The fact.
    comparison : Text or None
        How accounts at low and at high risk stand.
    """

    model_config = ConfigDict(frozen=True, protected_namespaces=())

    family: str
    group: str
    topic: str = ""
    feature: str
    label: Text
    unit: str
    value: float | str | None
    previous: float | None
    previous_on: str | None
    percentile: float | None
    segment: str
    typical: float | None
    low: float | None
    middle: float | None
    high: float | None
    effect_log_odds: float | None
    effect_points: float
    actionable: bool
    features: tuple[str, ...]
    sentence: Text
    comparison: Text | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the driver as it is published: JSON-ready, in every language."""
        from churnml.explain.published import published_driver

        return published_driver(self)
