"""Everyday commands, run to their end, load no library that trains: held by what is imported, not by the clock."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

TRAINING = {"lightgbm", "sklearn", "scipy", "mlflow", "shap", "bentoml", "optuna", "alembic", "statsmodels"}
FRAMES = {"pandas", "numpy", "pyarrow", "ibis", "duckdb", "matplotlib", "jinja2"}

_RUN = """
import sys
from churnml.cli import main
try:
    main()
finally:
    import churnml.cli.render  # as where a person is shown the result

    print("loaded", *sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""


@pytest.mark.slow  # processes are started
@pytest.mark.parametrize(
    ("command", "without"),
    [
        (("models", "list"), (TRAINING | FRAMES | {"sqlalchemy"}) - {"numpy"}),
        (("explain",), TRAINING | FRAMES),
        (("report",), (TRAINING - {"scipy"}) | {"matplotlib"}),
    ],
    ids=["models list", "explain", "report"],
)
def test_an_everyday_command_loads_no_library_that_trains(ran, command, without):
    told = json.loads((ran.workspace / "explanations.json").read_text(encoding="utf-8"))
    account = [] if command[0] == "models" else [told[0]["account_id"]]
    done = subprocess.run(
        [sys.executable, "-c", _RUN, *command, str(ran.config), *account, "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)
    loaded = set(done.stderr.splitlines()[-1].split())
    assert loaded & without == set()
