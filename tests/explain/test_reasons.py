"""Every fault that a reason can have, counted over every account of a small company."""

from __future__ import annotations

import importlib
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from churnml.explain import ExplainReference
from churnml.language import Quantity, Text

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def judge() -> Any:
    sys.path.insert(0, str(BENCHMARKS))
    try:
        return importlib.import_module("reasons")
    finally:
        sys.path.remove(str(BENCHMARKS))


@pytest.fixture(scope="module")
def made(judge: Any) -> Any:
    return judge.company(160, 5)


@pytest.mark.slow
def test_no_account_is_told_a_fault(judge: Any, made: Any) -> None:
    found = judge.judged(made)
    assert found["reasons"] > 50
    assert {name: count for name, count in found["faults"].items() if count} == {}
    assert found["red_told"] == 1.0
    assert found["left_told"] > 0.8


@pytest.mark.slow
def test_the_judge_sees_a_fault(judge: Any, made: Any) -> None:
    """Turned round, the same reasons are full of faults: the counts above can fail."""
    frame = made["frame"]
    model = made["model"]
    reference = ExplainReference.fit(frame, model.features, model.probability(model.matrix(frame)))
    measures = {spec.name: spec.measure or spec.name for spec in model.features}
    counts: Counter[str] = Counter()
    for told in judge.told(made, made["now"], reference):
        turned = told.model_copy(update={"raising": told.lowering, "lowering": told.raising})
        counts.update(judge.faults(turned, reference, measures))
        again = tuple(driver.model_copy(update={"effect_points": -driver.effect_points}) for driver in told.raising)
        counts.update(judge.faults(told.model_copy(update={"raising": (), "lowering": again}), reference, measures))
    assert counts["the sign is against its list"] > 0
    assert counts["a level against what everybody knows"] > 0
    assert counts["nearer to the accounts of the opposite risk"] > 0


def test_the_judge_reads_sentences(judge: Any) -> None:
    numbers = {"n": Quantity(value=4.0, unit="users"), "before": Quantity(value=4.0, unit="users")}
    sentence = Text.of("now-other", label="active_users", **numbers, change=Quantity(value=0.5, unit="share"))

    class _Driver:
        comparison = Text.of(
            "compare-average",
            low=Quantity(value=0.04, unit="opportunities"),
            high=Quantity(value=0.0, unit="opportunities"),
        )

    _Driver.sentence = sentence  # type: ignore[attr-defined]
    assert set(judge._wording(_Driver)) == {
        "a change that rounding hides",
        "a percentage on a base below 10",
        "a percentage that its numbers do not make",
        "an average of zero",
        "a fraction of a thing",
        "a raw name",
    }
