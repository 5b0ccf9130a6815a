"""churnml: churn prediction and customer health for B2B SaaS."""

from typing import Any

__all__ = ["__version__"]

__version__: str


def __getattr__(name: str) -> Any:
    """Look up the version only when asked: it costs a command's start time."""
    if name == "__version__":
        from importlib.metadata import version

        return version("churnml")
    raise AttributeError(f"module 'churnml' has no attribute {name!r}")
