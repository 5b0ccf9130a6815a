"""Where red and green begin: as the champion's health score has them."""

from __future__ import annotations

from churnml import registry
from churnml.config import Config
from churnml.errors import BundleError
from churnml.health import BandEdges, HealthScale

__all__ = ["bands_in_force"]


def bands_in_force(config: Config) -> BandEdges:
    """Return the edges of red and green of the champion; before there is one, those of the config, else 40 and 70."""
    # The edges stand in the health scales alone: the model, and the libraries that train one, are not loaded.
    try:
        scale = HealthScale.from_dict(registry.champion_health(config.bundles_dir, config.registered_model))
    except BundleError:
        section = config.health
        return BandEdges(
            40.0 if section.red_below == "auto" else section.red_below,
            70.0 if section.green_from == "auto" else section.green_from,
        )
    return BandEdges(scale.red_below, scale.green_from)
