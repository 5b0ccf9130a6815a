"""In which order what is told is told: what the model holds against an account most comes first."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from churnml.explain.driver import Driver
from churnml.features.spec import FeatureSpec

if TYPE_CHECKING:
    from churnml.explain.explanation import Indicator

__all__ = ["facts_in_order", "raising_in_order"]


def raising_in_order(drivers: Sequence[Driver], families: Mapping[str, float]) -> tuple[Driver, ...]:
    """Return the drivers that raise the risk as they are told.

    Several signals of one family say more of what is at work than a single one that is a little larger: the effect of
    a driver counts together with the net effect of its family.

    Parameters
    ----------
    drivers : sequence of Driver
        With their effect on the log-odds.
    families : mapping
        Family → net effect on the log-odds.
    """
    return tuple(sorted(drivers, key=lambda one: -((one.effect_log_odds or 0.0) + families.get(one.family, 0.0))))


def facts_in_order(
    facts: Sequence[Indicator], families: Mapping[str, float], specs: Mapping[str, FeatureSpec]
) -> tuple[Indicator, ...]:
    """Return hard facts as they are told: notice, then by what the model makes of their family.

    Parameters
    ----------
    facts : sequence of Indicator
    families : mapping
        Family → net effect on the log-odds.
    specs : mapping
        Feature → what it is. A fact of a feature that the model does not know stays ahead of those that it weighs.
    """

    def weight(fact: Indicator) -> float:
        spec = specs.get(fact.feature)
        return math.inf if fact.code == "notice" or spec is None else families.get(spec.family, 0.0)

    return tuple(sorted(facts, key=lambda fact: -weight(fact)))
