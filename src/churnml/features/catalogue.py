"""The catalogue: which features a company's tables and config allow, and which are off and why."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from churnml.config import Config
from churnml.errors import ConfigError, near_name
from churnml.features.events.rollup import slug
from churnml.features.families import (
    adoption,
    billing,
    commercial,
    context,
    engagement,
    onboarding,
    relationship,
    sentiment,
    support,
)
from churnml.features.measures import Measure, Scope
from churnml.features.peers import peer_measures
from churnml.features.spec import FAMILIES, FeatureSet, FeatureSpec
from churnml.features.trends import trend_measures
from churnml.features.user import user_features
from churnml.tables import Tables

__all__ = ["SHAPED", "catalogue", "login_events", "skipped"]

SHAPED = ("events", "active_days", "active_users", "logins")
"""Event measures that also get a slope and a drop from peak."""

_TRENDING = (*SHAPED, "features_used", "tickets_opened")

_ROOMS = (
    ("engagement", engagement.measures),
    ("adoption", adoption.measures),
    ("support", support.measures),
    ("sentiment", sentiment.measures),
    ("commercial", commercial.measures),
    ("commercial", billing.measures),
    ("relationship", relationship.measures),
    ("onboarding", onboarding.measures),
    ("context", context.measures),
)


def catalogue(tables: Tables, config: Config) -> FeatureSet:
    """Return the features that the tables allow and the config wants, in column order.

    Parameters
    ----------
    tables : Tables
        The company's tables; what they supplied decides which features exist.
    config : Config
        Windows, families, kinds of event, exclusions.

    Returns
    -------
    FeatureSet

    Raises
    ------
    ConfigError
        A family or an event kind that the config names does not exist, or nothing is left.
    """
    _check_families(config)
    scope = _scope(tables, config)
    specs = [spec for measure, family, windows in _entries(scope) if not scope.missing_needs(measure)
             for spec in measure.specs(family, windows)]  # fmt: skip
    kept = [spec for spec in specs if _wanted(spec, config)]
    if not kept:
        raise ConfigError(
            "No feature is left", where="features", expected="at least one family that the tables allow",
            remedy="Check features.families and features.exclude.", code="features.none",
        )  # fmt: skip
    return FeatureSet(kept)


def skipped(tables: Tables, config: Config) -> dict[str, str]:
    """Return the measures that are off because something was not supplied, and why, in words.

    Returns
    -------
    dict of str to str
        Measure → reason, e.g. ``{"seats": "`subscriptions` has no `seats`"}``.
    """
    scope = _scope(tables, config)
    off = {}
    for measure, family, _ in _entries(scope):
        reason = scope.missing_needs(measure)
        if reason and (not config.features.families or family in config.features.families):
            off[measure.name] = reason
    return off


def login_events(config: Config) -> tuple[str, ...]:
    """Return the event types that count as logins."""
    return config.features.login_events or ("login",)


def _entries(scope: Scope) -> Iterator[tuple[Measure, str, tuple[int, ...]]]:
    """Yield every measure with its family and windows, whether or not the tables allow it."""
    windows, main = scope.windows, (scope.main_window,)
    for family, measures in _ROOMS:
        for measure in measures(scope):
            yield measure, family, windows
            yield from _trends(measure, family, windows, main)
            for peer in peer_measures(measure, scope):
                yield peer, family, ()
    for own in user_features(scope.config):
        yield own.measure, own.family, own.windows or windows


def _trends(
    measure: Measure, family: str, windows: tuple[int, ...], main: tuple[int, ...]
) -> Iterator[tuple[Measure, str, tuple[int, ...]]]:
    if measure.name in _TRENDING:
        for part, over in trend_measures(measure, windows, main, shape=measure.name in SHAPED):
            yield part, family, over
    elif measure.name.startswith("events_of_"):
        for part, over in trend_measures(measure, main, main):
            yield part, family, over


def _wanted(spec: FeatureSpec, config: Config) -> bool:
    if config.features.families and spec.family not in config.features.families:
        return False
    return not any(fnmatchcase(spec.name, pattern) for pattern in config.features.exclude)


def _check_families(config: Config) -> None:
    for family in config.features.families:
        if family not in FAMILIES:
            near = near_name(family, FAMILIES)
            raise ConfigError(
                f"There is no feature family {family!r}", where="features.families",
                expected=f"{near!r}?" if near else ", ".join(FAMILIES), code="features.unknown_family",
            )  # fmt: skip


def _scope(tables: Tables, config: Config) -> Scope:
    """Look at the kinds of event, once."""
    if "events" not in tables:
        return Scope(tables, config, {}, frozenset(), ())
    events = tables["events"]
    counted = events.group_by("event_type").agg(events=events.event_count.sum(), valued=events["value"].count())
    frame = counted.to_pandas().sort_values(["events", "event_type"], ascending=[False, True])
    known = list(frame["event_type"])
    _check_kinds(config, known)
    logins = tuple(kind for kind in login_events(config) if kind in known)
    chosen = (
        list(config.features.event_types)
        or [kind for kind in known if kind not in logins][: config.features.max_event_types]
    )
    valued = frozenset(slug(kind) for kind, count in zip(frame["event_type"], frame["valued"], strict=True) if count)
    return Scope(tables, config, {slug(kind): kind for kind in chosen}, valued, logins)


def _check_kinds(config: Config, known: list[str]) -> None:
    named = {
        "event_types": config.features.event_types,
        "core_features": config.features.core_features,
        "login_events": config.features.login_events,
    }
    for key, kinds in named.items():
        for kind in kinds:
            if kind not in known:
                near = near_name(kind, known)
                raise ConfigError(
                    f"No event is of kind {kind!r}", where=f"features.{key}",
                    expected=f"{near!r}?" if near else f"one of {', '.join(known[:20])}", code="features.unknown_kind",
                )  # fmt: skip
