"""`explain`: per account the probability, the health, and what raises and lowers the risk."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from churnml.config import DisplayConfig
from churnml.errors import DataError
from churnml.explain.batch import batch_contributions
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

__all__ = ["explain"]

_KEY = ["account_id", "as_of"]
_LEAST_POINTS = 1.0
_LEAST_SHARE = 0.2
_RAISING, _LOWERING, _CONTEXT = 3, 2, 2


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
    for name, other in (("scores", scores), ("health", health)):
        if len(other) != len(frame) or not (other[_KEY].to_numpy() == frame[_KEY].to_numpy()).all():
            raise DataError(Text.of("fault-other_rows", name=name))
    builder = DriverBuilder(frame, model.features, reference, previous, currency, display, core_features)
    rules, target = model.info.verdict == Publication.RULES_ONLY, model.info.target
    facts = _indicators_by_row(frame)
    keys = list(zip(frame["account_id"], frame["as_of"], strict=True))
    kinds = {about for spec in model.features if (about := topic(spec)).startswith("kind:")}
    said = [_topics(facts.get(key, ()), kinds) for key in keys]
    about_churn = target == "churn"
    by_rules = _from_rules(frame, scale, model, builder, said) if about_churn else [_Drivers() for _ in keys]
    # The measures of health say nothing of why an account would expand or contract.
    by_row = by_rules if rules else _from_model(model, frame, reference, builder, said)
    sentiment = frame["attr_csm_sentiment"].to_numpy() if "attr_csm_sentiment" in frame else None
    probability = scores[f"{target}_probability"].to_numpy(dtype=float)
    columns = {name: health[name].to_numpy() for name in ("health_score", "coverage", "band", "reason_texts")}
    explanations = []
    for row, ((account, as_of), drivers) in enumerate(zip(keys, by_row, strict=True)):
        own, band = facts.get((account, as_of), ()), str(columns["band"][row])
        if band == "red" and not drivers.raising and not own:
            # The band is red by its measures, which the model does not share: they are what there is to tell.
            drivers.raising = by_rules[row].raising
        if not rules:
            own = facts_in_order(own, drivers.families, builder.specs)
        facts_first = [item.text for item in own if item.code not in SECONDARY_FACTS]
        reasons = (*facts_first, *(driver.sentence for driver in drivers.raising), *(item.text for item in own))
        first = reasons[0] if reasons else None
        explanations.append(
            Explanation.model_construct(
                account_id=str(account),
                as_of=as_of.date(),
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
        )
    return explanations


@dataclass
class _Drivers:
    raising: tuple[Driver, ...] = ()
    lowering: tuple[Driver, ...] = ()
    context: tuple[Driver, ...] = ()
    families: dict[str, float] = field(default_factory=dict)
    expected: float | None = None
    total: float | None = None
    other_points: float | None = None


def _from_model(
    model: Explainable,
    frame: pd.DataFrame,
    reference: ExplainReference,
    builder: DriverBuilder,
    said: list[set[str]],
) -> list[_Drivers]:
    contributions = batch_contributions(model, model.matrix(frame))
    expected, parts = contributions[:, -1], contributions[:, :-1]
    log_odds = contributions.sum(axis=1)
    groups = list(group_columns(model.features, reference).items())
    effect = np.column_stack([parts[:, columns].sum(axis=1) for _, columns in groups])
    probability = np.asarray(model.calibrated(log_odds))
    points = 100.0 * (probability[:, None] - np.asarray(model.calibrated(log_odds[:, None] - effect)))
    names = model.features.names
    of_topics = [{topic(builder.specs[names[column]]) for column in columns} for _, columns in groups]
    family_names = list(dict.fromkeys(family for (family, _, _), _ in groups))
    of_family = np.array([[family == name for name in family_names] for (family, _, _), _ in groups], dtype=float)
    by_family = effect @ of_family
    explanations, untold = [], np.zeros(len(frame))
    for row in range(len(frame)):
        drivers: dict[str, list[Driver]] = {"raising": [], "lowering": [], "context": []}
        topics, largest, spoken = set(said[row]), 0.0, set[int]()
        for index in np.argsort(-np.abs(points[row]), kind="stable"):
            size = abs(points[row, index])
            full = all(len(drivers[kind]) >= most for kind, most in _MOST.items())
            if full or size < max(_LEAST_POINTS, _LEAST_SHARE * largest):
                break
            (family, group, actionable), columns = groups[index]
            members, inside = [names[column] for column in columns], parts[row, columns]
            lead = builder.lead(row, members, inside, topics)
            if lead is None:
                continue
            side = "raising" if effect[row, index] > 0 else "lowering"
            kind = side if actionable or lead[0].stem in _SEEN else "context"
            if len(drivers[kind]) >= _MOST[kind]:
                continue
            order = np.argsort(-np.abs(inside), kind="stable")
            driver = builder.driver(
                row,
                *lead,
                family=family,
                group=group,
                effect_log_odds=float(effect[row, index]),
                effect_points=float(points[row, index]),
                features=tuple(members[place] for place in order if inside[place] != 0),
            )
            drivers[kind].append(driver)
            topics.add(driver.topic)
            largest = max(largest, size)
            untold[row] += effect[row, index]
            spoken.add(int(index))
        # What a hard fact says already is told as well.
        untold[row] += sum(
            effect[row, index] for index, about in enumerate(of_topics) if index not in spoken and about & said[row]
        )
        families = dict(zip(family_names, by_family[row].tolist(), strict=True))
        raising = raising_in_order(drivers["raising"], families)
        lowering, context = (tuple(drivers[kind]) for kind in ("lowering", "context"))
        explanations.append(_Drivers(raising, lowering, context, families, float(expected[row]), float(log_odds[row])))
    # What is left: the account's log-odds with every untold signal neutral is the average plus what was told.
    neutral = np.asarray(model.calibrated(expected + untold))
    for drivers_, rest in zip(explanations, (100.0 * (probability - neutral)).tolist(), strict=True):
        drivers_.other_points = rest
    return explanations


_MOST = {"raising": _RAISING, "lowering": _LOWERING, "context": _CONTEXT}
_SEEN = frozenset({"price_change"})
"""Measures that nobody can act on and that a CSM has to see all the same."""


def _from_rules(
    frame: pd.DataFrame, scale: HealthScale, model: Explainable, builder: DriverBuilder, said: list[set[str]]
) -> list[_Drivers]:
    """Tell each measure by the health points it costs or earns against the edge of green."""
    parts = measures(frame, scale)
    count = len(scale.measures)
    score = parts["score"].to_numpy(dtype=float).reshape(-1, count)
    weight = parts["weight_effective"].to_numpy(dtype=float).reshape(-1, count)
    worse = np.nan_to_num(weight * (scale.green_from - score))
    explanations = []
    for row in range(len(frame)):
        drivers: dict[bool, list[Driver]] = {True: [], False: []}
        families: dict[str, float] = {}
        topics, largest = set(said[row]), 0.0
        for index in np.argsort(-np.abs(worse[row]), kind="stable"):
            measure, size = scale.measures[index], abs(float(worse[row, index]))
            raising = bool(worse[row, index] > 0)
            families[measure.group] = families.get(measure.group, 0.0) + float(worse[row, index])
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
                    effect_points=float(worse[row, index]),
                    features=(measure.feature,),
                )
            )
        explanations.append(_Drivers(tuple(drivers[True]), tuple(drivers[False]), (), families))
    return explanations


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
