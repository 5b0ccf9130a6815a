"""One way from features to an assessment: what every caller gets is what the rooms give one by one."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from tests.companies.explained import World

import churnml
from churnml.assessment import Champion, handed_over
from churnml.config import load_config
from churnml.errors import BundleError
from churnml.explain import explain
from churnml.registry import Bundle, set_champion

HOUSE = Path(churnml.__file__).parent


def test_an_assessment_is_what_the_rooms_give_one_by_one(world: World, champion: Champion) -> None:
    assessed = champion.assess(world.frame)
    pd.testing.assert_frame_equal(assessed.scores, world.scores, check_exact=True)
    pd.testing.assert_frame_equal(assessed.health, world.health, check_exact=True)
    told = explain(
        world.model,
        world.frame,
        scores=world.scores,
        health=world.health,
        scale=world.scale,
        reference=world.reference,
        currency="EUR",
    )
    assert list(assessed.explanations) == told


def test_assessments_are_a_sequence_of_typed_records(world: World, champion: Champion) -> None:
    assessed = champion.assess(world.frame.head(20))
    records = list(assessed)
    assert len(assessed) == len(records) == 20
    for place, record in enumerate(records):
        assert assessed[place] == record == assessed[place - 20]
        assert record.account_id == world.frame["account_id"][place]
        assert record.as_of == world.frame["as_of"][place].date()
        assert record.probability == world.scores["churn_probability"][place] == record.horizons[90]
        assert record.health_score == world.health["health_score"][place]
        assert record.explanation is not None
        assert record.explanation.account_id == record.account_id
    assert list(assessed[5:8]) == records[5:8]
    with pytest.raises(IndexError):
        assessed[20]
    assert all(record.explanation is None for record in champion.judge(world.frame.head(3)))


def test_an_account_alone_is_assessed_as_in_a_batch(world: World, champion: Champion) -> None:
    batch = list(champion.assess(world.frame.head(30)))
    for place in (0, 17, 29):
        assert champion.assess(world.frame.iloc[[place]])[0] == batch[place]


def test_what_is_not_known_is_none(world: World, champion: Champion) -> None:
    nothing = world.frame.head(1).assign(**dict.fromkeys(world.features.names, math.nan))
    blank = nothing.assign(attr_segment=pd.Categorical([None]))
    silent = replace(champion, scale=replace(champion.scale, alpha=0.0))
    assert silent.judge(blank)[0].band == "unknown"


def test_a_model_of_another_target_has_no_part_in_health(world: World, champion: Champion) -> None:
    other = replace(champion.bundle, model=world.model.with_info(target="expansion"))
    assert replace(champion, bundle=other).health_verdict == "another_target"
    assert champion.health_verdict == "publishable"


def test_the_champion_is_loaded_by_its_config(world: World, bundle: Bundle) -> None:
    config = world.config.model_copy(update={"models_dir": bundle.path.parents[1]})
    with pytest.raises(BundleError, match="has been trained yet"):
        Champion.load(config.model_copy(update={"name": "other"}))
    set_champion(config.bundles_dir, config.registered_model, bundle.version)
    champion = Champion.load(config)
    assert champion.version == bundle.version
    assert champion.as_trained(config.features.model_copy()) == config.features
    label, names = config.label.model_copy(update={"target": "expansion"}), {"registered_model": "acme"}
    asked = config.model_copy(update={"label": label, "mlflow": config.mlflow.model_copy(update=names)})
    with pytest.raises(BundleError, match="predicts churn, the config asks for expansion"):
        Champion.load(asked)


def test_own_features_are_found_beside_the_config_wherever_the_process_was_started(
    champion: Champion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "acme.yaml"
    text = "{name: acme, source: {folder: raw}, label: {churn: silence}, tables: {events: {from: events.csv}}}"
    file.write_text(text, encoding="utf-8")
    config = load_config(file)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    trained = champion.as_trained(config.features)
    assert trained.resolve(Path("own.py")) == tmp_path.resolve() / "own.py"
    assert trained.windows_days == tuple(champion.bundle.manifest.config["features"]["windows_days"])


def test_score_health_and_explanation_are_put_together_here_alone() -> None:
    """Whoever wants an account's score, health or reasons asks the champion."""
    calls = re.compile(
        r"(?<![\w.])(?:health|explain)\(\s*\w+,\s*\w+,|ExplainReference\.from_dict\(|HealthScale\.from_dict\("
    )
    rooms = [
        path for room in ("pipeline", "serving", "cli", "store", "retention") for path in (HOUSE / room).rglob("*.py")
    ]
    # The edges of the bands stand in the scales alone; whoever asks for them needs no model.
    rooms.remove(HOUSE / "pipeline" / "bands.py")
    found = [f"{path.name}: {call}" for path in rooms for call in calls.findall(path.read_text(encoding="utf-8"))]
    assert found == []


def test_what_another_model_makes_of_a_score_is_the_difference(world: World, champion: Champion) -> None:
    other = replace(champion, scale=replace(champion.scale, alpha=0.9))
    made = handed_over(other, champion, world.frame).set_index("account_id")
    then, now = (one.judge(world.frame).health.set_index("account_id")["health_score"] for one in (champion, other))
    assert (made["by_weights"] + made["by_model"]).to_numpy() == pytest.approx((now - then).to_numpy(), abs=1e-9)
    assert made["by_weights"].abs().max() > 1
    assert handed_over(champion, champion, world.frame)[["by_weights", "by_model"]].abs().max().max() == 0
