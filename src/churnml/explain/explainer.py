"""`explain`: per account the probability, the health, and what raises and lowers the risk."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd

from churnml.config import DisplayConfig
from churnml.errors import DataError
from churnml.explain.batch import frame_contributions
from churnml.explain.contract import Explainable
from churnml.explain.driver import Driver
from churnml.explain.drivers import DriverBuilder
from churnml.explain.explanation import SECONDARY_FACTS, Explanation, Indicator
from churnml.explain.facts import fact
from churnml.explain.groups import group_columns
from churnml.explain.order import facts_in_order, raising_in_order
from churnml.explain.reference import ExplainReference
from churnml.explain.topics import FACT_TOPICS, SILENT, topic
from churnml.health import HealthScale, indicators, measures
from churnml.language import Quantity, Text
from churnml.training.publication import Publication

__all__ = ["explain", "explanations_of"]

_KEY = ["account_id", "as_of"]
_LEAST_POINTS = 1.0
_LEAST_SHARE = 0.2
_RAISING, _LOWERING, _CONTEXT = 3, 2, 2
_BATCH = 1000
"""Rows that are explained at once."""


def explain(
    model: Explainable,
    frame: pd.DataFrame,
    *,
    scores: pd.DataFrame,
    health: pd.DataFrame,
    scale: HealthScale,
    reference: ExplainReference,
    previous: pd.DataFrame | None = None,
    currency: str = "USD",
    display: DisplayConfig | None = None,
    core_features: Sequence[str] = (),
) -> list[Explanation]:
    """Explain every row of a frame.

    Parameters
    ----------
    model : ChurnModel
        Where its verdict is `Publication.RULES_ONLY` the drivers come from the health measures instead, and the summary
        says that the rules are used.
    frame : DataFrame
        Feature frame, keyed (account_id, as_of).
    scores, health : DataFrame
        Output of `churnml.scoring.score` and `churnml.health.score_health` for the same rows, in the same order.
    scale : HealthScale
        The recipe of the health score.
    reference : ExplainReference
        What is normal.
    previous : DataFrame, optional
        Feature frame of earlier snapshots, for values before where no trend tells them.
    currency : str
        ISO code for amounts.
    display : DisplayConfig, optional
        What event types, attributes and plans are called.
    core_features : sequence of str
        Event types that are the product's core use.

    Returns
    -------
    list of Explanation
        In the frame's order.

    Raises
    ------
    DataError
        Scores or health are of other rows.
    """
    return list(
        explanations_of(
            model,
            frame,
            scores=scores,
            health=health,
            scale=scale,
            reference=reference,
            previous=previous,
            currency=currency,
            display=display,
            core_features=core_features,
        )
    )


def explanations_of(
    model: Explainable,
    frame: pd.DataFrame,
    *,
    scores: pd.DataFrame,
    health: pd.DataFrame,
    scale: HealthScale,
    reference: ExplainReference,
    previous: pd.DataFrame | None = None,
    currency: str = "USD",
    display: DisplayConfig | None = None,
    core_features: Sequence[str] = (),
    order: Iterable[int] | None = None,
) -> Iterator[Explanation]:
    """Explain the rows of a frame one after the other, so that no more than a batch of them is held.

    Parameters
    ----------
    model, frame, scores, health, scale, reference, previous, currency, display, core_features
        As in `explain`.
    order : iterable of int, optional
        Positions of the rows in the order that is wanted; default the frame's.

    Yields
    ------
    Explanation

    Raises
    ------
    DataError
        Scores or health are of other rows.
    """
    for name, other in (("scores", scores), ("health", health)):
        same = len(other) == len(frame) and all((other[key].to_numpy() == frame[key].to_numpy()).all() for key in _KEY)
        if not same:
            raise DataError(Text.of("fault-other_rows", name=name))
    builder = DriverBuilder(frame, model.features, reference, previous, currency, display, core_features)
    rules, target = model.info.verdict == Publication.RULES_ONLY, model.info.target
    facts = _indicators_by_row(frame)
    accounts, days = frame["account_id"].to_numpy(dtype=object), frame["as_of"].tolist()
    kinds = {about for spec in model.features if (about := topic(spec)).startswith("kind:")}
    # The measures of health say nothing of why an account would expand or contract.
    by_rules = _FromRules(frame, scale, builder) if target == "churn" else None
    by_model = None if rules else _FromModel(model, frame, reference, builder)
    sentiment = frame["attr_csm_sentiment"].to_numpy() if "attr_csm_sentiment" in frame else None
    probability = scores[f"{target}_probability"].to_numpy(dtype=float)
    columns = {name: health[name].to_numpy() for name in ("health_score", "coverage", "band", "reason_texts")}
    coming = iter(range(len(frame)) if order is None else order)
    while rows := list(islice(coming, _BATCH)):
        known = [facts.get((accounts[row], days[row]), ()) for row in rows]
        said = [_topics(own, kinds) for own in known]
        if by_model is not None:
            drivers_of = by_model.drivers(rows, said)
        else:
            drivers_of = by_rules.drivers(rows, said) if by_rules is not None else [_Drivers() for _ in rows]
        for row, own, topics, drivers in zip(rows, known, said, drivers_of, strict=True):
            band = str(columns["band"][row])
            if by_rules is not None and band == "red" and not drivers.raising and not own:
                # The band is red by its measures, which the model does not share: they are what there is to tell.
                drivers.raising = by_rules.drivers([row], [topics])[0].raising
            if not rules:
                own = facts_in_order(own, drivers.families, builder.specs)
            facts_first = [item.text for item in own if item.code not in SECONDARY_FACTS]
            reasons = (*facts_first, *(driver.sentence for driver in drivers.raising), *(item.text for item in own))
            first = reasons[0] if reasons else None
            yield Explanation.model_construct(
                account_id=str(accounts[row]),
                as_of=days[row].date(),
                churn_probability=_known(probability[row]),
                base_rate=model.base_rate,
                horizon_days=model.horizon_days,
                health_score=_known(columns["health_score"][row]),
                band=band,
                coverage=_known(columns["coverage"][row]),
                reasons=tuple(columns["reason_texts"][row]),
                source="rules" if rules else "model",
                raising=drivers.raising,
                lowering=drivers.lowering,
                context=drivers.context,
                other_points=drivers.other_points,
                families=drivers.families,
                indicators=own,
                csm_sentiment=None if sentiment is None or pd.isna(sentiment[row]) else str(sentiment[row]),
                expected_log_odds=drivers.expected,
                log_odds=drivers.total,
                summary=_summary(first, probability[row], model, band, rules, target),
                target=target,
            )


@dataclass
class _Drivers:
    raising: tuple[Driver, ...] = ()
    lowering: tuple[Driver, ...] = ()
    context: tuple[Driver, ...] = ()
    families: dict[str, float] = field(default_factory=dict)
    expected: float | None = None
    total: float | None = None
    other_points: float | None = None


class _FromModel:
    """Tells the groups of features that moved the model's log-odds most."""

    def __init__(
        self, model: Explainable, frame: pd.DataFrame, reference: ExplainReference, builder: DriverBuilder
    ) -> None:
        contributions = frame_contributions(model, frame)
        self._model, self._builder, self._names = model, builder, model.features.names
        self._expected, self._parts = contributions[:, -1], contributions[:, :-1]
        self._log_odds = contributions.sum(axis=1)
        self._groups = list(group_columns(model.features, reference).items())
        self._effect = np.column_stack([self._parts[:, columns].sum(axis=1) for _, columns in self._groups])
        self._probability = np.asarray(model.calibrated(self._log_odds))
        without = np.asarray(model.calibrated(self._log_odds[:, None] - self._effect))
        self._points = 100.0 * (self._probability[:, None] - without)
        self._topics = [{topic(builder.specs[self._names[at]]) for at in columns} for _, columns in self._groups]
        self._families = list(dict.fromkeys(family for (family, _, _), _ in self._groups))
        of_family = [[family == name for name in self._families] for (family, _, _), _ in self._groups]
        self._by_family = self._effect @ np.array(of_family, dtype=float)

    def drivers(self, rows: Sequence[int], said: Sequence[set[str]]) -> list[_Drivers]:
        """Return the drivers of some rows, of which hard facts say something already."""
        with_effects = [self._of(row, topics) for row, topics in zip(rows, said, strict=True)]
        untold = np.array([effect for _, effect in with_effects])
        # What is left: the account's log-odds with every untold signal neutral is the average plus what was told.
        neutral = np.asarray(self._model.calibrated(self._expected[list(rows)] + untold))
        rest = (100.0 * (self._probability[list(rows)] - neutral)).tolist()
        for (drivers, _), other in zip(with_effects, rest, strict=True):
            drivers.other_points = other
        return [drivers for drivers, _ in with_effects]

    def _of(self, row: int, said: set[str]) -> tuple[_Drivers, float]:
        """Return the drivers of a row, and the effect of all that is told, log-odds."""
        effect, points, parts = self._effect[row], self._points[row], self._parts[row]
        drivers: dict[str, list[Driver]] = {"raising": [], "lowering": [], "context": []}
        topics, largest, spoken, total_effect = set(said), 0.0, set[int](), 0.0
        for index in np.argsort(-np.abs(points), kind="stable"):
            size = abs(points[index])
            full = all(len(drivers[kind]) >= most for kind, most in _MOST.items())
            if full or size < max(_LEAST_POINTS, _LEAST_SHARE * largest):
                break
            (family, group, actionable), columns = self._groups[index]
            members, inside = [self._names[column] for column in columns], parts[columns]
            lead = self._builder.lead(row, members, inside, topics)
            if lead is None:
                continue
            side = "raising" if effect[index] > 0 else "lowering"
            kind = side if actionable or lead[0].stem in _SEEN else "context"
            if len(drivers[kind]) >= _MOST[kind]:
                continue
            order = np.argsort(-np.abs(inside), kind="stable")
            driver = self._builder.driver(
                row,
                *lead,
                family=family,
                group=group,
                effect_log_odds=float(effect[index]),
                effect_points=float(points[index]),
                features=tuple(members[place] for place in order if inside[place] != 0),
            )
            drivers[kind].append(driver)
            topics.add(driver.topic)
            largest = max(largest, size)
            total_effect += effect[index]
            spoken.add(int(index))
        # What a hard fact says already is told as well.
        total_effect += sum(
            effect[index] for index, about in enumerate(self._topics) if index not in spoken and about & said
        )
        families = dict(zip(self._families, self._by_family[row].tolist(), strict=True))
        raising = raising_in_order(drivers["raising"], families)
        lowering, context = (tuple(drivers[kind]) for kind in ("lowering", "context"))
        expected, total = float(self._expected[row]), float(self._log_odds[row])
        return _Drivers(raising, lowering, context, families, expected, total), total_effect


_MOST = {"raising": _RAISING, "lowering": _LOWERING, "context": _CONTEXT}
_SEEN = frozenset({"price_change"})
"""Measures that nobody can act on and that a CSM has to see all the same."""


class _FromRules:
    """Tells each measure by the health points it costs or earns against the edge of green."""

    def __init__(self, frame: pd.DataFrame, scale: HealthScale, builder: DriverBuilder) -> None:
        self._frame, self._scale, self._builder = frame, scale, builder

    @cached_property
    def _worse(self) -> np.ndarray:
        parts = measures(self._frame, self._scale)
        count = len(self._scale.measures)
        score = parts["score"].to_numpy(dtype=float).reshape(-1, count)
        weight = parts["weight_effective"].to_numpy(dtype=float).reshape(-1, count)
        return np.nan_to_num(weight * (self._scale.green_from - score))

    def drivers(self, rows: Sequence[int], said: Sequence[set[str]]) -> list[_Drivers]:
        """Return the drivers of some rows, of which hard facts say something already."""
        return [self._of(row, topics) for row, topics in zip(rows, said, strict=True)]

    def _of(self, row: int, said: set[str]) -> _Drivers:
        worse, builder = self._worse[row], self._builder
        drivers: dict[bool, list[Driver]] = {True: [], False: []}
        families: dict[str, float] = {}
        topics, largest = set(said), 0.0
        for index in np.argsort(-np.abs(worse), kind="stable"):
            measure, size = self._scale.measures[index], abs(float(worse[index]))
            raising = bool(worse[index] > 0)
            families[measure.group] = families.get(measure.group, 0.0) + float(worse[index])
            enough = size >= max(_LEAST_POINTS, _LEAST_SHARE * largest)
            if not enough or measure.feature not in builder.specs or len(drivers[raising]) >= _of_side(raising):
                continue
            spec = builder.specs[measure.feature]
            facts = builder.facts(row, spec, raising=raising, plain=True)
            sentence = fact(facts) if facts is not None and topic(spec) not in topics else None
            if facts is None or sentence is None:
                continue
            topics.add(topic(spec))
            largest = max(largest, size)
            drivers[raising].append(
                builder.driver(
                    row,
                    facts,
                    sentence,
                    family=measure.group,
                    group=measure.name,
                    effect_log_odds=None,
                    effect_points=float(worse[index]),
                    features=(measure.feature,),
                )
            )
        return _Drivers(tuple(drivers[True]), tuple(drivers[False]), (), families)


def _of_side(raising: bool) -> int:
    return _RAISING if raising else _LOWERING


def _indicators_by_row(frame: pd.DataFrame) -> dict[tuple[Any, Any], tuple[Indicator, ...]]:
    by_row: dict[tuple[Any, Any], tuple[Indicator, ...]] = {}
    for item in indicators(frame).to_dict("records"):
        key = (item["account_id"], pd.Timestamp(item["as_of"]))
        made = Indicator.model_construct(
            code=item["indicator"], feature=item["feature"], value=float(item["value"]), text=item["text"]
        )
        by_row[key] = (*by_row.get(key, ()), made)
    return by_row


def _topics(facts: tuple[Indicator, ...], kinds: set[str]) -> set[str]:
    """Return what the hard facts say already: who uses nothing uses no kind of event either."""
    topics = {FACT_TOPICS.get(fact.code, fact.code) for fact in facts}
    return topics | SILENT | kinds if any(fact.code == "silence" for fact in facts) else topics


def _summary(first: Text | None, probability: float, model: Explainable, band: str, rules: bool, target: str) -> Text:
    """Return the one sentence: how likely, against what is usual, and the strongest reason."""
    unknown = math.isnan(probability)
    lift = 0.0 if unknown else probability / model.base_rate
    given: dict[str, Any] = {
        "chance": Quantity(value=0.0 if unknown else probability, unit="share"),
        "days": Quantity(value=model.horizon_days, unit="days"),
        "times": Quantity(value=lift, digits=1 if lift < 10 else 0),
        "band": Text.of(f"band-{band}"),
        "target": Text.of(f"target-{target}"),
    }
    if target != "churn":
        code = "summary-target-rule" if rules else "summary-target"
    elif rules or unknown:
        code = "summary-rules" if unknown else "summary-rule"
    else:
        code = "summary-model"
    return Text.of(f"{code}-reason", **given, reason=first) if first is not None else Text.of(code, **given)


def _known(value: Any) -> float | None:
    number = float(value)
    return None if math.isnan(number) else number
