"""The catalogue: which features a company's tables and config allow, and which are off and why."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from churnml.config import FeatureConfig
from churnml.errors import ConfigError, near_name
from churnml.features.events.rollup import slug
from churnml.features.families import REGISTRY
from churnml.features.families.context import check_attribute
from churnml.features.measures import Measure, Scope
from churnml.features.peers import rank_of
from churnml.features.spec import FAMILIES, FeatureSet, FeatureSpec
from churnml.features.trends import trends_of
from churnml.features.user import user_measures
from churnml.language import Text, one_of
from churnml.tables import Tables

__all__ = ["catalogue", "declared", "login_events", "skipped"]


def catalogue(tables: Tables, config: FeatureConfig) -> FeatureSet:
    """Return the features that the tables allow and the config wants, in column order.

    Parameters
    ----------
    tables : Tables
        The company's tables; what they supplied decides which features exist.
    config : FeatureConfig
        Windows, families, kinds of event, exclusions.

    Returns
    -------
    FeatureSet

    Raises
    ------
    ConfigError
        A family, an event kind or an attribute that the config names does not exist, or nothing is left.
    """
    _check_families(config)
    _check_attributes(tables, config)
    scope = _scope(tables, config)
    _check_extra(scope)
    possible = [measure for measure in declared(scope) if not scope.missing_needs(measure)]
    specs = [spec for measure in possible for spec in measure.specs(scope)]
    wanted = [spec for spec in specs if _wanted(spec, config)]
    if not wanted:
        raise ConfigError(Text.of("fault-no_feature_left"), where="features", code="features.none")  # fmt: skip
    return FeatureSet(wanted)


def skipped(tables: Tables, config: FeatureConfig) -> dict[str, Text]:
    """Return the measures that are off because something was not supplied, and why.

    Returns
    -------
    dict of str to str
        Measure → reason, e.g. ``{"seats": "`subscriptions` has no `seats`"}``.
    """
    scope = _scope(tables, config)
    reasons = {
        measure.name: scope.missing_needs(measure)
        for measure in declared(scope)
        if not config.families or measure.family in config.families
    }
    return {name: reason for name, reason in reasons.items() if reason}


def login_events(config: FeatureConfig) -> tuple[str, ...]:
    """Return the event types that count as logins."""
    return config.login_events or ("login",)


def declared(scope: Scope) -> Iterator[Measure]:
    """Yield every measure with its trends and its rank, in column order, whether or not the tables allow it."""
    for family in REGISTRY:
        for measure in family.measures(scope):
            yield measure
            yield from trends_of(measure)
            yield from rank_of(measure, scope)
    yield from user_measures(scope.config)


def _wanted(spec: FeatureSpec, config: FeatureConfig) -> bool:
    if config.families and spec.family not in config.families:
        return False
    return not any(fnmatchcase(spec.name, pattern) for pattern in config.exclude)


def _check_families(config: FeatureConfig) -> None:
    for family in config.families:
        if family not in FAMILIES:
            near = near_name(family, FAMILIES)
            raise ConfigError(
                Text.of("fault-no_family", family=repr(family)),
                where="features.families",
                expected=one_of(FAMILIES, near),
                code="features.unknown_family",
            )


def _check_extra(scope: Scope) -> None:
    optional = [measure.name for measure in declared(scope) if measure.optional]
    for name in scope.config.extra:
        if name not in optional:
            near = near_name(name, optional)
            raise ConfigError(
                Text.of("fault-no_extra", name=repr(name)),
                where="features.extra",
                expected=one_of(optional, near),
                code="features.unknown_extra",
            )


def _check_attributes(tables: Tables, config: FeatureConfig) -> None:
    for name in config.attributes:
        check_attribute(tables, name, "features.attributes")
    if config.peer_by and config.peer_by != "plan":
        check_attribute(tables, config.peer_by, "features.peer_by")


def _scope(tables: Tables, config: FeatureConfig) -> Scope:
    """Look at the kinds of event, once."""
    if "events" not in tables:
        return Scope(tables, config, {}, frozenset(), ())
    events = tables["events"]
    counted = events.group_by("event_type").agg(events=events.event_count.sum(), valued=events["value"].count())
    frame = counted.to_pandas().sort_values(["events", "event_type"], ascending=[False, True])
    known = list(frame["event_type"])
    _check_kinds(config, known)
    logins = tuple(kind for kind in login_events(config) if kind in known)
    chosen = list(config.event_types) or [kind for kind in known if kind not in logins][: config.max_event_types]
    valued = frozenset(slug(kind) for kind, count in zip(frame["event_type"], frame["valued"], strict=True) if count)
    return Scope(tables, config, {slug(kind): kind for kind in chosen}, valued, logins)


def _check_kinds(config: FeatureConfig, known: list[str]) -> None:
    named = {
        "event_types": config.event_types,
        "core_features": config.core_features,
        "login_events": config.login_events,
    }
    for key, kinds in named.items():
        for kind in kinds:
            if kind not in known:
                near = near_name(kind, known)
                raise ConfigError(
                    Text.of("fault-no_event_kind", kind=repr(kind)),
                    where=f"features.{key}",
                    expected=one_of(known[:20], near),
                    code="features.unknown_kind",
                )
