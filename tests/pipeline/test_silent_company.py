"""A company without contracts through the whole chain: its curves are judged, bundled, scored and shown."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from tests.companies.command import churnml, without_plots
from tests.companies.silent import events

from churnml.config import load_config
from churnml.language import render
from churnml.registry import load_champion
from churnml.store import Store
from churnml.training.survival_verdict import SurvivalRole

pytestmark = pytest.mark.slow  # a company is trained and scored

SILENCE = 30


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("silent")
    (folder / "raw").mkdir()
    events(300, 22, seed=4).to_parquet(folder / "raw" / "events.parquet")
    path = folder / "silent.yaml"
    path.write_text(
        yaml.safe_dump(
            {
                "name": "silent",
                "source": {"folder": "raw"},
                "tables": {"events": {"from": "events.parquet"}},
                "label": {"churn": "silence", "silence_days": SILENCE, "horizon_days": 60},
                "features": {"windows_days": [28, 91], "max_event_types": 1},
                "splits": {"folds": 2, "test_snapshots": 2},
                "model": {"kind": "logistic"},
                "alerts": {"enabled": False},
                "survival": {"refits": 3},
            }
        )
    )
    with without_plots():
        result = churnml("run", path, "--json")
    assert result.exit_code == 0, result.stderr
    return path, json.loads(result.stdout)


def test_its_curves_are_judged_shown_and_agree_with_the_published_chance(ran: tuple[Path, dict[str, Any]]) -> None:
    config = load_config(ran[0])
    bundle = load_champion(config.bundles_dir, config.registered_model)
    verdict = bundle.survival
    assert verdict is not None
    assert verdict.role is SurvivalRole.SERVES, verdict.reason
    assert set(verdict.learnt_from) == {"at_once", "later"}
    assert verdict.past_months == ()
    assert any("fallen silent" in note for note in ran[1]["notes"])
    with Store(config.store_url) as store:
        snapshot = store.latest(config.name)
        assert snapshot is not None
        listed = store.accounts(snapshot.id, limit=1000).accounts
        curves = {one.account_id: store.curve(snapshot.id, one.account_id) for one in listed}
    assert len(listed) > 50
    reach = {len(curve.survival) for curve in curves.values() if curve is not None}
    assert len(reach) == 1
    assert 12 <= min(reach) < 24
    for one in listed:
        curve = curves[one.account_id]
        assert curve is not None
        assert (np.diff([1.0, *curve.survival]) <= 0).all()
        assert curve.survival[1] == pytest.approx(1 - one.churn_probability, abs=1e-4)
        assert set(curve.lost_within) == {30, 90, 180, 360}
        assert curve.lost_within[90] == pytest.approx(1 - curve.survival[2], abs=1e-4)
        assert (curve.next_decision_on, curve.renewal_risk, curve.residual_value) == (None, None, None)
        if curve.expected_end is not None:
            assert curve.expected_end < snapshot.as_of + timedelta(days=30 * min(reach))


def test_the_card_says_when_one_counts_as_lost(ran: tuple[Path, dict[str, Any]]) -> None:
    config = load_config(ran[0])
    bundle = load_champion(config.bundles_dir, config.registered_model)
    for name in ("model_card.md", "model_card.html"):
        assert f"silent for {SILENCE} days" in (config.workspace_dir / name).read_text(encoding="utf-8")
    assert bundle.survival is not None
    assert render(bundle.survival.reason, "ja").startswith("生存曲線を表示します")


def test_the_command_tells_how_far_the_past_reaches(ran: tuple[Path, dict[str, Any]]) -> None:
    shown = churnml("survival", ran[0], "--refits", 2, "--top", 3, "--json")
    assert shown.exit_code == 0, shown.stderr
    told = json.loads(shown.stdout)
    assert 12 <= told["reach_months"] < 24
    assert {len(one["survival"]) for one in told["accounts"]} == {told["reach_months"]}
    table = churnml("survival", ran[0], "--refits", 2, "--top", 3)
    assert "Next decision" not in table.stdout
    assert "Still worth" not in table.stdout
    assert f"the past reaches {told['reach_months']} months ahead" in " ".join(table.stdout.split())
