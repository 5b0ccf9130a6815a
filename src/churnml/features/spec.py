"""What a feature is: its name, family, unit, window, meaning in words, and what a missing value means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from typing import Any, Literal, get_args

import pandas as pd
from pydantic import TypeAdapter

from churnml.errors import ConfigError, near_name
from churnml.language import Argument, Text, one_of, render

__all__ = ["FAMILIES", "FeatureSet", "FeatureSpec", "Kind", "Sign"]

Kind = Literal["level", "trend", "peer", "age", "flag", "category"]
Sign = Literal[-1, 0, 1]

FAMILIES = (
    "engagement", "adoption", "support", "sentiment", "commercial", "relationship", "onboarding", "context",
)  # fmt: skip
"""Families of features. Trends belong to the family of what they measure; peers too."""


@dataclass(frozen=True)
class FeatureSpec:
    """One feature.

    Parameters
    ----------
    name : str
        Column name; the window is its last part (``active_users_28d``).
    family : str
        One of `FAMILIES`.
    unit : str
        ``"users"``, ``"days"``, ``"events"``, ``"share"`` (0–1), ``"currency"``, ``"points"`` … ; empty for words.
    missing : Text or Words
        What a missing value means.
    label : Text or Words
        Short noun phrase without the window: active users. Of a built-in feature a code of the catalogue, of a
        company's own its words.
    description : Text or Words
        One sentence that defines the feature.
    table : str
        Canonical table it is made from; ``"spine"`` for none.
    window_days : int or None
        Length of the window ``[as_of − w, as_of)``; None where there is none.
    measure : str
        Name without window and kind (``active_users``): windows, trends and peers of one measure share it.
    kind : {"level", "trend", "peer", "age", "flag", "category"}
        How a sentence about it is built.
    actionable : bool
        A CSM can act on it; otherwise it is context.
    monotone : {-1, 0, 1}
        +1: more of it never lowers the churn risk; −1: never raises it; 0: not declared.
    categorical : bool
        The column holds words.
    risk_direction : {-1, 0, 1}
        What domain knowledge says: +1: more of it goes with more risk of churn; −1: with less; 0: nothing general.
    event_kind : str
        Slug of the one kind of event that it is about; empty where it is about none.

    Examples
    --------
    >>> from churnml.language import Text
    >>> spec = FeatureSpec("active_users_28d", "engagement", "users", Text.of("missing-no_day_seen"),
    ...                    Text.of("m-active_users.label"), Text.of("m-active_users.meaning", w=28), "events", 28,
    ...                    "active_users")
    >>> spec.kind, str(spec.label), str(spec.description)
    ('level', 'active users', 'Distinct users with an event in the last 28 days.')
    """

    name: str
    family: str
    unit: str
    missing: Argument
    label: Argument
    description: Argument
    table: str
    window_days: int | None = None
    measure: str = ""
    kind: Kind = "level"
    actionable: bool = True
    monotone: Sign = 0
    categorical: bool = False
    risk_direction: Sign = 0
    event_kind: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as JSON-ready data."""
        return dict(_adapter().dump_python(self, mode="json"))


@cache
def _adapter() -> TypeAdapter[FeatureSpec]:
    return TypeAdapter(FeatureSpec)


def _read(item: Mapping[str, Any]) -> FeatureSpec:
    """Return a feature from JSON; of an earlier version, with its words in two languages."""
    data = dict(item)
    if "label_en" in data:
        for name in ("label", "description"):
            said = {language: data.pop(f"{name}_{language}") for language in ("en", "ja")}
            data[name] = {"kind": "words", "by_language": said}
        said = {"en": data["missing"], "ja": data.pop("missing_ja", "") or data["missing"]}
        data["missing"] = {"kind": "words", "by_language": said}
    return _adapter().validate_python(data)


class FeatureSet(Sequence[FeatureSpec]):
    """An ordered catalogue of features with unique names.

    Parameters
    ----------
    specs : sequence of FeatureSpec
        In column order.
    """

    def __init__(self, specs: Sequence[FeatureSpec]) -> None:
        self._specs = tuple(specs)
        self._by_name = {spec.name: spec for spec in self._specs}
        if len(self._by_name) != len(self._specs):
            names = [spec.name for spec in self._specs]
            twice = sorted({name for name in names if names.count(name) > 1})
            raise ConfigError(
                Text.of("fault-feature_twice", names=", ".join(twice)),
                where="features",
                got=Text.of("fault-feature_twice.got"),
                code="features.duplicate",
            )

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, str):
            return self.spec(index)
        return self._specs[index]

    def __len__(self) -> int:
        return len(self._specs)

    def __iter__(self) -> Iterator[FeatureSpec]:
        return iter(self._specs)

    def __contains__(self, name: object) -> bool:
        return name in self._by_name or name in self._specs

    def spec(self, name: str) -> FeatureSpec:
        """Return the feature of that name, or raise `ConfigError` naming the near one."""
        if name not in self._by_name:
            near = near_name(name, self._by_name)
            raise ConfigError(
                Text.of("fault-no_feature", name=repr(name)),
                expected=one_of((), near) or Text.of("fault-no_feature.listed"),
                code="features.unknown",
            )
        return self._by_name[name]

    @property
    def names(self) -> list[str]:
        """Column names in order."""
        return [spec.name for spec in self._specs]

    @property
    def categorical(self) -> list[str]:
        """Names of the columns that hold words."""
        return [spec.name for spec in self._specs if spec.categorical]

    @property
    def directions(self) -> dict[str, Sign]:
        """Feature → the direction that domain knowledge gives it; 0 for none, and for words."""
        return {spec.name: 0 if spec.categorical else spec.risk_direction for spec in self._specs}

    @property
    def windows_days(self) -> tuple[int, ...]:
        """Lengths of the windows that features look back over, days, ascending."""
        return tuple(sorted({spec.window_days for spec in self._specs if spec.window_days is not None}))

    def level(self, measure: str, near_days: int = 28) -> str | None:
        """Return the column of a measure's own values, its window nearest to `near_days` where it has one.

        Of two windows equally near the shorter one is taken; None where there is no such feature.
        """
        fit = [spec for spec in self._specs if (spec.measure or spec.name) == measure and spec.kind in ("level", "age")]
        distance = {spec.name: (abs((spec.window_days or 0) - near_days), spec.window_days or 0) for spec in fit}
        return min(distance, key=lambda name: distance[name]) if distance else None

    @property
    def event_kinds(self) -> tuple[str, ...]:
        """Slugs of the event kinds that features are about, ascending."""
        return tuple(sorted({spec.event_kind for spec in self._specs if spec.event_kind}))

    def select(self, family: str | None = None, kind: str | None = None, name: str | None = None) -> FeatureSet:
        """Return the features of a family, of a kind, and with a name that fits a pattern such as ``tickets_*``.

        Raises
        ------
        ConfigError
            There is no such family or kind, or nothing fits.
        """
        for what, asked, known in (("family", family, tuple(FAMILIES)), ("kind", kind, get_args(Kind))):
            if asked is not None and asked not in known:
                near = near_name(asked, known)
                raise ConfigError(
                    Text.of(f"fault-no_feature_of.{what}", asked=repr(asked)),
                    expected=one_of(known, near),
                    code=f"features.unknown_{what}",
                )
        chosen = [
            spec
            for spec in self._specs
            if (family is None or spec.family == family)
            and (kind is None or spec.kind == kind)
            and (name is None or fnmatchcase(spec.name, name))
        ]
        if not chosen:
            near = near_name(name.strip("*"), self._by_name) if name else None
            raise ConfigError(
                Text.of("fault-no_feature_fits"),
                got=", ".join(
                    f"{what} {asked}"
                    for what, asked in zip(("family", "kind", "name"), (family, kind, name), strict=True)
                    if asked
                ),
                expected=one_of((), near),
                code="features.none",
            )
        return FeatureSet(chosen)

    def frame(self, language: str = "en") -> pd.DataFrame:
        """Return the catalogue as a frame, one row per feature, its words in a language."""
        said = ("label", "description", "missing")
        rows = [
            {**vars(spec), **{name: render(getattr(spec, name), language) for name in said}} for spec in self._specs
        ]
        return pd.DataFrame(rows)

    def as_dicts(self) -> list[dict[str, Any]]:
        """Return the catalogue as JSON-ready data."""
        return [spec.as_dict() for spec in self._specs]

    @classmethod
    def from_dicts(cls, data: Sequence[dict[str, Any]]) -> FeatureSet:
        """Rebuild a catalogue from `as_dicts`."""
        return cls([_read(item) for item in data])
