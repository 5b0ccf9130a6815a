"""Peers: where an account stands among accounts of its kind at the same as_of."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from churnml.features.families.context import attribute
from churnml.features.inputs import Inputs
from churnml.features.keys import Floats, Keys
from churnml.features.measures import Direct, Measure, Scope
from churnml.language import Text

__all__ = ["MIN_PEERS", "group_words", "percentile", "rank_of"]

MIN_PEERS = 5
"""A smaller group is compared with all accounts of the `as_of`; fewer of these still: missing."""


def rank_of(base: Measure, scope: Scope) -> Iterator[Measure]:
    """Yield the percentile of a measure among peers, if it declares one. It inherits the direction of the risk."""
    if not base.ranked:
        return
    column = base.column(scope.main_window if base.windowed else None)
    meaning = Text.of("feature-percentile.meaning", of=base.called)
    if base.windowed:
        meaning = Text.of("feature-percentile.over", of=base.called, days=scope.main_window)
    yield Measure(
        name=f"{base.name}_percentile",
        family=base.family,
        unit="share",
        missing=Text.of("missing-percentile", least=MIN_PEERS),
        label=Text.of("feature-percentile.label", of=base.called),
        meaning=meaning,
        make=Direct(
            lambda inputs, window: percentile(inputs.keys, group_words(inputs), inputs.made[column]), from_events=False
        ),
        table=base.table,
        needs=base.needs,
        after=(base.name,),
        after_any=("plan", "seats"),
        windowed=False,
        among_rows=True,
        kind="peer",
        actionable=False,
        risk_direction=base.risk_direction,
        constrained=base.constrained,
        of=base.name,
    )


def group_words(inputs: Inputs) -> np.ndarray:
    """Return each row's peer group: ``peer_by``, else plan, else seats in powers of two, else everyone."""
    by, made = inputs.config.peer_by, inputs.made
    if by is not None and not (by == "plan" and "plan" in made):
        return attribute(inputs, by)
    if "plan" in made and any(word is not None and word == word for word in made["plan"]):
        return np.asarray(made["plan"])
    if "seats" in made and np.isfinite(made["seats"]).any():
        return np.array([f"{size:.0f}" for size in np.floor(np.log2(np.nan_to_num(made["seats"]) + 1))], dtype=object)
    return np.full(len(inputs.keys), "all", dtype=object)


def percentile(keys: Keys, groups: np.ndarray, values: Floats) -> Floats:
    """Return the share of peers below each value, ties at one half.

    Examples
    --------
    >>> keys = Keys(np.array(list("abcde"), dtype=object), np.arange(5), np.full(5, 100))
    >>> percentile(keys, np.full(5, "all", dtype=object), np.array([1.0, 2.0, 2.0, 4.0, np.nan])).tolist()
    [nan, nan, nan, nan, nan]
    >>> percentile(keys, np.full(5, "all", dtype=object), np.array([1.0, 2.0, 2.0, 4.0, 9.0])).tolist()
    [0.1, 0.4, 0.4, 0.7, 0.9]
    """
    frame = pd.DataFrame({"day": keys.day, "group": pd.Series(groups, dtype="object").fillna(""), "value": values})
    near = frame.groupby(["day", "group"])["value"]
    wide = frame.groupby("day")["value"]
    among_near = (near.rank() - 0.5) / near.transform("count")
    among_all = (wide.rank() - 0.5) / wide.transform("count")
    rank = among_near.where(near.transform("count") >= MIN_PEERS, among_all.where(wide.transform("count") >= MIN_PEERS))
    return np.asarray(rank.to_numpy(dtype=np.float64))
