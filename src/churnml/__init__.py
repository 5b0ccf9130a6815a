"""churnml: churn prediction and customer health for B2B SaaS.

The names below are the front door; each is loaded when it is first used, so ``import churnml`` costs next to nothing.
``docs/python.md`` shows them at work.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from churnml.config import Config, load_config
    from churnml.evaluation import backtest
    from churnml.features import feature
    from churnml.pipeline.lookup import explain as explain_account
    from churnml.pipeline.preparation import check, prepare, simulate_company
    from churnml.pipeline.scoring import run, score
    from churnml.pipeline.training import train
    from churnml.reports import plot_backtest
    from churnml.training import ChurnClassifier, ChurnModel

__all__ = [
    "ChurnClassifier",
    "ChurnModel",
    "Config",
    "__version__",
    "alert_rule",
    "backtest",
    "check",
    "explain_account",
    "feature",
    "load_config",
    "plot_backtest",
    "prepare",
    "run",
    "score",
    "simulate_company",
    "train",
]

__version__: str

_HOMES = {
    "ChurnClassifier": "training:ChurnClassifier",
    "ChurnModel": "training:ChurnModel",
    "Config": "config:Config",
    "backtest": "evaluation:backtest",
    "check": "pipeline:check",
    "explain_account": "pipeline:explain",
    "alert_rule": "actions:alert_rule",
    "feature": "features:feature",
    "load_config": "config:load_config",
    "plot_backtest": "reports:plot_backtest",
    "prepare": "pipeline:prepare",
    "run": "pipeline:run",
    "score": "pipeline:score",
    "simulate_company": "pipeline:simulate_company",
    "train": "pipeline:train",
}
"""Public name → room and name in it."""


def __getattr__(name: str) -> Any:
    """Load a public name when it is first asked for."""
    if name == "__version__":
        from importlib.metadata import version

        return version("churnml")
    if name not in _HOMES:
        raise AttributeError(f"module 'churnml' has no attribute {name!r}")
    room, _, own = _HOMES[name].partition(":")
    value = getattr(import_module(f"churnml.{room}"), own)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names, for completion."""
    return sorted(__all__)
