"""Groups of features that speak once: what moves together, and what is about one topic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from churnml.explain.reference import ExplainReference
from churnml.explain.topics import topic
from churnml.features.spec import FeatureSet

__all__ = ["group_columns"]


def group_columns(feature_set: FeatureSet, reference: ExplainReference) -> dict[tuple[str, str, bool], list[int]]:
    """Return (family, group, actionable) → columns of the model's matrix; each column is in exactly one group.

    Features that move together are one group, and so are features about one topic. A rank among peers speaks with the
    measure that it ranks.
    """
    ranked: dict[tuple[str, str], tuple[str, bool]] = {}
    for spec in feature_set:
        if spec.kind != "peer" and spec.measure:
            ranked.setdefault((spec.family, spec.measure), (reference.group(spec.name), spec.actionable))
    keys: list[tuple[str, str, bool]] = []
    for spec in feature_set:
        own = (reference.group(spec.name), spec.actionable)
        group, actionable = ranked.get((spec.family, spec.measure), own) if spec.kind == "peer" else own
        keys.append((spec.family, group, actionable))
    first: dict[tuple[str, str, bool], tuple[str, str, bool]] = {}
    merged = {key: key for key in keys}
    for key, spec in zip(keys, feature_set, strict=True):
        about = (key[0], topic(spec), key[2])
        one, other = _root(merged, first.setdefault(about, key)), _root(merged, key)
        merged[other] = one
    columns: dict[tuple[str, str, bool], list[int]] = {}
    for column, key in enumerate(keys):
        columns.setdefault(_root(merged, key), []).append(column)
    return columns


def _root(merged: Mapping[Any, Any], key: Any) -> Any:
    while merged[key] != key:
        key = merged[key]
    return key
