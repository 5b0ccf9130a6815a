"""What reasons are about: measures that tell one thing between them, and measures that nobody can read."""

from __future__ import annotations

from churnml.features.spec import FeatureSpec

__all__ = ["DIRECTIONS", "FACT_TOPICS", "SILENT", "UNTOLD", "topic"]

_TOPICS = {
    "use": (
        "events",
        "active_days",
        "active_day_rate",
        "active_weeks",
        "events_per_user",
        "events_per_seat",
        "logins",
        "days_since_last_login",
        "login_rate",
        "days_since_last_event",
        "longest_silence",
        "silence_ratio",
        "silence_in_usual_gaps",
        "mean_gap_days",
        "gap_variation",
        "lifetime_active_day_rate",
        "lifetime_events_per_day",
    ),
    "users": (
        "active_users",
        "users_gained",
        "users_lost",
        "former_user_share",
        "stickiness",
        "seat_utilisation",
        "seat_activation",
    ),
    "features": ("features_used", "features_gained", "features_lost", "core_feature_share"),
    "tickets": ("tickets_opened", "tickets_open", "oldest_open_ticket_days", "ticket_resolution_rate"),
    "escalation": ("tickets_escalated", "tickets_reopened", "urgent_ticket_share"),
    "answers": ("first_response_hours", "resolution_hours"),
    "nps": ("nps_last", "nps_change", "nps_age_days"),
    "surveys": ("survey_response_rate", "survey_silence_days"),
    "payment": ("invoices_overdue", "overdue_amount", "oldest_overdue_days", "payment_delay_days"),
    "price": ("mrr", "mrr_per_seat", "mrr_change", "price_change", "discount_rate", "revenue_to_date"),
    "seats": ("seats", "seats_change"),
    "term": (
        "term_days",
        "days_into_term",
        "days_to_renewal",
        "renewals_so_far",
        "auto_renew",
        "billing_period_months",
    ),
    "champions": ("champions_active", "champions_left", "contacts_active"),
    "contact": ("touchpoints_inbound", "touchpoints_outbound", "days_since_last_touchpoint"),
    "onboarding": ("milestones_done", "milestones_overdue", "onboarding_completion", "days_since_last_milestone"),
}
_OF_MEASURE = {measure: name for name, measures in _TOPICS.items() for measure in measures}

FACT_TOPICS = {
    "notice": "notice",
    "invoice_overdue": "payment",
    "champion_left": "champions",
    "admin_left": "admins_left",
    "silence": "use",
    "contract_end": "term",
}
"""Topic of each hard fact, which a reason does not say again."""

SILENT = frozenset({"use", "users", "features", "logins"})
"""Topics that say no more of an account than that it is silent."""

UNTOLD = frozenset(
    {
        "events_per_mrr",
        "weekday_share",
        "opportunities_open",
        "nps_age_days",
        "events_per_user",
        "gap_variation",
        "cohort_month",
    }
)
"""Measures of which a sentence would say nothing that a CSM can judge; they count among the other signals."""


DIRECTIONS = {
    **dict.fromkeys(("features_gained", "users_gained", "stickiness", "seats_change", "addons"), -1),
    "price_change": 1,
    "mrr_change": 0,
}
"""Direction that everybody knows of measures of which a catalogue declares none: it is not guessed from the data."""


def topic(spec: FeatureSpec) -> str:
    """Return what a feature is about: a level, its trend, its share and its rank are about one thing.

    Examples
    --------
    >>> spec = FeatureSpec("seat_utilisation_28d", "adoption", "share", "", "", "", "events", 28,
    ...                    "seat_utilisation")
    >>> topic(spec)
    'users'
    """
    measure = spec.measure or spec.name
    for start in ("events_of_", "share_of_", "value_of_"):
        if measure.startswith(start):
            return f"kind:{measure.removeprefix(start)}"
    return _OF_MEASURE.get(measure, measure)
