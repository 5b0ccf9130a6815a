"""The measures that health scores are made of, and the presets that weigh them.

A rule names the features that can carry its measure, best first. `fit_measure` turns a rule into a measure by
picking the first candidate that the company's data has. Where a measure has a scale that means the same at every
company (an NPS answer, a share of tickets solved, days to renewal), the scale is written here; where it has none
(logins per seat), the scale comes from the reference cohort: the typical account scores 75, because most accounts
stay, and the worst fiftieth 0.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from churnml.scorecard.measure import MeasureTerms

__all__ = ["COHORT_CURVE", "PRESETS", "Candidate", "MeasureRule", "Preset", "preset"]

COHORT_CURVE: tuple[tuple[float, float], ...] = (
    (0.02, 0.0),
    (0.10, 30.0),
    (0.25, 55.0),
    (0.50, 75.0),
    (0.75, 90.0),
    (0.98, 100.0),
)
"""Share of the reference cohort that does worse → score, for measures without an absolute scale."""

Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Candidate:
    """A feature that can carry a measure.

    Parameters
    ----------
    feature : str
        Feature name; ``{w}`` stands for the window.
    per : str, optional
        Feature to divide by, so that large accounts are not healthy by size alone.
    points : tuple of (float, float)
        Absolute scale, (value, score) by value. Empty: the reference cohort's.
    direction : {1, -1}
        For a cohort scale: +1 more is healthier, −1 less is.
    """

    feature: str
    per: str | None = None
    points: Points = ()
    direction: int = 1


@dataclass(frozen=True, kw_only=True)
class MeasureRule(MeasureTerms):
    """One measure before it meets a company's data.

    Parameters
    ----------
    candidates : tuple of Candidate
        Best first. In names, ``{w}`` stands for the window; so it does in `counts_when`.
    window_days : int
        The window to come closest to.
    """

    candidates: tuple[Candidate, ...]
    window_days: int = 28


@dataclass(frozen=True)
class Preset:
    """Group weights and measure rules."""

    name: str
    weights: dict[str, float]
    rules: tuple[MeasureRule, ...]


_LOGINS = MeasureRule(
    name="login_frequency",
    group="engagement",
    weight=1.0,
    candidates=(
        Candidate("logins_{w}d", per="seats"),
        Candidate("logins_{w}d", per="active_users_{w}d"),
        Candidate("active_days_{w}d"),
        Candidate("events_{w}d"),
    ),
)
_CORE = MeasureRule(
    name="core_feature_use",
    group="adoption",
    weight=1.0,
    candidates=(Candidate("core_feature_share_{w}d"), Candidate("features_used_{w}d")),
)
_TICKETS = MeasureRule(
    name="ticket_volume",
    group="support",
    weight=1.0,
    candidates=(
        Candidate("tickets_opened_{w}d", per="seats", direction=-1),
        Candidate("tickets_opened_{w}d", direction=-1),
    ),
    window_days=91,
    counts_when=("tickets_opened_{w}d", 0.0),
)
_RESOLUTION = MeasureRule(
    name="ticket_resolution",
    group="support",
    weight=1.0,
    candidates=(Candidate("ticket_resolution_rate_{w}d", points=((0.0, 0.0), (0.5, 40.0), (0.8, 70.0), (1.0, 100.0))),),
    window_days=91,
    counts_when=("tickets_opened_{w}d", 0.0),
)
_NPS = MeasureRule(
    name="nps",
    group="sentiment",
    weight=2.0,
    # Detractors (0–6) end at the edge of red, passives (7–8) reach the edge of green, promoters are green.
    candidates=(
        Candidate("nps_last", points=((0.0, 0.0), (6.0, 40.0), (7.0, 55.0), (8.0, 70.0), (9.0, 90.0), (10.0, 100.0))),
    ),
    age_feature="nps_age_days",
    valid_days=180,
)
_CSAT = MeasureRule(
    name="csat",
    group="sentiment",
    weight=1.0,
    candidates=(Candidate("csat_{w}d", points=((1.0, 0.0), (2.0, 20.0), (3.0, 45.0), (4.0, 75.0), (5.0, 100.0))),),
    window_days=91,
)
_RENEWAL = MeasureRule(
    name="time_to_renewal",
    group="commercial",
    weight=1.0,
    candidates=(Candidate("days_to_renewal", points=((0.0, 20.0), (30.0, 40.0), (90.0, 70.0), (180.0, 100.0))),),
    # A contract that runs from month to month renews all the time: its next renewal says nothing.
    counts_when=("term_days", 45.0),
)

_BALANCED = (
    MeasureRule(
        name="active_users",
        group="engagement",
        weight=2.0,
        candidates=(Candidate("seat_utilisation_{w}d"), Candidate("active_users_{w}d")),
    ),
    MeasureRule(name="active_days", group="engagement", weight=1.0, candidates=(Candidate("active_days_{w}d"),)),
    MeasureRule(
        name="usage_trend",
        group="engagement",
        weight=2.0,
        candidates=(
            Candidate("active_users_trend_{w}d", points=((-1.0, 0.0), (-0.4, 30.0), (0.0, 75.0), (0.3, 100.0))),
            Candidate("events_trend_{w}d", points=((-1.0, 0.0), (-0.4, 30.0), (0.0, 75.0), (0.3, 100.0))),
        ),
    ),
    MeasureRule(
        name="recency",
        group="engagement",
        weight=1.0,
        candidates=(Candidate("days_since_last_event", points=((0.0, 100.0), (7.0, 75.0), (14.0, 50.0), (28.0, 0.0))),),
    ),
    _CORE,
    MeasureRule(
        name="activation",
        group="adoption",
        weight=1.0,
        candidates=(Candidate("seat_activation", points=((0.0, 0.0), (0.4, 40.0), (0.7, 70.0), (1.0, 100.0))),),
    ),
    _TICKETS,
    _RESOLUTION,
    MeasureRule(
        name="oldest_ticket",
        group="support",
        weight=1.0,
        candidates=(
            Candidate("oldest_open_ticket_days", points=((0.0, 100.0), (7.0, 70.0), (30.0, 30.0), (60.0, 0.0))),
        ),
        counts_when=("tickets_open", 0.0),
    ),
    _NPS,
    _CSAT,
    _RENEWAL,
    MeasureRule(
        name="overdue",
        group="commercial",
        weight=1.0,
        candidates=(Candidate("oldest_overdue_days", points=((0.0, 100.0), (7.0, 70.0), (30.0, 30.0), (60.0, 0.0))),),
    ),
    MeasureRule(
        name="contract_growth",
        group="commercial",
        weight=1.0,
        candidates=(Candidate("mrr_change_{w}d", points=((-0.5, 0.0), (-0.1, 40.0), (0.0, 75.0), (0.2, 100.0))),),
        window_days=182,
    ),
    MeasureRule(
        name="champion",
        group="relationship",
        weight=2.0,
        candidates=(Candidate("champions_left_{w}d", points=((0.0, 85.0), (1.0, 20.0), (2.0, 0.0))),),
        window_days=91,
    ),
    MeasureRule(
        name="contact",
        group="relationship",
        weight=1.0,
        candidates=(Candidate("days_since_last_touchpoint", direction=-1),),
    ),
    MeasureRule(
        name="onboarding",
        group="onboarding",
        weight=1.0,
        candidates=(Candidate("onboarding_completion", points=((0.0, 0.0), (0.5, 40.0), (0.8, 70.0), (1.0, 100.0))),),
    ),
)

_BALANCED_WEIGHTS = {
    "engagement": 30.0,
    "adoption": 20.0,
    "support": 12.0,
    "sentiment": 10.0,
    "commercial": 13.0,
    "relationship": 10.0,
    "onboarding": 5.0,
}

PRESETS: dict[str, Preset] = {
    "reference": Preset(
        "reference",
        {"engagement": 25.0, "adoption": 30.0, "support": 20.0, "sentiment": 15.0, "commercial": 10.0},
        (_LOGINS, _CORE, _TICKETS, _RESOLUTION, _NPS, _CSAT, _RENEWAL),
    ),
    "balanced": Preset("balanced", _BALANCED_WEIGHTS, _BALANCED),
    # The balanced measures; `fit_weights` replaces the weights by what history says.
    "fitted": Preset("fitted", _BALANCED_WEIGHTS, _BALANCED),
}


def preset(name: str, weights: dict[str, float] | None = None) -> Preset:
    """Return a preset, with some group weights replaced.

    Examples
    --------
    >>> preset("reference", {"support": 0.0}).weights["support"]
    0.0
    """
    chosen = PRESETS[name]
    return replace(chosen, weights={**chosen.weights, **(weights or {})})
