"""What the champion says of accounts: frames for a whole cohort, one typed record per account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, overload

import pandas as pd

from churnml.explain import Explanation

__all__ = ["Assessment", "Assessments"]

_KEY = ["account_id", "as_of"]


@dataclass(frozen=True)
class Assessment:
    """What the champion says of one account at one date.

    Parameters
    ----------
    account_id : str
    as_of : date
    probability : float
        Of what the champion predicts, within its horizon, 0–1.
    horizons : mapping of int to float
        Horizon in days → probability, 0–1; the champion's own among them.
    lift : float
        `probability` ÷ the base rate.
    health_score : float or None
        0–100.
    band : str
        red, yellow, green or unknown.
    coverage : float
        Share of the health score's weight that had data, 0–1.
    reasons : mapping of str to sequence of str
        Language → sentences on what capped or limited the health score.
    explanation : Explanation or None
        None where none was asked for.
    """

    account_id: str
    as_of: date
    probability: float
    horizons: Mapping[int, float]
    lift: float
    health_score: float | None
    band: str
    coverage: float
    reasons: Mapping[str, Sequence[str]]
    explanation: Explanation | None = None


@dataclass(frozen=True)
class Assessments(Sequence[Assessment]):
    """What the champion says of the rows of a frame, in its order.

    Parameters
    ----------
    scores : DataFrame
        As `churnml.scoring.score` returns it.
    health : DataFrame
        As `churnml.health.health` returns it.
    explanations : tuple of Explanation
        One a row; empty where none were asked for.
    output : str
        Column of the probability in `scores`.
    horizon_columns : mapping of int to str
        Horizon in days → its column in `scores`.
    """

    scores: pd.DataFrame
    health: pd.DataFrame
    explanations: tuple[Explanation, ...]
    output: str
    horizon_columns: Mapping[int, str]

    def table(self) -> pd.DataFrame:
        """Return scores and health side by side, keyed ``(account_id, as_of)``."""
        return self.scores.merge(self.health, on=_KEY, validate="1:1")

    def by_horizon(self) -> list[dict[int, float]]:
        """Return each row's probabilities, horizon in days → 0–1."""
        rows = self.scores[list(self.horizon_columns.values())].to_numpy(dtype=float).tolist()
        return [dict(zip(self.horizon_columns, row, strict=True)) for row in rows]

    def __len__(self) -> int:
        return len(self.scores)

    @overload
    def __getitem__(self, index: int) -> Assessment: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Assessment]: ...
    def __getitem__(self, index: int | slice) -> Assessment | Sequence[Assessment]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        score, health = self.scores.iloc[index], self.health.iloc[index]
        return Assessment(
            account_id=str(score["account_id"]),
            as_of=score["as_of"].date(),
            probability=float(score[self.output]),
            horizons={days: float(score[column]) for days, column in self.horizon_columns.items()},
            lift=float(score["lift"]),
            health_score=_known(health["health_score"]),
            band=str(health["band"]),
            coverage=float(health["coverage"]),
            reasons={"en": tuple(health["reasons_en"]), "ja": tuple(health["reasons_ja"])},
            explanation=self.explanations[index] if self.explanations else None,
        )


def _known(value: Any) -> float | None:
    return None if pd.isna(value) else float(value)
