"""churnml: churn prediction and customer health for B2B SaaS."""

from importlib.metadata import version as _version

__all__ = ["__version__"]

__version__ = _version("churnml")
