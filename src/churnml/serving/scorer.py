"""From feature values in a request to a probability, a health score and an explanation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any

from churnml.errors import near_name
from churnml.language import Text
from churnml.serving.http.problems import Problem
from churnml.store import plain

if TYPE_CHECKING:
    import pandas as pd

    from churnml.assessment import Assessment
    from churnml.config import DisplayConfig
    from churnml.registry import Bundle

__all__ = ["Row", "Scored", "Scorer", "features_of"]

Value = float | str | None
_HINTS, _LONGEST = 3, 80
"""Unknown names for which a near one is looked for, and the longest of them."""


@dataclass(frozen=True)
class Row:
    """One account as a request describes it."""

    features: Mapping[str, Value]
    as_of: date
    account_id: str = "request"
    arr: float | None = None


@dataclass(frozen=True)
class Scored:
    """What a row scored. `reasons` say what capped or limited the health score."""

    churn_probability: float
    horizons: Mapping[str, float]
    lift: float
    health_score: float | None
    band: str
    coverage: float | None
    reasons: Sequence[Text]
    missing: int


class Scorer:
    """One verified bundle, ready to score rows.

    Parameters
    ----------
    bundle : Bundle
        As `churnml.registry.load_bundle` returns it.
    display : DisplayConfig, optional
        What raw names are called.
    """

    def __init__(self, bundle: Bundle, display: DisplayConfig | None = None) -> None:
        from churnml.assessment import Champion
        from churnml.registry import level_gaps_of

        self.bundle = bundle
        self.model = bundle.model
        self.champion = Champion.of(bundle, display=display)
        self.verdict = bundle.manifest.verdict
        self.level_gaps = level_gaps_of(bundle.manifest)
        used = [
            name
            for measure in self.champion.scale.measures
            for name in (measure.feature, measure.per, measure.age_feature)
        ]
        extra = [name for name in used if name is not None and name not in self.model.features.names]
        self.names = [*self.model.features.names, *dict.fromkeys(extra)]
        self._words = frozenset(self.model.features.categorical)
        self._known = frozenset(self.names)

    @property
    def version(self) -> str:
        """The bundle's version."""
        return self.bundle.version

    def knows(self, features: Mapping[str, Value]) -> bool:
        """Tell whether each name is a feature's."""
        return self._known.issuperset(features)

    def check(self, features: Mapping[str, Value], base: str = "/features", *, hint: bool = True) -> None:
        """Refuse unknown names and values of the wrong kind.

        Parameters
        ----------
        features : mapping
            Feature name → value.
        base : str
            Where they stand in the request, as a JSON pointer.
        hint : bool
            Name the near name of the first few unknown ones; it takes milliseconds each, so not in a batch.

        Raises
        ------
        Problem
            ``features.unknown`` or ``features.invalid``, naming each fault and the near name.
        """
        unknown = [name for name in features if name not in self._known]
        if unknown:
            faults = []
            for place, name in enumerate(unknown[:20]):
                near = near_name(name, self.names) if hint and place < _HINTS and len(name) <= _LONGEST else None
                form = "detail-no_feature.near" if near else "detail-no_feature"
                faults.append((_pointer(base, name), Text.of(form, name=repr(name[:80]), near=repr(near))))
            first = Text.of("detail-no_features", n=str(len(unknown)), first=faults[0][1])
            raise Problem("features.unknown", first, errors=faults)
        faults = [
            (_pointer(base, name), fault)
            for name, value in features.items()
            if (fault := self._fault(name, value)) is not None
        ]
        if faults:
            where = faults[0][0].rsplit("/", 1)[-1]
            raise Problem(
                "features.invalid", Text.of("detail-feature", name=where, fault=faults[0][1]), errors=faults[:20]
            )

    def _fault(self, name: str, value: Value) -> Text | None:
        if value is None:
            return None
        if name in self._words:
            return None if isinstance(value, str) else Text.of("detail-must_be.text")
        if isinstance(value, str):
            return Text.of("detail-must_be.number")
        return None if math.isfinite(value) else Text.of("detail-must_be.finite")

    def unknown_words(self, features: Mapping[str, Value]) -> list[str]:
        """Return the categorical features whose word the model has never seen, which counts as missing."""
        return [
            name
            for name in self._words
            if isinstance(features.get(name), str) and features[name] not in self.model.categories.get(name, ())
        ]

    def frame(self, rows: Sequence[Row]) -> pd.DataFrame:
        """Return rows as a feature frame; a feature that is not given is null."""
        import numpy as np
        import pandas as pd

        numbers = [name for name in self.names if name not in self._words]
        values = np.full((len(rows), len(numbers)), np.nan)
        place = {name: column for column, name in enumerate(numbers)}
        for number, row in enumerate(rows):
            for name, value in row.features.items():
                if value is not None and name in place:
                    values[number, place[name]] = value
        frame = pd.DataFrame(values, columns=numbers)
        for name in self.names:
            if name in self._words:
                frame[name] = pd.Series([row.features.get(name) for row in rows], dtype=object)
        # A request may name an account twice; the key must not stand twice.
        frame["account_id"] = [str(number) for number in range(len(rows))]
        frame["as_of"] = pd.to_datetime([row.as_of for row in rows])
        frame["arr"] = [math.nan if row.arr is None else row.arr for row in rows]
        return frame

    def score(self, rows: Sequence[Row]) -> list[Scored]:
        """Score rows: the same functions, to the last digit, as the batch run."""
        judged = self.champion.judge(self.frame(rows))
        return [self._scored(row, assessment) for row, assessment in zip(rows, judged, strict=True)]

    def _scored(self, row: Row, assessment: Assessment) -> Scored:
        return Scored(
            churn_probability=assessment.probability,
            horizons={str(days): chance for days, chance in assessment.horizons.items()},
            lift=assessment.lift,
            health_score=assessment.health_score,
            band=assessment.band,
            coverage=plain(assessment.coverage),
            reasons=assessment.reasons,
            missing=sum(row.features.get(name) is None for name in self.model.features.names),
        )

    def explain(self, row: Row, currency: str) -> tuple[Scored, dict[str, Any]]:
        """Score and explain one row; the explanation as JSON-ready data."""
        (assessment,) = replace(self.champion, currency=currency).assess(self.frame([row]))
        assert assessment.explanation is not None
        return self._scored(row, assessment), plain(assessment.explanation.as_dict())


def _pointer(base: str, name: str) -> str:
    return f"{base}/{name[:80].replace('~', '~0').replace('/', '~1')}"


def features_of(stored: Mapping[str, Any]) -> dict[str, Value]:
    """Return stored features as a request would give them."""
    return {name: value if value is None or isinstance(value, str) else float(value) for name, value in stored.items()}
