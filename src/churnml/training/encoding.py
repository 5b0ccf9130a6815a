"""Words to codes: a frame's columns as one float matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from churnml.errors import DataError, near_name
from churnml.language import Text

__all__ = ["categories_of", "encode"]

_MOST_WORDS = 100
_FEWEST_ROWS = 10
_CELLS = 4_000_000
"""Numbers copied at a time: a large frame is not copied whole on its way into the matrix."""


def categories_of(frame: pd.DataFrame, columns: Sequence[str]) -> dict[str, list[str]]:
    """Return the words of each column that occur often enough to learn from, in alphabetical order.

    A word in fewer than 10 rows (fewer in frames of under 200), or beyond the 100 most frequent, is treated like a
    word never seen: missing.

    Examples
    --------
    >>> categories_of(pd.DataFrame({"plan": ["pro"] * 12 + ["free"] * 10 + ["odd"]}), ["plan"])
    {'plan': ['free', 'pro']}
    """
    categories: dict[str, list[str]] = {}
    for column in columns:
        counts = frame[column].astype("object").dropna().astype(str).value_counts()
        frequent = counts[counts >= min(_FEWEST_ROWS, max(len(frame) // 20, 2))]
        ranked = sorted(frequent.items(), key=lambda item: (-int(item[1]), str(item[0])))
        categories[column] = sorted(str(word) for word, _ in ranked[:_MOST_WORDS])
    return categories


def encode(
    frame: pd.DataFrame, columns: Sequence[str], categories: Mapping[str, Sequence[str]]
) -> npt.NDArray[np.float64]:
    """Return the named columns as a float matrix; words become codes, unknown words and nulls NaN.

    Raises
    ------
    DataError
        A column is missing from the frame, or holds something that is no number.

    Examples
    --------
    >>> encode(pd.DataFrame({"a": [1, 2], "plan": ["pro", "new"]}), ["a", "plan"], {"plan": ["free", "pro"]})
    array([[ 1.,  1.],
           [ 2., nan]])
    """
    for column in columns:
        if column not in frame.columns:
            raise _missing(frame, column)
    matrix = np.empty((len(frame), len(columns)), dtype=np.float64)
    numeric = [index for index, column in enumerate(columns) if column not in categories]
    width = max(_CELLS // max(len(frame), 1), 1)
    try:
        for at in range(0, len(numeric), width):
            block = numeric[at : at + width]
            part = frame[[columns[index] for index in block]]
            matrix[:, block] = part.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise _not_numeric(frame, [columns[index] for index in numeric]) from error
    for index, column in enumerate(columns):
        if column in categories:
            words = pd.Index(frame[column].astype("object").map(str, na_action="ignore"), dtype="object")
            codes = pd.Index(list(categories[column]), dtype="object").get_indexer(words)
            matrix[:, index] = np.where(codes < 0, np.nan, codes)
    return matrix


def _missing(frame: pd.DataFrame, column: str) -> DataError:
    near = near_name(column, (str(name) for name in frame.columns))
    return DataError(
        Text.of("fault-feature_missing", column=column),
        where=column,
        got=Text.of(
            "fault-feature_missing.near" if near else "fault-feature_missing.columns",
            n=len(frame.columns),
            near=repr(near),
        ),
        code="data.feature_missing",
    )


def _not_numeric(frame: pd.DataFrame, columns: Sequence[str]) -> DataError:
    bad = [name for name in columns if not pd.api.types.is_numeric_dtype(frame[name].dtype)]
    example = frame[bad[0]].dropna().iloc[0] if bad and frame[bad[0]].notna().any() else None
    return DataError(
        Text.of("fault-feature_type"), where=", ".join(bad[:5]) or None, got=repr(example), code="data.feature_type"
    )
