"""Bundles: complete or absent, verified, text only, versioned by content."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from churnml.config import Config
from churnml.errors import BundleError
from churnml.features import FeatureSet, FeatureSpec
from churnml.registry import champion_bundle, load_bundle, save_bundle, set_champion
from churnml.training import fit


@pytest.fixture(scope="module")
def model():
    rng = np.random.default_rng(0)
    rows = 600
    frame = pd.DataFrame(
        {
            "account_id": [f"a{number % 100}" for number in range(rows)],
            "as_of": np.repeat(pd.date_range("2025-01-01", periods=6, freq="MS"), 100),
            "arr": 1.0,
            "events_28d": rng.normal(size=rows),
        }
    )
    frame["churned"] = (frame["events_28d"] + rng.normal(size=rows) > 1).astype(float)
    spec = FeatureSpec(
        "events_28d", "engagement", "events", "none", "events", "回数", "Events.", "回数。", "events", 28, "events"
    )
    config = Config.model_validate(
        {
            "name": "t",
            "source": {"folder": "."},
            "tables": {"events": {"from": "e"}},
            "label": {"churn": "silence", "horizon_days": 30},
        }
    )
    return frame, fit(frame, FeatureSet([spec]), config.learning)


@pytest.fixture
def saved(model, tmp_path):
    return save_bundle(
        tmp_path, name="t", model=model[1], health={"a": 1}, explain={}, about={"config_hash": "c", "verdict": "x"}
    )


def test_a_bundle_predicts_as_the_model_did(saved, model):
    frame, fitted = model
    loaded = load_bundle(saved)
    left, right = (m.probability(m.matrix(frame)) for m in (fitted, loaded.model))
    assert left.tolist() == right.tolist()
    assert loaded.health == {"a": 1}


def test_a_bundle_is_text_named_by_its_content(saved, model, tmp_path):
    for file in saved.rglob("*"):
        if file.is_file():
            file.read_text(encoding="utf-8")
    again = save_bundle(
        tmp_path / "x",
        name="t",
        model=model[1],
        health={"a": 1},
        explain={},
        about={"config_hash": "c", "verdict": "x"},
    )
    assert again.name == saved.name
    other = save_bundle(tmp_path, name="t", model=model[1], health={"a": 2}, explain={}, about={"config_hash": "c"})
    assert other.name != saved.name
    assert not list(tmp_path.rglob(".*"))


@pytest.mark.parametrize("damage", ["alter", "remove", "manifest", "json"])
def test_a_damaged_bundle_is_refused(saved, damage):
    manifest = saved / "manifest.json"
    victim = next(iter(json.loads(manifest.read_text())["files"]))
    if damage == "alter":
        (saved / victim).write_bytes((saved / victim).read_bytes() + b" ")
    elif damage == "remove":
        (saved / victim).unlink()
    elif damage == "manifest":
        manifest.unlink()
    else:
        manifest.write_text("{")
    with pytest.raises(BundleError, match="cannot be used"):
        load_bundle(saved)


def test_the_champion_is_a_pointer(saved, tmp_path):
    with pytest.raises(BundleError, match="has been trained yet"):
        champion_bundle(tmp_path, "t")
    set_champion(tmp_path, "t", saved.name)
    assert champion_bundle(tmp_path, "t") == saved
    with pytest.raises(BundleError, match="no bundle"):
        set_champion(tmp_path, "t", "nonsense")
