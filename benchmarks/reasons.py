"""Can a CSM trust what is told? Counts every fault that a reason can have, over every account of simulated companies.

Each company is simulated, a model is fitted on its history, and every account of its newest date is explained. What
everybody knows of a measure (`KNOWN`) is written down here by itself, so that neither the model nor the catalogue can
agree with a mistake of their own. All counts should be 0; the shares at the end say how much is told at all.

The first reason is also held against the truth: the simulator knows why each account left. Most churners have more
than one family at work, by the simulator's own measure (a pressure of 0.7 log-hazard, a doubled hazard, when the
account decided to leave). So three shares are printed: the first reason is of the family with the largest pressure; of
a family at work; of the only one, where there is only one. Beside them stands what somebody would reach who knew
exactly which families are at work and drew one of them: two pressures of nearly one size cannot be told apart.

Usage: ``python benchmarks/reasons.py [--accounts 400] [--seeds 7 11 13] [--json]``
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pandas as pd

from churnml import features, snapshots
from churnml.config import Config
from churnml.explain import Driver, ExplainReference, Explanation, explain
from churnml.explain.topics import FACT_TOPICS
from churnml.health import HealthScale, score_health
from churnml.language import Quantity, Text, render
from churnml.language.numbers import rounded
from churnml.scoring import score
from churnml.simulate import simulate
from churnml.tables import Tables
from churnml.training import ChurnModel, fit

KNOWN = {
    **dict.fromkeys(
        [
            "events",
            "active_days",
            "active_day_rate",
            "active_weeks",
            "active_users",
            "stickiness",
            "logins",
            "login_rate",
            "features_used",
            "core_feature_share",
            "features_gained",
            "users_gained",
            "seat_activation",
            "seat_utilisation",
            "events_per_seat",
            "csat",
            "nps_last",
            "nps_change",
            "ticket_resolution_rate",
            "survey_response_rate",
            "champions_active",
            "contacts_active",
            "campaign_response_rate",
            "milestones_done",
            "onboarding_completion",
            "opportunities_won",
            "seats_change",
            "mrr_change",
            "addons",
            "touchpoints_inbound",
            "events_of_record_created",
            "events_of_report_viewed",
            "events_of_automation_run",
            "events_of_integration_sync",
        ],
        -1,
    ),
    **dict.fromkeys(
        [
            "longest_silence",
            "days_since_last_event",
            "silence_ratio",
            "users_lost",
            "days_since_last_login",
            "features_lost",
            "former_user_share",
            "tickets_open",
            "oldest_open_ticket_days",
            "urgent_ticket_share",
            "first_response_hours",
            "resolution_hours",
            "tickets_reopened",
            "tickets_escalated",
            "survey_silence_days",
            "invoices_overdue",
            "overdue_amount",
            "oldest_overdue_days",
            "payment_delay_days",
            "opportunities_lost",
            "champions_left",
            "admins_left",
            "milestones_overdue",
            "days_to_first_value",
            "price_change",
        ],
        1,
    ),
}
"""Measure → +1 where everybody knows that more of it is worse, −1 where less of it is."""

AT_WORK = 0.7
"""Log-hazard from which the simulator calls a driver a cause."""

CORE = ("record_created", "report_viewed", "automation_run", "integration_sync")
_RAW = re.compile(r"[a-z]+_[a-z]+")
_PERCENT_CHANGE = re.compile(r"\([^()]*[+−]\d+ %\)$")


def quantities(text: Text) -> Iterator[tuple[str, Quantity]]:
    """Yield the numbers that a sentence speaks of, with their names."""
    for name, value in text.arguments.items():
        if isinstance(value, Quantity):
            yield name, value


def read(of: Quantity) -> float:
    """Return a number as a reader sees it."""
    return rounded(of.value, of.unit, of.digits)[0]


def faults(explanation: Explanation, reference: ExplainReference, measures: dict[str, str]) -> Counter[str]:
    """Count what is wrong with the reasons of one account.

    Parameters
    ----------
    explanation : Explanation
        What is told.
    reference : ExplainReference
        What is usual, for the groups of low and high risk.
    measures : dict
        Feature → measure.
    """
    found: Counter[str] = Counter()
    drivers = (*explanation.raising, *explanation.lowering)
    largest = max((abs(driver.effect_points) for driver in drivers), default=0.0)
    found["more than three raising or two lowering"] += (len(explanation.raising) > 3) + (len(explanation.lowering) > 2)
    topics = [driver.topic for driver in (*drivers, *explanation.context)]
    topics += [FACT_TOPICS.get(fact.code, fact.code) for fact in explanation.indicators]
    found["a topic told twice"] += len(topics) - len(set(topics))
    for driver in drivers:
        size = abs(driver.effect_points)
        found["less than a point, or than a fifth of the largest"] += size < max(1.0, 0.2 * largest) - 1e-9
        found["the sign is against its list"] += (driver.effect_points > 0) != (driver in explanation.raising)
        found["context among what can be acted on"] += not driver.actionable and driver.feature != "mrr_per_seat"
        for fault in _of_driver(driver, reference, measures):
            found[fault] += 1
    for driver in explanation.context:
        for fault in _wording(driver):
            found[fault] += 1
    return found


def _of_driver(driver: Driver, reference: ExplainReference, measures: dict[str, str]) -> Iterator[str]:
    measure, raising = measures[driver.feature], driver.effect_points > 0
    code = driver.sentence.code.split("|")[-1]
    changed = any(form in code for form in ("-before", "-since", "-ago", "-previous", "-peak", "-gone"))
    known = KNOWN.get(measure, 0)
    if isinstance(driver.value, float):
        if changed and driver.previous is not None:
            step = driver.value - driver.previous
            if known and (step * known > 0) != raising:
                yield "a change against what everybody knows"
        elif known and not changed and driver.effect_log_odds is not None and driver.typical is not None:
            side = (driver.value - driver.typical) * known
            if side and (side > 0) != raising:
                yield "a level against what everybody knows"
        stick = reference.yardstick(driver.feature, driver.segment)
        told_by_level = not changed and driver.effect_log_odds is not None
        if told_by_level and stick is not None and not stick.supports(driver.value, raising=raising):
            yield "nearer to the accounts of the opposite risk"
    elif driver.value is None and ".absent" not in driver.sentence.code:
        yield "no data told as a reason"
    yield from _wording(driver)


def _wording(driver: Driver) -> Iterator[str]:
    numbers = dict(quantities(driver.sentence))
    english, japanese = (render(driver.sentence, code) for code in ("en", "ja"))
    if "before" in numbers and read(numbers["before"]) == read(numbers["n"]):
        yield "a change that rounding hides"
    change = numbers.get("change")
    if change is not None:
        if read(numbers["before"]) < 10:
            yield "a percentage on a base below 10"
        share = 100 * (read(numbers["n"]) / read(numbers["before"]) - 1) if read(numbers["before"]) else 0.0
        if abs(share - read(change)) > 1:
            yield "a percentage that its numbers do not make"
    typical = numbers.get("typical")
    if typical is not None and read(typical) == 0 and "payment_delay" not in driver.sentence.code:
        yield "a comparison with zero"
    if typical is not None and read(typical) == read(numbers["n"]):
        yield "a comparison with itself"
    if "days" in numbers and driver.sentence.code.split("|")[-1].startswith("reason-window"):
        weeks = numbers.get("weeks")
        if (
            f"{numbers['days'].value:.0f} day" not in english
            and (weeks is None or f"{weeks.value:.0f} week" not in english)
            and "usual gap" not in english
        ):
            yield "a window that is not named"
    if driver.comparison is not None:
        low, high = (value for _, value in quantities(driver.comparison))
        if read(low) == read(high):
            yield "two identical averages"
        if 0 in (read(low), read(high)):
            yield "an average of zero"
        if low.unit not in ("share", "hours", "points") and max(read(low), read(high)) < 1:
            yield "a fraction of a thing"
    if _RAW.search(english) or _RAW.search(japanese) or re.search(r"\bratio\b", english):
        yield "a raw name"
    if re.search(r"[A-Za-z]{4,}", re.sub(r"NPS|MRR", "", japanese)) and "{" in japanese:
        yield "English in the Japanese"


def company(accounts: int, seed: int, seeds: int = 1) -> dict[str, Any]:
    """Simulate a company, fit a model on its history and return what is needed to explain its newest date."""
    made = simulate(accounts=accounts, months=24, seed=seed)
    tables = Tables.from_pandas(made.tables, observed_from=made.start, observed_until=made.end)
    config = Config.model_validate(
        {
            "name": "simulated",
            "source": {"folder": "."},
            "label": {"churn": "contractual"},
            "tables": {name: {"from": f"{name}.csv"} for name in tables},
            "features": {"windows_days": [7, 28, 91, 182], "core_features": list(CORE)},
            "model": {"seeds": seeds},
        }
    )
    catalogue = features.catalogue(tables, config.features)
    frame = features.compute(tables, snapshots.spine(tables, config), catalogue, config.features)
    day = pd.Timestamp(tables.observed_until).as_unit("us")
    cohort = snapshots.cohort_at(tables, config, day)
    now, before = (
        features.compute(tables, cohort.assign(as_of=day - pd.Timedelta(days=days)), catalogue, config.features)
        for days in (0, 28)
    )
    model = fit(frame, catalogue, config.learning).with_info(verdict="publishable")
    left = made.truth["accounts"].dropna(subset=["churn_on", "family"])
    left = left[["account_id", "churn_on", "decided_on", "cause", "family"]].reset_index(drop=True)
    left["at_work"] = pd.Series(at_work(left, made.truth["hazard"], made.truth["drivers"]), dtype=object)
    return {"config": config, "frame": frame, "now": now, "before": before, "model": model, "left": left}


def at_work(left: pd.DataFrame, hazard: pd.DataFrame, drivers: pd.DataFrame) -> list[frozenset[str]]:
    """Return the families that pushed each account when it decided to leave, by the simulator's own measure."""
    weeks = {str(account): one.sort_values("week_on") for account, one in hazard.groupby("account_id")}
    found = []
    for account, decided in zip(left["account_id"], left["decided_on"], strict=True):
        own, pushing = weeks[str(account)], set()
        for driver in drivers.to_dict("records"):
            at = decided - pd.Timedelta(weeks=int(driver["lag_weeks"]))
            place = max(int(own["week_on"].searchsorted(at, side="right")) - 1, 0)
            if own[f"pressure_{driver['driver']}"].iloc[place] >= AT_WORK:
                pushing.add(str(driver["family"]))
        found.append(frozenset(pushing))
    return found


def told(made: dict[str, Any], frame: pd.DataFrame, reference: ExplainReference) -> list[Explanation]:
    """Explain a frame of a company."""
    model: ChurnModel = made["model"]
    scores, scale = score(model, frame), HealthScale.fit(made["frame"], made["config"], model.features)
    return explain(
        model,
        frame,
        scores=scores,
        health=score_health(frame, scores, scale=scale, base_rate=model.base_rate, verdict="publishable"),
        scale=scale,
        reference=reference,
        previous=made["before"],
        core_features=CORE,
    )


def judged(made: dict[str, Any]) -> dict[str, Any]:
    """Return the faults over every account, how much is told, and whether the first reason names the true cause."""
    model, frame = made["model"], made["frame"]
    reference = ExplainReference.fit(frame, model.features, model.probability(model.matrix(frame)))
    measures = {spec.name: spec.measure or spec.name for spec in model.features}
    explanations = told(made, made["now"], reference)
    counts: Counter[str] = Counter()
    for explanation in explanations:
        counts.update(faults(explanation, reference, measures))
    red = [one for one in explanations if one.band == "red"]
    return {
        "accounts": len(explanations),
        "reasons": sum(len(one.raising) + len(one.lowering) for one in explanations),
        "faults": {name: int(count) for name, count in sorted(counts.items())},
        "told": sum(bool(one.sentences) for one in explanations) / max(len(explanations), 1),
        "red": len(red),
        "red_told": sum(bool(one.sentences) for one in red) / max(len(red), 1),
        **first_reason(made, reference),
    }


def first_reason(made: dict[str, Any], reference: ExplainReference) -> dict[str, Any]:
    """Return how often the first reason told of an account that left is of the family that made it leave."""
    frame: pd.DataFrame = made["frame"].drop(columns="churn_on").merge(made["left"], on="account_id")
    ahead = (frame["churn_on"] - frame["as_of"]).dt.days
    readings = frame[ahead.between(0, made["config"].label.horizon_days - 1)]
    readings = readings.sort_values("as_of").drop_duplicates("account_id", keep="last").reset_index(drop=True)
    families = {spec.name: spec.family for spec in made["model"].features}
    counts: Counter[str] = Counter()
    by_knowing = 0.0
    explanations = told(made, readings, reference)
    for explanation, truth, working in zip(explanations, readings["family"], readings["at_work"], strict=True):
        named_by = [(fact.text, families.get(fact.feature, "")) for fact in explanation.indicators]
        named_by += [(driver.sentence, driver.family) for driver in explanation.raising]
        in_order = [family for text in explanation.sentences for own, family in named_by if own is text]
        first, two = in_order[:1], list(dict.fromkeys(in_order))[:2]
        counts["named"] += bool(first)
        counts["largest"] += first == [truth]
        counts["at work"] += bool(set(first) & working)
        counts["told in two"] += truth in two
        if first and len(working) == 1:
            counts["alone"] += 1
            counts["alone named"] += first == [truth]
        if first:
            by_knowing += 1 / max(len(working), 1)
        strongest = sorted(explanation.families, key=lambda name: -explanation.families[name])
        counts["in two"] += truth in [name for name in strongest if name != "context"][:2]
    named, left = max(counts["named"], 1), max(len(readings), 1)
    return {
        "left": len(readings),
        "left_told": counts["named"] / left,
        "first_reason": counts["largest"] / named,
        "first_reason_by_knowing": by_knowing / named,
        "first_reason_at_work": counts["at work"] / named,
        "first_reason_of_one": counts["alone named"] / max(counts["alone"], 1),
        "top_two_told": counts["told in two"] / named,
        "top_two_families": counts["in two"] / left,
    }


def main() -> None:
    """Judge every company."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=400)
    parser.add_argument("--seeds", type=int, nargs="+", default=[7, 11, 13])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    results = {str(seed): judged(company(options.accounts, seed)) for seed in options.seeds}
    if options.json:
        print(json.dumps(results))
        return
    for seed, result in results.items():
        print(f"seed {seed}")
        for name, value in result.items():
            if name == "faults":
                for fault, count in value.items():
                    print(f"  {count:5d}  {fault}")
            else:
                print(f"  {name} {value:.3f}" if isinstance(value, float) else f"  {name} {value}")


if __name__ == "__main__":
    main()
