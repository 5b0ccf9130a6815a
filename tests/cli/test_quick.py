"""What is imported for a report: no library that trains; what all quick commands load, `tests/pipeline` holds."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("lightgbm", "sklearn", "mlflow", "shap", "bentoml", "statsmodels", "optuna", "matplotlib")


def test_a_report_is_imported_without_what_it_may_need_later():
    modules = "churnml.cli.app, churnml.pipeline.reports"
    asked = f"import sys, {modules}; print([name for name in {HEAVY} if name in sys.modules])"
    told = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
