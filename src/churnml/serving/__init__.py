"""The HTTP API: a BentoML service over the store and the champion's bundle."""

from churnml.serving.run import run

__all__ = ["run"]
