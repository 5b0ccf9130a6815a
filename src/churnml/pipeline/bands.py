"""Where red and green begin: as the champion's health score has them."""

from __future__ import annotations

from churnml.config import Config
from churnml.health import BandEdges
from churnml.health.edges import edges_in_force

__all__ = ["bands_in_force"]


def bands_in_force(config: Config) -> BandEdges:
    """Return the edges of red and green of the champion; before there is one, those of the config, else 40 and 70."""
    otherwise = BandEdges(*config.health.edges)
    return edges_in_force(config.bundles_dir, config.registered_model, otherwise)
