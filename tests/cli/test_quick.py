"""Everyday commands read the store: they wait for no library that trains, draws contributions or reads raw data."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("lightgbm", "sklearn", "mlflow", "shap", "bentoml", "statsmodels", "optuna", "matplotlib")


@pytest.mark.parametrize(
    ("modules", "further"),
    [
        ("churnml.cli.app, churnml.cli.render, churnml.pipeline.lookup", ("pandas", "ibis", "duckdb")),
        ("churnml.cli.app, churnml.cli.render, churnml.pipeline.models", ("ibis", "duckdb", "sqlalchemy", "scipy")),
        ("churnml.cli.app, churnml.pipeline.reports", ()),
    ],
    ids=["explain", "models list", "report"],
)
def test_what_a_quick_command_imports(modules, further):
    asked = f"import sys, {modules}; print([name for name in {(*HEAVY, *further)} if name in sys.modules])"
    told = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
