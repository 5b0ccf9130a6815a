"""Models on disk and in MLflow: bundles that serve, runs that are tracked, versions that are promoted."""

from churnml.registry.bundle import (
    Bundle,
    champion_bundle,
    champion_health,
    load_bundle,
    load_champion,
    save_bundle,
    set_champion,
)
from churnml.registry.manifest import Manifest, Provenance, level_gaps_of, read_manifest

__all__ = [
    "Bundle",
    "Manifest",
    "Provenance",
    "champion_bundle",
    "champion_health",
    "load_bundle",
    "level_gaps_of",
    "load_champion",
    "read_manifest",
    "save_bundle",
    "set_champion",
]
