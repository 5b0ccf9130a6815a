"""Bundles: complete or absent, verified, text only, versioned by content."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from churnml.config import Config
from churnml.errors import BundleError
from churnml.features import FeatureSet, FeatureSpec
from churnml.registry import Provenance, champion_bundle, load_bundle, read_manifest, save_bundle, set_champion
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
    spec = FeatureSpec("events_28d", "engagement", "events", "none", "events", "Events.", "events", 28, "events")
    config = Config.model_validate(
        {
            "name": "t",
            "source": {"folder": "."},
            "tables": {"events": {"from": "e"}},
            "label": {"churn": "silence", "horizon_days": 30},
        }
    )
    fitted = fit(frame, FeatureSet([spec]), config.learning).with_info(
        verdict="publishable", verdict_reason="It is better."
    )
    return frame, fitted, config


def save(folder, model, health=1):
    _, fitted, config = model
    provenance = Provenance.of(config, created_at=datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC), packages={"a": "1"})
    return save_bundle(folder, name="t", model=fitted, health={"a": health}, explain={}, provenance=provenance)


@pytest.fixture
def saved(model, tmp_path):
    return save(tmp_path, model)


def test_a_bundle_predicts_as_the_model_did(saved, model):
    frame, fitted, _ = model
    loaded = load_bundle(saved)
    left, right = (m.probability(m.matrix(frame)) for m in (fitted, loaded.model))
    assert left.tolist() == right.tolist()
    assert loaded.health == {"a": 1}


def test_a_bundle_is_text_named_by_its_content(saved, model, tmp_path):
    for file in saved.rglob("*"):
        if file.is_file():
            file.read_text(encoding="utf-8")
    assert save(tmp_path / "x", model).name == saved.name
    other = save(tmp_path, model, health=2)
    assert other.name != saved.name
    assert not list(tmp_path.rglob(".*"))


def test_a_bundle_is_its_owners_alone_and_is_made_so_again(saved, model, tmp_path):
    def modes() -> set[int]:
        return {path.stat().st_mode & 0o077 for path in (saved, *saved.rglob("*"))}

    assert modes() == {0}
    (saved / "health.json").chmod(0o644)
    assert save(tmp_path, model) == saved
    assert modes() == {0}


def test_the_manifest_says_what_the_model_is_and_where_it_came_from(saved, model):
    manifest = read_manifest(saved)
    assert manifest == load_bundle(saved).manifest
    assert (manifest.name, manifest.version, manifest.verdict) == ("t", saved.name, "publishable")
    assert manifest.created_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)  # whole seconds are kept
    assert manifest.config["label"]["horizon_days"] == manifest.horizon_days == 30
    assert manifest.config_hash == model[2].hash
    # What a later version adds does not keep this one from reading it.
    written = json.loads((saved / "manifest.json").read_text())
    (saved / "manifest.json").write_text(json.dumps({**written, "later": 1}))
    assert read_manifest(saved) == manifest


@pytest.mark.parametrize(
    ("change", "told"), [({"format": 2}, "format"), ({"verdict": None}, "verdict"), ({"files": []}, "files")]
)
def test_a_manifest_of_another_kind_is_refused_by_its_field(saved, change, told):
    written = json.loads((saved / "manifest.json").read_text())
    (saved / "manifest.json").write_text(json.dumps({**written, **change}))
    with pytest.raises(BundleError, match=told):
        read_manifest(saved)


@pytest.mark.parametrize("damage", ["alter", "remove", "manifest", "json", "empty"])
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
        manifest.write_text("{" if damage == "json" else "")
    with pytest.raises(BundleError, match="cannot be used"):
        load_bundle(saved)


def test_the_champion_is_a_pointer(saved, tmp_path):
    with pytest.raises(BundleError, match="has been promoted yet"):
        champion_bundle(tmp_path, "t")
    set_champion(tmp_path, "t", saved.name)
    assert champion_bundle(tmp_path, "t") == saved
    with pytest.raises(BundleError, match="no bundle"):
        set_champion(tmp_path, "t", "nonsense")
