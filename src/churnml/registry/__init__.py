"""Models on disk and in MLflow: bundles that serve, runs that are tracked, versions that are promoted."""

from churnml.registry.bundle import Bundle, champion_bundle, load_bundle, save_bundle, set_champion

__all__ = ["Bundle", "champion_bundle", "load_bundle", "save_bundle", "set_champion"]
