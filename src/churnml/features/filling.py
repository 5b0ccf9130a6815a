"""Frames of features, filled column by column: the numbers lie in one block from the start, and are held once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from churnml.features.inputs import Columns
from churnml.features.keys import Ints
from churnml.features.spec import FeatureSet
from churnml.memory import release

__all__ = ["filled_frames"]

_COLUMNS_AT_ONCE = 32
"""So many columns go over to the frames before the memory of what they were made as is given back."""


def filled_frames(
    spines: Sequence[pd.DataFrame], places: Sequence[Ints], feature_set: FeatureSet, made: Columns
) -> list[pd.DataFrame]:
    """Return spines with their features; each column is taken out of `made` when it goes over to the frames.

    Parameters
    ----------
    spines : sequence of DataFrame
    places : sequence of ndarray of int
        Of each spine, where the values of its rows stand in the columns.
    feature_set : FeatureSet
        The columns that are wanted, in order.
    made : dict
        Name → values; emptied.
    """
    fillings = [_Filling(spine, place, feature_set) for spine, place in zip(spines, places, strict=True)]
    for at, spec in enumerate(feature_set, 1):
        values = made.pop(spec.name)
        if spec.categorical:
            words = pd.Series(pd.Categorical(values))
            for filling in fillings:
                filling.add_words(spec.name, words)
        else:
            for filling in fillings:
                filling.add_numbers(values)
        if at % _COLUMNS_AT_ONCE == 0:
            del values
            release()
    made.clear()
    return [filling.frame() for filling in fillings]


class _Filling:
    """A frame that is being filled."""

    def __init__(self, spine: pd.DataFrame, place: Ints, feature_set: FeatureSet) -> None:
        self._spine, self._place, self._names = spine, place, feature_set.names
        self._words: dict[str, pd.Series] = {}
        self._numeric = [spec.name for spec in feature_set if not spec.categorical]
        self._numbers, self._filled = np.empty((len(self._numeric), len(spine))), 0

    def add_numbers(self, values: np.ndarray) -> None:
        """Add the next column of numbers."""
        self._numbers[self._filled] = values[self._place]
        self._filled += 1

    def add_words(self, name: str, words: pd.Series) -> None:
        """Add a column of words; the frame has all categories, also those that none of its rows has."""
        self._words[name] = words.iloc[self._place].set_axis(self._spine.index)

    def frame(self) -> pd.DataFrame:
        """Return the frame with all columns in their order."""
        rest = self._spine.drop(columns=[name for name in self._names if name in self._spine])
        made = pd.DataFrame(self._numbers.T, columns=self._numeric, index=self._spine.index, copy=False)
        for at, name in enumerate(self._names):
            if name in self._words:
                made.insert(at, name, self._words[name])
        return pd.concat([rest, made], axis=1)
