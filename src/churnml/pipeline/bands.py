"""Where red and green begin: as the champion's health score has them."""

from __future__ import annotations

from churnml import registry
from churnml.config import Config
from churnml.errors import BundleError
from churnml.health import BandEdges

__all__ = ["bands_in_force"]


def bands_in_force(config: Config) -> BandEdges:
    """Return the edges of red and green of the champion; before there is one, those of the config, else 40 and 70."""
    # A champion brings the libraries that train; a page that needs no edges does not wait for them.
    from churnml.assessment import Champion

    try:
        champion = Champion.of(registry.load_champion(config.bundles_dir, config.registered_model))
    except BundleError:
        section = config.health
        return BandEdges(
            40.0 if section.red_below == "auto" else section.red_below,
            70.0 if section.green_from == "auto" else section.green_from,
        )
    return BandEdges(champion.scale.red_below, champion.scale.green_from)
