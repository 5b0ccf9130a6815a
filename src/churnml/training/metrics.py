"""The former place of `churnml.metrics`: its names are still found here, with a warning."""

import warnings
from typing import Any

from churnml import metrics

__all__: list[str] = []


def __getattr__(name: str) -> Any:
    if name not in metrics.__all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    warnings.warn(f"churnml.training.metrics.{name} is now churnml.metrics.{name}", DeprecationWarning, stacklevel=2)
    return getattr(metrics, name)
