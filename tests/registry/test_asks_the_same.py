"""When a champion still answers the question of the config."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from churnml.config import LabelConfig
from churnml.registry.promotion import asks_the_same

ASKED = {"churn": "contractual", "horizon_days": 90, "further_horizons_days": [30]}


def label(**fields) -> dict:
    return LabelConfig.model_validate({"churn": "contractual", "horizon_days": 90, **fields}).model_dump(mode="json")


@pytest.mark.parametrize(
    ("answered", "same"),
    [
        pytest.param({**ASKED}, True, id="written before further keys existed"),
        pytest.param(label(further_horizons_days=[30]), True, id="the same"),
        pytest.param(label(further_horizons_days=[30, 180]), True, id="it answers more"),
        pytest.param(label(), False, id="it lacks a horizon"),
        pytest.param(label(horizon_days=60, further_horizons_days=[30]), False, id="another primary horizon"),
        pytest.param(label(grace_days=30, further_horizons_days=[30]), False, id="another definition"),
        pytest.param(label(target="expansion", further_horizons_days=[30]), False, id="another target"),
        pytest.param({"churn": "contractual", "lookahead": 90}, False, id="a key that is gone"),
        pytest.param(None, False, id="no label kept"),
    ],
)
def test_champion_and_config(answered, same):
    champion = SimpleNamespace(manifest=SimpleNamespace(config={"label": answered}))
    assert asks_the_same(champion, label(further_horizons_days=[30])) is same
