"""Which features tell most by themselves: a model of few answers is better off with few questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from churnml.features.spec import FeatureSpec

__all__ = ["Telling"]

Array = npt.NDArray[np.float64]

_LEAST_KNOWN = 0.3


@dataclass(frozen=True)
class Telling:
    """Snapshots whose numbers are put in order once, for all questions that are asked about them.

    Parameters
    ----------
    specs : tuple of FeatureSpec
        Words and numbers.
    numbers : tuple of FeatureSpec
        Those of them that are numbers.
    places : array of int32, shape (numbers, n)
        Place of each snapshot among the distinct values of a number, from 1; 0 where it is missing.

    Examples
    --------
    >>> frame = pd.DataFrame({"use": [1.0, 2.0, 3.0, 4.0], "noise": [1.0, 3.0, 4.0, 2.0]})
    >>> specs = [FeatureSpec(name, "engagement", "", "", name, name, "events") for name in frame]
    >>> told = Telling.of(frame, specs).features(np.arange(4), np.array([1.0, 1.0, 0.0, 0.0]), 1)
    >>> [spec.name for spec in told]
    ['use']
    """

    specs: tuple[FeatureSpec, ...]
    numbers: tuple[FeatureSpec, ...]
    places: npt.NDArray[np.int32]

    @classmethod
    def of(cls, frame: pd.DataFrame, specs: Sequence[FeatureSpec]) -> Self:
        """Put the numbers of snapshots in order.

        Parameters
        ----------
        frame : DataFrame
            Features of the snapshots.
        specs : sequence of FeatureSpec
        """
        numbers = tuple(spec for spec in specs if not spec.categorical)
        values = frame[[spec.name for spec in numbers]].to_numpy(dtype=np.float64, na_value=np.nan)
        columns = np.ascontiguousarray(values.T)
        return cls(tuple(specs), numbers, np.array([_places(column) for column in columns], dtype=np.int32))

    def features(self, row: npt.NDArray[np.intp], lost: Array, most: int) -> list[FeatureSpec]:
        """Return the features to learn from: words all, and of each measure the number that ranks the losses best.

        Parameters
        ----------
        row : array of shape (q,)
            Snapshot of each question.
        lost : array of shape (q,)
            1 where the account was lost; both outcomes occur.
        most : int
            So many numbers at most.

        Returns
        -------
        list of FeatureSpec
            In the order of `specs`.
        """
        used = np.unique(row)
        asked = np.bincount(row, minlength=used[-1] + 1)[used].astype(np.float64)
        gone = np.bincount(row, weights=lost, minlength=used[-1] + 1)[used]
        best: dict[str, tuple[float, str]] = {}
        for spec, places in zip(self.numbers, self.places[:, used], strict=True):
            left, known_of = (np.bincount(places, weights=weight)[1:] for weight in (gone, asked))
            known, losses = float(known_of.sum()), float(left.sum())
            if known < _LEAST_KNOWN * len(row) or not 0 < losses < known:
                continue
            stayed = known_of - left
            wins = float(left @ (np.cumsum(stayed) - stayed / 2.0))
            strength = abs(wins / (losses * (known - losses)) - 0.5) * (known / len(row)) ** 0.5
            measure = spec.measure or spec.name
            best[measure] = max(best.get(measure, (0.0, "")), (strength, spec.name))
        chosen = {name for _, name in sorted(best.values(), reverse=True)[:most]}
        return [spec for spec in self.specs if spec.categorical or spec.name in chosen]


def _places(values: Array) -> npt.NDArray[np.int32]:
    order = np.argsort(values)  # missing ones last
    ordered = values[order]
    places = np.empty(len(values), dtype=np.int32)
    places[order] = np.cumsum(np.r_[True, ordered[1:] != ordered[:-1]][: len(values)])
    places[np.isnan(values)] = 0
    return places
