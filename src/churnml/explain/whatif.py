"""What if: score one account again with some of its facts changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from churnml.errors import UsageError
from churnml.explain.contract import Explainable
from churnml.explain.reference import ExplainReference
from churnml.health import HealthScale, health
from churnml.scoring import score

__all__ = ["WhatIf", "what_if"]


@dataclass(frozen=True)
class WhatIf:
    """One account before and after a change of facts.

    Parameters
    ----------
    account_id : str
        The account.
    changes : dict
        Feature → (value before, value after).
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
    changes: dict[str, tuple[float | None, float]]
    probability_before: float
    probability_after: float
    health_before: float | None
    health_after: float | None
    band_before: str
    band_after: str
    outside: tuple[str, ...]
    linked: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the result as JSON-ready data."""
        data = asdict(self)
        data["changes"] = {name: {"before": pair[0], "after": pair[1]} for name, pair in self.changes.items()}
        data["outside"], data["linked"] = list(self.outside), list(self.linked)
        return data


def what_if(
    model: Explainable,
    row: pd.DataFrame,
    changes: Mapping[str, float],
    *,
    scale: HealthScale,
    reference: ExplainReference,
) -> WhatIf:
    """Score one account with some facts changed.

    This asks the model, not the world: the answer tells how the score reads other facts, not what contacting the
    account would do.

    Parameters
    ----------
    model : ChurnModel
        Scores both.
    row : DataFrame
        Feature frame of one account.
    changes : mapping
        Feature → new value; only numeric features that a CSM can act on.
    scale : HealthScale
        Recipe of the health score.
    reference : ExplainReference
        Knows the ranges seen in training.

    Raises
    ------
    ConfigError
        There is no such feature; the message names the near one.
    UsageError
        Not one row, no change, or a feature that nobody can act on.
    """
    if len(row) != 1 or not changes:
        raise UsageError(
            "What-if needs one account and at least one change", got=f"{len(row)} rows, {len(changes)} changes"
        )
    for name in changes:
        spec = model.features.spec(name)
        if spec.categorical or not spec.actionable:
            raise UsageError(
                f"{name} is context: nobody can act on it",
                where=f"--set {name}",
                expected="an actionable feature that holds a number",
                remedy="`churnml features list` marks the actionable ones.",
            )
    changed = row.assign(**{name: float(value) for name, value in changes.items()})
    verdict = model.info.verdict or "publishable"
    scores = [score(model, frame) for frame in (row, changed)]  # type: ignore[arg-type]
    healths = [
        health(frame, found, scale=scale, base_rate=model.base_rate, verdict=verdict).iloc[0]
        for frame, found in zip((row, changed), scores, strict=True)
    ]
    return WhatIf(
        account_id=str(row["account_id"].iloc[0]),
        changes={name: (_number(row[name].iloc[0]), float(value)) for name, value in changes.items()},
        probability_before=float(scores[0]["churn_probability"].iloc[0]),
        probability_after=float(scores[1]["churn_probability"].iloc[0]),
        health_before=_number(healths[0]["health_score"]),
        health_after=_number(healths[1]["health_score"]),
        band_before=str(healths[0]["band"]),
        band_after=str(healths[1]["band"]),
        outside=tuple(name for name, value in changes.items() if _outside(value, reference.ranges.get(name))),
        linked=_linked(model, changes),
    )


def _outside(value: float, seen: tuple[float, float] | None) -> bool:
    return seen is None or not seen[0] <= value <= seen[1]


def _linked(model: Explainable, changes: Mapping[str, float]) -> tuple[str, ...]:
    measured = {model.features.spec(name).measure for name in changes} - {""}
    return tuple(spec.name for spec in model.features if spec.measure in measured and spec.name not in changes)


def _number(value: Any) -> float | None:
    return None if pd.isna(value) else float(value)
