"""What the champion says of accounts: frames for a whole cohort, one typed record per account."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, overload

import pandas as pd

from churnml.explain import Explanation
from churnml.language import Text

if TYPE_CHECKING:
    from churnml.explain.lifetime import Lifetime

__all__ = ["Assessment", "Assessments"]

_KEY = ["account_id", "as_of"]
_HEALTH = ("health_score", "band", "coverage", "reason_texts")


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
    reasons : tuple of Text
        What capped or limited the health score.
    explanation : Explanation or None
        None where none was asked for.
    lifetime : Lifetime or None
        When it will be lost, and what it is worth until then; None where no survival curves are shown.
    """

    account_id: str
    as_of: date
    probability: float
    horizons: Mapping[int, float]
    lift: float
    health_score: float | None
    band: str
    coverage: float
    reasons: tuple[Text, ...]
    explanation: Explanation | None = None
    lifetime: Lifetime | None = None


@dataclass(frozen=True)
class Assessments(Sequence[Assessment]):
    """What the champion says of the rows of a frame, in its order.

    Parameters
    ----------
    scores : DataFrame
        As `churnml.scoring.score` returns it.
    health : DataFrame
        As `churnml.health.score_health` returns it.
    explanations : tuple of Explanation
        One a row; empty where none were asked for.
    output : str
        Column of the probability in `scores`.
    horizon_columns : mapping of int to str
        Horizon in days → its column in `scores`.
    lifetimes : tuple of Lifetime
        One a row; empty where no survival curves are shown.
    """

    scores: pd.DataFrame
    health: pd.DataFrame
    explanations: tuple[Explanation, ...]
    output: str
    horizon_columns: Mapping[int, str]
    lifetimes: tuple[Lifetime, ...] = ()

    def table(self) -> pd.DataFrame:
        """Return scores and health side by side, keyed ``(account_id, as_of)``; texts as JSON-ready data."""
        rows = self.health["reason_texts"].tolist()
        # Most rows share their texts: each becomes data once.
        unique = {id(text): text for row in rows for text in row}
        as_data = {place: text.model_dump(mode="json") for place, text in unique.items()}
        texts = [[as_data[id(text)] for text in row] for row in rows]
        health = self.health.assign(reason_texts=pd.Series(texts, index=self.health.index, dtype=object))
        return self.scores.merge(health, on=_KEY, validate="1:1")

    def by_horizon(self) -> list[dict[int, float]]:
        """Return each row's probabilities, horizon in days → 0–1."""
        rows = self.scores[list(self.horizon_columns.values())].to_numpy(dtype=float).tolist()
        return [dict(zip(self.horizon_columns, row, strict=True)) for row in rows]

    def __len__(self) -> int:
        return len(self.scores)

    def __iter__(self) -> Iterator[Assessment]:
        explanations = self.explanations or (None,) * len(self)
        lifetimes = self.lifetimes or (None,) * len(self)
        health = (self.health[name].tolist() for name in _HEALTH)
        for (
            account_id,
            as_of,
            probability,
            horizons,
            lift,
            score,
            band,
            coverage,
            reasons,
            explanation,
            lifetime,
        ) in zip(
            self.scores["account_id"],
            self.scores["as_of"],
            self.scores[self.output].tolist(),
            self.by_horizon(),
            self.scores["lift"].tolist(),
            *health,
            explanations,
            lifetimes,
            strict=True,
        ):
            yield Assessment(
                account_id=str(account_id),
                as_of=as_of.date(),
                probability=probability,
                horizons=horizons,
                lift=lift,
                health_score=None if math.isnan(score) else score,
                band=str(band),
                coverage=coverage,
                reasons=tuple(reasons),
                explanation=explanation,
                lifetime=lifetime,
            )

    @overload
    def __getitem__(self, index: int) -> Assessment: ...
    @overload
    def __getitem__(self, index: slice) -> Assessments: ...
    def __getitem__(self, index: int | slice) -> Assessment | Assessments:
        if isinstance(index, slice):
            return replace(
                self,
                scores=self.scores.iloc[index],
                health=self.health.iloc[index],
                explanations=self.explanations[index],
                lifetimes=self.lifetimes[index],
            )
        place = range(len(self))[index]
        return next(iter(self[place : place + 1]))
