"""From a stored curve to an answer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from churnml.api.survival import CurveMonth, CurvePeers, Estimate, RenewalReason, SurvivalAnswer
from churnml.explain.lifetime import Bounds, Lifetime
from churnml.language import Language, phrases, render
from churnml.reports.curve import curve_numbers

__all__ = ["survival_of"]


def _months(curve: Lifetime, as_of: date) -> list[CurveMonth]:
    """Return a curve month by month, its peers' beside it."""
    return [
        CurveMonth.model_construct(month=month, on=on, survival=point, low=low, high=high, peers=others)
        for month, on, point, low, high, others in curve_numbers(curve, as_of)
    ]


def survival_of(fields: Mapping[str, Any], curve: Lifetime, as_of: date, lang: Language) -> SurvivalAnswer:
    """Return the answer of a curve.

    Parameters
    ----------
    fields : mapping
        Where the answer comes from, its currency, and `frozen`.
    curve : Lifetime
    as_of : date
    lang : str
    """
    say = phrases(lang)
    peers = curve.peers
    return SurvivalAnswer.model_construct(
        **fields,
        account_id=curve.account_id,
        lang=lang,
        told=[render(text, lang) for text in curve.sentences],
        next_decision_on=curve.next_decision_on,
        renewal_risk=_estimate(curve.renewal_risk),
        lost_within={str(days): chance for days, chance in curve.lost_within.items()},
        expected_end=curve.expected_end,
        earliest=curve.earliest,
        latest=curve.latest,
        months=_months(curve, as_of),
        peers=None
        if peers is None
        else CurvePeers(by=peers.by, group=peers.group, accounts=peers.accounts, text=say.text(peers.sentence)),
        residual_value=_estimate(curve.residual_value),
        avoidable_loss=curve.avoidable_loss,
        raising=[
            RenewalReason(feature=one.feature, label=render(one.label, lang), log_odds=one.log_odds)
            for one in curve.renewal_drivers
        ],
    )


def _estimate(bounds: Bounds | None) -> Estimate | None:
    return None if bounds is None else Estimate(value=bounds.value, low=bounds.low, high=bounds.high)
