"""What if: assess one account again with some of its facts changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from churnml.assessment.champion import Champion
from churnml.errors import UsageError
from churnml.features import FeatureSet
from churnml.language import Text

__all__ = ["Supposed", "WhatIf", "what_if"]


@dataclass(frozen=True)
class Supposed:
    """A feature's value as it is, None where nothing is known, and as it is supposed to be."""

    before: float | None
    after: float


@dataclass(frozen=True)
class WhatIf:
    """One account before and after a change of facts.

    Parameters
    ----------
    account_id : str
        The account.
    changes : dict of str to Supposed
        Feature → its value before and after.
    probability_before, probability_after : float
        Churn probability.
    health_before, health_after : float or None
        Health score.
    band_before, band_after : str
        Bands.
    outside : tuple of str
        Changed features whose new value lies outside what was seen in training: the answer is a guess there.
    linked : tuple of str
        Features left as they are although they measure the same as a changed one: in life they would move too.
    """

    account_id: str
    changes: dict[str, Supposed]
    probability_before: float
    probability_after: float
    health_before: float | None
    health_after: float | None
    band_before: str
    band_after: str
    outside: tuple[str, ...]
    linked: tuple[str, ...]


def what_if(champion: Champion, row: pd.DataFrame, changes: Mapping[str, float]) -> WhatIf:
    """Assess one account with some facts changed.

    This asks the model, not the world: the answer tells how the score reads other facts, not what contacting the
    account would do.

    Parameters
    ----------
    champion : Champion
        Judges both.
    row : DataFrame
        Feature frame of one account.
    changes : mapping
        Feature → new value; only numeric features that a CSM can act on.

    Raises
    ------
    ConfigError
        There is no such feature; the message names the near one.
    UsageError
        Not one row, no change, or a feature that nobody can act on.
    """
    if len(row) != 1 or not changes:
        raise UsageError(
            Text.of("fault-what_if_rows"), got=Text.of("fault-what_if_rows.got", rows=len(row), changes=len(changes))
        )
    for name in changes:
        spec = champion.model.features.spec(name)
        if spec.categorical or not spec.actionable:
            raise UsageError(Text.of("fault-what_if_context", name=name), where=f"--set {name}")
    changed = row.assign(**{name: float(value) for name, value in changes.items()})
    (before,), (after,) = champion.judge(row), champion.judge(changed)
    ranges = champion.reference.ranges
    return WhatIf(
        account_id=before.account_id,
        changes={name: Supposed(_number(row[name].iloc[0]), float(value)) for name, value in changes.items()},
        probability_before=before.probability,
        probability_after=after.probability,
        health_before=before.health_score,
        health_after=after.health_score,
        band_before=before.band,
        band_after=after.band,
        outside=tuple(name for name, value in changes.items() if _outside(value, ranges.get(name))),
        linked=_linked(champion.model.features, changes),
    )


def _outside(value: float, seen: tuple[float, float] | None) -> bool:
    return seen is None or not seen[0] <= value <= seen[1]


def _linked(features: FeatureSet, changes: Mapping[str, float]) -> tuple[str, ...]:
    measured = {features.spec(name).measure for name in changes} - {""}
    return tuple(spec.name for spec in features if spec.measure in measured and spec.name not in changes)


def _number(value: Any) -> float | None:
    return None if pd.isna(value) else float(value)
