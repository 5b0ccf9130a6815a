"""`import churnml`: quick, complete, and the page on it runs as it stands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import pandas as pd
import pytest
import yaml

import churnml

PAGE = Path(__file__).parents[2] / "docs" / "python.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def test_every_public_name_can_be_loaded_and_is_documented():
    for name in churnml.__all__:
        value = getattr(churnml, name)
        assert name == "__version__" or value.__doc__, name
    assert set(churnml.__all__) <= set(dir(churnml))
    with pytest.raises(AttributeError, match="nothing_like_it"):
        churnml.nothing_like_it  # noqa: B018


def test_the_import_is_quick_and_pulls_nothing_heavy_in():
    code = (
        "import sys, time; began = time.perf_counter(); import churnml; took = time.perf_counter() - began;"
        "heavy = {'pandas', 'mlflow', 'shap', 'bentoml', 'lightgbm', 'sklearn', 'ibis'} & set(sys.modules);"
        "print(took, sorted(heavy))"
    )
    took, _, heavy = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.partition(" ")
    assert heavy.strip() == "[]"
    assert float(took) < 0.3


@pytest.mark.slow
def test_the_page_runs_from_top_to_bottom(tmp_path, monkeypatch):
    churnml.simulate_company(tmp_path / "raw", accounts=220, months=16, seed=5, churn_rate=0.03)
    (tmp_path / "configs").mkdir()
    settings = {
        "name": "acme",
        "workspace": "../workspace",
        "source": {"folder": "../raw"},
        "tables": {name: {"from": f"{name}.parquet"} for name in ("accounts", "subscriptions", "events", "tickets")},
        "label": {"churn": "contractual", "horizon_days": 60},
        "splits": {"folds": 2, "test_snapshots": 2},
        "features": {"windows_days": [28, 91], "max_event_types": 3},
        "model": {"seeds": 1, "params": {"n_estimators": 30}},
    }
    (tmp_path / "configs" / "acme.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"pd": pd}
    with mpl.rc_context({"backend": "agg"}):
        for block in BLOCKS:
            exec(compile(block, str(PAGE), "exec"), names)
    assert (tmp_path / "backtest.png").read_bytes()[1:4] == b"PNG"
    assert names["explanation"]
    assert 0.0 <= names["p"].min() <= names["p"].max() <= 1.0
