"""Where red and green begin, without the model that scores."""

from __future__ import annotations

from pathlib import Path

from churnml.errors import BundleError
from churnml.health.scale import HealthScale
from churnml.health.sizing import BandEdges

__all__ = ["edges_in_force"]


def edges_in_force(bundles_dir: Path, registered_model: str, otherwise: BandEdges) -> BandEdges:
    """Return the edges of red and green of the champion's health score; before there is one, `otherwise`."""
    # The registry reads bundles of every kind, and takes its time to import.
    from churnml import registry

    # The edges stand in the health scales alone: the model, and the libraries that train one, are not loaded.
    try:
        scale = HealthScale.from_dict(registry.champion_health(bundles_dir, registered_model))
    except BundleError:
        return otherwise
    return BandEdges(scale.red_below, scale.green_from)
