"""Global importance, shap's own objects and plots, what-if and plays."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from churnml.errors import ConfigError, UsageError
from churnml.explain import (
    as_shap,
    explain,
    global_importance,
    load_playbooks,
    segment_differences,
    shap_summary,
    suggest_plays,
    touch_model,
)

# shap 0.51 builds its colour maps the way matplotlib 3.11 is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:The set_:PendingDeprecationWarning")

PLAYBOOKS = Path(__file__).parents[2] / "configs" / "playbooks.yaml"


def test_the_planted_families_matter_most(world: Any) -> None:
    found = global_importance(world.model, world.frame, world.reference)
    assert set(found["families"]["family"][:2]) == {"engagement", "commercial"}
    for table in found.values():
        assert table["share"].sum() == pytest.approx(1.0)
        assert table["importance"].is_monotonic_decreasing
    with pytest.raises(UsageError, match="empty"):
        global_importance(world.model, world.frame.iloc[:0], world.reference)


def test_segments_are_compared_with_everyone(world: Any) -> None:
    found = segment_differences(world.model, world.frame, "attr_segment")
    assert set(found["segment"]) == {"SMB", "enterprise"}
    weighted = found.assign(weighted=found["difference"] * found["accounts"]).groupby("family")["weighted"].sum()
    assert weighted.abs().max() < 1e-8
    with pytest.raises(UsageError, match="nothing_here"):
        segment_differences(world.model, world.frame, "nothing_here")


def test_shap_takes_our_explanations(world: Any, tmp_path: Path) -> None:
    found = as_shap(world.model, world.frame)
    total = found.values.sum(axis=1) + found.base_values
    assert total == pytest.approx(world.model.log_odds(world.model.matrix(world.frame)), abs=1e-6)
    picture = shap_summary(world.model, world.frame, tmp_path / "summary.png", rows=100)
    assert picture.stat().st_size > 5000


def test_shap_draws_a_waterfall_of_one_account(world: Any) -> None:
    import shap
    from matplotlib import pyplot

    pyplot.switch_backend("agg")
    shap.plots.waterfall(as_shap(world.model, world.frame.iloc[:3])[0], show=False)
    assert pyplot.gcf().axes
    pyplot.close("all")


@pytest.fixture
def told(world: Any) -> Any:
    return explain(
        world.model,
        world.frame,
        scores=world.scores,
        health=world.health,
        scale=world.scale,
        reference=world.reference,
    )


def test_plays_follow_indicators_and_drivers(world: Any, told: Any) -> None:
    playbooks = load_playbooks(PLAYBOOKS)
    found = suggest_plays(told, world.frame.assign(attr_touch_model="high"), playbooks)
    for plays, explanation in zip(found, told, strict=True):
        names = [play.playbook for play in plays]
        overdue = any(fact.code == "invoice_overdue" for fact in explanation.indicators)
        assert ("overdue_invoice" in names) == overdue
        assert len(plays) <= 2
        for play in plays:
            assert play.owner != "system"
            assert date.fromisoformat(play.due_on) > explanation.as_of
            assert len(play.steps) > 0
            assert all(step.spoken("en") != step.spoken("ja") for step in play.steps)
    assert any(plays for plays in found)


def test_tech_touch_makes_no_task_for_one_person(world: Any, told: Any) -> None:
    """The system owns only what an automation does; the rest is a team's, which exists."""
    tech, playbooks = world.frame.assign(attr_touch_model="tech"), load_playbooks(PLAYBOOKS)
    owners = {play.owner for plays in suggest_plays(told, tech, playbooks) for play in plays}
    assert "team" in owners
    assert not owners & {"csm", "system"}
    automated = [playbook.model_copy(update={"automation": "win-back mails"}) for playbook in playbooks]
    assert {play.owner for plays in suggest_plays(told, tech, automated) for play in plays} == {"system"}


def test_touch_model_is_the_companys_own_word_first() -> None:
    frame = pd.DataFrame({"arr": [1.0, 2.0, 3.0, np.nan], "attr_touch_model": ["high", None, "odd", None]})
    assert touch_model(frame).tolist() == ["high", "low", "high", "low"]
    assert touch_model(frame[[]]).tolist() == ["low"] * 4


def test_a_playbook_can_ask_for_a_leading_feature(world: Any, told: Any) -> None:
    playbook = load_playbooks(PLAYBOOKS)[0]
    trigger = playbook.when.model_copy(update={"indicators": (), "measures": ("active_users*",)})
    found = suggest_plays(told, world.frame, [playbook.model_copy(update={"when": trigger})])
    for plays, explanation in zip(found, told, strict=True):
        led = any(driver.feature.startswith("active_users") for driver in explanation.raising)
        assert bool(plays) == led


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("playbooks: []", "no playbooks"),
        ("- 1", "no playbooks"),
        ("playbooks: [", "YAML"),
        ("playbooks: [{name: a}]", "title"),
        (
            "playbooks: [{name: a, title: {en: a, ja: a}, when: {families: [suport]}, owner: csm, due_days: 1,"
            " steps: [{en: a, ja: a}]}]",
            "suport",
        ),
    ],
)
def test_wrong_playbooks_say_where(text: str, says: str, tmp_path: Path) -> None:
    file = tmp_path / "playbooks.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_playbooks(file)
    assert says in str(caught.value)
    with pytest.raises(ConfigError, match="no playbook file"):
        load_playbooks(tmp_path / "other.yaml")


def test_an_explanation_without_drivers_gets_no_driver_play(told: Any, world: Any) -> None:
    bare = told[0].model_copy(update={"raising": (), "context": (), "indicators": (), "band": "yellow"})
    playbooks = [item for item in load_playbooks(PLAYBOOKS) if item.when.families or item.when.indicators]
    assert suggest_plays([bare], world.frame.iloc[:1], playbooks) == [()]
